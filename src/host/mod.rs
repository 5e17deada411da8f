//! Host functions: Rust closures that Python code calls, by names that belong to a pool.
//!
//! A call from Python is a call to Python in the other direction: its arguments and its value cross as bytes, by the
//! same encoding. So a function can run in another process than the code that calls it, and it never sees Python.
//!
//! Reading order: [`HostFunction`] is what a closure must be, `functions` has those of a pool, and [`Caller`] is the
//! call as a function may see it. Installing them in an interpreter is elsewhere (`interpreter::host_functions`), and
//! so is their way to a worker process (`process::host_calls`).

mod arguments;
mod caller;
mod failure;
mod function;
mod functions;
mod keywords;
mod name;

pub use caller::Caller;
pub(crate) use caller::{CallerPlace, RemoteCall};
pub(crate) use failure::HostFailure;
pub(crate) use function::ErasedFunction;
pub use function::HostFunction;
pub(crate) use functions::{HostFunctions, LocalResponder, Responder};
pub use keywords::Keywords;
