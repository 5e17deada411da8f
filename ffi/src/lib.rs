//! The unsafe part of owngil: CPython sub-interpreters with their own GIL, behind safe types.
//!
//! This is the only crate of owngil with `unsafe` code. It knows CPython, and nothing about pools, tasks or payloads.
//! In reading order:
//!
//! - [`Runtime`]: CPython in this process, started once.
//! - [`Interpreter`]: one interpreter with its own GIL, on the OS thread that created it.
//! - [`Attached`]: the proof that this thread may touch that interpreter's objects.
//! - [`Object`], [`Kept`]: references to Python objects, for one attachment and beyond it.
//! - [`Raised`], [`Exception`]: exceptions, as objects and as plain text.
//! - [`Attached::callback`]: Python functions whose body is a Rust closure.
//! - [`Views`], [`Loans`]: Rust memory that Python reads, and Python's `bytes` that Rust reads, without a copy.
//! - [`Visits`]: other threads attach to an interpreter for a moment, to see what it runs and to interrupt it.
//!   [`ThreadClock`]: the CPU time of another thread.
//! - [`Memory`]: how many bytes an interpreter uses, and a limit.
//! - [`PrivateCopies`]: extension modules, loaded once per interpreter.
//! - [`Mapping`], [`Board`]: memory shared with worker processes. [`ProcessClock`]: their CPU time.
//!
//! The modules below stand in order: each uses only those above it.
//!
//! # What callers may rely on
//!
//! No safe use of this crate is undefined behaviour, given that Python code itself does nothing
//! undefined (`ctypes`, a faulty extension). The rules for `unsafe` are in `docs/safety.md`.
//!
//! # Example
//!
//! ```
//! use owngil_ffi::{Config, Interpreter, Runtime};
//!
//! let runtime = Runtime::start(&Config::default())?;
//! let worker = std::thread::Builder::new().stack_size(owngil_ffi::STACK_SIZE);
//! let length = worker.spawn(move || {
//!     let mut interpreter = Interpreter::new(runtime).unwrap();
//!     interpreter.attach(|attached| {
//!         let globals = attached.dict().unwrap();
//!         attached.eval("len('hello')", &globals).unwrap().as_i64()
//!     })
//! })?;
//! assert_eq!(length.join().unwrap(), Some(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod raw;

mod address;

mod panic;

mod stack;

mod description;

mod version;

mod error;

mod process;

mod memory;

mod thread;

mod object;

mod visit;

mod shared_object;

mod runtime;

pub mod hosted;

mod interpreter;

mod extension;

#[cfg(doctest)]
mod compile_fail;

pub use description::{Exception, ExceptionKind};
pub use error::StartError;
#[cfg(target_os = "linux")]
pub use extension::Libraries;
pub use extension::{
    Admission, Extension, Initialization, Library, Policy, PrivateCopies, PrivateCopy,
};
pub use interpreter::{Ended, Interpreter};
pub use memory::{Board, Mapping, Memory};
pub use object::{
    Arguments, Body, Borrowed, DictWatcher, Inside, Items, Kept, Kind, Lent, Loans, Object, Owner,
    Pairs, Program, PyResult, Raised, Views,
};
pub use panic::{catch, discard};
pub use process::{
    Place, ProcessClock, Running, ThreadClock, block_signals, catch_c_stdout, close_descriptor,
    describe_signal, session_of, tell_of_crashes, unblock_signals, unshare_directory,
};
pub use runtime::{
    Config, MainThread, Runtime, SiteChange, exit, find_python, leave, locate_python,
};
pub use shared_object::ExtensionError;
pub use stack::{Frame, Stack};
pub use thread::{Attached, STACK_SIZE};
pub use version::Version;
pub use visit::{Visit, Visits};
