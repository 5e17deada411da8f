//! WorkerLost: what became of a worker, and of the call that it ran.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

use super::PythonError;

/// Why a worker is gone, and the call that it ran with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerLost {
    /// What happened, in words.
    pub reason: String,
    /// The number of the signal that ended its process, if one did.
    pub signal: Option<i32>,
    /// The exit status of its process, if it ended by itself.
    pub status: Option<i32>,
    /// The worker's number, where it is known.
    pub worker: Option<usize>,
    /// The function that was called, where it is known.
    pub function: Option<String>,
    /// The exception of the initializer, where that is why the pool has no worker.
    #[serde(skip)]
    pub cause: Option<PythonError>,
}

impl WorkerLost {
    /// A lost worker of which no more is known than this.
    pub fn new(reason: impl Into<String>) -> Self {
        WorkerLost {
            reason: reason.into(),
            signal: None,
            status: None,
            worker: None,
            function: None,
            cause: None,
        }
    }

    /// With how its process ended.
    pub(crate) fn ended(mut self, status: ExitStatus) -> Self {
        self.signal = status.signal();
        self.status = status.code();
        self
    }

    /// With the exception that is the reason.
    pub(crate) fn caused_by(mut self, cause: Option<PythonError>) -> Self {
        self.cause = cause;
        self
    }

    /// With the worker and the function that it called.
    pub(crate) fn calling(mut self, worker: usize, function: impl fmt::Display) -> Self {
        self.worker = Some(worker);
        self.function = Some(function.to_string());
        self
    }
}

impl fmt::Display for WorkerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for WorkerLost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
