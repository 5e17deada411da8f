//! Values as bytes: the only form in which a value crosses between Rust and an interpreter.
//!
//! One value is one byte string that says where it ends. Memory that is not to be copied stands beside
//! it, in an `Encoding`. None, bool, int of any size, float, str, bytes,
//! list, tuple, dict, set and frozenset have an encoding that both sides write and read directly, Rust
//! through serde and Python through its objects, with no tree in between. Every other Python object that
//! can be pickled is a *leaf*: the value carries one pickle of all its leaves, which Rust hands on unread.
//!
//! What it deliberately does not do: keep an encoding stable between releases (it never rests on a
//! disk), name types so that they come back as Rust types, or let a container hold itself.
//!
//! Reading order: `format` has the bytes, `rust` encodes and decodes Rust values through serde, `python` does the same
//! with Python objects, and [`Value`] and [`Payload`] are for values of unknown shape.

mod bigint;
mod buffer;
mod encoding;
mod error;
mod format;
pub(crate) mod memfd;
mod pickle;
mod python;
mod rust;
mod stack;
#[cfg(test)]
mod tests;
mod value;
mod zero_copy;

pub use bigint::BigInt;
pub use buffer::Buffer;
pub use error::CrossingError;
pub use rust::keywords::{Call, keywords};
pub use value::{Opaque, Value};

pub(crate) use encoding::{Encoding, Mark};
pub(crate) use format::skip::{skip_call, skip_value};
pub(crate) use format::{Reader, write_tagged, write_varint};
pub(crate) use pickle::LazyPickling;
pub(crate) use python::{Codec, read_usual, write_scalar};
pub(crate) use rust::call::encode_call;
pub(crate) use rust::decode::decode_value;
pub(crate) use rust::encode::encode_value;
pub(crate) use zero_copy::Lending;

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use format::{Token, skip};
use rust::handoff;

/// Whether Python unpickles parts of the value that is next, which may import modules.
#[inline]
pub(crate) fn is_pickled(reader: &Reader<'_>) -> bool {
    reader
        .peek()
        .is_ok_and(|first| first == format::tag::LEAVES)
}

/// A whole value in encoded form: bytes that cross between interpreters, threads and processes.
///
/// Keep one to hand a result on without reading it, or to encode a value once and send it many times.
/// It can stand in for any value, including a field of a type that derives serde's traits.
///
/// Two limits apply inside another value. For the first, see [`Payload::contains_opaque`]. The second: a payload
/// in which Python objects share a container can only cross as a whole value or argument.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    encoding: Encoding,
}

handoff::handed!(Payload);

impl Payload {
    /// Encodes a value.
    ///
    /// # Errors
    /// When the value nests deeper than 500 containers or its own `Serialize` fails.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Payload, CrossingError> {
        let mut encoding = Encoding::default();
        encode_value(value, &mut encoding)?;
        Ok(Payload { encoding })
    }

    /// A payload of an encoding that holds exactly one encoded value; bytes that do not fail when decoded.
    pub(crate) fn from_encoded(encoding: impl Into<Encoding>) -> Payload {
        Payload {
            encoding: encoding.into(),
        }
    }

    /// Decodes the value; `T` may borrow its strings and bytes from the payload.
    ///
    /// # Errors
    /// When the value does not have the shape of `T`, or holds opaque objects where `T` wants to look.
    pub fn decode<'de, T: Deserialize<'de>>(&'de self) -> Result<T, CrossingError> {
        let mut reader = self.reader();
        let value = decode_value(&mut reader)?;
        match reader.remaining() {
            0 => Ok(value),
            _ => Err(CrossingError::malformed("bytes are left after the value")),
        }
    }

    /// Returns whether the whole value is a Python object that Rust cannot read.
    pub fn is_opaque(&self) -> bool {
        matches!(self.head(), Ok(Token::Leaf { .. }))
    }

    /// Returns whether the value contains a Python object that Rust cannot read.
    ///
    /// All such objects of one payload are pickled together. You cannot combine two payloads that contain some in one
    /// value, but you can pass them as two arguments of a call.
    /// A payload decoded out of a larger value carries a copy of the whole pickle; a [`Value`] shares it.
    pub fn contains_opaque(&self) -> bool {
        self.encoding.first() == Some(&format::tag::LEAVES)
    }

    /// Python's name for the value's type, such as `int`, `list` or `datetime.datetime`.
    pub fn type_name(&self) -> &str {
        match self.head() {
            Ok(token) => skip::type_name_of(&token),
            Err(_) => "object",
        }
    }

    /// The encoded bytes, without the memory that they refer to: that of each [`Buffer`], and of large `bytes` that
    /// came from a pool.
    pub fn as_bytes(&self) -> &[u8] {
        &self.encoding
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        self.encoding.reader()
    }

    fn head(&self) -> Result<Token<'_>, CrossingError> {
        let mut reader = self.reader();
        reader.leaves()?;
        reader.token()
    }
}

impl Opaque {
    /// Returns the object as a payload of its own, with a copy of the pickle.
    pub fn to_payload(&self) -> Payload {
        let mut encoding = self.leaves().to_encoding();
        format::write_leaf(&mut encoding, self.index(), self.name());
        Payload::from_encoded(encoding)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Payload({}, {} bytes)",
            self.type_name(),
            self.encoding.n_bytes()
        )
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(handoff::PAYLOAD, &Encoded(&self.encoding))
    }
}

/// The bytes for our own serializer, an error for any other.
struct Encoded<'a>(&'a Encoding);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if handoff::is_from_us() {
            let buffers = self.0.buffers().to_vec();
            if buffers.is_empty() {
                return serializer.serialize_bytes(self.0);
            }
            handoff::give(buffers, || serializer.serialize_bytes(self.0))
        } else {
            Err(ser::Error::custom(
                "a payload can only cross to Python; decode it for another format",
            ))
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(handoff::PAYLOAD, PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload, which can only come from Python")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Payload, D::Error> {
        Err(de::Error::custom(
            "a payload can only come from Python, unbuffered",
        ))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Payload, E> {
        handoff::take().ok_or_else(|| E::invalid_type(de::Unexpected::Unit, &self))
    }
}
