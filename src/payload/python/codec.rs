//! Codec: writes and makes the values of one interpreter, by the walks of `encode` and `decode`.

use std::cell::RefCell;

use owngil_ffi::{Attached, Kept, Object, Raised};

use super::decode::Make;
use super::dict_shapes::Shapes;
use super::encode::{Stop, Walk};
use super::key_cache::KeyCache;
use super::raised::{unpicklable, unreadable};
use super::scalar::{read_usual, write_scalar};
use crate::payload::buffer::Buffer;
use crate::payload::encoding::Encoding;
use crate::payload::error::CrossingError;
use crate::payload::format::Reader;
use crate::payload::pickle::{self, LazyPickling};
use crate::payload::zero_copy::Lending;

/// Writes and makes values in one interpreter.
#[derive(Debug)]
pub(crate) struct Codec {
    pickling: LazyPickling,
    lending: Lending,
    /// Gives the plain value of an object.
    plain: Kept,
    /// Whether that is written.
    is_plain: bool,
    /// Whether exceptions that calls raise are kept.
    keeps_exceptions: bool,
    /// The keys of the dicts that were made last.
    shapes: RefCell<Shapes>,
    /// The keys of the dicts that were written last; not there during a walk.
    written: RefCell<Option<Box<KeyCache>>>,
}

impl Codec {
    /// `plain` gives the plain value of an object whose class derives from a plain type.
    pub(crate) fn new(pickling: LazyPickling, lending: Lending, plain: Kept) -> Self {
        Codec {
            pickling,
            lending,
            plain,
            is_plain: false,
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

    /// What a call raised, in a pickle, if that is kept and can be pickled.
    #[cold]
    pub(crate) fn pickled(&self, attached: Attached<'_>, raised: &Raised<'_>) -> Option<Vec<u8>> {
        if !self.keeps_exceptions {
            return None;
        }
        let pickling = self.pickling.get(attached).ok()?;
        pickling.exception(attached, raised)
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
        let pickling = self.pickling.get(attached);
        let dumped = pickling.and_then(|found| found.dump(attached, &self.lending, leaves));
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
                let pickling = self.pickling.get(attached);
                let pickling = pickling.map_err(|raised| unreadable(&raised))?;
                let loaded = pickling.load(attached, &self.lending, table, reader.buffers())?;
                Some(loaded.map_err(|raised| unreadable(&raised))?)
            }
        };
        let body = reader.position();
        Make::new(attached, &self.lending, leaves, &self.shapes, body).value(reader, 0)
    }
}

/// What to do with an object that stands for a call that has not run.
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
