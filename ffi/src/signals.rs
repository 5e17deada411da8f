//! Signals: which thread of the process gets them.

use std::mem::MaybeUninit;
use std::ptr;

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
