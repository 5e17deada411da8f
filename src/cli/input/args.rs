//! Args: the options that say what the inputs are.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Inputs")]
pub(crate) struct InputArgs {
    /// Read inputs from this file, one per line; `-` is standard input. Of several files each
    /// combination of their lines is an input
    #[arg(
        short = 'a',
        long = "arg-file",
        value_name = "FILE",
        visible_short_alias = 'i',
        visible_alias = "input-file"
    )]
    pub(crate) files: Vec<PathBuf>,

    /// What an input is
    #[arg(long = "input", value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: FormatArg,

    /// Inputs end with a NUL byte, not with a newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Whether inputs are taken as they are, whatever the format.
    #[arg(skip)]
    pub(crate) is_raw: bool,
}

/// What an input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// What the file's name or the first line says
    #[default]
    Auto,
    /// Each line is one str
    Lines,
    /// Each line is one JSON value
    Jsonl,
}

/// What a function gets of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GivenArg {
    /// Keyword arguments, if an object's keys or a header's columns fit; else one argument
    #[default]
    Auto,
    /// The value as the one argument
    Arg,
    /// An argument for each item of an array, or field of a row
    Args,
    /// A keyword argument for each entry of an object, or field of a row
    Kwargs,
    /// The line as a str, whatever it holds
    Line,
    /// The name of a file, which must be there
    Path,
    /// The line as bytes
    Bytes,
}
