//! Raised: what Python code has raised, and what cannot cross, as errors of the library.

use owngil_ffi::Raised;

use crate::error::{Error, PythonError};
use crate::payload::CrossingError;

pub(crate) fn python_error(raised: &Raised<'_>) -> Error {
    Error::Python(PythonError::new(raised.describe()))
}

pub(crate) fn result_error(error: CrossingError) -> Error {
    Error::Value(error.root("result"))
}
