//! Signals: which threads receive them, and names for those that end a process.

use std::mem::MaybeUninit;
use std::ptr;

/// The signals by which C code ends a process.
pub(crate) const CRASHES: [libc::c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
];

/// The name of a signal that ends processes, and what it stands for.
pub fn describe_signal(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGSEGV => "SIGSEGV, a segmentation fault",
        libc::SIGBUS => "SIGBUS, memory that is not there",
        libc::SIGILL => "SIGILL, an instruction that this processor does not have",
        libc::SIGFPE => "SIGFPE, such as an integer division by zero",
        libc::SIGABRT => "SIGABRT, as abort() does",
        libc::SIGKILL => "SIGKILL: by kill -9, or by the system, which had no memory left",
        libc::SIGTERM => "SIGTERM",
        _ => return None,
    })
}

/// Has the calling thread, and those that it starts from now on, get no signal that is sent to the process.
pub fn block_signals() {
    mask(libc::SIG_BLOCK);
}

/// Has the calling thread, and those that it starts from now on, get signals again.
pub fn unblock_signals() {
    mask(libc::SIG_UNBLOCK);
}

fn mask(how: libc::c_int) {
    let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: it fills the set that it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set was filled; any thread may change its own mask. What it was is not asked for.
    unsafe { libc::pthread_sigmask(how, all.as_ptr(), ptr::null_mut()) };
}
