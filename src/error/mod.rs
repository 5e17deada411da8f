//! Error: what can go wrong, one variant for each thing that a caller would do about it.

mod load;
mod lost;
mod python;

use std::fmt;

pub use owngil_ffi::ExceptionKind;
use owngil_ffi::{Exception, Frame, Stack, StartError};

use crate::payload::CrossingError;
use crate::refusal;

pub use load::{LoadError, LoadErrorKind};
pub use lost::WorkerLost;
pub use python::PythonError;

/// The result type of owngil's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call returned no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The Python code raised an exception.
    Python(PythonError),
    /// The function could not be loaded; no task ran.
    Load(Box<LoadError>),
    /// A value cannot cross, or does not have the shape of the Rust type that it should become.
    Value(CrossingError),
    /// CPython or one of its interpreters could not be started.
    Start(Box<StartError>),
    /// A worker failed to start: its initializer raised, or its thread could not be created.
    Worker {
        /// The worker's number.
        worker: usize,
        /// What went wrong.
        source: Box<Error>,
    },
    /// The task was cancelled: dropped before it ran, or interrupted.
    #[non_exhaustive]
    Cancelled {
        /// Where the task stood, if it had begun and could be inspected.
        stack: Option<Box<Stack>>,
    },
    /// The deadline or the time limit passed.
    #[non_exhaustive]
    TimedOut {
        /// Where the task stood, if it had begun and could be inspected. A task in C code that holds its GIL
        /// cannot.
        stack: Option<Box<Stack>>,
    },
    /// The worker that ran the task is gone, and the outcome with it.
    WorkerLost(Box<WorkerLost>),
    /// The queue is full; see [`Pool::try_submit`](crate::Pool::try_submit).
    QueueFull,
    /// The pool accepts no more tasks.
    ShutDown,
    /// An invalid setting.
    #[non_exhaustive]
    Config {
        /// Which one, and what is wrong with it.
        message: String,
    },
}

impl Error {
    /// A cancelled task, which stood there.
    pub fn cancelled(stack: Option<Box<Stack>>) -> Error {
        Error::Cancelled { stack }
    }

    /// A task that ran out of time, and stood there.
    pub fn timed_out(stack: Option<Box<Stack>>) -> Error {
        Error::TimedOut { stack }
    }

