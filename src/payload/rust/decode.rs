//! Serde's other half: bytes to any `Deserialize` type, in one pass and without a tree.
//!
//! It trusts nothing in the bytes: counts set no memory aside, levels are counted, and what shared
//! containers may expand to has a limit. It does not build Python objects.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, Error as _, Unexpected, Visitor};

use super::access::{Items, Pairs, Variant};
use super::handoff::{self, Handed};
use crate::payload::buffer::Buffer;
use crate::payload::error::{Crossing, CrossingError};
use crate::payload::format::limits::MAX_DEPTH;
use crate::payload::format::{ContainerKind, Reader, Token, tag};
use crate::payload::format::{leaf_name, skip};
use crate::payload::pickle::Leaves;
use crate::payload::{BigInt, Value, bigint, stack};

/// How much may be visited again through REFs in one value, in items.
///
/// A few bytes of REFs to lists of REFs would otherwise stand for more items than any memory holds.
/// The tests reach a lower limit sooner.
const REF_BUDGET: usize = if cfg!(test) { 1 << 16 } else { 1 << 24 };

/// How many bytes that are visited again count as one item.
const BYTES_PER_ITEM: usize = 64;

/// Decodes one top-level value; the reader is after it even when the value does not fit `T`.
///
/// # Errors
/// When the value has another shape than `T`, or the bytes are malformed; only in the second case may
/// the reader be elsewhere.
#[inline]
pub(crate) fn decode_value<'de, T: Deserialize<'de>>(reader: &mut Reader<'de>) -> Crossing<T> {
    let mut decoder = Decoder::new(*reader);
    match decoder.whole() {
        Ok(value) => {
            reader.seek(decoder.position());
            Ok(value)
        }
        Err(error) => {
            let (error, position) = pass_after(error, *reader);
            reader.seek(position);
            Err(error)
        }
    }
}

/// What is wrong, and where the value ends.
///
/// It gets a reader of its own, so that the caller's can stay in registers.
#[cold]
fn pass_after(error: CrossingError, mut reader: Reader<'_>) -> (CrossingError, usize) {
    let error = match skip::skip_value(&mut reader) {
        // Bytes that are no value say more than what came of them.
        Err(malformed) if error.path().is_empty() => malformed,
        _ => error,
    };
    (error, reader.position())
}

/// Reads one top-level value.
#[derive(Debug)]
pub(crate) struct Decoder<'de> {
    pub(super) reader: Reader<'de>,
    /// Where the body starts, which REFs count from.
    pub(super) body: usize,
    /// The pickle of the leaves.
    pub(super) leaves: Option<&'de [u8]>,
    /// The same, shared by all opaque objects that were read.
    pub(super) shared_leaves: Option<Leaves>,
    pub(super) depth: u32,
    /// How many REFs led here.
    refs: u32,
    /// What is left of [`REF_BUDGET`].
    budget: usize,
}

impl<'de> Decoder<'de> {
    #[inline]
    fn new(reader: Reader<'de>) -> Self {
        Decoder {
            body: reader.position(),
            reader,
            leaves: None,
            shared_leaves: None,
            depth: 0,
            refs: 0,
            budget: REF_BUDGET,
        }
    }

