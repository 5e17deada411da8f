//! The bytes of the encoding: its tags, a [`Reader`] over untrusted bytes, and one
//! function to write each kind of value.
//!
//! It does not recurse: the walks over containers count the levels, against [`MAX_DEPTH`](limits::MAX_DEPTH).
//!
//! ```text
//! 0x00..=0x7F  int 0..=127            0xC5  BIGINT  varint n, n bytes
//! 0x80..=0x9F  str of 0..=31 bytes    0xC6  FLOAT   8 bytes
//! 0xE0..=0xFF  int -32..=-1           0xC7  STR     varint n, n bytes
//! 0xC0         None                   0xC8  STR_SURROGATES  varint n, n bytes
//! 0xC1, 0xC2   False, True            0xC9  BYTES   varint n, n bytes
//! 0xC3         INT32  4 bytes         0xCA  REF     varint offset into the body
//! 0xC4         INT64  8 bytes         0xCB  LEAF    varint index, varint n, n bytes
//!                                     0xCC  LEAVES  varint n, n bytes, then the body
//! 0xCE, 0xCF, 0xD5  bytes, memoryview, bytearray that stand in a buffer: its number in 4 bytes
//! 0xD0..=0xD4  list, tuple, dict, set, frozenset: varint count, then the items
//! 0xD8..=0xDC  the same five, where a REF may point at them
//! ```
//!
//! Numbers are little-endian; a varint is an unsigned LEB128 of at most 64 bits in its shortest form.

pub(crate) mod leaf_name;
pub(crate) mod limits;
pub(crate) mod skip;

use crate::payload::buffer::{self, Buffer};
use crate::payload::error::{Crossing, CrossingError};

/// The first byte of each kind of value.
pub(crate) mod tag {
    /// The largest one-byte non-negative int.
    pub(crate) const LARGEST_INT: u8 = 0x7F;
    /// The str of no bytes; the next 31 tags are those of 1 to 31 bytes.
    pub(crate) const SHORT_STR: u8 = 0x80;
    /// The str of 31 bytes.
    pub(crate) const LONGEST_SHORT_STR: u8 = 0x9F;
    /// `None`.
    pub(crate) const NONE: u8 = 0xC0;
    /// `False`.
    pub(crate) const FALSE: u8 = 0xC1;
    /// `True`.
    pub(crate) const TRUE: u8 = 0xC2;
    /// An int of four bytes.
    pub(crate) const INT32: u8 = 0xC3;
    /// An int of eight bytes.
    pub(crate) const INT64: u8 = 0xC4;
    /// An int beyond eight bytes.
    pub(crate) const BIGINT: u8 = 0xC5;
    /// A float.
    pub(crate) const FLOAT: u8 = 0xC6;
    /// A str in UTF-8.
    pub(crate) const STR: u8 = 0xC7;
    /// A str that holds lone surrogates, in UTF-8 with three bytes for each of them.
    pub(crate) const STR_SURROGATES: u8 = 0xC8;
    /// A bytes object.
    pub(crate) const BYTES: u8 = 0xC9;
    /// A container that came before, by its offset in the body.
    pub(crate) const REF: u8 = 0xCA;
    /// An object out of the table of pickled leaves.
    pub(crate) const LEAF: u8 = 0xCB;
    /// The table of pickled leaves; only the first byte of a top-level value.
    pub(crate) const LEAVES: u8 = 0xCC;
    /// A bytes object that stands in a buffer beside the bytes; 0xCD is no value's.
    pub(crate) const BYTES_BUFFER: u8 = 0xCE;
    /// A memoryview.
    pub(crate) const MEMORYVIEW: u8 = 0xCF;
    /// A list.
    pub(crate) const LIST: u8 = 0xD0;
    /// A tuple.
    pub(crate) const TUPLE: u8 = 0xD1;
    /// A dict.
    pub(crate) const DICT: u8 = 0xD2;
    /// A set.
    pub(crate) const SET: u8 = 0xD3;
    /// A frozenset.
    pub(crate) const FROZENSET: u8 = 0xD4;
    /// A bytearray.
    pub(crate) const BYTEARRAY: u8 = 0xD5;
    /// The bit that a container's tag carries when a REF may point at it.
    pub(crate) const SHARED: u8 = 0x08;
    /// A list that a REF may point at.
    pub(crate) const SHARED_LIST: u8 = LIST | SHARED;
    /// A frozenset that a REF may point at.
    pub(crate) const SHARED_FROZENSET: u8 = FROZENSET | SHARED;
    /// The int -32, the smallest of one byte.
    pub(crate) const SMALLEST_INT: u8 = 0xE0;
}

