//! Host functions: Rust closures that Python code calls, by names that belong to a pool.
//!
//! A call from Python is a call to Python in the other direction: its arguments and its value cross as bytes, by the
//! same encoding. So a function can run in another process than the code that calls it, and it never sees Python.
//!
//! What answers a call is a [`Responder`]:
//!
//! - In the pool's process, it runs the closure on the thread that called, detached. A function that blocks is like C
//!   code that has released the GIL: its task has its outcome in time, and its worker is left behind after the grace.
//! - In a worker process, it sends the call over a connection of its own. In the pool's process, the thread that reads a
//!   call also runs it, after it has made sure that another thread reads the next one. So a function that blocks
//!   delays no other call, and never holds up the thread of its worker.
//! - On the backend `thread`, workers of several pools share one module `owngil.host`. A call goes to the pool of the
//!   worker whose thread makes it.
//!
//! Reading order: [`HostFunction`] is what a closure must be, `functions` has those of a pool, and [`Caller`] is the
//! call as a function may see it. Installing them in an interpreter is elsewhere (`interpreter::setup`), and
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
