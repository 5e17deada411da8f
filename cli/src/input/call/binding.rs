//! Binding: whether each field of an input becomes an argument of the function.

use std::sync::{Arc, Weak};

use owngil::{Function, Pool};

use crate::failure::Problem;
use crate::input::call::signature::{Fields, Signature};
use crate::options::args::ProcessArgs;
use crate::session::Session;
use crate::terminal::stderr::Stderr;

/// Tells how a loaded function can be called.
const SOURCE: &str = concat!(
    include_str!("../../python/loaded.py"),
    include_str!("signature.py")
);

/// The parameters of a function: their names, kinds and whether they may be left out.
type Parameters = Vec<(String, String, bool)>;

/// Decides from the function's parameters, which a worker tells.
pub(crate) struct Binding {
    /// Gone at the end of the run, which waits for no input.
    pool: Weak<Pool>,
    function: Function,
    stderr: Arc<Stderr>,
    is_quiet: bool,
    is_verbose: bool,
}

impl Binding {
    pub(crate) fn new(
        pool: &Arc<Pool>,
        function: &Function,
        process: &ProcessArgs,
        session: &Session,
    ) -> Binding {
        Binding {
            pool: Arc::downgrade(pool),
            function: *function,
            stderr: Arc::clone(&session.stderr),
            is_quiet: process.quiet,
            is_verbose: process.verbose,
        }
    }

    /// Whether each field is to be an argument; or why no call can be made of any input.
    pub(crate) fn fits(&self, fields: Fields<'_>) -> Result<bool, Problem> {
        let Some(pool) = self.pool.upgrade() else {
            return Ok(false);
        };
        let probe = Function::source(SOURCE, "parameters");
        let reference = self.function.to_string();
        let asked = pool.call::<Option<Parameters>, _>(&probe, (reference,));
        let misfit = match asked {
            Ok(Some(parameters)) => decided(parameters, fields)?,
            Ok(None) => Some("Python does not know its parameters".to_owned()),
            Err(error) => {
                if !self.is_quiet {
                    let message = format!(
                        "warning: cannot determine the parameters of {}: {error}\n\
                         hint: --as kwargs makes keyword arguments of inputs\n",
                        self.function
                    );
                    self.stderr.write(message.as_bytes());
                }
                return Ok(false);
            }
        };
        if self.is_verbose {
            let message = message(&self.function.to_string(), fields, misfit.as_deref());
            self.stderr.write(message.as_bytes());
        }
        Ok(misfit.is_none())
    }
}

/// Why all fields are to be one argument, if they are. A function that does not take one is never given it: its
/// error would be about that, and not about the field that does not fit.
fn decided(parameters: Parameters, fields: Fields<'_>) -> Result<Option<String>, Problem> {
    let signature = Signature::new(parameters);
    let misfit = signature.misfit(fields);
    match (misfit, fields) {
        (Some(misfit), _) if signature.takes_one() => Ok(Some(misfit)),
        (None, _) | (_, Fields::Named(_)) => Ok(None),
        (Some(misfit), Fields::Columns(_) | Fields::Numbered(_)) => {
            let problem = Problem::new(format!("the rows do not fit the function: {misfit}"));
            let hint = "--as args passes columns in their order; -c 'lambda **row: …' can choose among them";
            Err(problem.hint(hint))
        }
    }
}

/// What was decided.
fn message(function: &str, fields: Fields<'_>, misfit: Option<&str>) -> String {
    let (names, each) = match fields {
        Fields::Named(names) | Fields::Columns(names) => {
            (format!(" ({})", names.join(", ")), "a keyword argument")
        }
        Fields::Numbered(n) => (format!(" ({n})"), "an argument"),
    };
    match misfit {
        None => format!("inputs: each field{names} is {each} of {function}\n"),
        Some(why) => {
            format!("inputs: all fields{names} are the one argument of {function}: {why}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_reported_with_its_reason() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            message("m:f", Fields::Named(&names), None),
            "inputs: each field (a, b) is a keyword argument of m:f\n"
        );
        assert_eq!(
            message("m:f", Fields::Numbered(2), Some("it has no parameter")),
            "inputs: all fields (2) are the one argument of m:f: it has no parameter\n"
        );
    }
}
