//! Python objects, written as encoded values and made from them, through the C API alone.
//!
//! The walk that writes is here, the one that makes is in `make`.
//!
//! Plain values (the exact types of [`Kind`]) are read and built directly. All other objects of one
//! value are its *leaves*: they go into one pickle, so that what they share stays shared and a class
//! is named once. A value with a cycle, or one that nests deeper than
//! [`MAX_DEPTH`](super::limits::MAX_DEPTH), is a single leaf.
//!
//! Where that is asked for, an object whose class derives from a plain type is no leaf: the plain value is
//! written that it has.
//!
//! A container that occurs twice is written once and referred to, so identity survives as it does
//! in a pickle. Only containers that are referenced from elsewhere are looked up, which those in
//! fresh results are not.

use std::cell::RefCell;
use std::collections::HashMap;

use owngil_ffi::{Attached, Exception, Inside, Kept, Kind, Object, Raised};

use super::buffer::Buffer;
use super::dict_shapes::Shapes;
use super::encoding::{Encoding, Mark};
use super::error::CrossingError;
use super::format::{self, Reader, tag};
use super::key_cache::KeyCache;
use super::leaf_name;
use super::limits::MAX_DEPTH;
use super::pickle::{self, Pickling};
use super::python_decode::{Make, read_usual};
use super::zero_copy::{LENT_FROM, Lending};
use crate::error::{Error, PythonError};

/// Writes and makes values in one interpreter.
#[derive(Debug)]
pub(crate) struct Codec {
    pickling: Pickling,
    lending: Lending,
    /// Gives the plain value of an object.
    plain: Kept,
    /// Whether that is to be written.
    is_plain: bool,
    /// Gives an exception in a pickle.
    exception: Kept,
    /// Whether exceptions that calls raise are kept.
    keeps_exceptions: bool,
    /// The keys of the dicts that were made last.
    shapes: RefCell<Shapes>,
    /// The keys of the dicts that were written last; not there during a walk.
    written: RefCell<Option<Box<KeyCache>>>,
}

impl Codec {
    /// `plain` gives the plain value of an object whose class derives from a plain type, `exception` an exception in a
    /// pickle.
    pub(crate) fn new(pickling: Pickling, lending: Lending, plain: Kept, exception: Kept) -> Self {
        Codec {
            pickling,
            lending,
            plain,
            is_plain: false,
            exception,
            keeps_exceptions: false,
            shapes: RefCell::default(),
            written: RefCell::default(),
        }
    }

    /// From now on objects whose class derives from a plain type are written as the plain value.
    pub(crate) fn write_plain(&mut self) {
        self.is_plain = true;
    }

    /// From now on exceptions that calls raise are kept as objects, too.
    pub(crate) fn keep_exceptions(&mut self) {
        self.keeps_exceptions = true;
    }

    /// The error of a call that raised; a description of the exception, and the object if that is to be kept.
    #[cold]
    pub(crate) fn error_of(&self, attached: Attached<'_>, raised: &Raised<'_>) -> Error {
        let error = PythonError::new(raised.describe());
        if !self.keeps_exceptions {
            return error.into();
        }
        let pickled = self
            .exception
            .get(attached)
            .call(std::slice::from_ref(raised.value()));
        let bytes = pickled
            .ok()
            .and_then(|pickled| pickled.as_bytes().map(<[u8]>::to_vec));
        error.with_pickle(bytes).into()
    }

    fn plain(&self) -> Option<&Kept> {
        self.is_plain.then_some(&self.plain)
    }

    /// How memory crosses.
    pub(crate) fn lending(&self) -> &Lending {
        &self.lending
    }

