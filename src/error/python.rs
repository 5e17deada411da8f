//! PythonError: a Python exception, outside Python.

use std::fmt;

use owngil_ffi::{Exception, ExceptionKind, Frame};

use crate::refusal::{self, Refusal};

/// A Python exception, copied out of its interpreter as plain text.
///
/// It holds everything that Python would print, even if the exception cannot be pickled or its
/// `__str__` raises.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonError {
    exception: Box<Exception>,
    /// The object in a pickle, for a pool that keeps it.
    pickle: Option<Box<[u8]>>,
}

impl PythonError {
    pub(crate) fn new(exception: Exception) -> Self {
        PythonError {
            exception: Box::new(exception),
            pickle: None,
        }
    }

    pub(crate) fn with_pickle(mut self, pickle: Option<Vec<u8>>) -> Self {
        self.pickle = pickle.map(Vec::into_boxed_slice);
        self
    }

    /// The exception object in a pickle, if it is kept.
    pub(crate) fn pickle(&self) -> Option<&[u8]> {
        self.pickle.as_deref()
    }

    /// The exception's kind, among those that a host may want to handle differently.
    pub fn kind(&self) -> ExceptionKind {
        self.exception.kind
    }

    /// The qualified type name: `ValueError`, `json.decoder.JSONDecodeError`.
    pub fn type_name(&self) -> &str {
        &self.exception.type_name
    }

    /// `str(exception)`
    pub fn message(&self) -> &str {
        &self.exception.message
    }

    /// The traceback of the whole chain, as Python prints it, starting at the user's first frame.
    pub fn traceback(&self) -> &str {
        &self.exception.traceback
    }

    /// Where it was raised: the frames of its traceback, innermost last, at most the innermost 200.
    ///
    /// They are those of this exception, without those of its [`cause`](PythonError::cause).
    pub fn frames(&self) -> &[Frame] {
        &self.exception.frames
    }

    /// The notes added by `add_note` (PEP 678).
    pub fn notes(&self) -> &[String] {
        &self.exception.notes
    }

    /// Adds a note, as `add_note` would have.
    pub(crate) fn add_note(&mut self, note: &str) {
        self.exception.notes.push(note.to_owned());
        if !self.exception.traceback.ends_with('\n') {
            self.exception.traceback.push('\n');
        }
        self.exception.traceback.push_str(note);
        self.exception.traceback.push('\n');
    }

    /// The type and message of `__cause__`, or else of the `__context__` that Python would show.
    pub fn cause(&self) -> Option<PythonError> {
        self.exception.before().cloned().map(PythonError::new)
    }

    /// The refusal that raised this exception, if an interpreter with its own GIL refused something. It is recognized
    /// by the texts of CPython, of packages and of private copies, anywhere in the chain.
    pub fn refusal(&self) -> Option<Refusal> {
        refusal::of(self.traceback())
    }

    /// For `SystemExit`: the status that the process would have exited with.
    pub fn exit_status(&self) -> Option<i32> {
        self.exception.exit_status
    }

    pub(crate) fn exception(&self) -> &Exception {
        &self.exception
    }
}

impl fmt::Display for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exception.fmt(f)
    }
}

impl fmt::Debug for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exception.fmt(f)
    }
}

impl std::error::Error for PythonError {
    /// The exception that this one was raised `from`, or else the one that was being handled.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.exception.source()
    }
}
