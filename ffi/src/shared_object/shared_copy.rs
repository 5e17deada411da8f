//! SharedCopy: a shared object loaded from a copy of its file in memory.
//!
//! The system's loader identifies shared objects by device and inode, so the same bytes in another inode are another
//! object, with variables of its own.

use std::ffi::{CString, c_void};
use std::ptr::NonNull;

use super::edit::Edits;
use super::loader;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
use super::memory_copy;
use crate::address::Address;

/// A shared object that was loaded from a copy of its file.
///
/// # Invariant
///
/// The handle is one that `dlopen` gave. It is never closed: code of an extension may be called for as long
/// as the process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedCopy {
    handle: Address<c_void>,
    n_bytes: u64,
}

impl SharedCopy {
    /// Loads a copy of the object's file, edited.
    ///
    /// No lock is held meanwhile: what the object runs when it is loaded may load others.
    ///
    /// # Errors
    ///
    /// In words: the file cannot be read, there is no memory, the loader says no.
    pub(crate) fn load(edits: &Edits<'_>) -> Result<SharedCopy, String> {
        let object = edits.object();
        let copy = memory_copy::copy(edits)
            .map_err(|error| format!("it cannot be copied into memory: {error}"))?;
        let path = memory_copy::path(&copy);
        let name = CString::new(path.clone()).map_err(|error| error.to_string())?;
        // The loader has mapped what it needs when it returns, and needs the descriptor no more.
        let handle = loader::open(&name, libc::RTLD_NOW)
            .map_err(|reason| reason.replace(&path, &object.path.display().to_string()))?;
        let segments = object.layout.segments.iter();
        let n_loaded: u64 = segments.map(|one| one.bytes.end - one.bytes.start).sum();
        Ok(SharedCopy {
            handle,
            n_bytes: n_loaded + object.layout.writable,
        })
    }

    /// How much memory it takes: what of the file is loaded, and its variables once more.
    pub(crate) fn n_bytes(self) -> u64 {
        self.n_bytes
    }

    /// The address of a symbol of that name.
    pub(crate) fn symbol(self, name: &str) -> Option<NonNull<c_void>> {
        let name = CString::new(name).ok()?;
        // SAFETY: the handle is open, by the invariant; the name is a C string.
        NonNull::new(unsafe { libc::dlsym(self.handle.0.as_ptr(), name.as_ptr()) })
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
mod memory_copy {
    //! There are no memory files here.

    use super::Edits;
    use std::{fs::File, io};

    pub(super) fn copy(_: &Edits<'_>) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn path(_: &File) -> String {
        String::new()
    }
}