    /// Reads the whole top-level value.
    #[inline]
    fn whole<T: Deserialize<'de>>(&mut self) -> Crossing<T> {
        if self.reader.peek()? == tag::LEAVES {
            self.leaves = self.reader.leaves()?;
            self.body = self.reader.position();
        }
        self.one(|decoder| T::deserialize(decoder))
    }

    /// How far the decoder has come.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.reader.position()
    }

    /// Reads one value, and passes it if its `Deserialize` ignored it and read nothing.
    #[inline]
    pub(super) fn one<R>(&mut self, read: impl FnOnce(&mut Self) -> Crossing<R>) -> Crossing<R> {
        let from = self.position();
        let value = read(self)?;
        if self.position() == from {
            self.skip()?;
        }
        Ok(value)
    }

    fn skip(&mut self) -> Crossing<()> {
        let from = self.reader.position();
        skip::skip_item(&mut self.reader, self.depth)?;
        if self.refs > 0 {
            self.charge((self.reader.position() - from) / 8)?;
        }
        Ok(())
    }

    /// Reads what a container holds.
    #[inline]
    pub(super) fn inside<R>(
        &mut self,
        kind: ContainerKind,
        count: usize,
        read: impl FnOnce(&mut Self) -> Crossing<R>,
    ) -> Crossing<R> {
        if self.depth == MAX_DEPTH {
            return Err(CrossingError::too_deep());
        }
        self.depth += 1;
        if self.refs > 0 {
            self.charge(count * kind.values_per_item())?;
        }
        let value = stack::walk(self.depth, || read(self))?;
        self.depth -= 1;
        Ok(value)
    }

    fn charge(&mut self, items: usize) -> Crossing<()> {
        match self.budget.checked_sub(items) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => Err(CrossingError::new(format!(
                "its shared containers stand for more than {REF_BUDGET} items"
            ))),
        }
    }

    #[inline]
    pub(super) fn charge_bytes(&mut self, len: usize) -> Crossing<()> {
        if self.refs > 0 {
            self.charge(len / BYTES_PER_ITEM)?;
        }
        Ok(())
    }

    /// Reads the shared container at an offset of the body in place of the REF that was just read.
    pub(super) fn through<R>(
        &mut self,
        offset: u64,
        read: impl FnOnce(&mut Self) -> Crossing<R>,
    ) -> Crossing<R> {
        let after = self.reader.position();
        let target = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.body.checked_add(offset))
            .filter(|target| *target < after);
        let Some(target) = target else {
            return Err(CrossingError::malformed("a REF that does not point back"));
        };
        self.reader.seek(target);
        if !matches!(
            self.reader.peek()?,
            tag::SHARED_LIST..=tag::SHARED_FROZENSET
        ) {
            return Err(CrossingError::malformed(
                "a REF to something other than a shared container",
            ));
        }
        self.refs += 1;
        self.charge(1)?;
        let result = read(self)?;
        self.refs -= 1;
        self.reader.seek(after);
        Ok(result)
    }

    /// Puts the key that is encoded at `key_at` before an error's path.
    #[cold]
    pub(super) fn at_key(&self, error: CrossingError, key_at: usize) -> CrossingError {
        let mut reader = self.reader;
        reader.seek(key_at);
        let end = key_at + reader.remaining();
        skip::at_encoded_key(error, reader.between(key_at, end))
    }

    /// An error that says the value here is not what was wanted.
    #[cold]
    fn refuse<R>(&self, token: &Token<'_>, expected: &dyn de::Expected) -> Crossing<R> {
        if let Some(error) = unreadable(token) {
            return Err(error);
        }
        let found = match token {
            Token::None => Unexpected::Unit,
            Token::Bool(value) => Unexpected::Bool(*value),
            Token::Int(number) => Unexpected::Signed(*number),
            Token::Float(number) => Unexpected::Float(*number),
            Token::Str(text) => Unexpected::Str(text),
            Token::Bytes(bytes) => Unexpected::Bytes(bytes),
            Token::Buffer(_, buffer) => Unexpected::Bytes(buffer),
            Token::Container {
                kind: ContainerKind::Dict,
                ..
            } => Unexpected::Map,
            Token::Container { .. } => Unexpected::Seq,
            Token::BigInt(_) | Token::Surrogates(_) | Token::Ref(_) | Token::Leaf { .. } => {
                Unexpected::Other("another value")
            }
        };
        Err(CrossingError::invalid_type(found, expected).or_type_name(skip::type_name_of(token)))
    }

    #[inline]
    fn items<V: Visitor<'de>>(
        &mut self,
        kind: ContainerKind,
        count: usize,
        visitor: V,
    ) -> Crossing<V::Value> {
        self.inside(kind, count, |decoder| {
            let mut items = Items {
                decoder,
                count,
                index: 0,
            };
            let result = visitor.visit_seq(&mut items);
            let read = items.index;
            match result {
                Ok(value) if read == count => Ok(value),
                Ok(_) => Err(
                    CrossingError::new(format!("expected {read} items, found {count}"))
                        .with_type_name(kind.type_name()),
                ),
                Err(error) => Err(error.or_type_name(kind.type_name())),
            }
        })
    }

    /// Bytes as a sequence, which they are in Python too.
    fn numbers<V: Visitor<'de>>(&mut self, bytes: &[u8], visitor: V) -> Crossing<V::Value> {
        self.charge(if self.refs > 0 { bytes.len() } else { 0 })?;
        let mut items = SeqDeserializer::new(bytes.iter().copied());
        let value = visitor
            .visit_seq(&mut items)
            .map_err(|error: CrossingError| error.or_type_name("bytes"))?;
        items.end().map(|()| value)
    }

    #[inline]
    fn pairs<V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Crossing<V::Value> {
        self.inside(ContainerKind::Dict, count, |decoder| {
            let mut pairs = Pairs {
                decoder,
                left: count,
                key_at: 0,
            };
            let result = visitor.visit_map(&mut pairs);
            let left = pairs.left;
            match result {
                Ok(value) if left == 0 => Ok(value),
                Ok(_) => Err(CrossingError::new(format!(
                    "expected {} entries, found {count}",
                    count - left
                ))
                .with_type_name("dict")),
                Err(error) => Err(error.or_type_name("dict")),
            }
        })
    }

    #[inline]
    fn visit<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Crossing<V::Value> {
        match token {
            Token::None => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Int(number) => visit_int(number, visitor),
            Token::BigInt(bytes) => visit_bigint(bytes, visitor),
            Token::Float(number) => visitor.visit_f64(number),
            Token::Str(text) => {
                self.charge_bytes(text.len())?;
                visitor.visit_borrowed_str(text)
            }
            Token::Bytes(bytes) => {
                self.charge_bytes(bytes.len())?;
                visitor.visit_borrowed_bytes(bytes)
            }
            Token::Buffer(_, buffer) => {
                self.charge_bytes(buffer.len())?;
                visitor.visit_borrowed_bytes(buffer)
            }
            Token::Container {
                kind: ContainerKind::Dict,
                count,
            } => self.pairs(count, visitor),
            Token::Container { kind, count } => self.items(kind, count, visitor),
            Token::Ref(offset) => self.through(offset, |decoder| decoder.deserialize_any(visitor)),
            Token::Surrogates(_) | Token::Leaf { .. } => self.refuse(&token, &visitor),
        }
    }

    #[inline(never)]
    fn visit_any<V: Visitor<'de>>(&mut self, visitor: V) -> Crossing<V::Value> {
        let token = self.reader.token()?;
        self.visit(token, visitor)
    }

    fn visit_ours<V: Visitor<'de>>(&mut self, name: &str, visitor: V) -> Crossing<V::Value> {
        match name {
            handoff::VALUE => hand_over(self.value()?, visitor),
            handoff::PAYLOAD => hand_over(self.payload()?, visitor),
            handoff::BUFFER => match self.reader.token()? {
                Token::Buffer(_, buffer) => hand_over(buffer.clone(), visitor),
                Token::Bytes(bytes) => {
                    self.charge_bytes(bytes.len())?;
                    hand_over(Buffer::from(bytes.to_vec()), visitor)
                }
                token => self.refuse(&token, &visitor),
            },
            handoff::BIGINT => match self.reader.token()? {
                token @ (Token::Int(_) | Token::BigInt(_)) => match self.value_of(token)? {
                    Value::Int(number) => hand_over(BigInt::from(number), visitor),
                    Value::BigInt(number) => hand_over(number, visitor),
                    _ => visitor.visit_unit(),
                },
                token => self.refuse(&token, &visitor),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }
}

