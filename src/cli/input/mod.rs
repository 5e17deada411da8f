//! Input: what the inputs are, where they come from, and what a call gets of one.
//!
//! `args` are the options and `words` the command line after `:::`; `Inputs::open` makes of them a
//! sequence of blocks. Each source has a file that cuts it: `lines`, and `groups` where there are
//! several. `call` makes arguments of an input, with the help of `template` for scripts. Who waits for
//! whom is in `feed`.

mod args;
mod block;
mod call;
mod groups;
mod lines;
mod template;
mod text;
mod words;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::Exit;
use super::fatal::Fatal;
use groups::{Group, Groups};
use lines::{Cutter, Lines};

pub(crate) use args::{FormatArg, GivenArg, InputArgs};
pub(crate) use block::{Block, Format};
pub(crate) use call::{Input, Shape};
pub(crate) use template::Template;
pub(crate) use text::text;
pub(crate) use words::{Listed, WordGroup, guarded, split};

/// Inputs in the order in which they are read, each block when it is asked for.
pub(crate) type Blocks = Box<dyn Iterator<Item = Result<Block, Fatal>> + Send>;

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
        let sources: Vec<(Source, bool)> = from_options.chain(from_words).collect();
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
        let is_stdin = |(source, _): &&(Source, bool)| *source == Source::Stdin;
        if sources.iter().filter(is_stdin).count() > 1 {
            let message = "standard input is named twice, and can be read once";
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
        let is_auto = args.format == FormatArg::Auto && args.format().is_none();
        let (stream, name, format): (Box<dyn Read + Send>, _, _) = match source {
            Source::Words(words) => {
                return Ok(Inputs::of_words(
                    words,
                    args.format().unwrap_or(Format::Text),
                ));
            }
            Source::File(path) => {
                let format = (is_auto && is_named_json(&path)).then_some(Format::Json);
                (Box::new(open(&path)?), path.display().to_string(), format)
            }
            Source::Stdin => (Box::new(io::stdin()), "standard input".to_owned(), None),
        };
        let format = format.or(args.format());
        Ok(Inputs::of_stream(stream, &name, format, args.end()))
    }

    /// The lines of a stream, or what else the byte ends.
    pub(crate) fn of_stream(
        stream: impl Read + Send + 'static,
        name: &str,
        format: Option<Format>,
        end: u8,
    ) -> Inputs {
        let file: Arc<str> = name.into();
        let cannot = format!("cannot read on in {name}");
        let blocks = Lines::new(stream, Cutter::new(format, end)).map(move |block| match block {
            Ok(mut block) => {
                block.file = Some(Arc::clone(&file));
                Ok(block)
            }
            Err(error) => Err(Fatal::new(Exit::Failed, cannot.clone()).cause(error)),
        });
        Inputs {
            blocks: Box::new(blocks),
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
        Box::new(self.blocks.map(move |block| {
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
}

impl InputArgs {
    /// The format that is asked for; `None` to find out.
    fn format(&self) -> Option<Format> {
        if self.is_raw {
            return Some(Format::Text);
        }
        match self.format {
            FormatArg::Auto => self.null.then_some(Format::Text),
            FormatArg::Lines => Some(Format::Text),
            FormatArg::Jsonl => Some(Format::Json),
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
        Err(error) => Err(cannot().cause(error)),
    }
}

fn is_named_json(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("jsonl" | "ndjson" | "json"))
}
