//! Parallel Python in one process: a pool of interpreters, each with its own GIL.
//!
//! CPython 3.12 and later can run several interpreters in one process that share no lock (PEP 684).
//! owngil starts CPython once, gives every worker thread its own interpreter, and moves calls and values
//! between them as bytes. Pure Python code runs on all cores without extra processes.
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
//! - [`Task`]: a submitted call. Wait for it on a thread, or `.await` it. [`Pool::call_async`],
//!   [`Pool::submit_async`] and the stream `Pool::map_async` (feature `stream`) never block a thread.
//! - [`Pool::stream`]: the items of a generator as they come; [`Pool::flat_map`] for many inputs.
//! - [`TaskSet`]: tasks, taken as they end, for a schedule of your own.
//! - [`Function`]: what to call, as `path/to/file.py:name`, `package.module:name` or source text.
//! - [`Interpreter`]: one interpreter on this thread, without a pool.
//! - [`Value`], [`Payload`], [`Buffer`], [`keywords`]: for what plain serde types cannot express.
//! - [`Pool::stats`] and [`Pool::stacks`]: what the workers have done so far, and where they are now. `tracing`
//!   events report the life of workers (debug) and of each task (trace).
//! - [`PoolBuilder::host_function`]: Rust functions that Python code calls.
//! - [`Error`], [`PythonError`]: what goes wrong, with the full Python traceback.
//! - [`doctor`]: which imports can live in an interpreter with its own GIL, and why not.
//! - [`use_python`]: whose packages are imported. [`exit`]: how to leave.
//!
//! # What crosses
//!
//! None, bool, int of any size, float, str, bytes, list, tuple, dict, set and frozenset cross in one
//! compact encoding, to and from any serde type. Anything else that Python can pickle crosses as an opaque
//! value: Rust can hold it and hand it on. A container that occurs twice in a value stays one object
//! on the Python side. A value that cannot cross is an error, which names its place in the value. A [`Buffer`]
//! crosses without a copy, whatever its size.
//!
//! # What to know before
//!
//! Interpreters share no Python object. They do share the process: the working directory, `os.environ` and signal
//! handlers. A crash in one ends them all. `os.fork`, `os.exec*` and signal handlers are not available in
//! interpreters.
//!
//! Many extension modules (numpy among them) refuse interpreters with their own GIL; the error says so.
//!
//! - [`Extensions::Tested`] loads them from private copies, if they were tested that way ([`tested`]).
//! - [`Backend::Process`] runs everything in worker processes ([`become_worker_if_asked`]). A crash ends only
//!   the process that it happens in.
//! - [`Backend::Auto`] chooses for you.

#![forbid(unsafe_code)]

mod bell;
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

mod host;

mod inherited;
mod interpreter;

mod process;

pub mod doctor;

mod worker;

mod pool;

#[doc(hidden)]
pub mod hosted;

#[cfg(doctest)]
mod compile_fail;

/// What the guide shows, run.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

pub use error::{Error, ExceptionKind, LoadError, LoadErrorKind, PythonError, Result, WorkerLost};
pub use extensions::Extensions;
pub use function::Function;
pub use host::{Caller, HostFunction, Keywords};
pub use interpreter::Interpreter;
pub use output::{
    Handover, OUTPUT_LIMIT, Output, OutputPolicy, OutputSink, OutputStream, Speaker, catch_c_output,
};
pub use owngil_ffi::{Frame, Initialization, PrivateCopy, Stack, StartError, Version};
pub use payload::{BigInt, Buffer, Call, CrossingError, Opaque, Payload, Value, keywords};
pub use pool::{
    Calling, Canceller, CompletedMap, FlatMap, ItemStream, Map, Moved, Percentiles, Pool,
    PoolBuilder, Stacks, Stats, Submission, TaskBuilder, WorkerStacks, WorkerStats,
};
#[cfg(feature = "stream")]
pub use pool::{Iterated, MapStream};
pub use process::become_worker_if_asked;
pub use refusal::Refusal;
pub use runtime::{RuntimeInfo, exit, runtime_info, tell_of_crashes, use_python};
pub use task::{Completed, Task, TaskSet, Timing};
pub use worker::Backend;