/// Passes a value of one of this crate's types to the visitor that it belongs to.
fn hand_over<'de, T: Handed, V: Visitor<'de>>(value: T, visitor: V) -> Crossing<V::Value> {
    handoff::give(value, || visitor.visit_unit())
}

/// The error for a value that no Rust type but our own can take.
fn unreadable(token: &Token<'_>) -> Option<CrossingError> {
    match token {
        Token::BigInt(bytes) => Some(bigint::too_large(bytes, "the Rust type")),
        Token::Surrogates(_) => Some(
            CrossingError::new("it holds lone surrogates, which a Rust string cannot")
                .with_type_name("str"),
        ),
        Token::Leaf { name, .. } => Some(
            CrossingError::new("an opaque Python object; Rust cannot read it")
                .with_type_name(leaf_name::type_name(name)),
        ),
        _ => None,
    }
}

/// Visits an int as serde_json does, for visitors that expect no other way.
#[inline]
fn visit_int<'de, V: Visitor<'de>>(number: i64, visitor: V) -> Crossing<V::Value> {
    match u64::try_from(number) {
        Ok(number) => visitor.visit_u64(number),
        Err(_) => visitor.visit_i64(number),
    }
}

#[cold]
fn visit_bigint<'de, V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Crossing<V::Value> {
    let result = if let Some(number) = bigint::to_i128(bytes) {
        if let Ok(number) = u64::try_from(number) {
            visitor.visit_u64(number)
        } else {
            visitor.visit_i128(number)
        }
    } else if let Some(number) = bigint::to_u128(bytes) {
        visitor.visit_u128(number)
    } else {
        Err(bigint::too_large(bytes, "any Rust integer"))
    };
    result.map_err(|error| error.or_type_name("int"))
}

