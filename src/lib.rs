//! Parallel Python in one process: a pool of interpreters, each with its own GIL.
//!
//! CPython 3.12 and later can run several interpreters in one process that share no lock (PEP 684).
//! owngil starts CPython once, gives every worker thread an interpreter of its own, and moves calls
//! and values between them as bytes. Pure Python code then runs on all cores, without processes.
//!
//! ```
//! use owngil::{Function, Pool};
//!
//! let pool = Pool::new()?; // starts CPython; one interpreter per core
//! let score = Function::source("def score(name, weight):\n    return len(name) * weight", "score");
//!
//! let one: f64 = pool.call(&score, ("alice", 1.5))?;
//! assert_eq!(one, 7.5);
//!
//! let names = ["bob", "carol", "dave"];
//! for result in pool.map(&score, names.iter().map(|name| (name, 2))) {
//!     let value: i64 = result?; // an error carries the Python traceback
//!     println!("{value}");
//! }
//! # Ok::<(), owngil::Error>(())
//! ```
//!
//! # Where to start
//!
//! - [`Pool`]: calls, tasks and maps over workers; [`PoolBuilder`] for other settings.
//! - [`Task`]: a call that runs, to be waited for by a thread or awaited. [`Pool::call_async`] and
//!   [`Pool::submit_async`] never block a thread, nor does `Pool::map_async`, a stream (feature `stream`).
//! - [`Function`]: what to call, as `path/to/file.py:name`, `package.module:name` or source text.
//! - [`Interpreter`]: one interpreter on this thread, without a pool.
//! - [`Value`], [`Payload`], [`Buffer`], [`keywords`]: for what plain serde types do not say.
//! - [`Pool::stats`] and [`Pool::stacks`]: what the workers do and have done. `tracing` events tell the
//!   life of workers (debug) and of each task (trace).
//! - [`Error`], [`PythonError`]: what goes wrong, with the full Python traceback.
//! - [`doctor`]: which imports can live in an interpreter with its own GIL, and why not.
//! - [`use_python`]: whose packages are imported. [`exit`]: how to leave.
//!
//! # What crosses
//!
//! None, bool, int of any size, float, str, bytes, list, tuple, dict, set and frozenset cross in one
//! compact encoding, from and to any serde type. What else Python can pickle crosses as an opaque
//! value, which Rust can hold and hand on. A container that occurs twice in a value stays one object
//! on the Python side. What cannot cross is an error that says where it sat. A [`Buffer`] crosses
//! without a copy, whatever its size.
//!
//! # What to know before
//!
//! Interpreters share the process: the working directory, `os.environ`, signal handlers and what a
//! crash ends. They share no Python object. Many extension modules (numpy among them)
//! refuse interpreters with their own GIL; the error says so. [`Extensions::Tested`] loads those from
//! private copies that were tested so ([`tested`]), and [`Backend::Process`] runs all in worker processes, which a
//! crash ends alone ([`become_worker_if_asked`]); [`Backend::Auto`] chooses by itself. `os.fork`, `os.exec*`
//! and signal handlers are not available in interpreters.

#![forbid(unsafe_code)]

mod bytes;
mod children;
mod error;
mod payload;
mod spin;
mod sync;

mod extensions;
mod function;
#[cfg(target_os = "linux")]
mod libraries;
mod output;
mod refusal;
mod wire;

mod task;
pub mod tested;

mod runtime;

mod monitor;

mod inherited;
mod interpreter;

mod process;

pub mod doctor;

mod worker;

mod pool;

#[cfg(doctest)]
mod compile_fail;

/// What the guide shows, run.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

pub use error::{Error, ExceptionKind, LoadError, LoadErrorKind, PythonError, Result};
pub use extensions::Extensions;
pub use function::Function;
pub use interpreter::Interpreter;
pub use output::{
    Handover, OUTPUT_LIMIT, Output, OutputPolicy, OutputSink, Speaker, Stream, catch_c_output,
};
pub use owngil_ffi::{Frame, Initialization, PrivateCopy, Stack, StartError, Version};
pub use payload::{BigInt, Buffer, Call, CrossingError, Opaque, Payload, Value, keywords};
pub use pool::{
    Calling, Canceller, CompletedMap, Map, Moved, Percentiles, Pool, PoolBuilder, Stacks, Stats,
    Submission, TaskBuilder, WorkerStacks, WorkerStats,
};
#[cfg(feature = "stream")]
pub use pool::{Iterated, MapStream};
pub use process::become_worker_if_asked;
pub use refusal::Refusal;
pub use runtime::{RuntimeInfo, exit, runtime_info, tell_of_crashes, use_python};
pub use task::{Completed, Task, Timing};
pub use worker::Backend;
