//! Shapes: the keys of dicts that come again and again, as those of a table's rows do.
//!
//! A dict of the same keys as one before is made as a copy of it with other values, so that no key
//! is decoded, hashed or inserted, and all such dicts share their keys. Nothing in the bytes says
//! which dicts these are; they are foreseen by the first key, and each key is compared.
//! It does not read values.

use std::rc::Rc;

use owngil_ffi::{Attached, Kept, Object, PyResult};

use super::raised::explained;
use super::scalar::{made, read_usual};
use crate::payload::error::CrossingError;
use crate::payload::format::{Reader, tag};

/// How many shapes are known at a time.
const N_SHAPES: usize = 16;
/// The most keys of a shape.
const MOST_KEYS: usize = 32;

/// The shapes of the dicts that one interpreter made last, each in the slot of its first key.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    slots: [Option<Rc<DictShape>>; N_SHAPES],
}

/// The keys of a dict, in their order.
#[derive(Debug)]
pub(super) struct DictShape {
    /// Each key as it is encoded, one after the other; all are short strs.
    encoded: Box<[u8]>,
    spans: Box<[Span]>,
    /// What the dicts are made of, once the same keys came a second time.
    objects: Option<Objects>,
}

/// One key within what is encoded, and its first eight bytes, which distinguish most keys at once.
#[derive(Debug)]
struct Span {
    head: u64,
    /// Ones where the key has bytes.
    mask: u64,
    from: usize,
    len: usize,
}

/// One key of a shape.
#[derive(Clone, Copy)]
pub(super) struct ShapeKey<'s> {
    shape: &'s DictShape,
    span: &'s Span,
}

#[derive(Debug)]
struct Objects {
    /// A tuple of the keys.
    keys: Kept,
    /// A dict in which each key has None.
    dict: Kept,
}

impl Shapes {
    /// Whether a dict of so many keys can have a shape.
    #[inline]
    pub(super) fn fits(n_keys: usize) -> bool {
        (1..=MOST_KEYS).contains(&n_keys)
    }

    /// Whether a key that is encoded with this tag can be part of a shape.
    #[inline]
    pub(super) fn fits_key(tag: u8) -> bool {
        (tag::SHORT_STR..=tag::LONGEST_SHORT_STR).contains(&tag)
    }

    /// The shape of the dict that follows in `bytes`, as far as its number of keys and the start of
    /// the first can tell.
    #[inline]
    pub(super) fn foresee(&self, bytes: &[u8], n_keys: usize) -> Option<Rc<DictShape>> {
        let shape = self.slots[slot(bytes, n_keys)].as_ref()?;
        (shape.spans.len() == n_keys && shape.objects.is_some()).then(|| Rc::clone(shape))
    }

    /// Takes note of the encoded keys of a dict that was made without a shape.
    pub(super) fn note(
        &mut self,
        attached: Attached<'_>,
        encoded: &[u8],
        n_keys: usize,
    ) -> Result<(), CrossingError> {
        let slot = &mut self.slots[slot(encoded, n_keys)];
        let is_again = slot
            .as_ref()
            .is_some_and(|shape| *shape.encoded == *encoded);
        let mut shape = DictShape {
            spans: spans(encoded),
            encoded: encoded.into(),
            objects: None,
        };
        if is_again {
            shape.objects = Objects::of(attached, &shape)?;
        }
        *slot = Some(Rc::new(shape));
        Ok(())
    }
}

impl DictShape {
    #[inline]
    pub(super) fn keys(&self) -> impl Iterator<Item = ShapeKey<'_>> {
        self.spans.iter().map(|span| ShapeKey { shape: self, span })
    }

    /// A dict of these keys.
    #[inline]
    pub(super) fn dict<'a>(
        &self,
        attached: Attached<'a>,
        values: &[Object<'a>],
    ) -> PyResult<'a, Object<'a>> {
        let objects = self
            .objects
            .as_ref()
            .expect("only such shapes are foreseen");
        let (like, keys) = (objects.dict.get(attached), objects.keys.get(attached));
        attached.dict_like(&like, &keys, values)
    }
}

impl<'s> ShapeKey<'s> {
    /// The key as it is encoded.
    #[inline]
    pub(super) fn encoded(self) -> &'s [u8] {
        &self.shape.encoded[self.span.from..][..self.span.len]
    }

    /// Passes the key if it is what the reader has next.
    #[inline]
    pub(super) fn pass(self, reader: &mut Reader<'_>) -> bool {
        let (next, span) = (reader.rest(), self.span);
        let is_next = match next.first_chunk() {
            Some(first) => {
                (u64::from_le_bytes(*first) ^ span.head) & span.mask == 0
                    && (span.len <= first.len() || next.starts_with(self.encoded()))
            }
            None => next.starts_with(self.encoded()),
        };
        if is_next {
            reader.seek(reader.position() + span.len);
        }
        is_next
    }

    /// The key itself.
    pub(super) fn object<'a>(self, attached: Attached<'a>) -> Result<Object<'a>, CrossingError> {
        let object = read_usual(attached, &mut Reader::new(self.encoded()))?;
        Ok(object.expect("the keys of a shape are strs"))
    }
}

impl Objects {
    /// None where two keys are equal, which only happens in malformed bytes.
    fn of(attached: Attached<'_>, shape: &DictShape) -> Result<Option<Objects>, CrossingError> {
        let mut keys = Vec::with_capacity(shape.spans.len());
        let dict = made(attached.dict())?;
        for key in shape.keys() {
            let key = key.object(attached)?;
            let inserted = dict.insert(&key, &attached.none());
            inserted.map_err(|raised| CrossingError::new(explained(&raised)))?;
            keys.push(key);
        }
        if dict.len() < keys.len() {
            return Ok(None);
        }
        Ok(Some(Objects {
            keys: made(attached.tuple(keys))?.keep(),
            dict: dict.keep(),
        }))
    }
}

fn spans(encoded: &[u8]) -> Box<[Span]> {
    let mut from = 0;
    let next = || {
        let len = key_len(*encoded.get(from)?);
        let (mut head, n_used) = ([0; 8], len.min(8));
        head[..n_used].copy_from_slice(&encoded[from..][..n_used]);
        let span = Span {
            head: u64::from_le_bytes(head),
            mask: u64::MAX >> (64 - 8 * n_used),
            from,
            len,
        };
        from += len;
        Some(span)
    };
    std::iter::from_fn(next).collect()
}

/// How many bytes a short str takes that is encoded with this tag.
#[inline]
fn key_len(tag: u8) -> usize {
    usize::from(tag - tag::SHORT_STR) + 1
}

/// Where the shape of a dict is kept whose first key is next in `bytes`.
#[inline]
fn slot(bytes: &[u8], n_keys: usize) -> usize {
    let n_used = match bytes.first() {
        Some(&tag) if Shapes::fits_key(tag) => key_len(tag).min(4),
        _ => 0,
    };
    let used = bytes.iter().take(n_used);
    used.fold(n_keys, |slot, &byte| slot * 5 + usize::from(byte)) % N_SHAPES
}
