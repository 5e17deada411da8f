//! Args: the options for output and results.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print each line as soon as a task writes it, so lines of tasks alternate [default: group a
    /// task's output, and print it when the task ends]
    #[arg(long, conflicts_with = "ungroup")]
    pub(crate) line_buffer: bool,

    /// Print everything as soon as it is written; parts of lines may mix
    #[arg(short, long)]
    pub(crate) ungroup: bool,

    /// Prefix each line that a task prints with its input and a tab
    #[arg(long, conflicts_with = "tagstring")]
    pub(crate) tag: bool,

    /// Prefix each line that a task prints with STR and a tab; `{}` is the input, `{#}` its number
    #[arg(long, value_name = "STR")]
    pub(crate) tagstring: Option<String>,

    /// Save the outcome of each input in its own folder below DIR: `stdout`, `stderr`, `input`, and
    /// `value.json` or `error`
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
}

// As above.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct ValueArgs {
    /// Output format for results
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) output: FormatArg,

    /// Write each item that the function yields as a result of its own, as soon as it comes; with -k or
    /// --joblog, the items of an input stay together
    #[arg(long, conflicts_with_all = ["envelope", "results", "retries"])]
    pub(crate) each: bool,

    /// Write one record per input, including failures: index, input, outcome, time, worker, attempt,
    /// and the value or the error's type, message and traceback
    #[arg(long)]
    pub(crate) envelope: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// One JSON value per line
    #[default]
    Jsonl,
    /// One JSON array
    Json,
    /// One row per result; the keys of the first dict are the header
    Csv,
    /// A str as it is, anything else as JSON; each ends with a newline
    Text,
    /// Write no results
    None,
}
