//! Memory: what each interpreter uses, with its limit, and memory that is shared with worker processes.

mod account;
pub(crate) mod allocator;
#[cfg(not(Py_3_13))]
mod arenas;
mod board;
mod mapping;

pub use account::Memory;
pub(crate) use account::Owner;
pub use board::Board;
pub use mapping::Mapping;
