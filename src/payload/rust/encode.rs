//! Serde's first half: any `Serialize` value to bytes, in one pass.
//!
//! It does not know of Python objects, and leaves what a *call* is to `call`.

use std::mem;

use serde::ser::{self, Serialize, Serializer};

use super::handoff;
use crate::payload::buffer::Buffer;
use crate::payload::encoding::Encoding;
use crate::payload::error::{Crossing, CrossingError};
use crate::payload::format::limits::MAX_DEPTH;
use crate::payload::format::skip;
use crate::payload::format::{self, Reader, tag};
use crate::payload::pickle::Leaves;
use crate::payload::value::Opaque;
use crate::payload::{stack, zero_copy};

/// Appends one value; on an error `out` is as it was.
///
/// # Errors
/// When the value nests too deeply, mixes opaque objects of two values, or its `Serialize` fails.
#[inline]
pub(crate) fn encode_value<T: Serialize + ?Sized>(value: &T, out: &mut Encoding) -> Crossing<()> {
    let start = out.mark();
    let mut encoder = Encoder::new(out);
    match value.serialize(&mut encoder) {
        Ok(()) => encoder.finish(),
        Err(error) => {
            out.rewind(start);
            Err(error)
        }
    }
}

/// Writes one top-level value.
#[derive(Debug)]
pub(crate) struct Encoder<'o> {
    out: &'o mut Encoding,
    /// Where the value starts in `out`.
    start: usize,
    depth: u32,
    expected: Expected,
    /// The table of pickled leaves that goes before the body once that is complete.
    leaves: Option<Leaves>,
}

/// What the next call of the serializer stands for, when one of our newtype structs is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Plain,
    Payload,
    BigInt,
    Surrogates,
    Set,
    FrozenSet,
}

impl<'o> Encoder<'o> {
    /// An encoder that appends one value.
    #[inline]
    pub(crate) fn new(out: &'o mut Encoding) -> Self {
        Encoder {
            start: out.len(),
            out,
            depth: 0,
            expected: Expected::Plain,
            leaves: None,
        }
    }

    /// Completes the value.
    #[inline]
    pub(crate) fn finish(&mut self) -> Crossing<()> {
        match self.leaves.take() {
            Some(leaves) => leaves.insert(self.out, self.start),
            None => Ok(()),
        }
    }

    /// The encoding that values are appended to.
    pub(crate) fn out(&mut self) -> &mut Encoding {
        self.out
    }

