//! Directory: gives one thread a working directory of its own, and closes descriptors by number.

use std::io;

/// Gives the calling thread a working directory and a umask of its own, which threads that it starts share with it.
/// They are as before until one of them changes them.
///
/// # Errors
///
/// Where the system forbids it, as some sandboxes do.
#[cfg(target_os = "linux")]
pub fn unshare_directory() -> io::Result<()> {
    // SAFETY: it copies the thread's record of its root, working directory and umask, and no memory (unshare(2)).
    match unsafe { libc::unshare(libc::CLONE_FS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn unshare_directory() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Closes a descriptor that no object owns, such as one whose number Python code was given.
pub fn close_descriptor(descriptor: i32) {
    // SAFETY: it touches no memory. The caller has made sure that no other code uses it.
    unsafe { libc::close(descriptor) };
}
