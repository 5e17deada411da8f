//! Reading what keeps all of Python: a [`Value`] as a tree, a [`Payload`] as the bytes it is.
//!
//! It needs no serde: the decoder hands over the whole once it is read.

use super::decode::Decoder;
use crate::payload::error::{Crossing, CrossingError};
use crate::payload::format::limits::foreseen;
use crate::payload::format::skip;
use crate::payload::format::{ContainerKind, Token, tag};
use crate::payload::pickle::{self, Leaves};
use crate::payload::{BigInt, Encoding, Opaque, Payload, Value};

impl<'de> Decoder<'de> {
    /// Reads the tree of one value.
    #[inline]
    pub(super) fn value(&mut self) -> Crossing<Value> {
        // The usual scalars take a way that moves as little as can be.
        if let Some(number) = self.reader.int()? {
            return Ok(Value::Int(number));
        }
        if let Some(text) = self.reader.str()? {
            self.charge_bytes(text.len())?;
            return Ok(Value::Str(text.to_owned()));
        }
        let token = self.reader.token()?;
        self.value_of(token)
    }

    pub(super) fn value_of(&mut self, token: Token<'de>) -> Crossing<Value> {
        Ok(match token {
            Token::None => Value::None,
            Token::Bool(value) => Value::Bool(value),
            Token::Int(number) => Value::Int(number),
            Token::BigInt(bytes) => BigInt::from_le_bytes(bytes).into(),
            Token::Float(number) => Value::Float(number),
            Token::Str(text) => {
                self.charge_bytes(text.len())?;
                Value::Str(text.to_owned())
            }
            Token::Surrogates(bytes) => {
                self.charge_bytes(bytes.len())?;
                Value::Surrogates(bytes.to_vec())
            }
            Token::Bytes(bytes) => {
                self.charge_bytes(bytes.len())?;
                Value::Bytes(bytes.to_vec())
            }
            Token::Buffer(tag, buffer) => match tag {
                tag::BYTEARRAY => Value::ByteArray(buffer.clone()),
                tag::MEMORYVIEW => Value::Buffer(buffer.clone()),
                _ => {
                    self.charge_bytes(buffer.len())?;
                    Value::Bytes(buffer.to_vec())
                }
            },
            Token::Container {
                kind: ContainerKind::Dict,
                count,
            } => Value::Dict(self.inside(ContainerKind::Dict, count, |decoder| {
                decoder.pairs_of(count)
            })?),
            Token::Container { kind, count } => {
                let items = self.inside(kind, count, |decoder| decoder.items_of(count))?;
                match kind {
                    ContainerKind::List => Value::List(items),
                    ContainerKind::Tuple => Value::Tuple(items),
                    ContainerKind::Set => Value::Set(items),
                    ContainerKind::FrozenSet | ContainerKind::Dict => Value::FrozenSet(items),
                }
            }
            Token::Ref(offset) => self.through(offset, Self::value)?,
            Token::Leaf { index, name } => {
                Value::Opaque(Opaque::new(self.shared_leaves()?, index, name))
            }
        })
    }

    fn items_of(&mut self, count: usize) -> Crossing<Vec<Value>> {
        let mut items = Vec::with_capacity(foreseen(count));
        for index in 0..count {
            items.push(self.value().map_err(|error| error.at_index(index))?);
        }
        Ok(items)
    }

    fn pairs_of(&mut self, count: usize) -> Crossing<Vec<(Value, Value)>> {
        let mut pairs = Vec::with_capacity(foreseen(count));
        for _ in 0..count {
            let key_at = self.position();
            let key = self.value().map_err(CrossingError::in_key)?;
            let value = self.value().map_err(|error| self.at_key(error, key_at))?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    fn shared_leaves(&mut self) -> Crossing<Leaves> {
        let Some(leaves) = self.leaves else {
            return Err(CrossingError::malformed("a leaf without a table of leaves"));
        };
        if self.shared_leaves.is_none() {
            self.shared_leaves = Some(Leaves::of(leaves, self.reader.buffers())?);
        }
        let shared = self.shared_leaves.clone();
        shared.ok_or_else(|| CrossingError::malformed("a leaf without a table of leaves"))
    }

    /// Copies one value, still encoded.
    pub(super) fn payload(&mut self) -> Crossing<Payload> {
        let from = self.reader.position();
        if let Token::Ref(offset) = self.head()? {
            let mut after = self.reader;
            skip::skip_item(&mut after, self.depth)?;
            self.reader = after;
            return self.through(offset, Self::payload);
        }
        let seen = skip::skip_item(&mut self.reader, self.depth)?;
        let body = self.reader.between(from, self.reader.position());
        let whole = from == self.body;
        if seen.refs && !whole {
            return Err(CrossingError::new(
                "it shares containers, so it can become a payload only as a whole value",
            ));
        }
        let leaves = if whole || seen.leaves {
            self.leaves
        } else {
            None
        };
        self.charge_bytes(body.len() + leaves.map_or(0, <[u8]>::len))?;
        let theirs = self.reader.buffers();
        let mut encoding = Encoding::from(Vec::with_capacity(
            body.len() + leaves.map_or(0, |table| table.len() + 11),
        ));
        if let Some(leaves) = leaves {
            pickle::insert(leaves, theirs, &mut encoding, 0)?;
        }
        let places: Vec<usize> = seen.buffers.iter().map(|place| place - from).collect();
        let at = encoding.len();
        encoding.extend_from_slice(body);
        encoding.adopt(at, &places, theirs)?;
        Ok(Payload::from_encoded(encoding))
    }

    /// The head of the value here, which stays unread.
    fn head(&self) -> Crossing<Token<'de>> {
        let mut ahead = self.reader;
        ahead.token()
    }
}
