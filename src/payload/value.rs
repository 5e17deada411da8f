//! [`Value`]: any Python value as a tree, for when its shape is not known beforehand.
//!
//! It is not on the way of typed values, which need no tree; and it does not compare as Python does:
//! `Int(1)`, `Float(1.0)` and `Bool(true)` differ, as do two sets of another order.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, SerializeMap, Serializer};

use super::bigint::BigInt;
use super::buffer::Buffer;
use super::format::leaf_name;
use super::format::limits::foreseen;
use super::pickle::Leaves;
use super::rust::handoff;

/// Any Python value.
///
/// Within this crate, every Python value comes back as it went in: a tuple stays a tuple, a set stays a set,
/// and a NaN keeps its bits. Only identity is lost: a container that occurs twice becomes two, where a [`Payload`](super::Payload)
/// keeps it as one.
///
/// With another serde format, a value maps to what that format has. Sets and tuples become sequences, and an
/// opaque object is an error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An int of at most 64 bits.
    Int(i64),
    /// An int beyond 64 bits.
    BigInt(BigInt),
    /// A float.
    Float(f64),
    /// A str.
    Str(String),
    /// A str with lone surrogates, in the form of Python's `str.encode("utf-8", "surrogatepass")`.
    Surrogates(Vec<u8>),
    /// A bytes object.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict, in its own order.
    Dict(Vec<(Value, Value)>),
    /// A set, in the order that Python gave.
    Set(Vec<Value>),
    /// A frozenset, in the order that Python gave.
    FrozenSet(Vec<Value>),
    /// A bytearray, by its contents.
    ByteArray(Buffer),
    /// A memoryview of any contiguous memory, by the bytes that it shows.
    Buffer(Buffer),
    /// A Python object that Rust cannot read but can hand on.
    Opaque(Opaque),
}

handoff::handed!(Value);

impl Value {
    /// Python's name for the value's type, such as `int`, `list` or `datetime.datetime`.
    pub fn type_name(&self) -> &str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) | Value::Surrogates(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::ByteArray(_) => "bytearray",
            Value::Buffer(_) => "memoryview",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Set(_) => "set",
            Value::FrozenSet(_) => "frozenset",
            Value::Opaque(opaque) => opaque.type_name(),
        }
    }

    /// The value for a str key of a dict. `None` if the key is missing, or the value is not a dict.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(pairs) = self else {
            return None;
        };
        pairs.iter().find_map(|(name, value)| match name {
            Value::Str(name) if name == key => Some(value),
            _ => None,
        })
    }
}

/// A Python object that Rust cannot read but can hand on, held as a pickle and the name of its type.
///
/// All opaque objects of one value share one pickle, so what they share in Python stays shared.
/// Cloning one is cheap.
/// You cannot combine opaque objects of different values in one value, as their pickles cannot be merged.
#[derive(Clone, PartialEq, Eq)]
pub struct Opaque(Arc<Leaf>);

handoff::handed!(Opaque);

#[derive(PartialEq, Eq)]
struct Leaf {
    leaves: Leaves,
    index: u64,
    /// The type, and more: see `leaf_name`.
    name: Box<str>,
}

impl Opaque {
    /// The object of that number in a table of pickled leaves.
    pub(crate) fn new(leaves: Leaves, index: u64, name: &str) -> Self {
        Opaque(Arc::new(Leaf {
            leaves,
            index,
            name: name.into(),
        }))
    }

    /// The table of pickled leaves.
    pub(crate) fn leaves(&self) -> &Leaves {
        &self.0.leaves
    }

    /// The object's number in the table.
    pub(crate) fn index(&self) -> u64 {
        self.0.index
    }

    /// The object's Python type, such as `datetime.datetime`.
    pub fn type_name(&self) -> &str {
        leaf_name::type_name(&self.0.name)
    }

