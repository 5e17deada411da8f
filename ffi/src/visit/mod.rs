//! Visits: another thread attaches to an interpreter for a moment, to read its stacks or to interrupt it.

#[cfg(any(Py_GIL_DISABLED, test))]
mod dump;
pub(crate) mod visits;
#[cfg(not(Py_GIL_DISABLED))]
mod walk;

pub use visits::{Visit, Visits};
