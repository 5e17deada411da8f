//! Report: what a doctor has found out about a subject.

use std::fmt;
use std::path::PathBuf;

use owngil_ffi::Initialization;

/// What an import needs, from least to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Need {
    /// It loads in an interpreter with its own GIL as it is.
    Strict,
    /// It was not tried, and its files do not show what it needs.
    Unknown,
    /// It loads in such an interpreter from a private copy of its file, and was tested that way.
    PrivateCopy,
    /// It needs a process, or private copies of it are untested; see [`tested`](crate::tested).
    Process,
    /// It, or something that it imports, is not installed.
    Missing,
    /// It works nowhere: it raises, crashes or hangs in a plain process too.
    Broken,
}

impl Need {
    /// The name: `strict`, `unknown`, `private copy`, `process`, `missing` or `broken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Need::Strict => "strict",
            Need::Unknown => "unknown",
            Need::PrivateCopy => "private copy",
            Need::Process => "process",
            Need::Missing => "missing",
            Need::Broken => "broken",
        }
    }

    /// Returns whether it runs at all.
    pub fn is_met(self) -> bool {
        self < Need::Missing
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The findings about a subject.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The Python version, including its build.
    pub python: String,
    /// The Python executable.
    pub executable: PathBuf,
    /// One row for each top-level package, in the order in which they are named.
    pub imports: Vec<Import>,
}

impl Report {
    /// What the subject needs: the most that any of its imports needs. Missing or broken imports do not count if the
    /// subject goes on without them.
    pub fn need(&self) -> Need {
        let counts = |import: &&Import| import.need.is_met() || !import.is_optional;
        let needs = self.imports.iter().filter(counts).map(|import| import.need);
        needs.max().unwrap_or(Need::Strict)
    }
}

/// An imported top-level package or module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// Its name.
    pub name: String,
    /// The modules that are imported of it, each with the names taken `from` it, separated by spaces.
    pub targets: Vec<String>,
    /// The lines of the script that import it.
    pub lines: Vec<u32>,
    /// Whether it is imported only inside functions, and so late in a run or never.
    pub is_lazy: bool,
    /// Whether it is imported only where an `ImportError` is caught.
    pub is_optional: bool,
    /// The name and version of its distribution, for [`Subject::Installed`](super::Subject::Installed).
    pub distribution: Option<String>,
    /// Its file. `None` if it is built in, missing, or a folder.
    pub path: Option<PathBuf>,
    /// What it needs.
    pub need: Need,
    /// The reason, in words.
    pub why: String,
    /// The native module that causes this need, if one does.
    pub decisive: Option<String>,
    /// The native modules that it silently goes on without, if those that refuse stay refused.
    pub left_out: Vec<String>,
    /// The native modules that it goes on without even with private copies.
    pub left_out_with_copies: Vec<String>,
    /// The native modules that it imports.
    pub native: Vec<NativeModule>,
    /// The packages that it needs processes for, because private copies of these versions are untested.
    pub untested: Vec<String>,
    /// Whether this result comes from the cache.
    pub is_remembered: bool,
}

/// A module in machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeModule {
    /// Its full name.
    pub name: String,
    /// Its file. `None` if it is part of Python's own binary.
    pub path: Option<PathBuf>,
    /// Whether it belongs to the standard library.
    pub is_standard: bool,
    /// What it needs.
    pub need: Need,
    /// The reason: the rest of a sentence that begins with its name.
    pub why: String,
    /// The modules through which it is imported, from the first to itself. Empty if it was not imported.
    pub chain: Vec<String>,
    /// How it initializes its module. `None` if it has no file.
    pub initialization: Option<Initialization>,
    /// Whether it calls `PyGILState_Ensure`, which may attach threads to the main interpreter.
    pub uses_gil_state: bool,
    /// Whether each copy uses up some of the reserve for thread-local data.
    pub has_static_tls: bool,
}
