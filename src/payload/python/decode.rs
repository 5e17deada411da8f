//! The walk that makes a Python object from an encoded value.
//!
//! The items of a list or tuple wait on a stack until all are there, as do the values of a dict whose keys were
//! foreseen; see `dict_shapes`.

use std::cell::RefCell;
use std::collections::HashMap;

use owngil_ffi::{Attached, Object};

use super::dict_shapes::{DictShape, Shapes};
use super::raised::{at_key, explained};
use super::scalar::{made, read_usual};
use crate::payload::buffer::Buffer;
use crate::payload::error::CrossingError;
use crate::payload::format::limits::MAX_DEPTH;
use crate::payload::format::skip::at_encoded_key;
use crate::payload::format::{self, Reader, Token, tag};
use crate::payload::zero_copy::Lending;

/// One value in the making.
pub(super) struct Make<'c, 'a> {
    attached: Attached<'a>,
    lending: &'c Lending,
    body: usize,
    leaves: Option<Object<'a>>,
    /// What a REF may point at, by its offset; made for the first such container.
    shared: Option<HashMap<u64, Object<'a>>>,
    /// The bytearrays, by where their buffers are.
    byte_arrays: Option<HashMap<usize, Object<'a>>>,
    /// The items of the containers that are being made, innermost last.
    stack: Vec<Object<'a>>,
    shapes: &'c RefCell<Shapes>,
    /// The encoded keys of the dicts that are being made, innermost last.
    keys: Vec<u8>,
}

impl<'c, 'a> Make<'c, 'a> {
    /// Of a value whose body starts at that position of the reader.
    pub(super) fn new(
        attached: Attached<'a>,
        lending: &'c Lending,
        leaves: Option<Object<'a>>,
        shapes: &'c RefCell<Shapes>,
        body: usize,
    ) -> Self {
        Make {
            attached,
            lending,
            body,
            leaves,
            shared: None,
            byte_arrays: None,
            stack: Vec::new(),
            shapes,
            keys: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn value(
        &mut self,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<Object<'a>, CrossingError> {
        match read_usual(self.attached, reader)? {
            Some(object) => Ok(object),
            None => self.any_value(reader, depth),
        }
    }

    fn any_value(
        &mut self,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<Object<'a>, CrossingError> {
        let attached = self.attached;
        let start = reader.position();
        made(match reader.token()? {
            Token::Bytes(bytes) => attached.bytes(bytes),
            Token::Buffer(tag::BYTEARRAY, buffer) => return self.byte_array(buffer),
            Token::Buffer(tag, buffer) => self.lending.make(attached, tag, buffer),
            Token::BigInt(bytes) => attached.big_int(bytes),
            Token::Surrogates(bytes) => attached.str_with_surrogates(bytes),
            Token::Container { kind, count } => {
                return self.container(reader, depth, kind, count, start);
            }
            Token::Ref(offset) => {
                let shared = self.shared.as_ref().and_then(|shared| shared.get(&offset));
                return shared
                    .cloned()
                    .ok_or_else(|| CrossingError::malformed("a reference to nothing"));
            }
            Token::Leaf { index, .. } => {
                let leaf = self
                    .leaves
                    .as_ref()
                    .and_then(|leaves| leaves.item(index as usize));
                return leaf.ok_or_else(|| CrossingError::malformed("a leaf that is not there"));
            }
            _ => return Err(CrossingError::malformed("a value of no kind")),
        })
    }

    /// Makes a bytearray, which stays one object where its buffer occurs twice.
    fn byte_array(&mut self, buffer: &Buffer) -> Result<Object<'a>, CrossingError> {
        let known = self.byte_arrays.get_or_insert_default();
        let place = std::ptr::from_ref(buffer).addr();
        if let Some(byte_array) = known.get(&place) {
            return Ok(byte_array.clone());
        }
        let byte_array = made(self.lending.make(self.attached, tag::BYTEARRAY, buffer))?;
        known.insert(place, byte_array.clone());
        Ok(byte_array)
    }

    fn container(
        &mut self,
        reader: &mut Reader<'_>,
        depth: u32,
        kind: format::ContainerKind,
        count: usize,
        start: usize,
    ) -> Result<Object<'a>, CrossingError> {
        if depth == MAX_DEPTH {
            return Err(CrossingError::too_deep());
        }
        let attached = self.attached;
        let object = match kind {
            format::ContainerKind::Dict => self.dict(reader, depth, count)?,
            _ => {
                let first = self.stack.len();
                for index in 0..count {
                    let item = self.value(reader, depth + 1);
                    self.stack
                        .push(item.map_err(|error| error.at_index(index))?);
                }
                let items = self.stack.drain(first..);
                made(match kind {
                    format::ContainerKind::List => attached.list_of(items),
                    format::ContainerKind::Tuple => attached.tuple_of(items),
                    format::ContainerKind::Set => attached.set(items),
                    _ => attached.frozen_set(items),
                })?
            }
        };
        if reader.between(start, start + 1)[0] & tag::SHARED != 0 {
            let shared = self.shared.get_or_insert_default();
            shared.insert((start - self.body) as u64, object.clone());
        }
        Ok(object)
    }

    fn dict(
        &mut self,
        reader: &mut Reader<'_>,
        depth: u32,
        count: usize,
    ) -> Result<Object<'a>, CrossingError> {
        let Some(shape) = self.shapes.borrow().foresee(reader.rest(), count) else {
            return self.dict_of_any_keys(reader, depth, count, None);
        };
        let first = self.stack.len();
        for key in shape.keys() {
            if !key.pass(reader) {
                return self.dict_of_any_keys(reader, depth, count, Some((&shape, first)));
            }
            let value = self.value(reader, depth + 1);
            self.stack
                .push(value.map_err(|error| at_encoded_key(error, key.encoded()))?);
        }
        let dict = made(shape.dict(self.attached, &self.stack[first..]));
        self.stack.truncate(first);
        dict
    }

    /// Makes a dict key by key. The first few may have been read as those of a shape that the dict
    /// turned out not to have; their values are on the stack.
    fn dict_of_any_keys(
        &mut self,
        reader: &mut Reader<'_>,
        depth: u32,
        count: usize,
        read: Option<(&DictShape, usize)>,
    ) -> Result<Object<'a>, CrossingError> {
        let dict = made(self.attached.dict())?;
        let insert = |key: &Object<'a>, value: &Object<'a>| {
            let inserted = dict.insert(key, value);
            inserted.map_err(|raised| CrossingError::new(explained(&raised)).in_key())
        };
        let keys_from = self.keys.len();
        let mut n_read = 0;
        if let Some((shape, first)) = read {
            for (key, value) in shape.keys().zip(self.stack.drain(first..)) {
                insert(&key.object(self.attached)?, &value)?;
                self.keys.extend_from_slice(key.encoded());
                n_read += 1;
            }
        }
        let mut may_repeat = Shapes::fits(count);
        for _ in n_read..count {
            let key_at = reader.position();
            let key = self
                .value(reader, depth + 1)
                .map_err(CrossingError::in_key)?;
            may_repeat = may_repeat && Shapes::fits_key(reader.between(key_at, key_at + 1)[0]);
            if may_repeat {
                self.keys
                    .extend_from_slice(reader.between(key_at, reader.position()));
            }
            let value = self
                .value(reader, depth + 1)
                .map_err(|error| at_key(error, &key))?;
            insert(&key, &value)?;
        }
        if may_repeat {
            let keys = &self.keys[keys_from..];
            self.shapes.borrow_mut().note(self.attached, keys, count)?;
        }
        self.keys.truncate(keys_from);
        Ok(dict)
    }
}
