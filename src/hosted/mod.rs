//! Hosted: pools for the Python that has loaded this library, in place of a Rust program.
//!
//! [`populate`] gives an extension module its functions. They speak plain Python values; the classes around them are
//! Python code of the package (`python/owngil/_native.py`).
//!
//! A call is encoded under the host's GIL, which then has nothing to do with it until its outcome is asked for: every
//! wait here is detached. On Python's main thread a wait looks for signals every few milliseconds.
//!
//! - `codec`: arguments and values, between the host's objects and bytes.
//! - `calls`: the calls that are out, by their tickets, and the outcomes that have come.
//! - `backlog`: calls that wait for room in the pool's queue: a host may submit any number of them.
//! - `pool`: all of these around one [`Pool`](crate::Pool). `map`: its maps.
//! - `settings`, `outcome`, `report`: what goes in and out as Python values.
//! - `process`: the life of the process: its end, its forks, and its child processes. `launch`: the command, under the
//!   Python that it is for.

mod backlog;
mod calls;
mod codec;
mod functions;
mod launch;
mod map;
mod outcome;
mod pool;
mod process;
mod report;
mod settings;
mod wait;

pub use launch::{become_python, is_hosted, note_command};
use owngil_ffi::{Attached, Borrowed, Object, PyResult, Raised};
pub use process::words_of;

use crate::error::Error;

/// Gives the module its functions.
///
/// # Errors
///
/// What Python raises.
pub fn populate<'a>(attached: Attached<'a>, module: &Object<'a>) -> PyResult<'a, ()> {
    let version = attached.str(env!("CARGO_PKG_VERSION"))?;
    module.set("__version__", &version)?;
    functions::populate(attached, module)?;
    pool::populate(attached, module)?;
    process::populate(attached, module)
}

/// Adds a function to the module.
fn add<'a, F>(attached: Attached<'a>, module: &Object<'a>, name: &str, body: F) -> PyResult<'a, ()>
where
    F: for<'c> Fn(Attached<'c>, &[Borrowed<'c>]) -> Result<Object<'c>, Raised<'c>>
        + Send
        + Sync
        + 'static,
{
    module.set(name, &attached.callback(body)?)
}

/// An error with its causes and its hint, a line each.
fn described(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\ncaused by: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// The exception that the host gets for an error of the library.
fn raised<'a>(attached: Attached<'a>, error: &Error) -> Raised<'a> {
    let text = described(error);
    match error {
        Error::Config { .. } => attached.raise_value_error(&text),
        Error::Value(_) => unpicklable(attached, &text),
        _ => attached.raise_runtime_error(&text),
    }
}

/// `pickle.PicklingError`
fn unpicklable<'a>(attached: Attached<'a>, text: &str) -> Raised<'a> {
    let made = || {
        let class = attached.import(c"_pickle")?.get("PicklingError")?;
        class.call(&[attached.str(text)?])
    };
    match made() {
        Ok(exception) => attached.raise_instance(exception),
        Err(raised) => raised,
    }
}
