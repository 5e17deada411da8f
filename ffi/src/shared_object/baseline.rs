//! Baseline: what the process has loaded when CPython starts, and where the system keeps its own libraries.

use std::collections::HashSet;
use std::ffi::{OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::OnceLock;

use super::loader;

/// The handles of what is loaded at the start. None of it is ever unloaded, so a handle keeps meaning the same library.
static HANDLES: OnceLock<HashSet<usize>> = OnceLock::new();

/// The folders of the system's own libraries: those next to glibc's.
static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Records what the process has loaded.
pub(crate) fn record() {
    let paths = loader::loaded_paths();
    let libc = paths
        .iter()
        .map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libc.so.") || name.starts_with("libc.musl")
        });
    let folder = libc.and_then(Path::parent).unwrap_or(Path::new("/lib"));
    let other = Path::new("/usr").join(folder.strip_prefix("/").unwrap_or(folder));
    let folders = [folder.to_owned(), other].into_iter();
    let _ = FOLDERS.set(folders.filter_map(|one| one.canonicalize().ok()).collect());
    let handles = paths.iter().filter_map(|path| loader::keep_loaded(path));
    let _ = HANDLES.set(handles.map(|handle| handle.as_ptr() as usize).collect());
}

/// Whether the library of this handle was loaded at the start.
pub(crate) fn contains(handle: NonNull<c_void>) -> bool {
    let handles = HANDLES.get();
    handles.is_some_and(|handles| handles.contains(&(handle.as_ptr() as usize)))
}

/// Whether the file is in a folder of the system's own libraries.
pub(crate) fn is_system_path(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let known = FOLDERS.get();
    folder.is_some_and(|folder| known.is_some_and(|known| known.contains(&folder)))
}
