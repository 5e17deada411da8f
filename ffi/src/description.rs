//! Description: an exception as plain text, which may leave its interpreter.

use std::fmt;

/// The exceptions that a host tells apart.
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
    /// Which of the exceptions that a host tells apart.
    pub kind: ExceptionKind,
    /// The qualified type: `ValueError`, `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// `str(exception)`
    pub message: String,
    /// The traceback of the whole chain, as Python prints it.
    pub traceback: String,
    /// What `add_note` added.
    pub notes: Vec<String>,
    /// `__cause__`: raised `from` this one.
    pub cause: Option<Box<Exception>>,
    /// `__context__`, where it is shown: raised while this one was being handled.
    pub context: Option<Box<Exception>>,
    /// For `SystemExit`: the status that the process would have ended with.
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

impl std::error::Error for Exception {}
