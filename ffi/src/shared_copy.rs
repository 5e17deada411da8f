//! SharedCopy: a shared object of its own, loaded from a copy of a file in memory.
//!
//! The system's loader tells shared objects apart by device and inode, so the same bytes in another inode
//! are another object, with variables of its own. The copy is a memory file (`memfd_create`): it needs
//! no disk, and nothing of it outlives the process.

use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::NonNull;

use crate::address::Address;
use crate::extension::Layout;

/// What a copy finds under the name of one of CPython's functions: the address of another. Both are functions of
/// the same type.
pub(crate) type Replacement = (&'static str, usize);

/// A shared object that was loaded from a copy of its file.
///
/// # Invariant
///
/// The handle is one that `dlopen` gave. Nobody closes it: code of an extension may be called for as long
/// as the process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedCopy {
    handle: Address<c_void>,
    n_bytes: u64,
}

impl SharedCopy {
    /// Loads a copy of the file, which finds these functions in place of CPython's.
    ///
    /// # Errors
    ///
    /// In words: the file cannot be read, there is no memory, the loader says no.
    pub(crate) fn load(
        path: &Path,
        layout: &Layout,
        replacements: &[Replacement],
    ) -> Result<SharedCopy, String> {
        let copy = memory::copy(path, layout, replacements)
            .map_err(|error| format!("it cannot be copied into memory: {error}"))?;
        let handle = memory::open(&copy, path)?;
        let segments = layout.segments.iter();
        let n_loaded: u64 = segments.map(|segment| segment.end - segment.start).sum();
        Ok(SharedCopy {
            handle,
            n_bytes: n_loaded + layout.writable,
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

/// Loads a library from its own file, once for the whole process, so that the loader finds it by its name
/// when a copy asks for it: a copy lies nowhere, and `$ORIGIN` tells it nothing.
///
/// # Errors
///
/// In words.
pub(crate) fn load_shared(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    open(&name).map(drop)
}

/// Has the loader load what is at that path, for its own use alone, with all that it needs.
fn open(path: &CStr) -> Result<Address<c_void>, String> {
    const HOW: c_int = libc::RTLD_NOW | libc::RTLD_LOCAL;
    // SAFETY: a C string. What is loaded runs its initializers, which are as safe as the file's author
    // made them: it is what importing the extension does.
    let handle = unsafe { libc::dlopen(path.as_ptr(), HOW) };
    if let Some(handle) = NonNull::new(handle) {
        return Ok(Address(handle));
    }
    // SAFETY: takes nothing; gives what went wrong last on this thread, or null.
    let reason = unsafe { libc::dlerror() };
    if reason.is_null() {
        return Err("the loader gave no reason".to_owned());
    }
    // SAFETY: a C string, good until this thread's next call of the loader.
    let reason = unsafe { CStr::from_ptr(reason) };
    Err(reason.to_string_lossy().into_owned())
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod memory {
    //! Memory files, and the way to have one loaded.

    use super::*;

    use std::fmt::Write;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::{Mutex, PoisonError};

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use rustix::io::{DupFlags, Errno, dup3};

    /// A file in memory with what of the file is loaded, which nobody can change any more.
    pub(super) fn copy(
        path: &Path,
        layout: &Layout,
        replacements: &[Replacement],
    ) -> io::Result<OwnedFd> {
        let original = File::open(path)?;
        let name = path.file_name().unwrap_or_default().as_bytes();
        // The name is for debuggers, and has a limit of 249 bytes.
        let copy = File::from(create(&name[..name.len().min(200)])?);
        let end = layout.segments.iter().map(|segment| segment.end).max();
        copy.set_len(end.unwrap_or(0))?;
        let mut bytes = Vec::new();
        for segment in &layout.segments {
            // Whole pages, as they are mapped.
            let start = segment.start & !0xfff;
            bytes.resize((segment.end - start) as usize, 0);
            original.read_exact_at(&mut bytes, start)?;
            copy.write_all_at(&bytes, start)?;
        }
        for &place in &layout.unique_symbols {
            let mut info = [0];
            copy.read_exact_at(&mut info, place)?;
            // Of this object alone, as any other global symbol of it.
            info[0] = info[0] & 0x0f | elf::abi::STB_GLOBAL << 4;
            copy.write_all_at(&info, place)?;
        }
        for (name, entry) in &layout.replaceable {
            let found = replacements.iter().find(|(known, _)| known == name);
            if let Some((_, address)) = found {
                copy.write_all_at(&local_symbol(*address), entry + 4)?;
            }
        }
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&copy, seals)?;
        Ok(copy.into())
    }

    /// What follows the name in the entry of a symbol (`Elf64_Sym`): a function at this address, and for this
    /// object alone. For a local symbol the loader looks nowhere else, and an absolute one is taken as it is
    /// (glibc, elf/dl-reloc.c and sysdeps/generic/ldsodefs.h).
    fn local_symbol(address: usize) -> [u8; 20] {
        let mut entry = [0; 20];
        entry[0] = elf::abi::STB_LOCAL << 4 | elf::abi::STT_FUNC;
        entry[2..4].copy_from_slice(&elf::abi::SHN_ABS.to_ne_bytes());
        entry[4..12].copy_from_slice(&(address as u64).to_ne_bytes());
        entry
    }

    fn create(name: &[u8]) -> io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Since Linux 6.3 a system may ask for the word that it is to be executed; older ones do not
        // know it.
        match memfd_create(name, flags | MemfdFlags::EXEC) {
            Err(Errno::INVAL) => memfd_create(name, flags),
            other => other,
        }
        .map_err(Into::into)
    }

    /// The one descriptor through which all copies are opened, one after the other, and the number of
    /// those so far.
    ///
    /// The loader takes a path that it has seen for the library that it has loaded from there, and other
    /// code may open such a path again. So each gets its own spelling of a path that leads to this
    /// descriptor, and between loads there is an empty file behind it: descriptors stay few, however many
    /// copies there are.
    static DOOR: Mutex<(Option<OwnedFd>, u64)> = Mutex::new((None, 0));

    /// Has the loader load a copy.
    pub(super) fn open(copy: &OwnedFd, original: &Path) -> Result<Address<c_void>, String> {
        let system = |error: Errno| format!("it cannot be opened for loading: {error}");
        let mut door = DOOR.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = create(b"owngil")
            .and_then(|file| file.try_clone().map(|clone| (file, clone)))
            .map_err(|error| format!("there is no descriptor for it: {error}"))?;
        let (empty, first) = empty;
        let (entrance, n_opened) = &mut *door;
        let entrance = entrance.get_or_insert(first);
        dup3(copy, entrance, DupFlags::CLOEXEC).map_err(system)?;
        *n_opened += 1;
        let path = spelling(*n_opened, entrance.as_raw_fd());
        let name = CString::new(path.clone()).map_err(|error| error.to_string())?;
        let opened = super::open(&name);
        // The loader has mapped what it needs, and needs the descriptor no more.
        dup3(&empty, entrance, DupFlags::CLOEXEC).map_err(system)?;
        opened.map_err(|reason| reason.replace(&path, &original.display().to_string()))
    }

    /// The path of a descriptor, spelled as no other number's.
    fn spelling(number: u64, descriptor: i32) -> String {
        let mut path = "/proc/self/fd".to_owned();
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
                assert_eq!(parts, ["proc", "self", "fd", "0"], "{path}");
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
mod memory {
    //! There are no memory files here.

    use super::*;

    pub(super) fn copy(_: &Path, _: &Layout, _: &[Replacement]) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open(_: &File, _: &Path) -> Result<Address<c_void>, String> {
        Err("this system has no private copies".to_owned())
    }
}
