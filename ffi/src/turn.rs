//! Turn: who may name the thread states of an OS thread, or end one, on a free-threaded build.
//!
//! `PyThreadState_SetAsyncExc` finds a state by its thread's number under CPython's lock on the list of
//! states, and marks it after letting go of that lock. On a build with a GIL nobody ends the state between
//! the two, since that takes the GIL. Here a lock of ours takes its place: one for each OS thread, held by
//! whoever names its states, and while one of its states is deleted.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;

use crate::attach::Attached;
use crate::raw;

/// That of one OS thread. A clone is the same.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Lock>);

/// # Invariant
///
/// The mutex is reached by CPython's two functions alone, which any threads may call at once.
struct Lock(UnsafeCell<raw::PyMutex>);

// SAFETY: by the invariant.
unsafe impl Send for Lock {}
// SAFETY: by the invariant.
unsafe impl Sync for Lock {}

thread_local! {
    static HERE: Turn = Turn::new();
}

/// The turn is held until this is dropped.
pub(crate) struct Held<'t>(&'t Turn);

impl Turn {
    fn new() -> Turn {
        Turn(Arc::new(Lock(UnsafeCell::new(raw::PyMutex::new()))))
    }

    /// That of this thread; of nobody when it is ending, where no state of it is left to be named.
    pub(crate) fn here() -> Turn {
        HERE.try_with(Turn::clone).unwrap_or_else(|_| Turn::new())
    }

    /// Takes it. While it waits the thread is detached, so that nobody who stops all threads waits for it.
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

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}
