//! Input: what the inputs are, where they come from, and what a call gets from one.
//!
//! `args` are the options and `words` the command line after `:::`; [`Inputs::open`] makes a sequence of blocks
//! from both. Inputs come from streams, which `format` cuts, and from the `names` of files and their `contents`;
//! `groups` combine several sources. `reader` reads ahead while calls run, and `call` makes the arguments.

pub(crate) mod args;
pub(crate) mod block;
pub(crate) mod call;
mod contents;
mod format;
mod groups;
mod names;
pub(crate) mod reader;
mod text;
mod words;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::exit::Exit;
use crate::failure::Problem;
use crate::fatal::Fatal;
use crate::options::missing;
use crate::terminal::stdin::Stdin;

use format::encoding::{Unmarked, cannot_read_on};
use format::lines::{Cutter, Lines};
use format::pieces::Pieces;
use format::rows::Rows;
use format::values::Values;
use groups::{Group, Groups};
use names::{Names, Rules};

pub(crate) use args::{FormatArg, GivenArg, InputArgs};
pub(crate) use block::{Block, Blocks, Format};
pub(crate) use call::input::Input;
pub(crate) use call::shape::Shape;
pub(crate) use call::signature::Fields;
pub(crate) use call::template::Template;
pub(crate) use text::text;
pub(crate) use words::{Listed, WordGroup, guarded, split};

/// The inputs of a run, which are open and of which nothing has been read.
pub(crate) struct Inputs {
    blocks: Blocks,
    /// What a message calls the place that they come from.
    pub(crate) name: String,
    /// How many there are, where that is known.
    pub(crate) n: Option<usize>,
    /// How many sources are combined.
    pub(crate) n_groups: usize,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inputs { name, n, .. } = self;
        f.debug_struct("Inputs")
            .field("name", name)
            .field("n", n)
            .finish_non_exhaustive()
    }
}

/// A place where inputs come from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Words(Vec<Vec<u8>>),
    File(PathBuf),
    Stdin,
    /// Files that match the options' patterns.
    Names,
}

impl Inputs {
    /// Opens the inputs that the options and the command line name; `None` where they name none.
    pub(crate) fn open(args: &InputArgs, groups: Vec<WordGroup>) -> Result<Option<Inputs>, Fatal> {
        let from_options = args.files.iter().map(|path| (file(path), false));
        let from_words = groups.into_iter().map(|group| {
            let source = match group.words {
                Listed::Inputs(words) => Source::Words(words),
                Listed::File(path) => file(&path),
            };
            (source, group.is_linked)
        });
        let names = (!args.glob.is_empty()).then_some((Source::Names, false));
        let from_options = from_options.chain(names);
        let mut sources: Vec<(Source, bool)> = from_options.chain(from_words).collect();
        if sources.is_empty() && args.pipe {
            sources.push((Source::Stdin, false));
        }
        if sources.is_empty() {
            return Ok(None);
        }
        Inputs::of_sources(args, sources).map(Some)
    }

    /// The inputs that standard input holds.
    pub(crate) fn of_stdin(args: &InputArgs) -> Result<Inputs, Fatal> {
        Inputs::of_sources(args, vec![(Source::Stdin, false)])
    }

    fn of_sources(args: &InputArgs, mut sources: Vec<(Source, bool)>) -> Result<Inputs, Fatal> {
        args.check(&sources)?;
        let is_stdin = |(source, _): &&(Source, bool)| *source == Source::Stdin;
        if sources.iter().filter(is_stdin).count() > 1 {
            let message = "standard input is named twice, but can be read only once";
            return Err(Fatal::new(Exit::Usage, message));
        }
        if sources.len() == 1
            && let Some((source, _)) = sources.pop()
        {
            return Inputs::of_source(args, source);
        }
        let format = args.format().unwrap_or(Format::Text);
        let (mut n, mut n_linked) = (Some(1_usize), None);
        let n_groups = sources.len();
        let mut groups = Vec::with_capacity(n_groups);
        for (source, is_linked) in sources {
            let group = Inputs::of_source(args, source)?;
            match (is_linked, n_linked.take()) {
                (true, Some(before)) => n_linked = Some(least(before, group.n)),
                (_, before) => {
                    n = times(n, before.unwrap_or(Some(1)));
                    n_linked = Some(group.n);
                }
            }
            groups.push(Group {
                blocks: group.blocks,
                is_linked,
            });
        }
        Ok(Inputs {
            blocks: Box::new(Groups::new(groups, format)),
            name: "the inputs".to_owned(),
            n: times(n, n_linked.unwrap_or(Some(1))),
            n_groups,
        })
    }

