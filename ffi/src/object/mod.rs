//! Python objects: references to them, what is inside, exceptions, functions in Rust, and memory that both sides read.

mod buffer;
mod callback;
mod container;
mod describe;
mod exception;
mod loan;
mod program;
mod reference;
mod scalar;

pub use buffer::{Owner, Views};
pub use callback::Body;
pub use container::{Inside, Items, Pairs};
pub use exception::Raised;
pub use loan::{Lent, Loans};
pub use program::Program;
pub use reference::{Borrowed, Kept, Kind, Object, PyResult};