    /// Appends the encoded value of `object`; `out` stays as it was when that fails.
    #[inline]
    pub(crate) fn encode<'a>(
        &self,
        attached: Attached<'a>,
        object: &Object<'a>,
        out: &mut Encoding,
    ) -> Result<(), CrossingError> {
        if write_scalar(object, out) {
            return Ok(());
        }
        self.encode_walking(attached, object, out)
    }

    fn encode_walking<'a>(
        &self,
        attached: Attached<'a>,
        object: &Object<'a>,
        out: &mut Encoding,
    ) -> Result<(), CrossingError> {
        let start = out.mark();
        let mut written = self.written.take();
        let written_now = written.get_or_insert_default();
        let mut walk = Walk::new(out, &self.lending, self.plain(), written_now);
        let walked = match walk.value(object, 1) {
            Err(Stop::PickleWhole) => walk.pickle_whole(object),
            other => other,
        };
        let leaves = walk.leaves;
        self.written.replace(written);
        let finished = match walked {
            Ok(()) if leaves.is_empty() => return Ok(()),
            Ok(()) => self.pickle(attached, &leaves),
            Err(stop) => Err(stop.into_error()),
        };
        let finished = finished
            .and_then(|(table, buffers)| pickle::insert(&table, &buffers, out, start.n_bytes()));
        match finished {
            Ok(()) => Ok(()),
            Err(error) => {
                out.rewind(start);
                Err(self.locate(attached, object, &leaves, error))
            }
        }
    }

    fn pickle<'a>(
        &self,
        attached: Attached<'a>,
        leaves: &[Object<'a>],
    ) -> Result<(Vec<u8>, Vec<Buffer>), CrossingError> {
        let dumped = self.pickling.dump(attached, &self.lending, leaves);
        dumped.map_err(|raised| unpicklable(&raised))
    }

    /// Finds which leaf cannot be pickled, and says where it sits.
    #[cold]
    fn locate<'a>(
        &self,
        attached: Attached<'a>,
        object: &Object<'a>,
        leaves: &[Object<'a>],
        error: CrossingError,
    ) -> CrossingError {
        let failed = leaves.iter().enumerate().find_map(|(index, leaf)| {
            let alone = || self.pickle(attached, std::slice::from_ref(leaf)).err();
            let error = unrun(leaf).or_else(alone);
            error.map(|error| (index, error.with_type_name(leaf.type_name())))
        });
        let Some((index, error)) = failed else {
            return error;
        };
        let (mut scratch, mut written) = (Encoding::default(), KeyCache::default());
        let mut walk = Walk::new(&mut scratch, &self.lending, self.plain(), &mut written);
        walk.wanted = Some((index, error.clone()));
        match walk.value(object, 1) {
            Err(Stop::Error(located)) => located,
            // The whole value is the leaf.
            _ => error,
        }
    }

    /// Makes the object that is encoded next.
    #[inline]
    pub(crate) fn decode<'a>(
        &self,
        attached: Attached<'a>,
        reader: &mut Reader<'_>,
    ) -> Result<Object<'a>, CrossingError> {
        match read_usual(attached, reader)? {
            Some(object) => Ok(object),
            None => self.decode_walking(attached, reader),
        }
    }

    fn decode_walking<'a>(
        &self,
        attached: Attached<'a>,
        reader: &mut Reader<'_>,
    ) -> Result<Object<'a>, CrossingError> {
        let leaves = match reader.leaves()? {
            None => None,
            Some(table) => {
                let loaded =
                    self.pickling
                        .load(attached, &self.lending, table, reader.buffers())?;
                Some(loaded.map_err(|raised| {
                    CrossingError::new(format!("cannot be unpickled: {}", explained(&raised)))
                })?)
            }
        };
        let body = reader.position();
        Make::new(attached, &self.lending, leaves, &self.shapes, body).value(reader, 0)
    }
}

/// The method of the object's class that makes plain data of it, of those that are known.
fn method(object: &Object<'_>) -> Option<&'static str> {
    let method = object.class().and_then(|class| class.get("model_dump"));
    let is_callable = method.and_then(|method| method.get("__call__")).is_ok();
    is_callable.then_some("model_dump")
}

/// What is to be done with an object that stands for a call which nothing has run.
fn unrun(object: &Object<'_>) -> Option<CrossingError> {
    let reason = match object.type_name().as_str() {
        "coroutine" => {
            // Else Python warns of it as well, with less of a hint.
            let _ = object.invoke("close", &[]);
            "cannot be pickled, and has not run: call the async function in a plain one, by asyncio.run(…)"
        }
        "async_generator" => {
            "cannot be pickled, and has not run: collect it in a plain function, by asyncio.run(…)"
        }
        "generator" => "cannot be pickled, and has not run: return list(…) of it",
        _ => return None,
    };
    Some(CrossingError::new(reason))
}

fn unpicklable(raised: &Raised<'_>) -> CrossingError {
    let mut exception = raised.describe();
    // The outermost note of newer versions is about the list of leaves, which nobody but us knows.
    if exception
        .notes
        .last()
        .is_some_and(|note| note.starts_with("when serializing list item"))
    {
        exception.notes.pop();
    }
    CrossingError::new(format!("cannot be pickled: {}", in_a_line(&exception)))
}

pub(super) fn explained(raised: &Raised<'_>) -> String {
    in_a_line(&raised.describe())
}

/// The exception with the notes in which newer versions say where they were.
fn in_a_line(exception: &Exception) -> String {
    let mut text = exception.to_string();
    for note in &exception.notes {
        text.push_str("; ");
        text.push_str(note);
    }
    text
}

/// Writes what needs no walk; `false` for containers, leaves, and what does not fit the short forms.
#[inline]
fn write_scalar(object: &Object<'_>, out: &mut Vec<u8>) -> bool {
    match object.kind() {
        Kind::None => format::write_none(out),
        Kind::Bool => format::write_bool(out, object.is_true_constant()),
        Kind::Int => match object.as_i64() {
            Some(number) => format::write_int(out, number),
            None => return false,
        },
        Kind::Float => format::write_float(out, object.as_f64().unwrap_or_default()),
        Kind::Str => match object.as_str() {
            Some(text) => format::write_str(out, text),
            None => return false,
        },
        Kind::Bytes => match object.as_bytes() {
            Some(bytes) if bytes.len() < LENT_FROM => format::write_bytes(out, bytes),
            _ => return false,
        },
        _ => return false,
    }
    true
}

/// Why a walk ended early.
enum Stop {
    /// A cycle, or too many levels: only a pickle can hold the value.
    PickleWhole,
    Error(CrossingError),
}

impl Stop {
    fn at(self, place: impl FnOnce(CrossingError) -> CrossingError) -> Stop {
        match self {
            Stop::Error(error) => Stop::Error(place(error)),
            Stop::PickleWhole => Stop::PickleWhole,
        }
    }

    fn into_error(self) -> CrossingError {
        match self {
            Stop::Error(error) => error,
            Stop::PickleWhole => CrossingError::too_deep(),
        }
    }
}

impl From<Raised<'_>> for Stop {
    fn from(raised: Raised<'_>) -> Self {
        Stop::Error(CrossingError::new(explained(&raised)))
    }
}

