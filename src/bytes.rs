//! Bytes: encoded values on their way, which need no allocation while they are short.
//!
//! Most calls and most values are a few bytes. An allocation for each, made on one thread and freed on
//! another, would cost more than the call.

use std::fmt;
use std::ops::Deref;

use crate::payload::{Buffer, Encoding, Reader};

/// How many bytes fit without an allocation: with length and tag, three quarters of a cache line, which
/// leaves room for what goes with them.
const INLINE: usize = 46;

/// Up to how many bytes are copied into memory of their own, so that the buffer stays with the thread
/// that fills it.
///
/// Memory that another thread has read is not this core's any more: to fill it again byte by byte waits
/// for each of its cache lines, while a copy fetches many at once.
const COPIED: usize = 32 << 10;

/// Encoded values.
#[derive(Clone)]
pub(crate) enum Bytes {
    Short(u8, [u8; INLINE]),
    Long(Vec<u8>),
    WithBuffers(Box<Encoding>),
}

impl Bytes {
    /// Takes what the encoding holds, and leaves it empty for the next use.
    #[inline]
    pub(crate) fn take_from(buffer: &mut Encoding) -> Bytes {
        if let Some(encoding) = buffer.take_with_buffers() {
            return Bytes::WithBuffers(Box::new(encoding));
        }
        if buffer.len() > COPIED {
            return Bytes::Long(std::mem::take(&mut **buffer));
        }
        if buffer.len() > INLINE {
            let bytes = Bytes::Long(buffer.to_vec());
            buffer.clear();
            return bytes;
        }
        let mut bytes = [0; INLINE];
        bytes[..buffer.len()].copy_from_slice(buffer);
        let length = buffer.len() as u8;
        buffer.clear();
        Bytes::Short(length, bytes)
    }

    /// Encoded values that came from elsewhere, and the buffers that they refer to.
    pub(crate) fn of(bytes: Vec<u8>, buffers: Vec<Buffer>) -> Bytes {
        match buffers.is_empty() && bytes.len() > INLINE {
            true => Bytes::Long(bytes),
            false => Bytes::take_from(&mut Encoding::of(bytes, buffers)),
        }
    }

    /// The buffers that they refer to.
    pub(crate) fn buffers(&self) -> &[Buffer] {
        match self {
            Bytes::WithBuffers(encoding) => encoding.buffers(),
            _ => &[],
        }
    }

    /// What is left after the first `n` bytes, which refers to the same buffers.
    pub(crate) fn after(self, n: usize) -> Bytes {
        match self {
            Bytes::Short(length, bytes) => {
                let mut rest = [0; INLINE];
                rest[..INLINE - n].copy_from_slice(&bytes[n..]);
                Bytes::Short(length - n as u8, rest)
            }
            Bytes::Long(mut bytes) => {
                bytes.drain(..n);
                Bytes::Long(bytes)
            }
            Bytes::WithBuffers(mut encoding) => {
                encoding.drain(..n);
                Bytes::WithBuffers(encoding)
            }
        }
    }

    /// A reader at the start.
    #[inline]
    pub(crate) fn reader(&self) -> Reader<'_> {
        match self {
            Bytes::WithBuffers(encoding) => encoding.reader(),
            _ => Reader::new(self),
        }
    }

    /// How much memory they stand for, in bytes and in buffers.
    pub(crate) fn n_bytes(&self) -> usize {
        match self {
            Bytes::WithBuffers(encoding) => encoding.n_bytes(),
            _ => self.len(),
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::Short(0, [0; INLINE])
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Short(length, bytes) => &bytes[..usize::from(*length)],
            Bytes::Long(bytes) => bytes,
            Bytes::WithBuffers(encoding) => encoding,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_out_as_it_went_in_and_the_buffer_is_empty() {
        for length in [0, 1, INLINE, INLINE + 1, COPIED, COPIED + 1] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut buffer = Encoding::from(text.clone());
            let bytes = Bytes::take_from(&mut buffer);
            assert_eq!(*bytes, text[..]);
            assert!(buffer.is_empty());
            assert_eq!(matches!(bytes, Bytes::Short(..)), length <= INLINE);
            for n in [0, length / 3, length] {
                assert_eq!(*bytes.clone().after(n), text[n..]);
            }
        }
        assert_eq!(size_of::<Bytes>(), 48);
    }
}
