//! Binding: whether the fields of inputs become the arguments of a function, each one of its own.

use std::sync::{Arc, Weak};

use owngil::{Function, Pool};

use super::args::ProcessArgs;
use super::input::{Fields, Signature};
use super::session::Session;
use super::stderr::Stderr;

/// Tells how a loaded function can be called.
const SOURCE: &str = concat!(
    include_str!("loaded.py"),
    include_str!("input/signature.py")
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

    /// Whether each field is to be an argument.
    pub(crate) fn fits(&self, fields: Fields<'_>) -> bool {
        let Some(pool) = self.pool.upgrade() else {
            return false;
        };
        let probe = Function::source(SOURCE, "parameters");
        let reference = self.function.to_string();
        let asked = pool.call::<Option<Parameters>, _>(&probe, (reference,));
        let misfit = match asked {
            Ok(Some(parameters)) => Signature::new(parameters).misfit(fields),
            Ok(None) => Some("Python does not know its parameters".to_owned()),
            Err(error) => {
                if !self.is_quiet {
                    let message = format!(
                        "warning: the parameters of {} cannot be found out: {error}\n\
                         hint: --as kwargs makes keyword arguments of inputs\n",
                        self.function
                    );
                    self.stderr.write(message.as_bytes());
                }
                return false;
            }
        };
        if self.is_verbose {
            let message = told(&self.function.to_string(), fields, misfit.as_deref());
            self.stderr.write(message.as_bytes());
        }
        misfit.is_none()
    }
}

/// What was decided.
fn told(function: &str, fields: Fields<'_>, misfit: Option<&str>) -> String {
    let (names, each) = match fields {
        Fields::Named(names) => (format!(" ({})", names.join(", ")), "a keyword argument"),
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
    fn what_was_decided_is_told_with_its_reason() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            told("m:f", Fields::Named(&names), None),
            "inputs: each field (a, b) is a keyword argument of m:f\n"
        );
        assert_eq!(
            told("m:f", Fields::Numbered(2), Some("it has no parameter")),
            "inputs: all fields (2) are the one argument of m:f: it has no parameter\n"
        );
    }
}
