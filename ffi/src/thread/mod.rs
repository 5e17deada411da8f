//! An OS thread as CPython sees it: attached to an interpreter or not, how large its stack is, how to wake it up.

pub(crate) mod attach;
pub(crate) mod stack_limit;
#[cfg(Py_GIL_DISABLED)]
mod state_lock;
#[cfg(Py_3_15)]
mod wakeup;

pub use attach::Attached;
pub(crate) use attach::{Entered, Guard, Home};
pub use stack_limit::STACK_SIZE;
#[cfg(Py_GIL_DISABLED)]
pub(crate) use state_lock::StateLock;
#[cfg(Py_3_15)]
pub(crate) use wakeup::Wakeup;
