//! Walking over encoded values without building them.
//!
//! It does not follow REFs, so its work is bounded by the bytes it passes.

use super::leaf_name;
use super::limits::MAX_DEPTH;
use super::{ContainerKind, Reader, Token, tag, truncated, unknown_tag};
use crate::payload::error::{Crossing, CrossingError, Key};

/// What a walk over a value met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A reference to a shared container.
    pub(crate) refs: bool,
    /// An object out of the table of pickled leaves.
    pub(crate) leaves: bool,
    /// The most container levels, counted from where the walk began.
    pub(crate) levels: u32,
    /// Where the numbers of buffers stand.
    pub(crate) buffers: Vec<usize>,
}

/// Passes one top-level value, with its table of leaves if it has one.
///
/// # Errors
/// When the bytes are truncated, malformed or nest too deeply.
pub(crate) fn skip_value(reader: &mut Reader<'_>) -> Crossing<()> {
    reader.leaves()?;
    skip_item(reader, 0).map(drop)
}

/// Passes the arguments of one call.
///
/// # Errors
/// As [`skip_value`].
pub(crate) fn skip_call(reader: &mut Reader<'_>) -> Crossing<()> {
    let (n_positional, n_keyword) = (reader.varint()?, reader.varint()?);
    for _ in 0..n_positional {
        skip_value(reader)?;
    }
    for _ in 0..n_keyword {
        skip_value(reader)?;
        skip_value(reader)?;
    }
    Ok(())
}

/// Passes one value that sits `depth` container levels deep and says what it met.
pub(crate) fn skip_item(reader: &mut Reader<'_>, depth: u32) -> Crossing<Seen> {
    let mut seen = Seen::default();
    walk(reader, depth, &mut seen)?;
    seen.levels = seen.levels.saturating_sub(depth);
    Ok(seen)
}

fn walk(reader: &mut Reader<'_>, depth: u32, seen: &mut Seen) -> Crossing<()> {
    let tag = reader.u8()?;
    let len = match tag {
        ..=tag::LARGEST_INT | tag::SMALLEST_INT.. | tag::NONE..=tag::TRUE => 0,
        tag::SHORT_STR..=tag::LONGEST_SHORT_STR => usize::from(tag - tag::SHORT_STR),
        tag::INT32 => 4,
        tag::INT64 | tag::FLOAT => 8,
        tag::BIGINT | tag::STR | tag::STR_SURROGATES | tag::BYTES => length(reader)?,
        tag::BYTES_BUFFER | tag::MEMORYVIEW | tag::BYTEARRAY => {
            seen.buffers.push(reader.position());
            4
        }
        tag::REF => {
            seen.refs = true;
            reader.varint()?;
            0
        }
        tag::LEAF => {
            seen.leaves = true;
            reader.varint()?;
            length(reader)?
        }
        _ => {
            let kind = ContainerKind::of(tag).ok_or_else(|| unknown_tag(tag))?;
            let depth = depth + 1;
            if depth > MAX_DEPTH {
                return Err(CrossingError::too_deep());
            }
            seen.levels = seen.levels.max(depth);
            for _ in 0..reader.count(kind)? * kind.values_per_item() {
                walk(reader, depth, seen)?;
            }
            0
        }
    };
    reader.take(len).map(drop)
}

fn length(reader: &mut Reader<'_>) -> Crossing<usize> {
    usize::try_from(reader.varint()?).map_err(|_| truncated())
}

/// The Python type of the value that starts here, which is no REF.
pub(crate) fn type_name_of<'de>(token: &Token<'de>) -> &'de str {
    match token {
        Token::None => "NoneType",
        Token::Bool(_) => "bool",
        Token::Int(_) | Token::BigInt(_) => "int",
        Token::Float(_) => "float",
        Token::Str(_) | Token::Surrogates(_) => "str",
        Token::Bytes(_) | Token::Buffer(tag::BYTES_BUFFER, _) => "bytes",
        Token::Buffer(tag::BYTEARRAY, _) => "bytearray",
        Token::Buffer(..) => "memoryview",
        Token::Container { kind, .. } => kind.type_name(),
        Token::Leaf { name, .. } => leaf_name::type_name(name),
        Token::Ref(_) => "object",
    }
}

/// Puts the key that is encoded at the start of `bytes` before an error's path.
#[cold]
pub(crate) fn at_encoded_key(error: CrossingError, bytes: &[u8]) -> CrossingError {
    match Reader::new(bytes).token() {
        Ok(Token::Str(text)) => error.at_key(text),
        Ok(Token::Int(number)) => error.at_key(number),
        Ok(Token::None) => error.at_key(Key::Other("None")),
        Ok(Token::Bool(true)) => error.at_key(Key::Other("True")),
        Ok(Token::Bool(false)) => error.at_key(Key::Other("False")),
        Ok(Token::Float(number)) => error.at_key(Key::Other(&format!("{number:?}"))),
        Ok(other) => error.at_key(Key::Other(&format!("<{}>", type_name_of(&other)))),
        Err(_) => error.at_key(Key::Other("?")),
    }
}
