//! Stack limit: refuses threads whose stack is too small for versions of Python that do not check it.
//!
//! Before 3.14, CPython counts C calls against a fixed number, whatever the size of the stack, and overflows a small
//! one quickly: on 2 MiB a recursive `sorted(key=…)` is enough. 3.14 checks the real bounds.

use crate::error::StartError;

/// The size of the stack, in bytes, of every thread that runs Python.
///
/// 3.13 checks C recursion against a fixed count, whatever the stack, and overflows 8 MiB.
pub const STACK_SIZE: usize = 16 << 20;

/// The least that is taken. A process's main thread has 8 MiB, some of it in use, for which CPython's number was
/// made; all of [`STACK_SIZE`] is needed for code that calls itself through `sorted` as deep as it may.
const LEAST: usize = 6 << 20;

/// Whether Python code may run on this thread.
///
/// # Errors
///
/// [`StartError::Failed`] where the stack is too small.
pub(crate) fn check() -> Result<(), StartError> {
    match left() {
        Some(left) if cfg!(not(Py_3_14)) && left < LEAST => Err(StartError::Failed {
            doing: "creating an interpreter",
            message: format!(
                "the thread's stack has {} KiB left and Python before 3.14 needs {} MiB: start the thread with \
                 Builder::stack_size(STACK_SIZE), which is {} MiB; for a process's main thread see `ulimit -s`",
                left >> 10,
                LEAST >> 20,
                STACK_SIZE >> 20
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn left() -> Option<usize> {
    use std::mem::MaybeUninit;
    use std::ptr;

    // SAFETY: the number of this thread, which runs.
    let this = unsafe { libc::pthread_self() };
    let mut found = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: a thread that runs; the call fills what it is given, or says no.
    if unsafe { libc::pthread_getattr_np(this, found.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: filled by the call above; both places are ours.
    let status = unsafe { libc::pthread_attr_getstack(found.as_ptr(), &mut lowest, &mut size) };
    // SAFETY: filled by the first call, and not used afterwards.
    unsafe { libc::pthread_attr_destroy(found.as_mut_ptr()) };
    let here = ptr::from_ref(&size).addr();
    (status == 0).then(|| here.saturating_sub(lowest.addr()))
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn left() -> Option<usize> {
    None
}
