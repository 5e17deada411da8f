//! LoadError: what loading.py raised when it could not load a function, as the host's error.

use owngil_ffi::Raised;

use super::raised::python_error;
use crate::error::{Error, LoadError, LoadErrorKind, PythonError};
use crate::function::Function;

/// Reads a `LoadError` of loading.py; any other exception is one that loading itself raised.
pub(super) fn load_error(function: &Function, raised: &Raised<'_>) -> Error {
    let value = raised.value();
    if value.type_name() != "owngil.LoadError" {
        return python_error(raised);
    }
    let text = |name: &str| value.get(name).and_then(|text| text.text()).ok();
    let kind = match text("kind").as_deref() {
        Some("MissingFile") => LoadErrorKind::MissingFile,
        Some("MissingModule") => LoadErrorKind::MissingModule,
        Some("MissingName") => LoadErrorKind::MissingName,
        Some("NotCallable") => LoadErrorKind::NotCallable,
        Some("Syntax") => LoadErrorKind::Syntax,
        Some("Import") => LoadErrorKind::Import,
        _ => return python_error(raised),
    };
    Error::from(LoadError {
        kind,
        function: function.to_string(),
        message: text("message").unwrap_or_default(),
        hint: text("hint"),
        cause: raised
            .cause()
            .map(|cause| PythonError::new(cause.describe())),
    })
}
