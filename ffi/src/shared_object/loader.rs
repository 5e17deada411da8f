//! Loader: safe calls of the system's dynamic loader.

use std::ffi::{CStr, CString, c_int, c_void};
#[cfg(target_os = "linux")]
use std::ffi::{OsString, c_char};
use std::os::unix::ffi::OsStrExt;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::address::Address;

/// Loads a library from its own file, once for the whole process.
///
/// # Errors
///
/// In words.
pub(crate) fn load_shared(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    open(&name, libc::RTLD_NOW).map(drop)
}

/// The file that the loader takes for a library of that name, which it loads if it has not yet.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
pub(crate) fn file_of(name: &str) -> Option<PathBuf> {
    let name = CString::new(name).ok()?;
    let handle = open(&name, libc::RTLD_LAZY).ok()?;
    // SAFETY: the handle is open.
    let path = unsafe { path_of(handle.0) };
    path?.canonicalize().ok()
}

/// Where a shared object was loaded from; an empty path for the program itself.
///
/// # Safety
///
/// The handle is open.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn path_of(handle: NonNull<c_void>) -> Option<PathBuf> {
    /// The first fields of `struct link_map` (link.h), which are the same in each version.
    #[repr(C)]
    struct LinkMap {
        address: usize,
        name: *const c_char,
    }
    let mut map: *const LinkMap = std::ptr::null();
    let request = libc::RTLD_DI_LINKMAP;
    // SAFETY: the handle is open, and that request writes the address of its link map.
    let status = unsafe { libc::dlinfo(handle.as_ptr(), request, (&raw mut map).cast()) };
    if status != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the link map of an object that stays loaded as long as the handle is open.
    let name = unsafe { (*map).name };
    // SAFETY: a C string of that link map; that of the program itself is empty.
    let name = unsafe { CStr::from_ptr(name) };
    Some(PathBuf::from(OsString::from_vec(name.to_bytes().to_vec())))
}

/// The shared object that the loader has for that path or name already; `None` for one that it would load, and an
/// error for what it would not.
#[cfg(target_os = "linux")]
pub(crate) fn find_loaded(path: &CStr) -> Result<Option<NonNull<c_void>>, ()> {
    // SAFETY: takes nothing; what went wrong before is not to be taken for what goes wrong now.
    unsafe { libc::dlerror() };
    // SAFETY: a C string; nothing is loaded.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    match NonNull::new(handle) {
        // It stays open, as it would be if it were loaded once more.
        Some(handle) => Ok(Some(handle)),
        // SAFETY: as above.
        None if unsafe { libc::dlerror() }.is_null() => Ok(None),
        None => Err(()),
    }
}

/// As [`find_loaded`]; what is found is never unloaded from now on.
#[cfg(target_os = "linux")]
pub(crate) fn keep_loaded(path: &CStr) -> Option<NonNull<c_void>> {
    let how = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    let path = match path.is_empty() {
        true => std::ptr::null(),
        false => path.as_ptr(),
    };
    // SAFETY: a C string, or null for the program itself; nothing is loaded.
    NonNull::new(unsafe { libc::dlopen(path, how) })
}

/// The paths of all that the process has loaded.
#[cfg(target_os = "linux")]
pub(crate) fn loaded_paths() -> Vec<CString> {
    unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the loader passes on what `loaded_paths` gave it, for the length of that call.
        let found = unsafe { &mut *found.cast::<Vec<CString>>() };
        // SAFETY: the loader describes an object to the callback.
        let name = unsafe { (*info).dlpi_name };
        if !name.is_null() {
            // SAFETY: a C string of the loader's, which holds its lock meanwhile.
            found.push(unsafe { CStr::from_ptr(name) }.to_owned());
        }
        0
    }
    let mut found: Vec<CString> = Vec::new();
    // SAFETY: the callback takes the vector that is passed.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut found).cast()) };
    found
}

/// The function or variable of that name that the whole process sees, before those of a copy's own libraries.
pub(crate) fn global(name: &str) -> Option<NonNull<c_void>> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a C string, and this handle asks for the default order.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Has the loader load what is at that path, for its own use alone, with all that it needs.
pub(super) fn open(path: &CStr, how: c_int) -> Result<Address<c_void>, String> {
    // SAFETY: a C string. What is loaded runs its initializers, which are as safe as the file's author
    // made them: it is what importing the extension does.
    let handle = unsafe { libc::dlopen(path.as_ptr(), how | libc::RTLD_LOCAL) };
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

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
pub(crate) fn file_of(_: &str) -> Option<PathBuf> {
    None
}