    #[inline]
    fn enter(&mut self) -> Crossing<()> {
        if self.depth == MAX_DEPTH {
            return Err(CrossingError::too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    /// Writes what a container holds.
    #[inline]
    fn inside<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        stack::walk(self.depth, || value.serialize(self))
    }

    /// Opens a container; a count that is unknown or wrong is put right when it closes.
    #[inline]
    fn open(&mut self, tag: u8, count: usize) -> Crossing<Compound<'_, 'o>> {
        self.enter()?;
        self.out.push(tag);
        let count_at = self.out.len();
        format::write_varint(self.out, count as u64);
        Ok(Compound {
            encoder: self,
            count_at,
            declared: count,
            count: 0,
            key_at: 0,
            variant: None,
        })
    }

    /// Opens the container that is a variant's contents.
    fn open_in_variant<'e>(
        &'e mut self,
        variant: &'static str,
        tag: u8,
        len: usize,
    ) -> Crossing<Compound<'e, 'o>> {
        self.open_variant(variant)?;
        let mut compound = self.open(tag, len).map_err(|error| error.at_key(variant))?;
        compound.variant = Some(variant);
        Ok(compound)
    }

    /// Opens the dict of one entry that holds an enum's variant.
    fn open_variant(&mut self, variant: &'static str) -> Crossing<()> {
        self.enter()?;
        format::write_container(self.out, tag::DICT, 1);
        format::write_str(self.out, variant);
        Ok(())
    }

    fn write_ours<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Crossing<()> {
        let expected = match name {
            handoff::VALUE => return value.serialize(self),
            handoff::PAYLOAD => Expected::Payload,
            handoff::BIGINT => Expected::BigInt,
            handoff::SURROGATES => Expected::Surrogates,
            handoff::SET => Expected::Set,
            handoff::FROZENSET => Expected::FrozenSet,
            handoff::CALL => {
                return Err(CrossingError::new(
                    "keywords(...) can only be the arguments of a call, not a value",
                ));
            }
            handoff::BUFFER | handoff::BYTEARRAY => {
                let tag = match name {
                    handoff::BUFFER => tag::MEMORYVIEW,
                    _ => tag::BYTEARRAY,
                };
                return match handoff::take::<Buffer>() {
                    Some(buffer) => self.out.write_buffer(tag, buffer),
                    None => value.serialize(self),
                };
            }
            handoff::OPAQUE => {
                return match handoff::take::<Opaque>() {
                    Some(opaque) => {
                        self.adopt(opaque.leaves())?;
                        format::write_leaf(self.out, opaque.index(), opaque.name());
                        Ok(())
                    }
                    None => value.serialize(self),
                };
            }
            _ => return value.serialize(self),
        };
        self.expected = expected;
        let result = match expected {
            // The items of a set are values like any other.
            Expected::Set | Expected::FrozenSet => value.serialize(&mut *self),
            _ => handoff::announce(|| value.serialize(&mut *self)),
        };
        self.expected = Expected::Plain;
        result
    }

    /// Writes a value that is encoded already.
    fn write_encoded(&mut self, bytes: &[u8]) -> Crossing<()> {
        let buffers = handoff::take::<Vec<Buffer>>().unwrap_or_default();
        let whole = self.out.len() == self.start;
        if whole && buffers.is_empty() {
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        let mut reader = Reader::new(bytes);
        let leaves = reader.leaves()?;
        let body = reader.position();
        let seen = skip::skip_item(&mut reader, 0)?;
        if seen.refs && !whole {
            return Err(CrossingError::new(
                "a payload in which Python objects share a container crosses as a whole value or \
                 argument, not inside another",
            ));
        }
        if self.depth + seen.levels > MAX_DEPTH {
            return Err(CrossingError::too_deep());
        }
        if let Some(leaves) = leaves {
            self.adopt(&Leaves::of(leaves, &buffers)?)?;
        }
        let from = self.out.len();
        self.out
            .extend_from_slice(reader.between(body, reader.position()));
        let places: Vec<usize> = seen.buffers.iter().map(|place| place - body).collect();
        self.out.adopt(from, &places, &buffers)
    }

    /// Takes over a table of leaves, unless there is another one already.
    fn adopt(&mut self, leaves: &Leaves) -> Crossing<()> {
        match &self.leaves {
            None => {
                self.leaves = Some(leaves.clone());
                Ok(())
            }
            Some(ours) if ours == leaves => Ok(()),
            Some(_) => Err(CrossingError::new(
                "opaque Python objects that came from different values cannot cross inside one \
                 value; pass each as an argument of its own",
            )),
        }
    }

    fn write_expected_bytes(&mut self, bytes: &[u8]) -> Crossing<()> {
        match mem::replace(&mut self.expected, Expected::Plain) {
            Expected::Payload => return self.write_encoded(bytes),
            Expected::BigInt => format::write_bigint(self.out, bytes),
            Expected::Surrogates => format::write_surrogates(self.out, bytes),
            Expected::Plain | Expected::Set | Expected::FrozenSet => {
                return zero_copy::write_bytes(self.out, bytes);
            }
        }
        Ok(())
    }
}

macro_rules! serialize_ints {
    ($($method:ident: $type:ty),*) => {
        $(#[inline]
        fn $method(self, number: $type) -> Crossing<()> {
            format::write_int(self.out, i64::from(number));
            Ok(())
        })*
    };
}

macro_rules! serialize_large_ints {
    ($($method:ident: $type:ty),*) => {
        $(#[inline]
        fn $method(self, number: $type) -> Crossing<()> {
            match i64::try_from(number) {
                Ok(number) => format::write_int(self.out, number),
                Err(_) => {
                    // One byte more keeps an unsigned number's highest bit from being a sign.
                    let mut bytes = [0; size_of::<$type>() + 1];
                    bytes[..size_of::<$type>()].copy_from_slice(&number.to_le_bytes());
                    bytes[size_of::<$type>()] = if <$type>::MIN != 0 {
                        format::fill_of(bytes[size_of::<$type>() - 1])
                    } else {
                        0
                    };
                    format::write_bigint(self.out, &bytes);
                }
            }
            Ok(())
        })*
    };
}

impl<'e, 'o> Serializer for &'e mut Encoder<'o> {
    type Ok = ();
    type Error = CrossingError;
    type SerializeSeq = Compound<'e, 'o>;
    type SerializeTuple = Compound<'e, 'o>;
    type SerializeTupleStruct = Compound<'e, 'o>;
    type SerializeTupleVariant = Compound<'e, 'o>;
    type SerializeMap = Compound<'e, 'o>;
    type SerializeStruct = Compound<'e, 'o>;
    type SerializeStructVariant = Compound<'e, 'o>;

    serialize_ints!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32
    );
    serialize_large_ints!(
        serialize_u64: u64, serialize_u128: u128, serialize_i128: i128
    );

    #[inline]
    fn serialize_bool(self, value: bool) -> Crossing<()> {
        format::write_bool(self.out, value);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, number: f32) -> Crossing<()> {
        self.serialize_f64(f64::from(number))
    }

    #[inline]
    fn serialize_f64(self, number: f64) -> Crossing<()> {
        format::write_float(self.out, number);
        Ok(())
    }

    fn serialize_char(self, character: char) -> Crossing<()> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Crossing<()> {
        format::write_str(self.out, text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Crossing<()> {
        self.write_expected_bytes(bytes)
    }

    #[inline]
    fn serialize_none(self) -> Crossing<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Crossing<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Crossing<()> {
        format::write_none(self.out);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Crossing<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Crossing<()> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Crossing<()> {
        if handoff::is_ours(name) {
            self.write_ours(name, value)
        } else {
            value.serialize(self)
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Crossing<()> {
        self.open_variant(variant)?;
        self.inside(value).map_err(|error| error.at_key(variant))?;
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Crossing<Compound<'e, 'o>> {
        let tag = match mem::replace(&mut self.expected, Expected::Plain) {
            Expected::Set => tag::SET,
            Expected::FrozenSet => tag::FROZENSET,
            _ => tag::LIST,
        };
        self.open(tag, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Crossing<Compound<'e, 'o>> {
        self.open(tag::TUPLE, len)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Crossing<Compound<'e, 'o>> {
        self.open(tag::TUPLE, len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Crossing<Compound<'e, 'o>> {
        self.open_in_variant(variant, tag::TUPLE, len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Crossing<Compound<'e, 'o>> {
        self.open(tag::DICT, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Crossing<Compound<'e, 'o>> {
        self.open(tag::DICT, len)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Crossing<Compound<'e, 'o>> {
        self.open_in_variant(variant, tag::DICT, len)
    }
}

/// A container that is being written.
#[derive(Debug)]
pub(crate) struct Compound<'e, 'o> {
    encoder: &'e mut Encoder<'o>,
    /// Where the count stands that was written when the container opened.
    count_at: usize,
    declared: usize,
    count: usize,
    /// Where the last key stands, to be read again when its value fails.
    key_at: usize,
    /// The enum variant whose one-entry dict is around this container.
    variant: Option<&'static str>,
}

impl Compound<'_, '_> {
    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        match self.encoder.inside(value) {
            Ok(()) => {
                self.count += 1;
                Ok(())
            }
            Err(error) => Err(self.outside(error.at_index(self.count))),
        }
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Crossing<()> {
        format::write_str(self.encoder.out, key);
        match self.encoder.inside(value) {
            Ok(()) => {
                self.count += 1;
                Ok(())
            }
            Err(error) => Err(self.outside(error.at_key(key))),
        }
    }

    #[cold]
    fn outside(&self, error: CrossingError) -> CrossingError {
        match self.variant {
            Some(variant) => error.at_key(variant),
            None => error,
        }
    }

    #[inline]
    fn close(self) -> Crossing<()> {
        self.encoder.depth -= 1 + u32::from(self.variant.is_some());
        if self.count != self.declared {
            self.correct_count();
        }
        Ok(())
    }

    #[cold]
    fn correct_count(self) {
        let mut declared = Vec::with_capacity(10);
        format::write_varint(&mut declared, self.declared as u64);
        let mut count = Vec::with_capacity(10);
        format::write_varint(&mut count, self.count as u64);
        let place = self.count_at..self.count_at + declared.len();
        self.encoder.out.splice(place, count);
    }
}

macro_rules! serialize_items {
    ($($trait:ident $method:ident),*) => {
        $(impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = CrossingError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
                self.item(value)
            }

            #[inline]
            fn end(self) -> Crossing<()> {
                self.close()
            }
        })*
    };
}

serialize_items!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! serialize_fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = CrossingError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Crossing<()> {
                self.field(key, value)
            }

            #[inline]
            fn end(self) -> Crossing<()> {
                self.close()
            }
        })*
    };
}

serialize_fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = CrossingError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Crossing<()> {
        self.key_at = self.encoder.out.len();
        key.serialize(&mut *self.encoder)
            .map_err(CrossingError::in_key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        match self.encoder.inside(value) {
            Ok(()) => {
                self.count += 1;
                Ok(())
            }
            Err(error) => Err(skip::at_encoded_key(
                error,
                &self.encoder.out[self.key_at..],
            )),
        }
    }

    #[inline]
    fn end(self) -> Crossing<()> {
        self.close()
    }
}
