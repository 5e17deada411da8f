//! Fatal: what ends a run before its first task.

use std::fmt;

use owngil::{Error, StartError};

use crate::exit::Exit;
use crate::terminal::traceback;

/// Why nothing could be run, in words.
#[derive(Debug)]
pub(crate) struct Fatal {
    pub(crate) exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// How the command is to be used.
    usage: Option<String>,
}

impl Fatal {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Fatal {
        Fatal {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            usage: None,
        }
    }

    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Fatal {
        self.causes.push(cause.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Fatal {
        self.hint.get_or_insert(hint.into());
        self
    }

    pub(crate) fn usage(mut self, usage: String) -> Fatal {
        self.usage = Some(usage);
        self
    }
}

impl Fatal {
    /// With the user's own frames alone in tracebacks.
    pub(crate) fn trimmed(mut self) -> Fatal {
        for cause in &mut self.causes {
            *cause = traceback::trimmed(cause);
        }
        self
    }
}

impl From<Error> for Fatal {
    fn from(error: Error) -> Fatal {
        // Of a worker's initializer: what is wrong with that says more.
        let inner = match &error {
            Error::Worker { source, .. } => source,
            other => other,
        };
        let exit = match inner {
            Error::Start(error) if **error != StartError::FreeThreaded => Exit::NoPython,
            Error::Start(_) => Exit::Usage,
            Error::Load(_) | Error::Config { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        let mut fatal = Fatal::new(exit, error.to_string());
        fatal.hint = error.hint();
        if !std::ptr::eq(inner, &error) && !matches!(inner, Error::Python(_)) {
            fatal = fatal.cause(inner);
        }
        match error.python() {
            Some(python) => fatal.cause(python.traceback()),
            None => fatal,
        }
    }
}

impl fmt::Display for Fatal {
    /// Whole lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message.trim_end())?;
        for cause in &self.causes {
            writeln!(f, "caused by: {}", cause.trim_end())?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        match &self.usage {
            Some(usage) => writeln!(f, "\n{}", usage.trim_end()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_reported_as_error_causes_hint_and_usage() {
        let fatal = Fatal::new(Exit::Usage, "there is nothing")
            .cause("it is empty\n")
            .hint("fill it")
            .hint("not this one")
            .usage("Usage: x".to_owned());
        assert_eq!(
            fatal.to_string(),
            "error: there is nothing\ncaused by: it is empty\nhint: fill it\n\nUsage: x\n"
        );
    }

    #[test]
    fn statuses_follow_from_errors() {
        let config = Fatal::from(Error::config("no"));
        assert_eq!(config.exit, Exit::Usage);
        assert_eq!(Fatal::from(Error::ShutDown).exit, Exit::Failed);
    }
}
