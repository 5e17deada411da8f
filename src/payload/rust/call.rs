//! The arguments of a call as bytes: two counts, the positional values, then pairs of str and value.
//!
//! Each argument is a top-level value, with a body and a table of leaves of its own.
//! It does not call anything.

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::encode::{Compound, Encoder, encode_value};
use super::handoff;
use crate::payload::encoding::Encoding;
use crate::payload::error::{Crossing, CrossingError};
use crate::payload::format::{self, tag};

/// Appends the arguments of one call; on an error `out` is as it was.
///
/// A tuple, an array or a tuple struct of several fields gives the positional arguments, `()` gives
/// none, a [`Call`](super::Call) gives both kinds, and anything else is the only positional argument.
///
/// # Errors
/// As for a value, and when keyword arguments are no map or struct with str keys.
pub(crate) fn encode_call<A: Serialize + ?Sized>(args: &A, out: &mut Encoding) -> Crossing<()> {
    let (start, mark) = (out.len(), out.mark());
    // Room for both counts, which are known at the end and rarely take more than a byte each.
    out.extend_from_slice(&[0, 0]);
    let mut counts = Counts::default();
    match encode_positional(args, out, &mut counts, true) {
        Ok(()) => {
            counts.put(out, start);
            Ok(())
        }
        Err(error) => {
            out.rewind(mark);
            Err(error)
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    positional: usize,
    keyword: usize,
}

impl Counts {
    #[inline]
    fn put(&self, out: &mut Vec<u8>, start: usize) {
        if self.positional < 0x80 && self.keyword < 0x80 {
            let counts = [self.positional as u8, self.keyword as u8];
            out[start..start + 2].copy_from_slice(&counts);
        } else {
            self.put_long(out, start);
        }
    }

    #[cold]
    fn put_long(&self, out: &mut Vec<u8>, start: usize) {
        let mut counts = Vec::with_capacity(20);
        format::write_varint(&mut counts, self.positional as u64);
        format::write_varint(&mut counts, self.keyword as u64);
        out.splice(start..start + 2, counts);
    }
}

fn encode_positional<A: Serialize + ?Sized>(
    args: &A,
    out: &mut Encoding,
    counts: &mut Counts,
    may_be_call: bool,
) -> Crossing<()> {
    let mut encoder = Encoder::new(out);
    let mut single = false;
    let result = args.serialize(CallEncoder {
        encoder: &mut encoder,
        counts,
        single: &mut single,
        may_be_call,
    });
    if single {
        result.map_err(|error| error.at_index(0).root("args"))?;
        encoder.finish()?;
        counts.positional = 1;
        return Ok(());
    }
    result
}

/// Tells the arguments apart; what turns out to be a single argument goes on to the encoder.
struct CallEncoder<'e, 'o> {
    encoder: &'e mut Encoder<'o>,
    counts: &'e mut Counts,
    single: &'e mut bool,
    may_be_call: bool,
}

impl<'e, 'o> CallEncoder<'e, 'o> {
    #[inline]
    fn single(self) -> &'e mut Encoder<'o> {
        *self.single = true;
        self.encoder
    }
}

macro_rules! single {
    ($($method:ident($($name:ident: $type:ty),*) -> $result:ty;)*) => {
        $(#[inline]
        fn $method(self, $($name: $type),*) -> Crossing<$result> {
            self.single().$method($($name),*)
        })*
    };
}

impl<'e, 'o> Serializer for CallEncoder<'e, 'o> {
    type Ok = ();
    type Error = CrossingError;
    type SerializeSeq = Compound<'e, 'o>;
    type SerializeTuple = Arguments<'e, 'o>;
    type SerializeTupleStruct = Arguments<'e, 'o>;
    type SerializeTupleVariant = Compound<'e, 'o>;
    type SerializeMap = Compound<'e, 'o>;
    type SerializeStruct = Compound<'e, 'o>;
    type SerializeStructVariant = Compound<'e, 'o>;

    single! {
        serialize_bool(value: bool) -> ();
        serialize_i8(number: i8) -> ();
        serialize_i16(number: i16) -> ();
        serialize_i32(number: i32) -> ();
        serialize_i64(number: i64) -> ();
        serialize_i128(number: i128) -> ();
        serialize_u8(number: u8) -> ();
        serialize_u16(number: u16) -> ();
        serialize_u32(number: u32) -> ();
        serialize_u64(number: u64) -> ();
        serialize_u128(number: u128) -> ();
        serialize_f32(number: f32) -> ();
        serialize_f64(number: f64) -> ();
        serialize_char(character: char) -> ();
        serialize_str(text: &str) -> ();
        serialize_bytes(bytes: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> Compound<'e, 'o>;
        serialize_map(len: Option<usize>) -> Compound<'e, 'o>;
        serialize_struct(name: &'static str, len: usize) -> Compound<'e, 'o>;
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) -> Compound<'e, 'o>;
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) -> Compound<'e, 'o>;
    }

    fn serialize_unit(self) -> Crossing<()> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Crossing<()> {
        self.single().serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Crossing<()> {
        if name == handoff::CALL && self.may_be_call {
            handoff::announce(|| value.serialize(self))
        } else {
            self.single().serialize_newtype_struct(name, value)
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Crossing<()> {
        self.single()
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_tuple(self, _: usize) -> Crossing<Arguments<'e, 'o>> {
        Ok(Arguments {
            encoder: self.encoder,
            counts: self.counts,
            next: Next::Positional,
        })
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Crossing<Arguments<'e, 'o>> {
        Ok(Arguments {
            encoder: self.encoder,
            counts: self.counts,
            next: match name {
                handoff::CALL => Next::AllPositional,
                _ => Next::Positional,
            },
        })
    }
}

/// The arguments of a call that are being written.
struct Arguments<'e, 'o> {
    encoder: &'e mut Encoder<'o>,
    counts: &'e mut Counts,
    next: Next,
}

/// What the next field of the tuple is.
#[derive(Clone, Copy)]
enum Next {
    /// One positional argument, as all fields are.
    Positional,
    /// The first half of a `Call`: all positional arguments.
    AllPositional,
    /// The second half of a `Call`: all keyword arguments.
    AllKeyword,
}

impl Arguments<'_, '_> {
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        let out = self.encoder.out();
        match self.next {
            Next::Positional => {
                encode_value(value, out)
                    .map_err(|error| error.at_index(self.counts.positional).root("args"))?;
                self.counts.positional += 1;
                Ok(())
            }
            Next::AllPositional => {
                self.next = Next::AllKeyword;
                encode_positional(value, out, self.counts, false)
            }
            Next::AllKeyword => value.serialize(KeywordEncoder {
                out,
                count: &mut self.counts.keyword,
            }),
        }
    }
}

impl ser::SerializeTuple for Arguments<'_, '_> {
    type Ok = ();
    type Error = CrossingError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        self.field(value)
    }

    fn end(self) -> Crossing<()> {
        Ok(())
    }
}

impl ser::SerializeTupleStruct for Arguments<'_, '_> {
    type Ok = ();
    type Error = CrossingError;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        self.field(value)
    }

    fn end(self) -> Crossing<()> {
        Ok(())
    }
}

/// Takes a map or a struct with str keys, and nothing else.
struct KeywordEncoder<'o> {
    out: &'o mut Encoding,
    count: &'o mut usize,
}

#[cold]
fn no_keywords<T>() -> Crossing<T> {
    Err(
        CrossingError::new("keyword arguments must be a struct or a map with str keys")
            .root("kwargs"),
    )
}

macro_rules! refused {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Crossing<$result> {
            no_keywords()
        })*
    };
}

impl<'o> Serializer for KeywordEncoder<'o> {
    type Ok = ();
    type Error = CrossingError;
    type SerializeSeq = Impossible<(), CrossingError>;
    type SerializeTuple = Impossible<(), CrossingError>;
    type SerializeTupleStruct = Impossible<(), CrossingError>;
    type SerializeTupleVariant = Impossible<(), CrossingError>;
    type SerializeMap = Keywords<'o>;
    type SerializeStruct = Keywords<'o>;
    type SerializeStructVariant = Impossible<(), CrossingError>;

    refused! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_i128(i128) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_u128(u128) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Impossible<(), CrossingError>;
        serialize_tuple(usize) -> Impossible<(), CrossingError>;
        serialize_tuple_struct(&'static str, usize) -> Impossible<(), CrossingError>;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Impossible<(), CrossingError>;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Impossible<(), CrossingError>;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Crossing<()> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Crossing<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Crossing<()> {
        no_keywords()
    }

    fn serialize_map(self, _: Option<usize>) -> Crossing<Keywords<'o>> {
        Ok(Keywords {
            keywords: self,
            key_at: 0,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Crossing<Keywords<'o>> {
        self.serialize_map(None)
    }
}

/// Keyword arguments that are being written.
struct Keywords<'o> {
    keywords: KeywordEncoder<'o>,
    /// Where the last key stands, to be read again when its value fails.
    key_at: usize,
}

impl ser::SerializeMap for Keywords<'_> {
    type Ok = ();
    type Error = CrossingError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Crossing<()> {
        let out = &mut *self.keywords.out;
        self.key_at = out.len();
        encode_value(key, out).map_err(|error| error.in_key().root("kwargs"))?;
        match out[self.key_at] {
            tag::SHORT_STR..=tag::LONGEST_SHORT_STR | tag::STR => Ok(()),
            _ => no_keywords(),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Crossing<()> {
        let KeywordEncoder { out, count } = &mut self.keywords;
        encode_value(value, out).map_err(|error| {
            crate::payload::format::skip::at_encoded_key(error, &out[self.key_at..]).root("kwargs")
        })?;
        **count += 1;
        Ok(())
    }

    fn end(self) -> Crossing<()> {
        Ok(())
    }
}

impl ser::SerializeStruct for Keywords<'_> {
    type Ok = ();
    type Error = CrossingError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Crossing<()> {
        ser::SerializeMap::serialize_entry(self, key, value)
    }

    fn end(self) -> Crossing<()> {
        Ok(())
    }
}