    fn of_source(args: &InputArgs, source: Source) -> Result<Inputs, Fatal> {
        let (stream, name, format): (Box<dyn Read + Send>, String, FormatArg) = match source {
            Source::Words(words) => {
                return Ok(Inputs::of_words(
                    words,
                    args.format().unwrap_or(Format::Text),
                ));
            }
            Source::Names => {
                let rules = Rules {
                    ignores_nothing: args.no_ignore,
                    takes_hidden: args.hidden,
                };
                let blocks = Box::new(Names::find(&args.glob, rules)?);
                return Ok(Inputs::new(blocks, &args.glob.join(" ")));
            }
            Source::File(path) => {
                let stream = Box::new(open(&path)?);
                let format = args.format_of(Some(&path));
                (stream, path.display().to_string(), format)
            }
            Source::Stdin => {
                let stream = Stdin::open();
                (stream, "standard input".to_owned(), args.format_of(None))
            }
        };
        let stream: Box<dyn Read + Send> = match args.null || args.is_binary {
            true => stream,
            false => Box::new(Unmarked::new(stream)),
        };
        if args.pipe {
            let pieces = Pieces::new(stream, args.end(), args.block.get()).map(|block| {
                let mut block = block?;
                block.is_piece = true;
                Ok(block)
            });
            return Ok(Inputs::of_file(pieces, &name));
        }
        let delimiter = match format {
            FormatArg::Csv => args.delimiter.unwrap_or(b','),
            FormatArg::Tsv => b'\t',
            FormatArg::Auto | FormatArg::Json if !args.null => {
                let is_json = format == FormatArg::Json;
                let values = Values::new(stream, name.as_str().into(), is_json);
                return Ok(Inputs::new(Box::new(values), &name));
            }
            FormatArg::Auto | FormatArg::Json | FormatArg::Lines | FormatArg::Jsonl => {
                let format = args.line_format(format);
                return Ok(Inputs::of_stream(stream, &name, format, args.end()));
            }
        };
        let rows = Rows::new(stream, name.as_str().into(), delimiter, !args.no_header);
        Ok(Inputs::new(Box::new(rows), &name))
    }

    /// The lines of a stream, or what else the byte ends.
    pub(crate) fn of_stream(
        stream: impl Read + Send + 'static,
        name: &str,
        format: Option<Format>,
        end: u8,
    ) -> Inputs {
        Inputs::of_file(Lines::new(stream, Cutter::new(format, end)), name)
    }

    fn of_file(
        blocks: impl Iterator<Item = io::Result<Block>> + Send + 'static,
        name: &str,
    ) -> Inputs {
        let file: Arc<str> = name.into();
        let blocks = blocks.map(move |block| match block {
            Ok(mut block) => {
                block.file = Some(Arc::clone(&file));
                Ok(block)
            }
            Err(error) => Err(cannot_read_on(&file, error)),
        });
        Inputs::new(Box::new(blocks), name)
    }

    fn new(blocks: Blocks, name: &str) -> Inputs {
        Inputs {
            blocks,
            name: name.to_owned(),
            n: None,
            n_groups: 1,
        }
    }

    /// The words themselves.
    pub(crate) fn of_words(words: Vec<Vec<u8>>, format: Format) -> Inputs {
        let n = words.len();
        let block = Block::of_words(words, format);
        Inputs {
            blocks: Box::new((n > 0).then_some(Ok(block)).into_iter()),
            name: "the command line".to_owned(),
            n: Some(n),
            n_groups: 1,
        }
    }

    /// The blocks, numbered; `shape` is what becomes of an input.
    pub(crate) fn blocks(self, shape: Shape) -> Blocks {
        let mut n = 0;
        let blocks = match shape {
            Shape::Contents { is_text } => contents::of_files(self.blocks, is_text),
            _ => self.blocks,
        };
        Box::new(blocks.map(move |block| {
            let mut block = block?;
            if let (0, Shape::Script(template), Some(columns)) = (n, &shape, &block.columns) {
                template.check(columns).map_err(Fatal::from)?;
            }
            if matches!(shape, Shape::Path) {
                block.note_missing_files();
            }
            block.first = n;
            n += block.len() as u64;
            block.shape = shape.clone();
            Ok(block)
        }))
    }

