//! HostFailure: why a host function gave no value, on its way to the Python code that called it.

use std::any::Any;
use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::payload::CrossingError;

/// Why a call of a host function has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HostFailure {
    /// An argument or the value cannot cross, or does not fit: `TypeError`.
    Type(String),
    /// The function returned an error: its text, and those of its sources. `HostError`.
    Failed(Vec<String>),
    /// The function panicked, with this text: `HostError`.
    Panicked(String),
    /// The function cannot be reached: `RuntimeError`.
    Unreachable(String),
}

impl HostFailure {
    /// An error and its sources. A source that says the same as the error above it adds nothing.
    #[cold]
    pub(super) fn of_error(error: &(dyn Error + 'static)) -> HostFailure {
        let (mut texts, mut next) = (Vec::new(), Some(error));
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts.dedup();
        HostFailure::Failed(texts)
    }

    /// What a panic carried.
    #[cold]
    pub(super) fn of_panic(panic: &(dyn Any + Send)) -> HostFailure {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        HostFailure::Panicked(text.unwrap_or("(no message)").to_owned())
    }
}

impl From<CrossingError> for HostFailure {
    #[cold]
    fn from(error: CrossingError) -> Self {
        HostFailure::Type(error.to_string())
    }
}
