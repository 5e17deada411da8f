//! Subject: what a doctor examines.

use std::fmt;
use std::path::PathBuf;

use crate::function::{Function, Location};

/// What to examine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A script: what its source imports, including imports inside functions. The script itself never runs.
    Script(PathBuf),
    /// Modules, by name.
    Modules(Vec<String>),
    /// Every installed distribution that has extension modules.
    Installed,
}

impl Subject {
    /// What a function's file or module imports. `None` for a function from source text.
    pub fn of(function: &Function) -> Option<Subject> {
        match function.location() {
            Location::File { path, .. } => Some(Subject::Script(path.clone())),
            Location::Script { script, shown, .. } => match script.path() {
                Some(path) => Some(Subject::Script(path.to_owned())),
                None if script.text().is_none() => Some(Subject::modules([shown.as_str()])),
                None => None,
            },
            Location::Module { module, .. } => Some(Subject::modules([module.as_str()])),
            Location::Source { .. } | Location::Malformed { .. } => None,
        }
    }

    /// Modules, by name: `numpy`, `xml.etree.ElementTree`.
    pub fn modules<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Subject {
        Subject::Modules(names.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Script(path) => write!(f, "{}", path.display()),
            Subject::Modules(names) => f.write_str(&names.join(", ")),
            Subject::Installed => f.write_str("every installed package with native modules"),
        }
    }
}
