//! The unsafe part of owngil: CPython sub-interpreters with their own GIL, behind safe types.
//!
//! This crate is the only one in owngil with `unsafe` in it. It knows CPython and knows nothing of
//! pools, tasks or payloads. In reading order:
//!
//! - [`Runtime`]: CPython in this process, started once.
//! - [`Interpreter`]: one interpreter with its own GIL, on the OS thread that made it.
//! - [`Attached`]: the proof that this thread may touch that interpreter's objects.
//! - [`Object`], [`Kept`]: references to Python objects, for the length of an attachment and
//!   beyond it.
//! - [`Raised`], [`Exception`]: exceptions, as objects and as plain text.
//! - [`Attached::callback`]: Python functions whose body is a Rust closure.
//! - [`Views`], [`Loans`]: Rust memory that Python reads, and Python's `bytes` that Rust reads, without
//!   a copy.
//! - [`Visits`]: other threads attach to an interpreter for a moment, to see what it runs and to
//!   interrupt it. [`ThreadClock`]: the CPU time of another thread.
//! - [`Memory`]: the bytes that an interpreter has in use, and a limit to them.
//! - [`Mapping`], [`Board`]: memory that is shared with worker processes. [`ProcessClock`]: their CPU time.
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
mod board;
mod c_stdout;
mod clock;
mod crash;
mod mapping;
mod panic;
mod version;

mod error;
mod executable;
mod extension;
mod search;
mod shared_object;

mod allocator;
mod memory;

mod attach;
mod object;

mod container;
mod scalar;

mod exception;

mod callback;

mod buffer;
mod loan;

#[cfg(any(Py_GIL_DISABLED, test))]
mod dump;
#[cfg(Py_3_15)]
mod nudge;
mod stack;
#[cfg(Py_GIL_DISABLED)]
mod turn;
mod visit;
#[cfg(not(Py_GIL_DISABLED))]
mod walk;

mod copies;
mod definition;
mod description;
mod directory;
mod edit;
mod foreign;
pub mod hosted;
mod memory_copy;
mod private_copy;
mod shared_copy;
#[cfg(Py_3_15)]
mod slots;

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    not(any(Py_3_14, Py_GIL_DISABLED))
))]
mod immortal;
mod interpreter;
#[cfg(not(Py_3_13))]
mod isolate;
#[cfg(target_os = "linux")]
mod library;
mod room;
mod runtime;
mod session;
#[cfg(Py_3_13)]
mod siblings;
mod signals;
mod site;
#[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
mod version_tag;

#[cfg(doctest)]
mod compile_fail;

pub use attach::Attached;
pub use board::Board;
pub use buffer::{Owner, Views};
pub use c_stdout::catch_c_stdout;
pub use callback::Body;
pub use clock::{ProcessClock, ThreadClock};
pub use container::{Inside, Items, Pairs};
pub use crash::{Place, Running, tell_of_crashes};
pub use description::{Exception, ExceptionKind};
pub use directory::{close_descriptor, unshare_directory};
pub use error::StartError;
pub use exception::Raised;
pub use executable::find as find_python;
pub use extension::{Extension, ExtensionError, Initialization, Library};
pub use interpreter::{Ended, Interpreter};
#[cfg(target_os = "linux")]
pub use library::Libraries;
pub use loan::{Lent, Loans};
pub use mapping::Mapping;
pub use memory::Memory;
pub use object::{Borrowed, Kept, Kind, Object, PyResult};
pub use panic::{catch, discard};
pub use private_copy::{Admission, Policy, PrivateCopies, PrivateCopy};
pub use room::STACK_SIZE;
pub use runtime::{Config, MainThread, Runtime, exit, leave};
pub use session::session_of;
pub use signals::{block_signals, describe_signal, unblock_signals};
pub use site::SiteChange;
pub use version::Version;
pub use visit::{Frame, Stack, Visit, Visits};
