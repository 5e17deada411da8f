//! Panics: caught here, along with a second one that dropping the payload may cause.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`, and returns `None` if it panics.
///
/// Callers do not use what `work` changed after a panic, or it is valid at any time.
pub fn catch<R>(work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(discard).ok()
}

/// Drops what a panic carried, which may panic itself; what that one carried is leaked.
pub fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}
