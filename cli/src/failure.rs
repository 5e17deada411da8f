//! Failure: why a task failed, or why something cannot be an input.

use std::io;
use std::time::Duration;

use owngil::Error;

use crate::exit::Exit;
use crate::fatal::Fatal;

/// What helps where a module is not there.
const MISSING: &str =
    "is its package installed in this Python? -v says which one it is, --python names another";

/// What an input took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// The last time that it was tried; `None` where that is not known.
    pub(crate) elapsed: Option<Duration>,
    pub(crate) n_tries: u32,
}

/// Why a task failed, in words.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line.
    pub(crate) what: String,
    /// Lines that say more.
    pub(crate) details: String,
    pub(crate) hint: Option<String>,
    /// What it has in common with others, where that is not `what`.
    pub(crate) kind: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            details: String::new(),
            hint: None,
            kind: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &str) -> Failure {
        self.hint = Some(hint.to_owned());
        self
    }

    /// With this hint, unless it has another.
    pub(crate) fn or_hint(mut self, hint: &str) -> Failure {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// The failure of an input of which not all that was printed could be kept, or what it gave.
    pub(crate) fn unkept(error: &io::Error) -> Failure {
        let failure = Failure::new(format!("its output could not be kept: {error}"));
        failure.hint("TMPDIR names another place for what waits to be written")
    }

    /// All of it, as a file has it.
    pub(crate) fn text(&self) -> String {
        let mut text = match self.details.is_empty() {
            true => self.what.clone(),
            false => self.details.clone(),
        };
        end_line(&mut text);
        text
    }

    /// The message about the failure of what `label` names, with so much of the traceback.
    pub(crate) fn message(&self, label: &str, details: &str, hint: Option<&str>) -> String {
        let mut message = format!("error: {label}: {}\n", self.what);
        message.push_str(details);
        end_line(&mut message);
        if let Some(hint) = hint {
            message.push_str(&format!("hint: {hint}\n"));
        }
        message
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        let text = error.to_string();
        let (what, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let python = error.python();
        // All of a message of several lines is in the traceback.
        let details = python.map_or(rest, |python| python.traceback());
        let is_missing = python.is_some_and(|python| python.type_name() == "ModuleNotFoundError");
        let missing = || is_missing.then(|| MISSING.to_owned());
        Failure {
            what: what.to_owned(),
            details: details.to_owned(),
            hint: error.hint().or_else(missing),
            kind: python.map(|python| python.type_name().to_owned()),
        }
    }
}

pub(crate) fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Appends a task's output, with a newline where its last line lacks one.
pub(crate) fn append_lines(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    if text.last().is_some_and(|last| *last != b'\n') {
        out.push(b'\n');
    }
}

/// Why something is no input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>) -> Problem {
        Problem {
            what: what.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let failure = Failure::new(problem.what);
        match problem.hint {
            Some(hint) => failure.hint(&hint),
            None => failure,
        }
    }
}

impl From<Problem> for Fatal {
    fn from(problem: Problem) -> Fatal {
        let fatal = Fatal::new(Exit::Usage, problem.what);
        match problem.hint {
            Some(hint) => fatal.hint(hint),
            None => fatal,
        }
    }
}
