//! The walk that writes a Python object as an encoded value, through the C API alone.
//!
//! Plain values (the exact types of [`Kind`]) are written directly. All other objects of one value are its *leaves*:
//! they go into one pickle, so that what they share stays shared and a class is named once. A value with a cycle, or
//! one that nests deeper than [`MAX_DEPTH`], is a single leaf.
//!
//! On request, an object whose class derives from a plain type is written as that plain value, not as a leaf.
//!
//! A container that occurs twice is written once and referred to, so identity survives as it does in a pickle. Only
//! containers that are referenced from elsewhere are looked up; those in fresh results are not.

use std::collections::HashMap;

use owngil_ffi::{Inside, Kept, Kind, Object, Raised};

use super::key_cache::KeyCache;
use super::raised::{at_key, explained};
use super::scalar::write_scalar;
use crate::payload::encoding::{Encoding, Mark};
use crate::payload::error::CrossingError;
use crate::payload::format::limits::MAX_DEPTH;
use crate::payload::format::{self, leaf_name, tag};
use crate::payload::zero_copy::Lending;

/// The method of the object's class that makes plain data of it, of those that are known.
fn method(object: &Object<'_>) -> Option<&'static str> {
    let method = object.class().and_then(|class| class.get("model_dump"));
    let is_callable = method.and_then(|method| method.get("__call__")).is_ok();
    is_callable.then_some("model_dump")
}

/// Why a walk ended early.
pub(super) enum Stop {
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

    pub(super) fn into_error(self) -> CrossingError {
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
enum SeenContainer<'a> {
    /// It is being written: meeting it now is a cycle.
    Open,
    /// It stands at this offset, or in the buffer of this number. The reference keeps its address from being used again.
    Done(
        u64,
        #[expect(dead_code, reason = "held for its address")] Object<'a>,
    ),
}

/// One walk through a value, writing it.
pub(super) struct Walk<'o, 'a> {
    out: &'o mut Encoding,
    lending: &'o Lending,
    /// Gives the plain value of an object, if that is written.
    plain: Option<&'o Kept>,
    start: Mark,
    body: usize,
    depth: u32,
    pub(super) leaves: Vec<Object<'a>>,
    written: &'o mut KeyCache,
    /// Containers that may occur again, by address; made for the first such container.
    seen: Option<HashMap<usize, SeenContainer<'a>>>,
    /// In the search for the place of a leaf that failed: its number, and what to say of it.
    pub(super) wanted: Option<(usize, CrossingError)>,
}

impl<'o, 'a> Walk<'o, 'a> {
    pub(super) fn new(
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
    pub(super) fn value(&mut self, object: &Object<'a>, held: usize) -> Result<(), Stop> {
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
            Some(SeenContainer::Done(number, _)) => *number,
            _ => {
                let contents = self.lending.contents(object)?;
                let number = u64::from(self.out.add(contents).map_err(Stop::Error)?);
                seen.insert(
                    object.address(),
                    SeenContainer::Done(number, object.clone()),
                );
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
        // Only for plain results does the caller ask what would have made one.
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
                Some(SeenContainer::Open) => return Err(Stop::PickleWhole),
                Some(SeenContainer::Done(first, _)) => {
                    format::mark_shared(self.out, self.body + *first as usize);
                    format::write_ref(self.out, *first);
                    return Ok(());
                }
                None => drop(seen.insert(object.address(), SeenContainer::Open)),
            }
        }
        if self.depth == MAX_DEPTH {
            return Err(Stop::PickleWhole);
        }
        self.depth += 1;
        self.items(object)?;
        self.depth -= 1;
        if shared {
            let place = SeenContainer::Done(offset as u64, object.clone());
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

    pub(super) fn pickle_whole(&mut self, object: &Object<'a>) -> Result<(), Stop> {
        self.out.rewind(self.start);
        self.leaves.clear();
        self.leaf(object)
    }
}
