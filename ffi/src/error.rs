//! StartError: why CPython, or one of its interpreters, could not be started.

use std::fmt;
use std::path::PathBuf;

use crate::description::Exception;
use crate::version::Version;

/// Why CPython, or one of its interpreters, could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// CPython runs in this process already, with another executable.
    AlreadyStarted {
        /// The executable that it was started with, if one was given.
        running: Option<PathBuf>,
        /// The one that was requested now.
        asked: Option<PathBuf>,
    },
    /// Other code in this process started CPython; only owngil may start it.
    Foreign,
    /// The requested Python cannot be used.
    Environment {
        /// As requested.
        python: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The requested Python has another minor version than the linked libpython.
    WrongVersion {
        /// The executable that was found.
        python: PathBuf,
        /// Its version.
        found: Version,
        /// The version of the libpython that this program is linked with.
        linked: Version,
    },
    /// owngil refuses to run on this version.
    Refused {
        /// The version of the libpython that is loaded.
        version: Version,
        /// Why.
        reason: &'static str,
    },
    /// An interpreter with its own GIL was requested on a free-threaded CPython.
    FreeThreaded,
    /// CPython reported a failure, or the system could not start a thread.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The error's text.
        message: String,
    },
    /// Python code that prepares an interpreter raised.
    Raised {
        /// What was being done.
        doing: &'static str,
        /// What was raised.
        exception: Box<Exception>,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::AlreadyStarted { running, asked } => {
                let name = |python: &Option<PathBuf>| match python {
                    Some(path) => path.display().to_string(),
                    None => "the default Python".to_owned(),
                };
                let (running, asked) = (name(running), name(asked));
                write!(
                    f,
                    "CPython runs in this process as {running} and cannot become {asked}"
                )
            }
            StartError::Foreign => {
                f.write_str("CPython was started in this process by other code than owngil")
            }
            StartError::Environment { python, reason } => {
                write!(f, "cannot use the Python {}: {reason}", python.display())
            }
            StartError::WrongVersion {
                python,
                found,
                linked,
            } => write!(
                f,
                "{} is Python {found}, but this program is linked with Python {linked}",
                python.display()
            ),
            StartError::Refused { version, reason } => {
                write!(f, "Python {version} cannot be used: {reason}")
            }
            StartError::FreeThreaded => f.write_str(
                "a free-threaded Python has no interpreters with their own GIL; its threads run in \
                 parallel in one interpreter",
            ),
            StartError::Failed { doing, message } => write!(f, "{doing} failed: {message}"),
            StartError::Raised { doing, exception } => write!(f, "{doing} raised {exception}"),
        }
    }
}

impl std::error::Error for StartError {}