    /// The blocks, numbered. `fit` is asked once, when there is an input that has fields, whether each is
    /// to be an argument.
    pub(crate) fn blocks_that(
        self,
        mut fit: impl FnMut(Fields<'_>) -> Result<bool, Problem> + Send + 'static,
    ) -> Blocks {
        let mut does_fit = None;
        Box::new(self.blocks(Shape::Arg).map(move |block| {
            let mut block = block?;
            if does_fit.is_none() {
                let names = block.fields_of_first();
                let fields = match (&names, &block.columns) {
                    (Some(names), Some(_)) => Some(Fields::Columns(names)),
                    (Some(names), None) => Some(Fields::Named(names)),
                    (None, Some(columns)) => Some(Fields::Numbered(columns.n)),
                    (None, None) => None,
                };
                does_fit = fields.map(&mut fit).transpose()?;
            }
            if does_fit == Some(true) {
                block.shape = Shape::Fitting;
            }
            Ok(block)
        }))
    }
}

impl InputArgs {
    /// What contradicts itself.
    fn check(&self, sources: &[(Source, bool)]) -> Result<(), Fatal> {
        let mistake =
            |message: &str, hint: &str| Err(Fatal::new(Exit::Usage, message.to_owned()).hint(hint));
        let is_stream = |source: &Source| matches!(source, Source::File(_) | Source::Stdin);
        let has_rows = sources.iter().any(|(source, _)| {
            let path = match source {
                Source::File(path) => Some(path.as_path()),
                _ => None,
            };
            is_stream(source) && matches!(self.format_of(path), FormatArg::Csv | FormatArg::Tsv)
        });
        let wants_rows = !self.is_raw && matches!(self.format, FormatArg::Csv | FormatArg::Tsv);
        if self.pipe && (sources.len() > 1 || !is_stream(&sources[0].0)) {
            let hint = "without --pipe each line or word is an input";
            return mistake("--pipe takes one stream: standard input, or -a FILE", hint);
        }
        if self.pipe && !matches!(self.format, FormatArg::Auto | FormatArg::Lines) {
            let hint = "without --pipe each line or row is an input";
            return mistake("the pieces of --pipe are text, whatever is in them", hint);
        }
        if has_rows && sources.len() > 1 {
            let hint = "--input lines reads rows as text";
            return mistake("rows cannot be combined with other inputs", hint);
        }
        if wants_rows && !has_rows {
            return mistake(
                "rows come from a file or standard input",
                "-a FILE names a file",
            );
        }
        if self.null && has_rows {
            return mistake("rows do not end with NUL", "leave --null out");
        }
        if self.null && self.format == FormatArg::Json {
            let hint = "--input jsonl takes a value up to each NUL";
            return mistake("values over several lines do not end with NUL", hint);
        }
        if (self.header || self.no_header) && !has_rows {
            let hint = "--input csv or --input tsv says that inputs are rows";
            return mistake("only rows have a header", hint);
        }
        Ok(())
    }

    /// The format of words and of combined sources, if it is said.
    fn format(&self) -> Option<Format> {
        self.line_format(self.format_of(None))
    }

    /// The format of a file, or of standard input.
    fn format_of(&self, path: Option<&Path>) -> FormatArg {
        if self.is_raw {
            return FormatArg::Lines;
        }
        let extension = path.and_then(Path::extension).and_then(OsStr::to_str);
        match (self.format, extension) {
            (FormatArg::Auto, _) if self.null || self.pipe => FormatArg::Lines,
            (FormatArg::Auto, _) if self.delimiter.is_some() => FormatArg::Csv,
            (FormatArg::Auto, Some("jsonl" | "ndjson")) => FormatArg::Jsonl,
            (FormatArg::Auto, Some("json")) => FormatArg::Json,
            (FormatArg::Auto, Some("csv")) => FormatArg::Csv,
            (FormatArg::Auto, Some("tsv")) => FormatArg::Tsv,
            (format, _) => format,
        }
    }

    /// The format that is asked for; `None` to find out.
    fn line_format(&self, format: FormatArg) -> Option<Format> {
        match format {
            FormatArg::Json | FormatArg::Jsonl => Some(Format::Json),
            FormatArg::Lines => Some(Format::Text),
            FormatArg::Auto | FormatArg::Csv | FormatArg::Tsv => None,
        }
    }

    /// What ends an input.
    fn end(&self) -> u8 {
        if self.null { 0 } else { b'\n' }
    }
}

fn least(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    Some(one?.min(other?))
}

fn times(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one?.checked_mul(other?)
}

fn file(path: &Path) -> Source {
    match path == OsStr::new("-") {
        true => Source::Stdin,
        false => Source::File(path.to_owned()),
    }
}

fn open(path: &Path) -> Result<File, Fatal> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
    let cannot = || Fatal::new(Exit::Usage, format!("cannot read {}", path.display()));
    match opened {
        Ok((false, file)) => Ok(file),
        Ok((true, _)) => Err(cannot().cause("it is a directory")),
        Err(error) => {
            let is_missing = error.kind() == ErrorKind::NotFound;
            let hint = is_missing.then(|| missing::hint(path)).flatten();
            let fatal = cannot().cause(error);
            Err(match hint {
                Some(hint) => fatal.hint(hint),
                None => fatal,
            })
        }
    }
}
