//! [`Buffer`]: bytes that cross without a copy.

use std::fmt;
use std::ops::{Deref, Range};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use owngil_ffi::Owner;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::error::CrossingError;
use super::format::limits::foreseen;
use super::rust::handoff;

/// Shared, immutable bytes. A clone refers to the same bytes.
///
/// As an argument, or anywhere inside one, it arrives in Python as a read-only `memoryview` of the same memory.
/// The memory stays for as long as Python keeps the view. Nothing is copied, whatever the size. If a function
/// needs `bytes`, use `serde_bytes`, which copies.
///
/// As a result, or a field of one, it accepts `bytes`, `bytearray` or a contiguous `memoryview`. From a pool's
/// workers, a large `bytes` comes without a copy: the buffer holds the Python object, and returns it to its worker
/// when the last clone is dropped. Until then the worker's interpreter cannot end. After the pool is gone, the
/// worker's thread waits for the buffer, and nothing waits for the thread. A view of another `Buffer`, or of a slice
/// of one, is that same memory again. Memory that Python could change meanwhile is copied once.
///
/// With any other serde format it is plain bytes.
///
/// ```
/// use owngil::{Buffer, Function, Pool};
///
/// let pool = Pool::builder().workers(1).build()?;
/// let tail = Function::source("def tail(view):\n    return view[-3:]", "tail");
/// let large = Buffer::from(vec![7; 1 << 20]);
/// let end: Buffer = pool.call(&tail, &large)?;
/// assert_eq!(*end, [7, 7, 7]);
/// assert_eq!(end.as_ptr(), large[large.len() - 3..].as_ptr());
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Clone)]
pub struct Buffer {
    owner: Arc<Owner>,
    range: Range<usize>,
}

handoff::handed!(Buffer);
handoff::handed!(Vec<Buffer>);

impl Buffer {
    /// Makes a buffer of the bytes that `owner` owns, such as a memory-mapped file or another crate's buffer.
    ///
    /// `owner` must return the same bytes each time. If Python drops the last view of them, `owner` is dropped on
    /// a thread that holds the interpreter's GIL, so its `Drop` should not wait for anything.
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Buffer {
        let owner: Arc<Owner> = Arc::new(owner);
        let range = 0..(*owner).as_ref().len();
        Buffer { owner, range }
    }

    /// Returns a part of the buffer, which keeps the whole alive.
    ///
    /// # Panics
    ///
    /// When the range is not inside.
    pub fn slice(&self, range: Range<usize>) -> Buffer {
        let inside = range.start <= range.end && range.end <= self.len();
        assert!(inside, "{range:?} is not in a buffer of {}", self.len());
        Buffer::of_part(
            Arc::clone(&self.owner),
            self.range.start + range.start..self.range.start + range.end,
        )
    }

    pub(crate) fn of_part(owner: Arc<Owner>, range: Range<usize>) -> Buffer {
        Buffer { owner, range }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // An owner that gives other bytes now than it did then is not ours to complain about.
        (*self.owner)
            .as_ref()
            .get(self.range.clone())
            .unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Buffer::from_owner(bytes)
    }
}

impl From<&'static [u8]> for Buffer {
    fn from(bytes: &'static [u8]) -> Self {
        Buffer::from_owner(bytes)
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Buffer) -> bool {
        let (ours, theirs): (&[u8], &[u8]) = (self, other);
        std::ptr::eq(ours, theirs) || ours == theirs
    }
}

impl Eq for Buffer {}

// Its bytes do not change, so none can be seen half changed.
impl UnwindSafe for Buffer {}
impl RefUnwindSafe for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_as(handoff::BUFFER, serializer)
    }
}

impl Buffer {
    pub(super) fn serialize_as<S: Serializer>(
        &self,
        name: &'static str,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        handoff::give(self.clone(), || {
            serializer.serialize_newtype_struct(name, &Plain(self))
        })
    }
}

/// The error for a number that is that of no buffer.
#[cold]
pub(super) fn missing() -> CrossingError {
    CrossingError::malformed("a buffer that is not there")
}

/// What another serializer finds in place of a buffer.
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(handoff::BUFFER, BufferVisitor)
    }
}

/// Takes over the buffer that our decoder found, or copies the bytes of another format.
struct BufferVisitor;

impl<'de> Visitor<'de> for BufferVisitor {
    type Value = Buffer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Buffer, D::Error> {
        inner.deserialize_byte_buf(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Buffer, E> {
        handoff::take().ok_or_else(|| E::invalid_type(de::Unexpected::Unit, &self))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Buffer, E> {
        Ok(bytes.to_vec().into())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Buffer, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Buffer, A::Error> {
        let mut bytes = Vec::with_capacity(foreseen(access.size_hint().unwrap_or(0)));
        while let Some(byte) = access.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
