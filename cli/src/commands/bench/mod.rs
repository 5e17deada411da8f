//! Bench: `owngil bench`, whether own GILs pay for a function, and from when.
//!
//! A `sample` of the inputs is read and held; `measure` runs `pools` over them in rounds, with `harness.py` for what
//! happens inside an interpreter and `cores` to see whether the machine was free; `figures` are what
//! comes of it, `advice` what follows; `table`, `chart` and JSON show it.

mod advice;
mod agreement;
mod chart;
mod cores;
mod figures;
mod measure;
mod pools;
mod sample;
mod svg;
mod table;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::options::args::{BenchArgs, ProcessArgs};
use crate::options::jobs::Jobs;
use crate::options::jobs::n_cores;
use crate::options::plan::CallsPlan;
use crate::session::Session;
use crate::terminal::screen::Screen;
use crate::terminal::stderr::Stderr;
use crate::terminal::stdin::Stdin;
use advice::Advice;
use figures::Figures;

/// What `owngil bench` is to do.
#[derive(Debug)]
pub(crate) struct BenchPlan {
    calls: CallsPlan,
    process: ProcessArgs,
    n_workers: usize,
    /// How long the rounds should take together.
    seconds: f64,
    n_rounds: usize,
    svg: Option<Destination>,
    json: Option<Destination>,
}

impl BenchPlan {
    /// Opens the files first: a measurement whose results cannot be written is a waste of time.
    pub(crate) fn new(args: BenchArgs, stdin: Stdin) -> Result<BenchPlan, Fatal> {
        let (seconds, n_rounds) = match args.quick {
            true => (2.0, 3),
            false => (args.seconds, 5),
        };
        if args.svg.as_deref() == Some(Path::new("-")) {
            let fatal = Fatal::new(Exit::Usage, "the chart cannot go to standard output");
            return Err(fatal.hint("use --svg FILE to write it to a file"));
        }
        let calls = CallsPlan::new("bench", args.calls, stdin)?;
        if calls.inputs.n_groups > 1 {
            let fatal = Fatal::new(Exit::Usage, "bench takes one group of inputs");
            return Err(fatal.hint("name them after the function, or in one file with -a FILE"));
        }
        Ok(BenchPlan {
            calls,
            process: args.process,
            n_workers: args.jobs.map_or_else(n_cores, Jobs::n_workers),
            seconds,
            n_rounds,
            svg: args.svg.map(Destination::open).transpose()?,
            json: args.json.map(Destination::open).transpose()?,
        })
    }
}

/// Where something is written.
#[derive(Debug)]
enum Destination {
    Stdout,
    File(PathBuf, File),
}

impl Destination {
    /// What is in the file stays there until there is something new.
    fn open(path: PathBuf) -> Result<Destination, Fatal> {
        if path.as_os_str() == OsStr::new("-") {
            return Ok(Destination::Stdout);
        }
        let mut options = OpenOptions::new();
        match options.write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Destination::File(path, file)),
            Err(error) => {
                let message = format!("cannot write {}", path.display());
                Err(Fatal::new(Exit::Usage, message).cause(error))
            }
        }
    }

    fn write(self, text: &str, session: &Session) -> Result<(), Fatal> {
        let written = match &self {
            Destination::Stdout => {
                session
                    .stdout
                    .append(|out| out.extend_from_slice(text.as_bytes()));
                Ok(())
            }
            Destination::File(_, file) => replace(file, text),
        };
        written.map_err(|error| match self {
            Destination::File(path, _) => {
                let message = format!("cannot write {}", path.display());
                Fatal::new(Exit::Failed, message).cause(error)
            }
            Destination::Stdout => Fatal::new(Exit::Failed, "cannot write").cause(error),
        })
    }
}

fn replace(mut file: &File, text: &str) -> io::Result<()> {
    // A pipe or a device has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// Says what is being done, where a person is looking.
#[derive(Debug)]
struct BenchProgress {
    stderr: Arc<Stderr>,
    is_shown: bool,
    start: Instant,
}

impl BenchProgress {
    fn say(&self, what: &str) {
        if self.is_shown {
            let seconds = self.start.elapsed().as_secs();
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            self.stderr
                .set_status(format!("[{minutes:02}:{seconds:02}] {what}"));
        }
    }
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct BenchRecord<'a> {
    #[serde(flatten)]
    figures: &'a Figures,
    warnings: &'a [Advice],
    advice: &'a [Advice],
}

/// Measures, and tells what was found.
pub(crate) fn bench(mut plan: BenchPlan, session: &Session) -> Result<Exit, Fatal> {
    let (svg, json) = (plan.svg.take(), plan.json.take());
    let progress = BenchProgress {
        stderr: Arc::clone(&session.stderr),
        is_shown: session.stderr.is_terminal() && !plan.process.quiet,
        start: Instant::now(),
    };
    let quiet = plan.process.quiet;
    let measured = measure::measure(plan, session, &progress);
    session.stderr.set_status(String::new());
    let figures = measured?;
    let (warnings, advice) = (advice::warn(&figures), advice::advise(&figures));
    if !matches!(json, Some(Destination::Stdout)) {
        let reported = if quiet { &[][..] } else { &warnings };
        let text = table::report(&figures, reported, &advice, Screen::find());
        Destination::Stdout.write(&text, session)?;
    }
    if let Some(svg) = svg {
        svg.write(&chart::chart(&figures), session)?;
    }
    if let Some(json) = json {
        let record = BenchRecord {
            figures: &figures,
            warnings: &warnings,
            advice: &advice,
        };
        let text = serde_json::to_string_pretty(&record)
            .map_err(|error| Fatal::new(Exit::Failed, "cannot write JSON").cause(error))?;
        json.write(&(text + "\n"), session)?;
    }
    session.stdout.drain();
    Ok(Exit::Success)
}
