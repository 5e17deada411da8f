//! Outcome: what became of a call that gave no value, as a Python tuple.

use owngil_ffi::{Attached, Object, PyResult};

use super::described;
use crate::error::Error;

/// `(kind, message, traceback, pickle)`, as `_native.Failure` describes it. `is_broken` says that the pool has failed.
pub(super) fn failure<'a>(
    attached: Attached<'a>,
    error: &Error,
    is_broken: bool,
) -> PyResult<'a, Object<'a>> {
    let kind = match error {
        Error::Python(_) => "raised",
        Error::Load(_) => "load",
        Error::Value(_) => "value",
        Error::Cancelled { .. } => "cancelled",
        Error::TimedOut { .. } => "timed_out",
        Error::WorkerLost(_) if !is_broken => "worker_lost",
        Error::ShutDown => "shut_down",
        _ => "broken",
    };
    let message = match error {
        // The exception itself has its causes.
        Error::Python(_) => error.to_string(),
        _ => described(error),
    };
    let traceback = match (error, error.python(), error.place()) {
        (Error::Value(error), ..) => error.traceback().unwrap_or_default().to_owned(),
        (_, Some(python), _) => python.traceback().to_owned(),
        (_, None, Some(stack)) => stack.to_string(),
        (_, None, None) => String::new(),
    };
    let pickle = match error {
        Error::Python(python) => python.pickle(),
        _ => None,
    };
    let pickle = match pickle {
        Some(pickle) => attached.bytes(pickle)?,
        None => attached.none(),
    };
    attached.tuple([
        attached.str(kind)?,
        attached.str(&message)?,
        attached.str(&traceback)?,
        pickle,
    ])
}