macro_rules! deserialize_ints {
    ($($method:ident)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
            match self.reader.int()? {
                Some(number) => visit_int(number, visitor),
                None => self.visit_any(visitor),
            }
        })*
    };
}

macro_rules! deserialize_as_any {
    ($($method:ident($($type:ty),*))*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, $(_: $type,)* visitor: V) -> Crossing<V::Value> {
            self.visit_any(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = CrossingError;

    deserialize_ints! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    deserialize_as_any! {
        deserialize_any()
        deserialize_bool()
        deserialize_unit()
        deserialize_unit_struct(&'static str)
        deserialize_bytes()
        deserialize_byte_buf()
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        self.deserialize_f64(visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        if let Some(number) = self.reader.float()? {
            return visitor.visit_f64(number);
        }
        match self.reader.token()? {
            Token::Int(number) => visitor.visit_f64(number as f64),
            Token::BigInt(bytes) => match (bigint::to_i128(bytes), bigint::to_u128(bytes)) {
                (Some(number), _) => visitor.visit_f64(number as f64),
                (_, Some(number)) => visitor.visit_f64(number as f64),
                _ => Err(bigint::too_large(bytes, "a Rust float")),
            },
            token => self.visit(token, visitor),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        if let Some(text) = self.reader.str()? {
            self.charge_bytes(text.len())?;
            return visitor.visit_borrowed_str(text);
        }
        match self.reader.token()? {
            // A String's visitor takes bytes that happen to be UTF-8; Python's bytes are no str.
            token @ (Token::Bytes(_) | Token::Buffer(..)) => self.refuse(&token, &visitor),
            token => self.visit(token, visitor),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        match self.reader.str()? {
            Some(text) => visitor.visit_borrowed_str(text),
            // A derived visitor takes an int for the number of a field, which Python does not mean.
            None => {
                let token = self.reader.token()?;
                self.refuse(&token, &visitor)
            }
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        if self.reader.peek()? == tag::NONE {
            self.reader.u8()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Crossing<V::Value> {
        if handoff::is_ours(name) {
            self.visit_ours(name, visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        match self.reader.token()? {
            Token::Bytes(bytes) => self.numbers(bytes, visitor),
            Token::Buffer(_, buffer) => self.numbers(buffer, visitor),
            token => self.visit(token, visitor),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Crossing<V::Value> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Crossing<V::Value> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        match self.reader.token()? {
            Token::Container {
                kind: ContainerKind::Dict,
                count,
            } => self.pairs(count, visitor),
            token => self.visit(token, visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Crossing<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Crossing<V::Value> {
        match self.reader.token()? {
            Token::Str(text) => visitor
                .visit_enum(BorrowedStrDeserializer::<CrossingError>::new(text))
                .map_err(|error| error.or_type_name("str")),
            Token::Container {
                kind: ContainerKind::Dict,
                count: 1,
            } => self.inside(ContainerKind::Dict, 1, |decoder| {
                let variant_at = decoder.reader.position();
                let variant = Variant {
                    decoder,
                    variant_at,
                };
                visitor
                    .visit_enum(variant)
                    .map_err(|error| error.or_type_name("dict"))
            }),
            Token::Ref(offset) => self.through(offset, |decoder| {
                decoder.deserialize_enum(name, variants, visitor)
            }),
            token => self.refuse(
                &token,
                &format!("a str or a dict of one entry, for {name}").as_str(),
            ),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Crossing<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}
