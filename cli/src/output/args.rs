//! Args: the options that say how output and results are given.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Pass on each line as soon as it is printed; lines of tasks alternate [default: all of a task's
    /// lines together, when it ends]
    #[arg(long, conflicts_with = "ungroup")]
    pub(crate) line_buffer: bool,

    /// Pass on everything as soon as it is printed; parts of lines may mix
    #[arg(short, long)]
    pub(crate) ungroup: bool,

    /// Begin each line that is printed with the task's input and a tab
    #[arg(long, conflicts_with = "tagstring")]
    pub(crate) tag: bool,

    /// Begin each line that is printed with this and a tab; `{}` in it is the input, `{#}` its number
    #[arg(long, value_name = "STR")]
    pub(crate) tagstring: Option<String>,

    /// Keep what comes of each input in a folder of its own in DIR: the files `stdout`, `stderr`,
    /// `input`, and `value.json` or `error`
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
}

// As above.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct ValueArgs {
    /// How results are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) output: FormatArg,

    /// Write a record for each input, failures too: index, input, outcome, time, worker, attempt, and
    /// the value, or type, message and traceback
    #[arg(long)]
    pub(crate) envelope: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// One JSON value on each line
    #[default]
    Jsonl,
    /// One JSON array
    Json,
    /// A row for each; the keys of the first dict are the header
    Csv,
    /// A str as it is, all else as JSON; each ends with a newline
    Text,
    /// Not at all
    None,
}
