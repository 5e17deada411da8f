//! Calls: which arguments a call takes from its input.
//!
//! A `shape` says how an `input` becomes arguments. `template` fills in those of a script; `binding` matches the
//! fields of a row or an object with the `signature` of a function.

pub(crate) mod binding;
pub(crate) mod input;
pub(crate) mod material;
pub(crate) mod shape;
pub(crate) mod signature;
pub(crate) mod template;
