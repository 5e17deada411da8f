//! Worker processes: what ends them, what they may take, and what moves to them.
//!
//! A free-threaded Python counts no memory and refuses its threads nothing: what needs either is left out there.

mod ends;
#[cfg(not(Py_GIL_DISABLED))]
mod memory;
#[cfg(not(Py_GIL_DISABLED))]
mod placement;
#[path = "../support/mod.rs"]
mod support;
