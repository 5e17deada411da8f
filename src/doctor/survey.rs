//! Survey: which imports there are and where they are found, without running any of them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::subject::Subject;
use crate::error::{Error, LoadError, LoadErrorKind, Result};
use crate::function::Function;
use crate::interpreter::Interpreter;

const SURVEY: &str = include_str!("survey.py");

/// What Python would import for a subject.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Survey {
    /// With the compiler and the date of the build.
    pub(super) version: String,
    pub(super) executable: String,
    pub(super) paths: Vec<String>,
    pub(super) imports: Vec<Found>,
    trouble: String,
    message: String,
}

/// A package or module of the top level.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Found {
    pub(super) name: String,
    /// What is imported of it: modules, each with what is taken `from` it, divided by spaces.
    pub(super) targets: Vec<String>,
    pub(super) kind: ImportStanding,
    /// Empty where there is no file.
    pub(super) path: String,
    /// Extension files that came with it, by the modules' names.
    pub(super) files: Vec<(String, PathBuf)>,
    pub(super) lines: Vec<u32>,
    pub(super) is_lazy: bool,
    pub(super) is_optional: bool,
    /// Name and version, where it was found by its distribution.
    pub(super) distribution: String,
}

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum ImportStanding {
    /// Nowhere.
    #[serde(rename = "")]
    Missing,
    #[serde(rename = "builtin")]
    Builtin,
    #[serde(rename = "standard")]
    Standard,
    #[serde(rename = "installed")]
    Installed,
}

impl Survey {
    pub(super) fn of(subject: &Subject) -> Result<Survey> {
        let survey: Survey = Interpreter::scope(|python| match subject {
            Subject::Script(path) => {
                let path = path_text(path)?;
                python.call(&Function::source(SURVEY, "survey_script"), (path,))
            }
            Subject::Modules(names) => {
                python.call(&Function::source(SURVEY, "survey_modules"), (names,))
            }
            Subject::Installed => python.call(&Function::source(SURVEY, "survey_all"), ()),
        })?;
        let kind = match survey.trouble.as_str() {
            "" => return Ok(survey),
            "syntax" => LoadErrorKind::Syntax,
            _ => LoadErrorKind::MissingFile,
        };
        Err(Error::Load(Box::new(LoadError {
            kind,
            function: subject.to_string(),
            message: survey.message,
            hint: None,
            cause: None,
        })))
    }
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| Error::config(format!("{} is no text", path.display())))
}
