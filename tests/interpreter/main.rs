//! Single interpreters: what each has of its own, how much memory, and which others it sees.
//!
//! A free-threaded Python makes no interpreters and counts no memory: what needs either is left out there.

mod alone;
#[cfg(not(Py_GIL_DISABLED))]
mod deferred;
#[cfg(not(Py_GIL_DISABLED))]
mod memory;
#[cfg(all(Py_3_13, not(Py_GIL_DISABLED)))]
mod siblings;
#[path = "../support/mod.rs"]
mod support;
