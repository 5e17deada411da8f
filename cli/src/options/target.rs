//! Target: the function that the command line names or contains.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use owngil::Function;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::python::choice;
use crate::quoting::quoted;

/// The source in which the code of the command line stands for `CODE`.
const SOURCE: &str = include_str!("target.py");

/// What to call.
#[derive(Debug, ClapArgs)]
pub(crate) struct TargetArgs {
    /// Function to call; NAME may be dotted (Class.method)
    #[arg(
        value_name = "FILE.py:NAME|MODULE:NAME",
        required_unless_present_any = ["module", "code"]
    )]
    pub(crate) function: Option<OsString>,

    /// Call a function of this module; all positional arguments are inputs then
    #[arg(short, long, value_name = "MODULE:NAME", conflicts_with = "code")]
    pub(crate) module: Option<String>,

    /// Call the function that this code evaluates to: an expression, after optional statements such as
    /// imports; all positional arguments are inputs then
    #[arg(short, long, value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// The function, and an input that stood in its place.
pub(crate) struct Target {
    pub(crate) function: Function,
    /// As a message names it.
    pub(crate) reference: String,
    pub(crate) first_input: Option<OsString>,
}

impl TargetArgs {
    /// The file that the function is in, if it names one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match (&self.module, &self.code) {
            (None, None) => choice::file_of(self.function.as_deref()?.to_str()?),
            _ => None,
        }
    }

    pub(crate) fn find(self) -> Result<Target, Fatal> {
        if let Some(module) = self.module {
            let is_file = module.contains(['/', '\\']) || module.contains(".py:");
            if is_file || !module.contains(':') {
                let message = format!("{module} is not MODULE:NAME");
                let hint = "write -m MODULE:NAME; FILE.py:NAME stands without -m";
                return Err(Fatal::new(Exit::Usage, message).hint(hint));
            }
            return Ok(Target {
                function: Function::at(&module),
                reference: module,
                first_input: self.function,
            });
        }
        if let Some(code) = self.code {
            let function = Function::source(source(&code)?, "code");
            return Ok(Target {
                function,
                reference: format!("-c {}", quoted(code.as_bytes())),
                first_input: self.function,
            });
        }
        let reference = self.function.unwrap_or_default();
        let reference = reference.into_string().map_err(|reference| {
            let message = format!("{} is not UTF-8", reference.display());
            Fatal::new(Exit::Usage, message).hint("write FILE.py:NAME or MODULE:NAME")
        })?;
        Ok(Target {
            function: Function::at(&reference),
            reference,
            first_input: None,
        })
    }
}

fn source(code: &str) -> Result<String, Fatal> {
    // JSON's way to write text is one of Python's.
    let text = serde_json::to_string(code)
        .map_err(|error| Fatal::new(Exit::Usage, "the code is not text").cause(error))?;
    Ok(SOURCE.replace("\"CODE\"", &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_becomes_a_text_of_the_source() {
        let source = source("lambda x: '\\n' + \"é\"").unwrap();
        assert!(
            source.contains("\"lambda x: '\\\\n' + \\\"é\\\"\""),
            "{source}"
        );
    }

    #[test]
    fn a_module_is_not_a_file() {
        for module in ["json", "a.py:f", "./a:f"] {
            let args = TargetArgs {
                function: None,
                module: Some(module.to_owned()),
                code: None,
            };
            assert!(args.find().is_err(), "{module}");
        }
    }
}
