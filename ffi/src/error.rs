//! StartError: why CPython, or one of its interpreters, could not be started.

use std::fmt;
use std::path::PathBuf;

use crate::description::Exception;
use crate::version::Version;

/// Why CPython, or an interpreter of it, could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// CPython runs in this process already, with another executable.
    AlreadyStarted {
        /// The executable that it was started with, if one was named.
        running: Option<PathBuf>,
        /// The one that was asked for now.
        asked: Option<PathBuf>,
    },
    /// Other code in this process started CPython; owngil has to be the one that does.
    Foreign,
    /// The Python that was named cannot be used.
    Environment {
        /// As it was named.
        python: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The Python that was named is of another minor version than the linked libpython.
    WrongVersion {
        /// As it was found.
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
    /// An interpreter with a GIL of its own was asked for, and this CPython is free-threaded.
    FreeThreaded,
    /// CPython itself said no, or the system gave no thread.
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
                "interpreters with a GIL of their own are not made on a free-threaded Python, whose \
                 threads run in parallel in one interpreter",
            ),
            StartError::Failed { doing, message } => write!(f, "{doing} failed: {message}"),
            StartError::Raised { doing, exception } => write!(f, "{doing} raised {exception}"),
        }
    }
}

impl std::error::Error for StartError {}
