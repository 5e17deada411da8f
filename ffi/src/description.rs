//! Description: an exception as plain text, which may leave its interpreter.

use std::fmt;

use crate::stack::Frame;

/// The kinds of exceptions that a host may want to handle differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExceptionKind {
    /// `SystemExit`: `sys.exit()` was called. Its status is [`Exception::exit_status`].
    SystemExit,
    /// `KeyboardInterrupt`
    KeyboardInterrupt,
    /// `MemoryError`
    MemoryError,
    /// `RecursionError`
    RecursionError,
    /// `SyntaxError` and its subclasses
    SyntaxError,
    /// `ImportError` and its subclasses
    ImportError,
    /// Any other exception.
    Other,
}

/// A Python exception, copied out as plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The kind, among those that a host may want to handle differently.
    pub kind: ExceptionKind,
    /// The qualified type name: `ValueError`, `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// `str(exception)`
    pub message: String,
    /// The traceback of the whole chain, as Python prints it.
    pub traceback: String,
    /// Where it was raised: the innermost [`Stack::N_FRAMES_MAX`](crate::Stack::N_FRAMES_MAX) frames of its
    /// traceback, innermost last.
    pub frames: Vec<Frame>,
    /// The notes added by `add_note`.
    pub notes: Vec<String>,
    /// `__cause__`: the exception that this one was raised `from`.
    pub cause: Option<Box<Exception>>,
    /// `__context__`, if it is shown: the exception that was being handled when this one was raised.
    pub context: Option<Box<Exception>>,
    /// For `SystemExit`: the status that the process would have exited with.
    pub exit_status: Option<i32>,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => f.write_str(&self.type_name),
            message => write!(f, "{}: {message}", self.type_name),
        }
    }
}

impl Exception {
    /// The exception that Python shows before this one: its `__cause__`, or else its `__context__`.
    pub fn before(&self) -> Option<&Exception> {
        self.cause.as_deref().or(self.context.as_deref())
    }
}

impl std::error::Error for Exception {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.before().map(|before| before as _)
    }
}
