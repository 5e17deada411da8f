//! Exit: interpreters that are left when the host's Python ends.
//!
//! CPython's end (`Py_FinalizeEx`) crashes or hangs over an interpreter whose thread goes on, on every version. So what
//! does not stop is brought to a stand, its interpreter is taken out of CPython's list, and the process ends where
//! CPython's end is over, with the status that it gives, without destroying anything of C's under threads that stand.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::list;
use crate::address::Address;
use crate::process::block_signals;
use crate::raw;
use crate::visit::visits;

/// How long code may take to come to a point where its GIL can be taken.
const PATIENCE: Duration = Duration::from_millis(50);

/// The signal by which a thread is brought to a stand: by default it is ignored, and hardly anybody uses it.
const STOP: c_int = libc::SIGURG;

/// The threads that have an interpreter of their own, by the system's numbers.
static THREADS: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

fn threads() -> MutexGuard<'static, Vec<libc::pid_t>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn this_thread() -> libc::pid_t {
    // SAFETY: asks for a number.
    (unsafe { libc::syscall(libc::SYS_gettid) }) as libc::pid_t
}

/// Whether this is the process's first thread.
pub fn is_first_thread() -> bool {
    this_thread() as u32 == std::process::id()
}

/// This thread has made an interpreter.
pub(crate) fn note_thread() {
    threads().push(this_thread());
}

/// This thread has ended its interpreter.
pub(crate) fn forget_thread() {
    let this = this_thread();
    threads().retain(|thread| *thread != this);
}

/// Prepares the end of the process over the interpreters that are left. Says whether that could be done; if not, the
/// process has to end without CPython's end.
///
/// Call it detached, when nothing of this crate is used any more.
pub fn leave_interpreters() -> bool {
    if list::n_interpreters() == 0 {
        return true;
    }
    let Some(interpreters) = list::hide_for_ever() else {
        return false;
    };
    hold(&interpreters);
    stop_threads();
    // SAFETY: a function that lives as long as the process.
    let status = unsafe { on_exit(end, ptr::null_mut()) };
    status == 0
}

/// Takes the GILs of interpreters, as far as they can be had, and keeps them: what runs there is then at a safe point.
fn hold(interpreters: &[NonNull<raw::PyInterpreterState>]) {
    let (held, all) = mpsc::channel();
    for interpreter in interpreters {
        let interpreter = Address(*interpreter);
        let held = held.clone();
        let _ = thread::Builder::new().spawn(move || {
            block_signals();
            let Address(interpreter) = { interpreter };
            // SAFETY: it is alive: interpreters end while the list is held for reading alone, which is now held forever.
            let state = unsafe { visits::new_state(interpreter.as_ptr()) };
            if state.is_null() {
                return;
            }
            // SAFETY: a new state, which is this thread's alone.
            unsafe { raw::PyEval_RestoreThread(state) };
            let _ = held.send(());
            loop {
                thread::park();
            }
        });
    }
    drop(held);
    let until = Instant::now() + PATIENCE;
    for _ in interpreters {
        let left = until.saturating_duration_since(Instant::now());
        if all.recv_timeout(left).is_err() {
            return;
        }
    }
}

/// Brings the threads to a stand that have an interpreter.
fn stop_threads() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeroes are a valid one, which is ours.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = stand as *const () as usize;
    // SAFETY: the handler does nothing but wait.
    unsafe { libc::sigaction(STOP, action, ptr::null_mut()) };
    let process = std::process::id() as libc::pid_t;
    for thread in threads().iter() {
        // SAFETY: sends a signal; a thread that is gone gets none.
        unsafe { libc::syscall(libc::SYS_tgkill, process, *thread, STOP) };
    }
    // For those that run to get it.
    thread::sleep(Duration::from_millis(2));
}

extern "C" fn stand(_: c_int) {
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

// glibc's, and in no crate.
unsafe extern "C" {
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

extern "C" fn end(status: c_int, _: *mut c_void) {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}
