//! StateLock: held to name the thread states of an OS thread, or to end one, on a free-threaded build.
//!
//! `PyThreadState_SetAsyncExc` finds a state by its thread's number under CPython's lock on the list of states, and
//! marks it after releasing that lock. On a build with a GIL nothing ends the state in between, since that takes the
//! GIL. Here a lock of our own takes its place: one for each OS thread, held while its states are named and while one
//! is deleted.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;

use super::attach::Attached;
use crate::raw;

/// That of one OS thread. A clone is the same.
#[derive(Clone)]
pub(crate) struct StateLock(Arc<Lock>);

/// # Invariant
///
/// The mutex is reached by CPython's two functions alone, which any threads may call at once.
struct Lock(UnsafeCell<raw::PyMutex>);

// SAFETY: by the invariant.
unsafe impl Send for Lock {}
// SAFETY: by the invariant.
unsafe impl Sync for Lock {}

thread_local! {
    static HERE: StateLock = StateLock::new();
}

/// The lock is held until this is dropped.
pub(crate) struct Held<'t>(&'t StateLock);

impl StateLock {
    fn new() -> StateLock {
        StateLock(Arc::new(Lock(UnsafeCell::new(raw::PyMutex::new()))))
    }

    /// The lock of this thread; a new one while it ends, when none of its states is left to name.
    pub(crate) fn here() -> StateLock {
        HERE.try_with(StateLock::clone)
            .unwrap_or_else(|_| StateLock::new())
    }

    /// Takes it. While it waits the thread is detached, so that a stop of all threads does not wait for it.
    pub(crate) fn take(&self, _attached: Attached<'_>) -> Held<'_> {
        // SAFETY: attached, which the call needs in order to detach; the mutex is alive.
        unsafe { raw::PyMutex_Lock(self.0.0.get()) };
        Held(self)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: locked by `take`; unlocking needs no thread state.
        unsafe { raw::PyMutex_Unlock(self.0.0.0.get()) };
    }
}

impl fmt::Debug for StateLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateLock")
    }
}