/// A container that may occur again.
enum Place<'a> {
    /// It is being written: meeting it now is a cycle.
    Open,
    /// It stands at this offset, or in the buffer of this number. The reference keeps its address from being used again.
    Done(
        u64,
        #[expect(dead_code, reason = "held for its address")] Object<'a>,
    ),
}

/// One walk through a value, writing it.
struct Walk<'o, 'a> {
    out: &'o mut Encoding,
    lending: &'o Lending,
    /// Gives the plain value of an object, where that is to be written.
    plain: Option<&'o Kept>,
    start: Mark,
    body: usize,
    depth: u32,
    leaves: Vec<Object<'a>>,
    written: &'o mut KeyCache,
    /// Containers that may occur again, by address; made for the first such container.
    seen: Option<HashMap<usize, Place<'a>>>,
    /// In the search for the place of a leaf that failed: its number, and what to say of it.
    wanted: Option<(usize, CrossingError)>,
}

impl<'o, 'a> Walk<'o, 'a> {
    fn new(
        out: &'o mut Encoding,
        lending: &'o Lending,
        plain: Option<&'o Kept>,
        written: &'o mut KeyCache,
    ) -> Self {
        let (start, body) = (out.mark(), out.len());
        Walk {
            out,
            lending,
            plain,
            start,
            body,
            depth: 0,
            leaves: Vec::new(),
            written,
            seen: None,
            wanted: None,
        }
    }

    /// Writes one value, to which the walk itself holds `held` references.
    fn value(&mut self, object: &Object<'a>, held: usize) -> Result<(), Stop> {
        if write_scalar(object, self.out) {
            return Ok(());
        }
        match object.kind() {
            Kind::Int => format::write_bigint(self.out, &object.int_bytes()?),
            Kind::Str => format::write_surrogates(self.out, &object.str_bytes_with_surrogates()?),
            Kind::List | Kind::Tuple | Kind::Dict | Kind::Set | Kind::FrozenSet => {
                return self.container(object, held);
            }
            Kind::Bytes => {
                let written = self.lending.write_bytes(object, self.out);
                written.map_err(Stop::Error)?;
            }
            Kind::ByteArray => return self.byte_array(object, held),
            Kind::MemoryView => {
                let contents = self.lending.contents(object)?;
                let written = self.out.write_buffer(tag::MEMORYVIEW, contents);
                written.map_err(Stop::Error)?;
            }
            _ => return self.other(object),
        }
        Ok(())
    }

    /// Writes an object of no plain type: its plain value, if there is one and it is asked for.
    fn other(&mut self, object: &Object<'a>) -> Result<(), Stop> {
        let Some(plain) = self.plain else {
            return self.leaf(object);
        };
        let plain = plain.get(object.attached());
        let value = plain.call(std::slice::from_ref(object))?;
        match value.kind() {
            Kind::Other => self.leaf(object),
            // Only the walk holds it.
            _ => self.value(&value, 1),
        }
    }

    /// Writes a bytearray, which stays one object where it occurs twice: both have one buffer.
    fn byte_array(&mut self, object: &Object<'a>, held: usize) -> Result<(), Stop> {
        if object.n_references() <= held {
            let contents = self.lending.contents(object)?;
            let written = self.out.write_buffer(tag::BYTEARRAY, contents);
            return written.map_err(Stop::Error);
        }
        let seen = self.seen.get_or_insert_default();
        let number = match seen.get(&object.address()) {
            Some(Place::Done(number, _)) => *number,
            _ => {
                let contents = self.lending.contents(object)?;
                let number = u64::from(self.out.add(contents).map_err(Stop::Error)?);
                seen.insert(object.address(), Place::Done(number, object.clone()));
                number
            }
        };
        self.out.write_number(tag::BYTEARRAY, number as u32);
        Ok(())
    }