/// The five containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    /// A list.
    List,
    /// A tuple.
    Tuple,
    /// A dict.
    Dict,
    /// A set.
    Set,
    /// A frozenset.
    FrozenSet,
}

impl ContainerKind {
    /// The container that a tag, shared or not, opens.
    #[inline]
    pub(crate) fn of(tag: u8) -> Option<Self> {
        match tag & !tag::SHARED {
            tag::LIST => Some(ContainerKind::List),
            tag::TUPLE => Some(ContainerKind::Tuple),
            tag::DICT => Some(ContainerKind::Dict),
            tag::SET => Some(ContainerKind::Set),
            tag::FROZENSET => Some(ContainerKind::FrozenSet),
            _ => None,
        }
    }

    /// Python's name of the type.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            ContainerKind::List => "list",
            ContainerKind::Tuple => "tuple",
            ContainerKind::Dict => "dict",
            ContainerKind::Set => "set",
            ContainerKind::FrozenSet => "frozenset",
        }
    }

    /// How many values each counted item holds: two in a dict, a key and a value.
    #[inline]
    pub(crate) fn values_per_item(self) -> usize {
        if self == ContainerKind::Dict { 2 } else { 1 }
    }
}

/// One value's head: a whole scalar, or a container whose items come next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'de> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An int of at most 64 bits.
    Int(i64),
    /// A larger int, as little-endian two's complement.
    BigInt(&'de [u8]),
    /// A float.
    Float(f64),
    /// A str.
    Str(&'de str),
    /// A str with lone surrogates, as Python's `surrogatepass` writes it.
    Surrogates(&'de [u8]),
    /// A bytes object.
    Bytes(&'de [u8]),
    /// A bytes, memoryview or bytearray in a buffer: its tag, and where the buffer is.
    Buffer(u8, &'de Buffer),
    /// A container of so many items, or pairs of items in a dict.
    Container {
        /// Which container.
        kind: ContainerKind,
        /// How many items or pairs follow; no more than the bytes that remain could hold.
        count: usize,
    },
    /// A shared container that came before, by its offset in the body.
    Ref(u64),
    /// An object out of the table of pickled leaves.
    Leaf {
        /// Its number in the table.
        index: u64,
        /// Its Python type, and more: see `leaf_name`.
        name: &'de str,
    },
}

/// A position in encoded bytes; every step checks that the bytes are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'de> {
    bytes: &'de [u8],
    position: usize,
    buffers: &'de [Buffer],
}

impl<'de> Reader<'de> {
    /// A reader at the start of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Reader::with_buffers(bytes, &[])
    }

    /// A reader at the start of `bytes`, which refer to `buffers`.
    #[inline]
    pub(crate) fn with_buffers(bytes: &'de [u8], buffers: &'de [Buffer]) -> Self {
        Reader {
            bytes,
            position: 0,
            buffers,
        }
    }

    /// The buffers that the bytes refer to.
    pub(crate) fn buffers(&self) -> &'de [Buffer] {
        self.buffers
    }

    /// How far the reader has come.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Goes to a position, which may be the end but not beyond.
    #[inline]
    pub(crate) fn seek(&mut self, position: usize) {
        self.position = position.min(self.bytes.len());
    }

    /// How many bytes are left.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// All that is unread.
    #[inline]
    pub(crate) fn rest(&self) -> &'de [u8] {
        &self.bytes[self.position..]
    }

    /// The bytes between two positions.
    pub(crate) fn between(&self, from: usize, to: usize) -> &'de [u8] {
        &self.bytes[from..to]
    }

    /// The next byte, which stays unread.
    #[inline]
    pub(crate) fn peek(&self) -> Crossing<u8> {
        match self.bytes.get(self.position) {
            Some(&byte) => Ok(byte),
            None => Err(truncated()),
        }
    }

    /// Reads one byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Crossing<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Ok(byte)
    }

    /// Reads `n` bytes, without a copy.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Crossing<&'de [u8]> {
        if n > self.remaining() {
            return Err(truncated());
        }
        let bytes = &self.bytes[self.position..self.position + n];
        self.position += n;
        Ok(bytes)
    }

    /// Reads a fixed number of bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Crossing<[u8; N]> {
        match self.bytes[self.position..].first_chunk::<N>() {
            Some(bytes) => {
                self.position += N;
                Ok(*bytes)
            }
            None => Err(truncated()),
        }
    }

    /// Reads an unsigned LEB128 of at most 64 bits.
    #[inline]
    pub(crate) fn varint(&mut self) -> Crossing<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.long_varint(first)
    }

    fn long_varint(&mut self, first: u8) -> Crossing<u64> {
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(CrossingError::malformed("a number beyond 64 bits"));
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return match byte {
                    0 => Err(CrossingError::malformed(
                        "a number in a needlessly long form",
                    )),
                    _ => Ok(number),
                };
            }
        }
        Err(CrossingError::malformed("a number beyond 64 bits"))
    }

    /// Reads a length and that many bytes, without a copy.
    #[inline]
    pub(crate) fn block(&mut self) -> Crossing<&'de [u8]> {
        let len = self.varint()?;
        match usize::try_from(len) {
            Ok(len) => self.take(len),
            Err(_) => Err(truncated()),
        }
    }

    /// Reads a container's count, refusing one that the bytes left could not hold.
    #[inline]
    pub(crate) fn count(&mut self, kind: ContainerKind) -> Crossing<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.remaining() / kind.values_per_item() => Ok(count),
            _ => Err(truncated()),
        }
    }

    /// Reads the table of pickled leaves, if the value that starts here has one.
    #[inline]
    pub(crate) fn leaves(&mut self) -> Crossing<Option<&'de [u8]>> {
        if self.peek()? != tag::LEAVES {
            return Ok(None);
        }
        self.position += 1;
        self.block().map(Some)
    }

    /// Reads the int that is next, or nothing when something else is: the shortest way to an int.
    #[inline]
    pub(crate) fn int(&mut self) -> Crossing<Option<i64>> {
        let tag = self.peek()?;
        let number = match tag {
            ..=tag::LARGEST_INT | tag::SMALLEST_INT.. => {
                self.position += 1;
                i64::from(tag.cast_signed())
            }
            tag::INT32 => {
                self.position += 1;
                i64::from(i32::from_le_bytes(self.array()?))
            }
            tag::INT64 => {
                self.position += 1;
                i64::from_le_bytes(self.array()?)
            }
            _ => return Ok(None),
        };
        Ok(Some(number))
    }

    /// Reads the float that is next, or nothing when something else is.
    #[inline]
    pub(crate) fn float(&mut self) -> Crossing<Option<f64>> {
        if self.peek()? != tag::FLOAT {
            return Ok(None);
        }
        self.position += 1;
        Ok(Some(f64::from_le_bytes(self.array()?)))
    }

    /// Reads the str that is next, or nothing when something else is.
    #[inline]
    pub(crate) fn str(&mut self) -> Crossing<Option<&'de str>> {
        let bytes = match self.peek()? {
            tag @ tag::SHORT_STR..=tag::LONGEST_SHORT_STR => {
                self.position += 1;
                self.take(usize::from(tag - tag::SHORT_STR))?
            }
            tag::STR => {
                self.position += 1;
                self.block()?
            }
            _ => return Ok(None),
        };
        text(bytes).map(Some)
    }

    /// Reads one value's head: all of a scalar, the kind and count of a container.
    #[inline]
    pub(crate) fn token(&mut self) -> Crossing<Token<'de>> {
        let tag = self.u8()?;
        Ok(match tag {
            ..=tag::LARGEST_INT => Token::Int(i64::from(tag)),
            tag::SHORT_STR..=tag::LONGEST_SHORT_STR => {
                Token::Str(text(self.take(usize::from(tag - tag::SHORT_STR))?)?)
            }
            tag::SMALLEST_INT.. => Token::Int(i64::from(tag.cast_signed())),
            tag::NONE => Token::None,
            tag::FALSE => Token::Bool(false),
            tag::TRUE => Token::Bool(true),
            tag::INT32 => Token::Int(i64::from(i32::from_le_bytes(self.array()?))),
            tag::INT64 => Token::Int(i64::from_le_bytes(self.array()?)),
            tag::BIGINT => Token::BigInt(self.block()?),
            tag::FLOAT => Token::Float(f64::from_le_bytes(self.array()?)),
            tag::STR => Token::Str(text(self.block()?)?),
            tag::STR_SURROGATES => Token::Surrogates(self.block()?),
            tag::BYTES => Token::Bytes(self.block()?),
            tag::BYTES_BUFFER | tag::MEMORYVIEW | tag::BYTEARRAY => {
                let number = u32::from_le_bytes(self.array()?) as usize;
                Token::Buffer(tag, self.buffers.get(number).ok_or_else(buffer::missing)?)
            }
            tag::REF => Token::Ref(self.varint()?),
            tag::LEAF => Token::Leaf {
                index: self.varint()?,
                name: text(self.block()?)?,
            },
            _ => match ContainerKind::of(tag) {
                Some(kind) => Token::Container {
                    kind,
                    count: self.count(kind)?,
                },
                None => return Err(unknown_tag(tag)),
            },
        })
    }
}

