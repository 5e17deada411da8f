//! ExtensionError: why this process cannot load a file as an extension module.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file cannot be read as an extension module.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExtensionError {
    /// It could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no ELF file: empty, cut off, of another system.
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is for another machine than this one.
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The number of that machine in ELF's list.
        machine: u16,
    },
    /// It is no extension module: nothing in it is called `PyInit_…`.
    NoInitFunction {
        /// The file.
        path: PathBuf,
    },
    /// It is an extension module for Python 3.15 or later: it has a `PyModExport_…` alone (PEP 793).
    NewerPython {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtensionError::Unreadable { path, error } => {
                write!(f, "{} cannot be read: {error}", path.display())
            }
            ExtensionError::NotElf { path, reason } => {
                write!(f, "{} is no extension module: {reason}", path.display())
            }
            ExtensionError::OtherMachine { path, machine } => write!(
                f,
                "{} is for another machine (number {machine} of ELF's list)",
                path.display()
            ),
            ExtensionError::NoInitFunction { path } => write!(
                f,
                "{} is no extension module: it has no function PyInit_…",
                path.display()
            ),
            ExtensionError::NewerPython { path } => write!(
                f,
                "{} is for Python 3.15 or later: it has a function PyModExport_… and no PyInit_…",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ExtensionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExtensionError::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}
