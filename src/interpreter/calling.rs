//! Calling: one call in an interpreter, from encoded arguments to an encoded value.

use owngil_ffi::{Attached, Object};

use super::budget::Budget;
use super::{python_error, result_error};
use crate::error::{Error, Result};
use crate::payload::{self, Codec, Encoding, Reader};
use crate::post::{Measured, Post, Sampling, Stopwatch, Unmeasured};

/// Goes to the end of the call that starts there: one that failed may have left some arguments unread.
#[cold]
pub(super) fn pass_call(reader: &mut Reader<'_>, from: usize) {
    reader.seek(from);
    payload::skip_call(reader).expect("the batch was encoded in this process");
}

/// Makes one call, of which the crossing may be measured.
#[inline]
pub(super) fn call_sampled<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    arguments: &mut Reader<'_>,
    out: &mut Encoding,
    budget: &Budget,
    sampling: &mut Sampling,
) -> Result<()> {
    match sampling.is_next() {
        false => call(
            codec,
            attached,
            callable,
            arguments,
            out,
            budget,
            &mut Unmeasured,
        ),
        true => call_measured(codec, attached, callable, arguments, out, budget, sampling),
    }
}

#[cold]
fn call_measured<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    arguments: &mut Reader<'_>,
    out: &mut Encoding,
    budget: &Budget,
    sampling: &mut Sampling,
) -> Result<()> {
    let mut stopwatch = Measured::start();
    let ended = call(
        codec,
        attached,
        callable,
        arguments,
        out,
        budget,
        &mut stopwatch,
    );
    sampling.note(stopwatch.crossing());
    ended
}

/// Makes one call: arguments from the reader, the value appended to `out`.
#[inline]
pub(super) fn call<'a, S: Stopwatch>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    arguments: &mut Reader<'_>,
    out: &mut Encoding,
    budget: &Budget,
    stopwatch: &mut S,
) -> Result<()> {
    // Nearly all calls have one argument, and their counts one byte each.
    let value = match arguments.varint()? {
        1 if arguments.peek()? == 0 => {
            arguments.u8()?;
            let only = argument(codec, attached, arguments, &|| "args[0]".to_owned())?;
            stopwatch.crossed();
            let called = budget.hold(|| callable.call(&[only]));
            called.map_err(|raised| python_error(&raised))?
        }
        n_positional => call_with_many(
            codec,
            attached,
            callable,
            n_positional,
            arguments,
            budget,
            stopwatch,
        )?,
    };
    stopwatch.called();
    codec.encode(attached, &value, out).map_err(result_error)?;
    stopwatch.crossed();
    Ok(())
}

fn call_with_many<'a, S: Stopwatch>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    n_positional: u64,
    arguments: &mut Reader<'_>,
    budget: &Budget,
    stopwatch: &mut S,
) -> Result<Object<'a>> {
    let n_keyword = arguments.varint()?;
    let mut positional = Vec::with_capacity(n_positional.min(256) as usize);
    for index in 0..n_positional {
        positional.push(argument(codec, attached, arguments, &|| {
            format!("args[{index}]")
        })?);
    }
    if n_keyword == 0 {
        stopwatch.crossed();
        let called = budget.hold(|| callable.call(&positional));
        return called.map_err(|raised| python_error(&raised));
    }
    let keywords = attached.dict().map_err(|raised| python_error(&raised))?;
    for _ in 0..n_keyword {
        let key = codec.decode(attached, arguments)?;
        let name = || format!("kwargs[{:?}]", key.as_str().unwrap_or_default());
        let value = argument(codec, attached, arguments, &name)?;
        keywords
            .insert(&key, &value)
            .map_err(|raised| python_error(&raised))?;
    }
    stopwatch.crossed();
    let called = budget.hold(|| callable.call_with(positional, &keywords));
    called.map_err(|raised| python_error(&raised))
}

#[inline]
fn argument<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    arguments: &mut Reader<'_>,
    name: &dyn Fn() -> String,
) -> Result<Object<'a>> {
    let value = codec.decode(attached, arguments);
    value.map_err(|error| Error::Value(error.root(&name())))
}

/// Puts what became of an interrupted job in the place of what its call raised; says whether it was.
///
/// A call of a map that was cancelled before it began says so itself.
#[cold]
pub(super) fn instead(error: &mut Error, post: &Post) -> bool {
    let stopped = match error {
        Error::Cancelled(_) => None,
        _ => post.stopped(),
    };
    let is_stopped = stopped.is_some();
    if let Some(stopped) = stopped {
        *error = stopped;
    }
    is_stopped
}
