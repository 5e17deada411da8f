//! Call: one call of a batch: its arguments read, the function called, its value written.

use owngil_ffi::{Attached, Object};

use super::budget::Budget;
use super::{python_error, result_error};
use crate::error::{Error, Result};
use crate::payload::{self, Codec, Encoding, Reader};

/// Goes to the end of the call that starts there: one that failed may have left some arguments unread.
#[cold]
pub(super) fn pass_call(reader: &mut Reader<'_>, from: usize) {
    reader.seek(from);
    payload::skip_call(reader).expect("the batch was encoded in this process");
}

/// Makes one call: arguments from the reader, the value appended to `out`.
#[inline]
pub(super) fn call<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    arguments: &mut Reader<'_>,
    out: &mut Encoding,
    budget: &Budget,
) -> Result<()> {
    // Nearly all calls have one argument, and their counts one byte each.
    let value = match arguments.varint()? {
        1 if arguments.peek()? == 0 => {
            arguments.u8()?;
            let only = argument(codec, attached, arguments, &|| "args[0]".to_owned())?;
            let called = budget.hold(|| callable.call(&[only]));
            called.map_err(|raised| python_error(&raised))?
        }
        n_positional => call_with_many(codec, attached, callable, n_positional, arguments, budget)?,
    };
    codec.encode(attached, &value, out).map_err(result_error)
}

fn call_with_many<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    callable: &Object<'a>,
    n_positional: u64,
    arguments: &mut Reader<'_>,
    budget: &Budget,
) -> Result<Object<'a>> {
    let n_keyword = arguments.varint()?;
    let mut positional = Vec::with_capacity(n_positional.min(256) as usize);
    for index in 0..n_positional {
        positional.push(argument(codec, attached, arguments, &|| {
            format!("args[{index}]")
        })?);
    }
    if n_keyword == 0 {
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