    /// An invalid setting.
    pub fn config(message: impl Into<String>) -> Error {
        Error::Config {
            message: message.into(),
        }
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Error {
        WorkerLost::new(reason).into()
    }

    /// What a call ends with that went on without a module which was refused with that text: its value is not the one
    /// that it has in plain Python.
    #[cold]
    pub(crate) fn refused(text: &str) -> Error {
        Error::Python(PythonError::new(Exception {
            kind: ExceptionKind::ImportError,
            type_name: "ImportError".to_owned(),
            message: text.to_owned(),
            traceback: format!("ImportError: {text}\n"),
            frames: vec![],
            notes: vec![],
            cause: None,
            context: None,
            exit_status: None,
        }))
    }

    /// The underlying Python exception, if there is one.
    pub fn python(&self) -> Option<&PythonError> {
        match self {
            Error::Python(error) => Some(error),
            Error::Load(error) => error.cause.as_ref(),
            Error::Worker { source, .. } => source.python(),
            Error::WorkerLost(lost) => lost.cause.as_ref(),
            _ => None,
        }
    }

    /// Why the call can be made in a worker process, if it can though it failed so.
    pub(crate) fn needs_process(&self) -> Option<String> {
        refusal::need(self.python()?.traceback())
    }

    /// Where the task stood when it was cancelled or timed out.
    pub fn stack(&self) -> Option<&Stack> {
        match self {
            Error::Cancelled { stack } | Error::TimedOut { stack } => stack.as_deref(),
            _ => None,
        }
    }

    /// The same, unless no code of the task's own stood anywhere: it was yet to be loaded, or is written in C.
    pub(crate) fn place(&self) -> Option<&Stack> {
        let is_own = |frame: &Frame| frame.file.starts_with("<owngil ");
        self.stack()
            .filter(|stack| !stack.frames.iter().all(is_own))
    }

    /// A suggestion for the user, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Load(error) => {
                let of_cause = |cause: &PythonError| refusal::hint(cause.traceback());
                let hint = error.hint.clone();
                hint.or_else(|| error.cause.as_ref().and_then(of_cause))
            }
            Error::Worker { source, .. } => source.hint(),
            Error::Start(error) => match &**error {
                StartError::WrongVersion { linked, .. } => Some(format!(
                    "name a Python {}.{}, or build owngil for the other version (PYO3_PYTHON)",
                    linked.major, linked.minor
                )),
                StartError::FreeThreaded => Some(
                    "omit the backend, or use thread, which runs in parallel on this Python, or \
                     process"
                        .to_owned(),
                ),
                _ => None,
            },
            Error::Python(error) => refusal::hint(error.traceback()),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Python(error) => error.fmt(f),
            Error::Load(error) => error.fmt(f),
            Error::Value(error) => error.fmt(f),
            Error::Start(error) => error.fmt(f),
            Error::Worker { worker, .. } => write!(f, "worker {worker} failed to start"),
            Error::Cancelled { .. } => {
                f.write_str("the task was cancelled")?;
                write_place(f, self.place())
            }
            Error::TimedOut { stack: None } => {
                f.write_str("the task timed out before it started, or could not be inspected")
            }
            Error::TimedOut { .. } => {
                f.write_str("the task ran out of time")?;
                write_place(f, self.place())
            }
            Error::WorkerLost(reason) => write!(f, "the task's worker was lost: {reason}"),
            Error::QueueFull => f.write_str("the queue is full"),
            Error::ShutDown => f.write_str("the pool is shut down"),
            Error::Config { message } => f.write_str(message),
        }
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, place: Option<&Stack>) -> fmt::Result {
    place.map_or(Ok(()), |stack| write!(f, "; it stood here:\n{stack}"))
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Worker { source, .. } => Some(&**source),
            Error::Load(error) => error.source(),
            Error::Python(error) => error.source(),
            Error::WorkerLost(lost) => lost.source(),
            Error::Start(error) => error.source(),
            _ => None,
        }
    }
}

impl From<CrossingError> for Error {
    fn from(error: CrossingError) -> Self {
        Error::Value(error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Error::Start(Box::new(error))
    }
}

impl From<PythonError> for Error {
    fn from(error: PythonError) -> Self {
        Error::Python(error)
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Error::Load(Box::new(error))
    }
}

impl From<WorkerLost> for Error {
    fn from(lost: WorkerLost) -> Self {
        Error::WorkerLost(Box::new(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_hint_in_a_call_and_in_the_import_of_its_function() {
        let message = "module numpy does not support loading in subinterpreters";
        let cause = PythonError::new(Exception {
            kind: ExceptionKind::ImportError,
            type_name: "ImportError".to_owned(),
            message: message.to_owned(),
            traceback: format!("ImportError: {message}\n"),
            frames: Vec::new(),
            notes: Vec::new(),
            cause: None,
            context: None,
            exit_status: None,
        });
        let load = |hint: Option<&str>| LoadError {
            kind: LoadErrorKind::Import,
            function: "m:f".to_owned(),
            message: "importing it raised".to_owned(),
            hint: hint.map(str::to_owned),
            cause: Some(cause.clone()),
        };
        let hint = Error::from(cause.clone()).hint();
        assert!(hint.as_ref().is_some_and(|hint| hint.contains("auto")));
        assert_eq!(Error::from(load(None)).hint(), hint);
        let own = Error::from(load(Some("another one"))).hint();
        assert_eq!(own.as_deref(), Some("another one"));
    }
}
