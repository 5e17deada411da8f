//! Mapping: memory that one process fills once and others read, and that cannot change afterwards.
//!
//! It is a sealed memory file (`memfd_create`): the system refuses to write to it, shorten it or remove the seals,
//! for every process (fcntl(2), `F_ADD_SEALS`). So the bytes can be borrowed as a slice, whatever the process that
//! wrote them does.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::address::Address;

/// What keeps a memory file as it is.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

/// From how many bytes on a mapping keeps its file, to be sent on. There are only so many descriptors, and
/// smaller ones may be kept in large numbers.
const KEPT_FROM: usize = 8 << 20;

/// A sealed memory file in this process's memory.
///
/// # Invariant
///
/// `start` is where the whole of a file is mapped for reading, of `length` bytes, more than none, which has
/// the seals against writing and shrinking; it is unmapped by the drop alone.
pub struct Mapping {
    start: Address<u8>,
    length: usize,
    file: Option<OwnedFd>,
}

impl Mapping {
    /// A sealed memory file that holds these pieces, one after the other; to be sent to another process.
    ///
    /// # Errors
    ///
    /// The system's, such as for want of memory or of file descriptors.
    pub fn file_of(pieces: &[&[u8]]) -> io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create(c"owngil-buffers", flags)?;
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let n_written = rustix::io::write(&file, piece)?;
                piece = &piece[n_written..];
            }
        }
        rustix::fs::fcntl_add_seals(&file, SEALS)?;
        Ok(file)
    }

    /// Maps a memory file that another process has sealed.
    ///
    /// # Errors
    ///
    /// `InvalidData` for one that is not sealed, or is empty; the system's.
    pub fn open(file: OwnedFd) -> io::Result<Mapping> {
        let refused = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
        if !rustix::fs::fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(refused("a memory file without its seals"));
        }
        let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        if length == 0 {
            return Err(refused("an empty memory file"));
        }
        let (protection, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
        // SAFETY: the system chooses a place that is free, so no memory that is in use changes.
        let start =
            unsafe { rustix::mm::mmap(ptr::null_mut(), length, protection, flags, &file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| refused("mapped at null"))?;
        let start = Address(start);
        Ok(Mapping {
            start,
            length,
            file: (length >= KEPT_FROM).then_some(file),
        })
    }

    /// The file, to be sent on; large ones have it.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Where these bytes are in it, if they are.
    pub fn range_of(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = bytes.as_ptr().addr();
        let start = start.checked_sub(self.start.0.as_ptr().addr())?;
        let end = start.checked_add(bytes.len())?;
        (end <= self.length).then_some(start..end)
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: by the invariant so many bytes are mapped for reading there, for as long as `self`
        // exists; and the seals, which `open` has seen, keep all processes from changing them.
        unsafe { slice::from_raw_parts(self.start.0.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped there by `open`, with that length; no slice of it outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.start.0.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok());
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes)", self.length)
    }
}