#[inline]
fn text(bytes: &[u8]) -> Crossing<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(CrossingError::malformed("a str that is not UTF-8")),
    }
}

#[cold]
pub(crate) fn truncated() -> CrossingError {
    CrossingError::malformed("it ends too early")
}

#[cold]
pub(crate) fn unknown_tag(tag: u8) -> CrossingError {
    CrossingError::malformed(&match tag {
        tag::LEAVES => "a table of leaves inside a value".to_owned(),
        _ => format!("no value starts with byte 0x{tag:02X}"),
    })
}

/// Writes an unsigned LEB128.
#[inline]
pub(crate) fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes `None`.
#[inline]
pub(crate) fn write_none(out: &mut Vec<u8>) {
    out.push(tag::NONE);
}

/// Writes `True` or `False`.
#[inline]
pub(crate) fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { tag::TRUE } else { tag::FALSE });
}

/// Writes an int in its shortest form.
#[inline]
pub(crate) fn write_int(out: &mut Vec<u8>, number: i64) {
    if (-32..=127).contains(&number) {
        out.push(number as u8);
    } else if let Ok(number) = i32::try_from(number) {
        let mut bytes = [tag::INT32; 5];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&bytes);
    } else {
        let mut bytes = [tag::INT64; 9];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// Writes an int given as little-endian two's complement of any length, in its shortest form.
pub(crate) fn write_bigint(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = shortest_int(bytes);
    if bytes.len() <= 8 {
        let sign = bytes.last().map_or(0, |last| fill_of(*last));
        let mut number = [sign; 8];
        number[..bytes.len()].copy_from_slice(bytes);
        return write_int(out, i64::from_le_bytes(number));
    }
    out.push(tag::BIGINT);
    write_block(out, bytes);
}

/// Writes a float, whose bits stay as they are.
#[inline]
pub(crate) fn write_float(out: &mut Vec<u8>, number: f64) {
    let mut bytes = [tag::FLOAT; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// Writes a str.
#[inline]
pub(crate) fn write_str(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(len) if len <= tag::LONGEST_SHORT_STR - tag::SHORT_STR => {
            out.reserve(text.len() + 1);
            out.push(tag::SHORT_STR + len);
            out.extend_from_slice(text.as_bytes());
        }
        _ => {
            out.push(tag::STR);
            write_block(out, text.as_bytes());
        }
    }
}

/// Writes a str that holds lone surrogates, given as `surrogatepass` encodes it.
pub(crate) fn write_surrogates(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(tag::STR_SURROGATES);
    write_block(out, bytes);
}

/// Writes a bytes object.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(tag::BYTES);
    write_block(out, bytes);
}

/// Writes the head of a container; its `count` items, or key and value pairs, follow.
#[inline]
pub(crate) fn write_container(out: &mut Vec<u8>, tag: u8, count: usize) {
    out.push(tag);
    write_varint(out, count as u64);
}

/// Lets a REF point at the container whose tag byte is at `offset` of `bytes`.
pub(crate) fn mark_shared(bytes: &mut [u8], offset: usize) {
    debug_assert!(ContainerKind::of(bytes[offset]).is_some());
    bytes[offset] |= tag::SHARED;
}

/// Writes a reference to the shared container at an offset of the body.
pub(crate) fn write_ref(out: &mut Vec<u8>, offset: u64) {
    out.push(tag::REF);
    write_varint(out, offset);
}

/// Writes a reference to the object of that number in the table of pickled leaves.
pub(crate) fn write_leaf(out: &mut Vec<u8>, index: u64, name: &str) {
    out.push(tag::LEAF);
    write_varint(out, index);
    write_block(out, name.as_bytes());
}

/// Writes the table of pickled leaves; the body follows.
pub(crate) fn write_leaves(out: &mut Vec<u8>, pickle: &[u8]) {
    out.push(tag::LEAVES);
    write_block(out, pickle);
}

/// Puts a table of pickled leaves before the body that `out` holds from `start` on.
pub(crate) fn insert_leaves(out: &mut Vec<u8>, start: usize, pickle: &[u8]) {
    let end = out.len();
    write_leaves(out, pickle);
    let len = out.len() - end;
    out[start..].rotate_right(len);
}

/// Writes a tag that is no value's, and bytes after it.
pub(crate) fn write_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    write_block(out, bytes);
}

fn write_block(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The shortest little-endian two's complement of the same int: at least one byte, or none of none.
pub(crate) fn shortest_int(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., before, last] = bytes {
        if *last != fill_of(*before) {
            break;
        }
        bytes = &bytes[..rest.len() + 1];
    }
    bytes
}

/// The byte that extends a two's complement whose last byte is `last`.
#[inline]
pub(crate) fn fill_of(last: u8) -> u8 {
    if last >= 0x80 { 0xFF } else { 0 }
}
