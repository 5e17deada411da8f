//! Memory files: copies of shared objects that need no disk and disappear with the process.

#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use super::edit::Edits;

/// A file in memory with what of the object is loaded, edited, which cannot change any more.
pub(crate) fn copy(edits: &Edits<'_>) -> io::Result<OwnedFd> {
    let object = edits.object();
    let original = File::open(&object.path)?;
    let name = object.path.file_name().unwrap_or_default().as_bytes();
    // The name is for debuggers, and has a limit of 249 bytes.
    let copy = File::from(create(&name[..name.len().min(200)])?);
    let segments = &object.layout.segments;
    let end = segments.iter().map(|segment| segment.bytes.end).max();
    copy.set_len(end.unwrap_or(0))?;
    let mut bytes = Vec::new();
    for segment in segments {
        // Whole pages, as they are mapped.
        let start = segment.bytes.start & !0xfff;
        bytes.resize((segment.bytes.end - start) as usize, 0);
        original.read_exact_at(&mut bytes, start)?;
        copy.write_all_at(&bytes, start)?;
    }
    for (place, bytes) in edits.bytes() {
        copy.write_all_at(bytes, *place)?;
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

fn create(name: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since Linux 6.3 a system may require a flag that it will be executed; older ones do not
    // know it.
    match memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        other => other,
    }
    .map_err(Into::into)
}

/// A path by which this thread opens the copy, and which was never used before.
///
/// The loader takes a path that it has seen for the library that it has loaded from there, and the number of a
/// descriptor that was closed is given again. So each copy gets its own spelling of the path.
pub(crate) fn path(copy: &OwnedFd) -> String {
    static N_OPENED: AtomicU64 = AtomicU64::new(1);
    spelling(N_OPENED.fetch_add(1, Ordering::Relaxed), copy.as_raw_fd())
}

/// The path of a descriptor, spelled as no other number's.
fn spelling(number: u64, descriptor: i32) -> String {
    let mut path = "/proc/thread-self/fd".to_owned();
    for bit in (0..u64::BITS - number.leading_zeros()).rev() {
        path.push_str(if number >> bit & 1 == 1 { "/." } else { "/" });
    }
    // Writing to a text cannot fail.
    let _ = write!(path, "/{descriptor}");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own_spelling_of_the_same_path() {
        let spellings: std::collections::HashSet<_> =
            (1..5000).map(|number| spelling(number, 0)).collect();
        assert_eq!(spellings.len(), 4999);
        for path in spellings {
            let normal = path.replace("/.", "/");
            let parts: Vec<_> = normal.split('/').filter(|part| !part.is_empty()).collect();
            assert_eq!(parts, ["proc", "thread-self", "fd", "0"], "{path}");
        }
    }
}
