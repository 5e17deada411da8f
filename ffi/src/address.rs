//! Address: a pointer that any thread may hold, and that is dereferenced only with a reason.

use std::fmt;
use std::ptr::NonNull;

/// Where something is. To read what is there takes a reason of its own.
pub(crate) struct Address<T>(pub(crate) NonNull<T>);

// SAFETY: only an address; every dereference states why it is allowed.
unsafe impl<T> Send for Address<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Address<T> {}

impl<T> Clone for Address<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Address<T> {}

impl<T> fmt::Debug for Address<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.0, f)
    }
}
