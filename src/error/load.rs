//! LoadError: why a function could not be loaded.

use std::fmt;

use super::PythonError;

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

impl LoadError {
    /// For a reference that names no function.
    pub(crate) fn malformed(reference: &str) -> LoadError {
        LoadError {
            kind: LoadErrorKind::Reference,
            function: reference.to_owned(),
            message: "it names no function".to_owned(),
            hint: Some("write FILE.py:NAME or MODULE:NAME".to_owned()),
            cause: None,
        }
    }
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
