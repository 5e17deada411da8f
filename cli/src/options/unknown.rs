//! Unknown: hints for options that this command lacks and other tools have. For one that is misspelt, clap has a tip.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Names that are guessed, and what to say of them.
const OPTIONS: [(&[&str], &str); 6] = [
    (
        &[
            "--workers",
            "--max-workers",
            "--processes",
            "--threads",
            "--max-procs",
            "-P",
        ],
        "-j N is the number of workers",
    ),
    (
        &["-n", "--max-args", "-L", "-N"],
        "each input is one call; --chunk N sends N to a worker at a time",
    ),
    (
        &["--bar", "--eta"],
        "progress is shown on a terminal by itself; --progress json writes it as JSON",
    ),
    (
        &["--ordered", "--sorted"],
        "-k keeps results in the order of the inputs",
    ),
    (
        &["--fail-fast", "--exitfirst", "--max-fail"],
        "--halt now,fail=1 ends the run with the first failure",
    ),
    (
        &["--colsep", "--sep", "-C"],
        "--delimiter CHAR divides the columns of CSV",
    ),
];

/// What to use in the place of an option that does not exist.
pub(crate) fn hint_for(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = word.split('=').next().unwrap_or_default();
    let known = OPTIONS.iter().find(|(names, _)| names.contains(&name));
    known
        .filter(|_| error.kind() == ErrorKind::UnknownArgument)
        .map(|(_, hint)| *hint)
}
