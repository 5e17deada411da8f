//! Memfd: buffers in memory files, which worker processes map instead of copying them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use owngil_ffi::Mapping;

use super::buffer::Buffer;

/// From how many bytes on they are written into a file at once, where they go to a process. Each takes a
/// descriptor for as long as it waits.
const FROM: usize = 8 << 20;

/// The files that are mapped here, by where they are.
static MAPPED: Mutex<BTreeMap<usize, Weak<Mapping>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// What is encoded on this thread goes to a process.
    static PREFERRED: Cell<bool> = const { Cell::new(false) };
}

/// Has large bytes that are encoded meanwhile written into files, if `on`.
pub(crate) fn preferred<R>(on: bool, work: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            PREFERRED.set(self.0);
        }
    }
    let _back = Back(PREFERRED.replace(on));
    work()
}

/// A copy of these bytes, in a file if they go to a process and are worth it.
pub(super) fn copy(bytes: &[u8]) -> Buffer {
    let shared = (bytes.len() >= FROM && PREFERRED.get()).then(|| {
        let mapping = map(Mapping::file_of(&[bytes])?)?;
        Ok::<_, io::Error>(Buffer::of_part(mapping, 0..bytes.len()))
    });
    match shared {
        Some(Ok(buffer)) => buffer,
        // Without a descriptor or memory for it, it is tried again where it is sent.
        _ => bytes.to_vec().into(),
    }
}

/// Maps a file, and remembers where.
pub(crate) fn map(file: OwnedFd) -> io::Result<Arc<Mapping>> {
    let mapping = Arc::new(Mapping::open(file)?);
    let mut known = all();
    known.retain(|_, mapping| mapping.strong_count() > 0);
    if mapping.file().is_some() {
        let bytes: &[u8] = (*mapping).as_ref();
        known.insert(bytes.as_ptr().addr(), Arc::downgrade(&mapping));
    }
    Ok(mapping)
}

/// The file that all of these are in, if that is one, and where in it each starts.
pub(crate) fn found(buffers: &[&[u8]]) -> Option<(OwnedFd, Vec<u64>)> {
    let first = buffers.iter().find(|buffer| !buffer.is_empty())?;
    let mapping = {
        let known = all();
        let (_, mapping) = known.range(..=first.as_ptr().addr()).next_back()?;
        mapping.upgrade()?
    };
    let starts = buffers.iter().map(|buffer| match buffer.is_empty() {
        true => Some(0),
        false => mapping.range_of(buffer).map(|range| range.start as u64),
    });
    let starts: Option<Vec<u64>> = starts.collect();
    let file = mapping.file()?.try_clone_to_owned().ok()?;
    starts.map(|starts| (file, starts))
}

fn all() -> MutexGuard<'static, BTreeMap<usize, Weak<Mapping>>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}