    /// The method with which Python code turns the object into plain data: `model_dump`, for pydantic's models.
    ///
    /// Use it to suggest a fix when you report that a result is not plain. It is looked up only if
    /// [`plain_results`](crate::PoolBuilder::plain_results) is set, and is `None` otherwise.
    pub fn method(&self) -> Option<&str> {
        leaf_name::method(&self.0.name)
    }

    /// What a value says of it.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({})", self.type_name())
    }
}

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handoff::give(self.clone(), || {
            serializer.serialize_newtype_struct(handoff::OPAQUE, &Foreign(self.type_name()))
        })
    }
}

/// What another serializer finds in place of an opaque object: an error.
struct Foreign<'a>(&'a str);

impl Serialize for Foreign<'_> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(format_args!(
            "an opaque Python object ({}) can only cross to Python",
            self.0
        )))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(handoff::VALUE, &Inside(self))
    }
}

/// The value within the newtype struct that tells our own serializer of a whole [`Value`].
struct Inside<'a>(&'a Value);

impl Serialize for Inside<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::None => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::BigInt(number) => number.serialize(serializer),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Surrogates(bytes) => {
                serializer.serialize_newtype_struct(handoff::SURROGATES, &Surrogates(bytes))
            }
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::ByteArray(buffer) => buffer.serialize_as(handoff::BYTEARRAY, serializer),
            Value::Buffer(buffer) => buffer.serialize(serializer),
            Value::List(items) => items.serialize(serializer),
            Value::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                for item in items {
                    ser::SerializeTuple::serialize_element(&mut tuple, item)?;
                }
                ser::SerializeTuple::end(tuple)
            }
            Value::Dict(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Value::Set(items) => serializer.serialize_newtype_struct(handoff::SET, items),
            Value::FrozenSet(items) => {
                serializer.serialize_newtype_struct(handoff::FROZENSET, items)
            }
            Value::Opaque(opaque) => opaque.serialize(serializer),
        }
    }
}

struct Surrogates<'a>(&'a [u8]);

impl Serialize for Surrogates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if handoff::is_from_us() {
            serializer.serialize_bytes(self.0)
        } else {
            Err(ser::Error::custom(
                "a str with lone surrogates can only cross to Python",
            ))
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(handoff::VALUE, ValueVisitor)
    }
}

/// Takes over the tree that our decoder built, or builds one from another format's calls.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(handoff::take().unwrap_or(Value::None))
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Str(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(foreseen(access.size_hint().unwrap_or(0)));
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::with_capacity(foreseen(access.size_hint().unwrap_or(0)));
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Dict(pairs))
    }
}

macro_rules! from_int {
    ($($small:ty)*; $($large:ty)*) => {
        $(impl From<$small> for Value {
            fn from(number: $small) -> Self {
                Value::Int(i64::from(number))
            }
        })*
        $(impl From<$large> for Value {
            fn from(number: $large) -> Self {
                match i64::try_from(number) {
                    Ok(number) => Value::Int(number),
                    Err(_) => Value::BigInt(BigInt::from(number)),
                }
            }
        })*
    };
}

from_int!(i8 i16 i32 i64 u8 u16 u32; u64 i128 u128);

macro_rules! from_same {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(inner: $type) -> Self {
                Value::$variant(inner.into())
            }
        })*
    };
}

from_same! {
    bool => Bool,
    f32 => Float,
    f64 => Float,
    &str => Str,
    String => Str,
    char => Str,
    Vec<Value> => List,
    Vec<(Value, Value)> => Dict,
    Buffer => Buffer,
    Opaque => Opaque,
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Value::None
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(inner: Option<T>) -> Self {
        inner.map_or(Value::None, Into::into)
    }
}

impl From<BigInt> for Value {
    /// The int, in the small form where it fits.
    fn from(number: BigInt) -> Self {
        match i128::try_from(&number) {
            Ok(number) => number.into(),
            Err(_) => Value::BigInt(number),
        }
    }
}
