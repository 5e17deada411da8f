//! Calling: one call in an interpreter, from encoded arguments to an encoded value.

use owngil_ffi::{Attached, Object, PyResult};

use super::budget::Budget;
use super::raised::{python_error, result_error};
use crate::error::{Error, PythonError, Result};
use crate::monitor::{JobMonitor, Measured, Sampling, Stopwatch, Unmeasured};
use crate::payload::{self, Codec, CrossingError, Encoding, Reader};

/// Goes to the end of the call that starts there: one that failed may have left some arguments unread.
#[cold]
pub(super) fn pass_call(reader: &mut Reader<'_>, from: usize) {
    reader.seek(from);
    payload::skip_call(reader).expect("the batch was encoded in this process");
}

/// A function to be called, and what its calls need.
#[derive(Clone, Copy)]
pub(super) struct Callee<'c, 'a> {
    pub(super) codec: &'c Codec,
    pub(super) attached: Attached<'a>,
    pub(super) callable: &'c Object<'a>,
    pub(super) budget: &'c Budget,
    /// Where the call's time is limited, which leaves out what its arguments load.
    pub(super) timer: Option<&'c JobMonitor>,
}

impl<'a> Callee<'_, 'a> {
    /// Makes one call, and measures its crossing if it is in the sample.
    #[inline]
    pub(super) fn call_sampled(
        self,
        arguments: &mut Reader<'_>,
        out: &mut Encoding,
        sampling: &mut Sampling,
    ) -> Result<()> {
        match sampling.is_next() {
            false => self.call(arguments, out, &mut Unmeasured),
            true => self.call_measured(arguments, out, sampling),
        }
    }

    #[cold]
    fn call_measured(
        self,
        arguments: &mut Reader<'_>,
        out: &mut Encoding,
        sampling: &mut Sampling,
    ) -> Result<()> {
        let mut stopwatch = Measured::start();
        let ended = self.call(arguments, out, &mut stopwatch);
        sampling.note(stopwatch.crossing());
        ended
    }

    /// Makes one call: arguments from the reader, the value appended to `out`.
    #[inline]
    pub(super) fn call(
        self,
        arguments: &mut Reader<'_>,
        out: &mut Encoding,
        stopwatch: &mut impl Stopwatch,
    ) -> Result<()> {
        let value = self.value(arguments, stopwatch)?;
        stopwatch.called();
        self.encode(&value, out).map_err(result_error)?;
        stopwatch.crossed();
        Ok(())
    }

    /// Makes one call, and leaves its value where it is.
    #[inline]
    pub(super) fn value(
        self,
        arguments: &mut Reader<'_>,
        stopwatch: &mut impl Stopwatch,
    ) -> Result<Object<'a>> {
        // Nearly all calls have one argument, and their counts one byte each.
        match arguments.varint()? {
            1 if arguments.peek()? == 0 => {
                arguments.u8()?;
                let only = self.argument(arguments, &|| "args[0]".to_owned())?;
                stopwatch.crossed();
                self.held(|| self.callable.call(&[only]))
            }
            n_positional => self.call_with_many(n_positional, arguments, stopwatch),
        }
    }

    /// Appends a value to `out`.
    #[inline]
    pub(super) fn encode(
        self,
        value: &Object<'a>,
        out: &mut Encoding,
    ) -> std::result::Result<(), CrossingError> {
        self.codec.encode(self.attached, value, out)
    }

    fn call_with_many(
        self,
        n_positional: u64,
        arguments: &mut Reader<'_>,
        stopwatch: &mut impl Stopwatch,
    ) -> Result<Object<'a>> {
        let n_keyword = arguments.varint()?;
        let mut positional = Vec::with_capacity(n_positional.min(256) as usize);
        for index in 0..n_positional {
            positional.push(self.argument(arguments, &|| format!("args[{index}]"))?);
        }
        if n_keyword == 0 {
            stopwatch.crossed();
            return self.held(|| self.callable.call(&positional));
        }
        let keywords = self.attached.dict();
        let keywords = keywords.map_err(|raised| python_error(&raised))?;
        for _ in 0..n_keyword {
            let key = self.codec.decode(self.attached, arguments)?;
            let name = || format!("kwargs[{:?}]", key.as_str().unwrap_or_default());
            let value = self.argument(arguments, &name)?;
            keywords
                .insert(&key, &value)
                .map_err(|raised| python_error(&raised))?;
        }
        stopwatch.crossed();
        self.held(|| self.callable.call_with(positional, &keywords))
    }

    /// Runs the user's code, held to the budget; an exception is described without one.
    #[inline]
    pub(super) fn held(
        self,
        work: impl FnOnce() -> PyResult<'a, Object<'a>>,
    ) -> Result<Object<'a>> {
        let called = self.budget.hold(work);
        called.map_err(|raised| {
            let pickle = self.codec.pickled(self.attached, &raised);
            PythonError::new(raised.describe())
                .with_pickle(pickle)
                .into()
        })
    }

    #[inline(always)]
    fn argument(
        &self,
        arguments: &mut Reader<'_>,
        name: &dyn Fn() -> String,
    ) -> Result<Object<'a>> {
        let value = match self.timer {
            Some(monitor) if payload::is_pickled(arguments) => {
                monitor.load(|| self.codec.decode(self.attached, arguments))
            }
            _ => self.codec.decode(self.attached, arguments),
        };
        value.map_err(|error| Error::Value(error.root(&name())))
    }
}
