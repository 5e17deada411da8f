//! One interpreter, from its creation to its end: what runs in it first, and what runs in it last.

#[cfg(not(Py_3_13))]
mod isolate;
mod lifecycle;

pub use lifecycle::{Ended, Interpreter};
