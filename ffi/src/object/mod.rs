//! Python objects: references to them, what is inside, exceptions, functions in Rust, and memory that both sides read.

mod buffer;
mod callback;
mod container;
mod describe;
mod dict_watcher;
mod exception;
mod function;
mod loan;
mod program;
mod reference;
mod scalar;

pub use buffer::{Owner, Views};
pub use callback::Body;
pub use container::{Inside, Items, Pairs};
pub use dict_watcher::DictWatcher;
pub use exception::Raised;
pub use function::Arguments;
pub use loan::{Lent, Loans};
pub use program::Program;
pub(crate) use program::program;
pub use reference::{Borrowed, Kept, Kind, Object, PyResult};
