//! C stdout: catches what C code prints by `printf`, `puts` and the like, which C buffers once per process.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::slice;
use std::sync::OnceLock;

use crate::panic::catch;

unsafe extern "C" {
    static mut stdout: *mut libc::FILE;
}

/// Gives what C code prints to `write`, at once and on the thread that prints it, instead of descriptor 1. The first
/// `write` stays.
///
/// Call it while no other thread may print by C code.
///
/// # Errors
///
/// Where the C library cannot do it: only glibc's `stdout` is a variable.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn catch_c_stdout(write: fn(&[u8])) -> io::Result<()> {
    if WRITE.set(write).is_err() {
        return Ok(());
    }
    let functions = CookieFunctions {
        read: None,
        write: Some(pass_on),
        seek: None,
        close: None,
    };
    // SAFETY: the mode is a C string, and `pass_on` needs no cookie.
    let stream = unsafe { fopencookie(ptr::null_mut(), c"w".as_ptr(), functions) };
    if stream.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a variable of the C library's; the caller sees to it that no other thread uses it meanwhile.
    let before = unsafe { stdout };
    // SAFETY: an open stream.
    unsafe { libc::fflush(before) };
    // SAFETY: an open stream, to which nothing has been written.
    unsafe { libc::setvbuf(stream, ptr::null_mut(), libc::_IONBF, 0) };
    // SAFETY: glibc has it be a variable that may be assigned (fopencookie(3), stdin(3)); as above, nothing reads it.
    unsafe { stdout = stream };
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn catch_c_stdout(_: fn(&[u8])) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

static WRITE: OnceLock<fn(&[u8])> = OnceLock::new();

/// `cookie_io_functions_t` (fopencookie(3))
#[repr(C)]
struct CookieFunctions {
    read: Option<unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize>,
    write: Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize>,
    seek: Option<unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int>,
    close: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    fn fopencookie(
        cookie: *mut c_void,
        mode: *const c_char,
        functions: CookieFunctions,
    ) -> *mut libc::FILE;
}

/// What the stream writes by. It must not unwind into C.
unsafe extern "C" fn pass_on(_: *mut c_void, text: *const c_char, n: usize) -> isize {
    if let (Some(write), false) = (WRITE.get(), n == 0) {
        // SAFETY: the stream gives that many bytes, for the length of this call (fopencookie(3)).
        let text = unsafe { slice::from_raw_parts(text.cast::<u8>(), n) };
        let _ = catch(|| write(text));
    }
    n as isize
}
