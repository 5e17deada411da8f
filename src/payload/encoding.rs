//! Encoding: encoded values, and the buffers that they refer to by number.
//!
//! Values are appended to its bytes. What is not to be copied into those stands beside them.
//! It does not know which value a buffer belongs to; a value that is taken out alone has its buffers
//! renumbered.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::buffer::{self, Buffer};
use super::error::{Crossing, CrossingError};
use super::format::Reader;

/// How much memory one that is used again keeps.
const KEPT: usize = 64 << 10;

/// Encoded values, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoding {
    bytes: Vec<u8>,
    buffers: Vec<Buffer>,
    n_buffer_bytes: usize,
}

/// How far an encoding had come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    n_bytes: usize,
    n_buffers: usize,
    n_buffer_bytes: usize,
}

impl Mark {
    /// Where the bytes ended.
    pub(crate) fn n_bytes(self) -> usize {
        self.n_bytes
    }
}

impl Encoding {
    /// Bytes that came from elsewhere, and the buffers that they refer to.
    pub(crate) fn of(bytes: Vec<u8>, buffers: Vec<Buffer>) -> Encoding {
        let n_buffer_bytes = buffers.iter().map(|buffer| buffer.len()).sum();
        Encoding {
            bytes,
            buffers,
            n_buffer_bytes,
        }
    }

    /// A reader at the start.
    #[inline]
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::with_buffers(&self.bytes, &self.buffers)
    }

    /// The buffers that the bytes refer to.
    #[inline]
    pub(crate) fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// How much memory it stands for.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len() + self.n_buffer_bytes
    }

    /// Puts a buffer beside the bytes; its number.
    ///
    /// # Errors
    /// When there are 2³² already.
    pub(crate) fn add(&mut self, buffer: Buffer) -> Crossing<u32> {
        let number = u32::try_from(self.buffers.len());
        let number = number.map_err(|_| CrossingError::new("it holds too many buffers"))?;
        self.n_buffer_bytes += buffer.len();
        self.buffers.push(buffer);
        Ok(number)
    }

    /// Writes a value that is in a buffer; `tag` says what Python takes it for.
    pub(crate) fn write_buffer(&mut self, tag: u8, buffer: Buffer) -> Crossing<()> {
        let number = self.add(buffer)?;
        self.write_number(tag, number);
        Ok(())
    }

    /// Writes a value that is in the buffer of that number.
    pub(crate) fn write_number(&mut self, tag: u8, number: u32) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// Takes over the buffers of bytes that were copied here from another encoding, `from` on, and
    /// renumbers them; `places` are where their numbers stand.
    ///
    /// # Errors
    /// When a number is that of no buffer.
    pub(crate) fn adopt(
        &mut self,
        from: usize,
        places: &[usize],
        theirs: &[Buffer],
    ) -> Crossing<()> {
        // What is one buffer stays one: a bytearray may occur twice.
        let mut numbers = HashMap::new();
        for place in places.iter().map(|place| from + place) {
            let theirs_at = self.bytes[place..]
                .first_chunk()
                .map(|at| u32::from_le_bytes(*at));
            let number = theirs_at.ok_or_else(buffer::missing)?;
            let ours = match numbers.get(&number) {
                Some(ours) => *ours,
                None => {
                    let buffer = theirs.get(number as usize).ok_or_else(buffer::missing)?;
                    let ours = self.add(buffer.clone())?;
                    numbers.insert(number, ours);
                    ours
                }
            };
            self.bytes[place..place + 4].copy_from_slice(&ours.to_le_bytes());
        }
        Ok(())
    }

    /// How far it has come.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            n_bytes: self.bytes.len(),
            n_buffers: self.buffers.len(),
            n_buffer_bytes: self.n_buffer_bytes,
        }
    }

    /// Takes back what was appended since.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.n_bytes);
        self.buffers.truncate(mark.n_buffers);
        self.n_buffer_bytes = mark.n_buffer_bytes;
    }

    /// Empties it for the next use, and keeps what memory that may need.
    pub(crate) fn reset(&mut self) {
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.buffers.clear();
        self.n_buffer_bytes = 0;
    }

    /// Takes it apart, if it has buffers; else `None`, and it stays.
    #[inline]
    pub(crate) fn take_with_buffers(&mut self) -> Option<Encoding> {
        if self.buffers.is_empty() {
            return None;
        }
        Some(std::mem::take(self))
    }
}

impl From<Vec<u8>> for Encoding {
    fn from(bytes: Vec<u8>) -> Self {
        Encoding {
            bytes,
            ..Encoding::default()
        }
    }
}

impl Deref for Encoding {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Encoding {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
