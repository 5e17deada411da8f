//! Counted: a waker of tests, which counts how often it is woken.

use std::sync::Arc;
// Not loom's: no protocol counts on it.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

#[derive(Default)]
pub(crate) struct Counted(AtomicUsize);

impl Counted {
    /// How often it was woken.
    pub(crate) fn n_woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