    /// Writes what is inside a container, to which there are `held` references of the walk and of the
    /// container.
    #[inline]
    fn inside(&mut self, item: Inside<'a>, held: usize) -> Result<(), Stop> {
        match item {
            Inside::None => format::write_none(self.out),
            Inside::Bool(value) => format::write_bool(self.out, value),
            Inside::Int(number) => format::write_int(self.out, number),
            Inside::Float(number) => format::write_float(self.out, number),
            Inside::Object(object) => return self.value(&object, held),
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: &Object<'a>, held: usize) -> Result<(), Stop> {
        if self.written.write(key, self.out) {
            return Ok(());
        }
        let start = self.out.len();
        self.value(key, held)?;
        self.written.note(key, &self.out[start..]);
        Ok(())
    }

    fn leaf(&mut self, object: &Object<'a>) -> Result<(), Stop> {
        let index = self.leaves.len();
        if let Some((wanted, error)) = &self.wanted
            && *wanted == index
        {
            return Err(Stop::Error(error.clone()));
        }
        // Of plain results alone somebody asks what would have made one.
        let method = self.plain.and_then(|_| method(object));
        let name = leaf_name::joined(object.type_name(), method);
        format::write_leaf(self.out, index as u64, &name);
        self.leaves.push(object.clone());
        Ok(())
    }

    fn container(&mut self, object: &Object<'a>, held: usize) -> Result<(), Stop> {
        // The empty tuple is one object for all; it needs no reference to itself.
        let shared =
            object.n_references() > held && !(object.kind() == Kind::Tuple && object.is_empty());
        let offset = self.out.len() - self.body;
        if shared {
            let seen = self.seen.get_or_insert_default();
            match seen.get(&object.address()) {
                Some(Place::Open) => return Err(Stop::PickleWhole),
                Some(Place::Done(first, _)) => {
                    format::mark_shared(self.out, self.body + *first as usize);
                    format::write_ref(self.out, *first);
                    return Ok(());
                }
                None => drop(seen.insert(object.address(), Place::Open)),
            }
        }
        if self.depth == MAX_DEPTH {
            return Err(Stop::PickleWhole);
        }
        self.depth += 1;
        self.items(object)?;
        self.depth -= 1;
        if shared {
            let place = Place::Done(offset as u64, object.clone());
            let seen = self.seen.get_or_insert_default();
            seen.insert(object.address(), place);
        }
        Ok(())
    }

    /// Writes the head and the items. Each item is held by the walk and by its container, and where other
    /// threads may change that, by the copy that is walked.
    fn items(&mut self, object: &Object<'a>) -> Result<(), Stop> {
        let kind = object.kind();
        let copy = object.steady()?;
        let (object, held) = match &copy {
            None => (object, 2),
            Some(copy) => (copy, 3),
        };
        let count = object.len();
        let tag = match kind {
            Kind::List => tag::LIST,
            Kind::Tuple => tag::TUPLE,
            Kind::Dict => tag::DICT,
            Kind::Set => tag::SET,
            _ => tag::FROZENSET,
        };
        format::write_container(self.out, tag, count);
        let mut written = 0;
        match kind {
            Kind::List | Kind::Tuple => {
                while let Some(item) = object.inside(written) {
                    let result = self.inside(item, held);
                    result.map_err(|stop| stop.at(|error| error.at_index(written)))?;
                    written += 1;
                }
            }
            Kind::Dict => {
                for (key, value) in object.pairs() {
                    self.key(&key, held)
                        .map_err(|stop| stop.at(CrossingError::in_key))?;
                    let result = self.inside(value, held);
                    result.map_err(|stop| stop.at(|error| at_key(error, &key)))?;
                    written += 1;
                }
            }
            _ => {
                for item in object.items()? {
                    self.value(&item?, held)?;
                    written += 1;
                }
            }
        }
        if written == count {
            return Ok(());
        }
        // A type's own code runs when a leaf is named; another thread may run at any time.
        Err(Stop::Error(CrossingError::new(
            "it changed while it was read",
        )))
    }

    fn pickle_whole(&mut self, object: &Object<'a>) -> Result<(), Stop> {
        self.out.rewind(self.start);
        self.leaves.clear();
        self.leaf(object)
    }
}

pub(super) fn at_key(error: CrossingError, key: &Object<'_>) -> CrossingError {
    match (key.as_str(), key.as_i64()) {
        (Some(text), _) => error.at_key(text),
        (None, Some(number)) => error.at_key(number),
        (None, None) => error.at_key(key.type_name().as_str()),
    }
}
