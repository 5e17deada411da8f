//! Args: the options that say what the inputs are.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Inputs")]
pub(crate) struct InputArgs {
    /// Read inputs from FILE, one per line; `-` is standard input. With several files, each combination
    /// of their lines is an input
    #[arg(
        short = 'a',
        long = "arg-file",
        value_name = "FILE",
        visible_short_alias = 'i',
        visible_alias = "input-file"
    )]
    pub(crate) files: Vec<PathBuf>,

    /// Input format
    #[arg(long = "input", value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: FormatArg,

    /// Inputs end with a NUL byte instead of a newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// The first row of CSV or TSV names the columns (the default)
    #[arg(long, overrides_with = "no_header")]
    pub(crate) header: bool,

    /// The first row of CSV or TSV is an input like any other
    #[arg(long, overrides_with = "header")]
    pub(crate) no_header: bool,

    /// The character between CSV columns, such as `;`
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// Allow NaN, Infinity and -Infinity in JSON, as Python's json module does
    #[arg(long)]
    pub(crate) allow_nan: bool,

    /// Use the names of matching files as inputs; `**` matches folders, `!PATTERN` excludes files
    #[arg(long, value_name = "PATTERN")]
    pub(crate) glob: Vec<String>,

    /// With --glob, include files that .gitignore and .ignore exclude
    #[arg(long, requires = "glob")]
    pub(crate) no_ignore: bool,

    /// With --glob, include files and folders whose names begin with a dot
    #[arg(long, requires = "glob")]
    pub(crate) hidden: bool,

    /// Split standard input into blocks of whole lines, one per call; a script reads its block from
    /// standard input
    #[arg(long)]
    pub(crate) pipe: bool,

    /// Block size for --pipe, in bytes or with K, M or G
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size)]
    pub(crate) block: NonZeroUsize,

    /// Whether inputs are taken as they are, whatever the format.
    #[arg(skip)]
    pub(crate) is_raw: bool,

    /// Whether they are bytes, of which none is passed over.
    #[arg(skip)]
    pub(crate) is_binary: bool,
}

/// Input format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// Decide by the file's name or the first line
    #[default]
    Auto,
    /// Each line is one str
    Lines,
    /// Each line is one JSON value
    Jsonl,
    /// Each JSON value, on however many lines; of an array alone each item
    Json,
    /// Each row of comma-separated values
    Csv,
    /// Each row of tab-separated values
    Tsv,
}

fn size(text: &str) -> Result<NonZeroUsize, String> {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => Some(0),
        "K" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        _ => None,
    };
    let number = digits.parse::<usize>().ok();
    let size = number.zip(shift);
    let size = size.and_then(|(number, shift)| number.checked_mul(1 << shift));
    let size = size.and_then(NonZeroUsize::new);
    size.ok_or_else(|| "it must be a number of bytes, such as 4096, 64K or 1M".to_owned())
}

/// What a function gets of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GivenArg {
    /// Keyword arguments if an object's keys or a header's columns fit, else one argument
    #[default]
    Auto,
    /// The value, as one argument
    Arg,
    /// One argument per item of an array or field of a row
    Args,
    /// One keyword argument per entry of an object or field of a row
    Kwargs,
    /// The line, as a str
    Line,
    /// The input names a file: its path, which must exist
    Path,
    /// The line, as bytes
    Bytes,
    /// The input names a file: its contents, as a str
    File,
    /// The input names a file: its contents, as bytes
    FileBytes,
}

/// One byte that a column's name or a number cannot begin with.
fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "\\t" => Ok(b'\t'),
        [byte] if !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => {
            Ok(*byte)
        }
        _ => Err("it is one character, such as ; or \\t".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_or_are_bytes() {
        let of = |text| size(text).ok().map(NonZeroUsize::get);
        assert_eq!(of("4096"), Some(4096));
        assert_eq!(of("64k"), Some(64 << 10));
        assert_eq!(of("1M"), Some(1 << 20));
        assert_eq!(of("2G"), Some(2 << 30));
        for text in [
            "",
            "0",
            "M",
            "-1",
            "1MB",
            "1KK",
            "1.5M",
            "99999999999999999999",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
