//! Wakeup: a signal that makes the blocking system call of one thread return.
//!
//! When a system call is interrupted, Python's own functions call `PyErr_CheckSignals`, which from 3.15 on raises a
//! pending interrupt (gh-144748); if there is none, they wait again. The signal is SIGURG: its default action is to
//! do nothing, and Go's runtime uses it for the same purpose.

use std::cell::OnceCell;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A thread that can be woken for as long as it lives. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Wakeup(Arc<Thread>);

/// # Invariant
///
/// While `alive` is true, the thread is: it sets it to false at its own end.
#[derive(Debug)]
struct Thread {
    alive: Mutex<bool>,
    thread: libc::pthread_t,
}

/// What a thread does at its end.
struct AtThreadEnd(Wakeup);

thread_local! {
    static HERE: OnceCell<AtThreadEnd> = const { OnceCell::new() };
}

impl Wakeup {
    /// This thread; `None` when it is ending.
    pub(crate) fn here() -> Option<Wakeup> {
        let made = || {
            AtThreadEnd(Wakeup(Arc::new(Thread {
                alive: Mutex::new(true),
                // SAFETY: may be called on any thread.
                thread: unsafe { libc::pthread_self() },
            })))
        };
        HERE.try_with(|here| here.get_or_init(made).0.clone()).ok()
    }

    /// Makes a system call that the thread waits in return, unless the program has a use of its own
    /// for the signal. One that it is only about to make is not reached.
    pub(crate) fn send(&self) {
        let alive = self.0.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive && handled_by_us() {
            // SAFETY: the thread is alive, and cannot end while `alive` is locked; the handler does
            // nothing.
            unsafe { libc::pthread_kill(self.0.thread, libc::SIGURG) };
        }
    }
}

impl Drop for AtThreadEnd {
    fn drop(&mut self) {
        let thread = &self.0.0;
        *thread.alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// Whether our handler stands; it is put up once, where there was none.
fn handled_by_us() -> bool {
    static PUT_UP: OnceLock<()> = OnceLock::new();
    let ours = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    PUT_UP.get_or_init(|| {
        if handler() == Some(libc::SIG_DFL) {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: zeroed memory is a valid sigaction: no flags, so that calls are not restarted.
            let fields = unsafe { action.assume_init_mut() };
            fields.sa_sigaction = ours;
            fields.sa_flags = libc::SA_ONSTACK;
            // SAFETY: a handler that does nothing may interrupt anything.
            unsafe { libc::sigaction(libc::SIGURG, fields, std::ptr::null_mut()) };
        }
    });
    // The program may have put up its own since.
    handler() == Some(ours)
}

fn handler() -> Option<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: null asks for the present action, which is written to memory of its size.
    let status = unsafe { libc::sigaction(libc::SIGURG, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroed memory is a valid sigaction, and the call may have filled it.
    let action = unsafe { action.assume_init() };
    (status == 0).then_some(action.sa_sigaction)
}
