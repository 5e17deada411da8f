//! Board: a few numbers and some bytes that two processes share, and that outlive either one.
//!
//! The numbers are atomics. One side writes the bytes, and the other reads them after the writer has ended; they are
//! copied one by one, so that a writer that still runs causes an error, not a fault. Trust what is read no more than
//! anything else that another process says.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::address::Address;

/// How many numbers there are, each on a cache line of its own.
const N_NUMBERS: usize = 8;

const LINE: usize = 64;

/// Where the bytes start.
const FRONT: usize = N_NUMBERS * LINE;

/// How large it is; and where the system's limit for files (RLIMIT_FSIZE) is lower.
const LENGTH: usize = 64 << 10;
const SHORT: usize = 4 << 10;

/// What keeps its size as it is.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// Memory that is shared with another process.
///
/// # Invariant
///
/// `start` is where `length` bytes of a file that cannot shrink are mapped for reading and writing,
/// page-aligned, no fewer than `FRONT`; it is unmapped by the drop alone. All of it is reached by atomics alone, here and in all
/// other places where it is mapped: the numbers before `FRONT` as such, what follows byte by byte.
pub struct Board {
    start: Address<u8>,
    length: usize,
}

impl Board {
    /// For how many bytes there is room, unless files must be shorter.
    pub const ROOM: usize = LENGTH - FRONT;

    /// A new one, of zeros, and the file by which another process opens it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn create() -> io::Result<(Board, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create(c"owngil-board", flags)?;
        match rustix::fs::ftruncate(&file, LENGTH as u64) {
            Err(Errno::FBIG) => rustix::fs::ftruncate(&file, SHORT as u64),
            extended => extended,
        }?;
        rustix::fs::fcntl_add_seals(&file, SEALS)?;
        Ok((Board::open(&file)?, file))
    }

    /// That of another process.
    ///
    /// # Errors
    ///
    /// `InvalidData` for a file that is none; the system's.
    pub fn open(file: &OwnedFd) -> io::Result<Board> {
        let refused = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
        let is_sealed = rustix::fs::fcntl_get_seals(file)?.contains(SEALS);
        let length = usize::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        if !is_sealed || ![LENGTH, SHORT].contains(&length) {
            return Err(refused("no board"));
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses a place that is free, so no memory that is in use changes.
        let start = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                length,
                protection,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| refused("mapped at null"))?;
        Ok(Board {
            start: Address(start),
            length,
        })
    }

    /// One of the numbers.
    ///
    /// # Panics
    ///
    /// When there are not that many.
    pub fn number(&self, place: usize) -> &AtomicU64 {
        assert!(place < N_NUMBERS, "a board has {N_NUMBERS} numbers");
        let address = self.start.0.as_ptr().wrapping_add(place * LINE);
        // SAFETY: by the invariant it is mapped for as long as `self` exists and aligned, and all
        // processes reach what is before `FRONT` by atomics alone.
        unsafe { AtomicU64::from_ptr(address.cast()) }
    }

    /// Copies bytes in, from `at` on; says whether there was room.
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        let Some(room) = self.room(at, bytes.len()) else {
            return false;
        };
        for (place, byte) in room.iter().zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
        }
        true
    }

    /// Copies bytes out; `None` where there are not that many.
    pub fn read(&mut self, at: usize, n: usize) -> Option<Vec<u8>> {
        let room = self.room(at, n)?;
        Some(
            room.iter()
                .map(|place| place.load(Ordering::Relaxed))
                .collect(),
        )
    }

    /// So many bytes from there on; `None` where there are not that many.
    fn room(&self, at: usize, n: usize) -> Option<&[AtomicU8]> {
        let end = at.checked_add(n)?;
        if end > self.length - FRONT {
            return None;
        }
        let start = self.start.0.as_ptr().wrapping_add(FRONT + at);
        // SAFETY: by the invariant so many bytes are mapped there for as long as `self` exists, and all who
        // reach them do so by such atomics, which have the layout of a byte.
        Some(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU8>(), n) })
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: mapped there by `open`, with that length; nothing that is lent outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.start.0.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok());
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}
