//! Codec: the host's objects as bytes, and back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use owngil_ffi::{Attached, Object, PyResult};

use crate::interpreter;
use crate::payload::{Codec, CrossingError, Encoding, Reader, skip_value, write_varint};

/// Those that no thread uses now. A codec runs Python code while it pickles, and so other threads run meanwhile: each has
/// one to itself.
static CODECS: Mutex<Vec<Codec>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Codec>> {
    CODECS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` with a codec of the main interpreter, to which this thread is attached.
///
/// # Errors
///
/// What making one raises.
pub(super) fn with_codec<'a, R>(
    attached: Attached<'a>,
    work: impl FnOnce(&Codec) -> R,
) -> PyResult<'a, R> {
    let found = idle().pop();
    let codec = match found {
        Some(codec) => codec,
        None => interpreter::codec_of_host(attached)?,
    };
    let done = work(&codec);
    idle().push(codec);
    Ok(done)
}

/// Appends a call's arguments: of a tuple, and of a dict if there is one. On an error `out` is as it was.
pub(super) fn encode_call<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    positional: &Object<'a>,
    keywords: Option<&Object<'a>>,
    out: &mut Encoding,
) -> Result<(), CrossingError> {
    // As they are now: pickling an argument may change the dict.
    let mut pairs = Vec::new();
    if let Some(keywords) = keywords {
        for (key, _) in keywords.pairs() {
            if let Ok(Some(value)) = keywords.lookup(&key) {
                pairs.push((key, value));
            }
        }
    }
    all_or_nothing(out, |out| {
        write_varint(out, positional.len() as u64);
        write_varint(out, pairs.len() as u64);
        let mut place = 0;
        while let Some(argument) = positional.item(place) {
            let encoded = codec.encode(attached, &argument, out);
            encoded.map_err(|error| error.root(&format!("args[{place}]")))?;
            place += 1;
        }
        for (key, value) in &pairs {
            codec.encode(attached, key, out)?;
            let encoded = codec.encode(attached, value, out);
            let name = || format!("kwargs[{:?}]", key.as_str().unwrap_or_default());
            encoded.map_err(|error| error.root(&name()))?;
        }
        Ok(())
    })
}

/// Appends a call with one argument. On an error `out` is as it was.
pub(super) fn encode_only<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    argument: &Object<'a>,
    out: &mut Encoding,
) -> Result<(), CrossingError> {
    all_or_nothing(out, |out| {
        out.extend_from_slice(&[1, 0]);
        let encoded = codec.encode(attached, argument, out);
        encoded.map_err(|error| error.root("args[0]"))
    })
}

/// Lets `write` append to `out`, and takes back what it appended if it fails.
fn all_or_nothing(
    out: &mut Encoding,
    write: impl FnOnce(&mut Encoding) -> Result<(), CrossingError>,
) -> Result<(), CrossingError> {
    let mark = out.mark();
    write(out).inspect_err(|_| out.rewind(mark))
}

/// Makes the value that is next. Afterwards the reader is behind it, also where that fails.
pub(super) fn decode<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    reader: &mut Reader<'_>,
) -> Result<Object<'a>, CrossingError> {
    let start = reader.position();
    codec.decode(attached, reader).inspect_err(|_| {
        reader.seek(start);
        // Bytes that are no value have no end.
        let _ = skip_value(reader);
    })
}
