//! Scalars: the values that are read and written without a walk.

use owngil_ffi::{Attached, Kind, Object, PyResult};

use super::raised::explained;
use crate::payload::error::CrossingError;
use crate::payload::format::{self, Reader, tag};
use crate::payload::zero_copy::LENT_FROM;

/// Makes the int, str, float, bool or None that is next; `None`, with nothing read, for all else.
// Always: out of line, it takes a tenth of the time of a call.
#[inline(always)]
pub(crate) fn read_usual<'a>(
    attached: Attached<'a>,
    reader: &mut Reader<'_>,
) -> Result<Option<Object<'a>>, CrossingError> {
    if let Some(number) = reader.int()? {
        return made(attached.int(number)).map(Some);
    }
    let tag = reader.peek()?;
    let object = match tag {
        tag::NONE..=tag::TRUE => {
            reader.u8()?;
            return Ok(Some(match tag {
                tag::NONE => attached.none(),
                _ => attached.bool(tag == tag::TRUE),
            }));
        }
        tag::FLOAT => {
            reader.u8()?;
            attached.float(f64::from_le_bytes(reader.array()?))
        }
        tag::SHORT_STR..=tag::LONGEST_SHORT_STR => {
            reader.u8()?;
            attached.str_from_utf8(reader.take(usize::from(tag - tag::SHORT_STR))?)
        }
        tag::STR => {
            reader.u8()?;
            attached.str_from_utf8(reader.block()?)
        }
        _ => return Ok(None),
    };
    made(object).map(Some)
}

#[inline]
pub(super) fn made<'a>(object: PyResult<'a, Object<'a>>) -> Result<Object<'a>, CrossingError> {
    object.map_err(|raised| CrossingError::new(explained(&raised)))
}

/// Writes what needs no walk; `false` for containers, leaves, and what does not fit the short forms.
#[inline(always)]
pub(crate) fn write_scalar(object: &Object<'_>, out: &mut Vec<u8>) -> bool {
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
