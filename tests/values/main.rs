//! Values that cross: each kind, memory that is shared, and objects that change meanwhile.

mod buffer;
mod payload;
mod shared_objects;
#[path = "../support/mod.rs"]
mod support;
