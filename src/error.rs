//! Error: what can go wrong, one variant for each thing that a caller would do about it.

use std::fmt;

pub use owngil_ffi::ExceptionKind;
use owngil_ffi::{Exception, Stack, StartError};

use crate::payload::CrossingError;
use crate::refusal::{self, Refusal};

/// The result type of owngil's functions.
pub type Result<T> = std::result::Result<T, Error>;

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
    /// The task was cancelled: dropped before it ran, or interrupted. Holds where the task stood, if it had
    /// begun and could be inspected.
    Cancelled(Option<Box<Stack>>),
    /// The deadline or the time limit passed. Holds where the task stood, if it had begun and could be
    /// inspected; a task in C code that holds its GIL cannot.
    TimedOut(Option<Box<Stack>>),
    /// The worker that ran the task is gone, and the outcome with it. The text says what happened to the worker.
    WorkerLost(String),
    /// The queue is full; see [`Pool::try_submit`](crate::Pool::try_submit).
    QueueFull,
    /// The pool accepts no more tasks.
    ShutDown,
    /// An invalid setting.
    Config(String),
}

impl Error {
    /// What a call ends with that went on without a module which was refused with that text: its value is not the one
    /// that it has in plain Python.
    #[cold]
    pub(crate) fn refused(text: &str) -> Error {
        Error::Python(PythonError::new(Exception {
            kind: ExceptionKind::ImportError,
            type_name: "ImportError".to_owned(),
            message: text.to_owned(),
            traceback: format!("ImportError: {text}\n"),
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
            Error::Cancelled(stack) | Error::TimedOut(stack) => stack.as_deref(),
            _ => None,
        }
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
            Error::Cancelled(None) => f.write_str("the task was cancelled"),
            Error::Cancelled(Some(stack)) => {
                write!(f, "the task was cancelled; it stood here:\n{stack}")
            }
            Error::TimedOut(None) => {
                f.write_str("the task timed out before it started, or could not be inspected")
            }
            Error::TimedOut(Some(stack)) => {
                write!(f, "the task ran out of time; it stood here:\n{stack}")
            }
            Error::WorkerLost(reason) => write!(f, "the task's worker was lost: {reason}"),
            Error::QueueFull => f.write_str("the queue is full"),
            Error::ShutDown => f.write_str("the pool is shut down"),
            Error::Config(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Worker { source, .. } => Some(&**source),
            Error::Load(error) => error.cause.as_ref().map(|cause| cause as _),
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

/// A Python exception, copied out of its interpreter as plain text.
///
/// It holds everything that Python would print, even if the exception cannot be pickled or its
/// `__str__` raises.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonError(Box<Exception>);

impl PythonError {
    pub(crate) fn new(exception: Exception) -> Self {
        PythonError(Box::new(exception))
    }

    /// The exception's kind, among those that a host may want to handle differently.
    pub fn kind(&self) -> ExceptionKind {
        self.0.kind
    }

    /// The qualified type name: `ValueError`, `json.decoder.JSONDecodeError`.
    pub fn type_name(&self) -> &str {
        &self.0.type_name
    }

    /// `str(exception)`
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The traceback of the whole chain, as Python prints it, starting at the user's first frame.
    pub fn traceback(&self) -> &str {
        &self.0.traceback
    }

    /// The notes added by `add_note` (PEP 678).
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Adds a note, as `add_note` would have.
    pub(crate) fn add_note(&mut self, note: &str) {
        self.0.notes.push(note.to_owned());
        if !self.0.traceback.ends_with('\n') {
            self.0.traceback.push('\n');
        }
        self.0.traceback.push_str(note);
        self.0.traceback.push('\n');
    }

    /// The type and message of `__cause__`, or else of the `__context__` that Python would show.
    pub fn cause(&self) -> Option<PythonError> {
        let cause = self.0.cause.as_ref().or(self.0.context.as_ref());
        cause.map(|cause| PythonError(cause.clone()))
    }

    /// The refusal that raised this exception, if an interpreter with its own GIL refused something. It is recognized
    /// by the texts of CPython, of packages and of private copies, anywhere in the chain.
    pub fn refusal(&self) -> Option<Refusal> {
        refusal::of(self.traceback())
    }

    /// For `SystemExit`: the status that the process would have exited with.
    pub fn exit_status(&self) -> Option<i32> {
        self.0.exit_status
    }

    pub(crate) fn exception(&self) -> &Exception {
        &self.0
    }
}

impl fmt::Display for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PythonError {}

/// Why a function could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadError {
    /// The kind of failure.
    pub kind: LoadErrorKind,
    /// The function, as you named it.
    pub function: String,
    /// A description of the failure.
    pub message: String,
    /// What you may have meant.
    pub hint: Option<String>,
    /// The exception, if the module does not compile or raises on import.
    pub cause: Option<PythonError>,
}

/// The ways in which loading a function can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The reference is neither `FILE.py:NAME` nor `MODULE:NAME`.
    Reference,
    /// The file does not exist, or cannot be read.
    MissingFile,
    /// The module does not exist.
    MissingModule,
    /// The module does not define the name.
    MissingName,
    /// The name is neither a function nor anything else callable.
    NotCallable,
    /// The source does not compile.
    Syntax,
    /// The module raises an exception on import.
    Import,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot load {}: {}", self.function, self.message)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
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
