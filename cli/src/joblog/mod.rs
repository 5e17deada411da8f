//! Joblog: a record of which inputs have ended, and how, and runs that resume from it.
//!
//! An input is recorded once the system has its result: what the job log says is done is never lost, however the
//! process ends. A run that resumes removes what was written without being recorded, where standard output is a file
//! that it appends to.

pub(crate) mod args;
pub(crate) mod code;
pub(crate) mod output_file;
pub(crate) mod past;
pub(crate) mod results;
pub(crate) mod row;
pub(crate) mod writer;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::quoting::quoted;
use crate::terminal::stderr::Stderr;
use crate::terminal::stdout::Stdout;
use crate::terminal::units::grouped;

use output_file::OutputFile;
use past::{Again, Contents};
use results::Found;
use row::{Extent, FilePosition, HEADER};
use writer::Writer;

pub(crate) use args::JoblogArgs;
pub(crate) use code::code_of;
pub(crate) use past::{Known, Past};
pub(crate) use row::{Outcome, Row, digest, digest_on};

/// An account that is being written.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    writer: Arc<Mutex<Writer>>,
    stdout: Arc<Stdout>,
    /// Where standard output began, where it is a file.
    start: Option<FilePosition>,
    /// How much had been appended to standard output at the last row.
    n_appended: u64,
    /// Of the function or the script.
    pub(crate) code: u64,
    /// What a command begins with.
    pub(crate) called: String,
}

impl Joblog {
    /// Opens the file that was named, and reads what earlier runs have written there. `called` is what
    /// the inputs are for, and `code` its digest.
    pub(crate) fn open(
        args: &JoblogArgs,
        called: String,
        code: u64,
        (stdout, stderr): (&Arc<Stdout>, &Stderr),
        is_quiet: bool,
    ) -> Result<Option<(Joblog, Past)>, Fatal> {
        let Some(path) = &args.joblog else {
            return Ok(None);
        };
        let cannot = |error: io::Error| cannot(path, error);
        let mut file = open(path).map_err(cannot)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let message = format!("another run is writing to {}", path.display());
            return Err(
                Fatal::new(Exit::Usage, message).hint("wait until it ends, or name another file")
            );
        }
        let again = args.again();
        let mut contents = read(path, &mut file, again.is_some())?;
        let mut notes = Vec::new();
        let mut target = OutputFile::stdout().map_err(cannot)?;
        if let Some(target) = &mut target {
            let found = results::find(&mut contents, &target.place, target.reader().as_ref());
            if let Found::Other(n) = found.map_err(cannot)? {
                return Err(other(path, n));
            }
            repair(&mut contents, target, &mut notes).map_err(cannot)?;
        }
        let mut len = contents.n_whole as u64;
        file.set_len(len).map_err(cannot)?;
        if len == 0 {
            file.write_all(HEADER.as_bytes()).map_err(cannot)?;
            len = HEADER.len() as u64;
        }
        let past = match again {
            Some(again) => Past::new(&contents.records, again, code),
            None => Past::default(),
        };
        if again.is_some() && past.len() > 0 {
            notes.insert(0, account(&past, &called, again));
        }
        if past.is_code_changed {
            notes.push(format!("{called} has changed since some inputs were run\n"));
        }
        if !is_quiet && !notes.is_empty() {
            let notes: String = notes.iter().map(|note| format!("note: {note}")).collect();
            stderr.write(notes.as_bytes());
        }

        let writer = Arc::new(Mutex::new(Writer::new(file, len)));
        let written = Arc::clone(&writer);
        stdout.on_written(move |n_bytes| lock(&written).reached(n_bytes));
        let (n_appended, _) = stdout.mark();
        let joblog = Joblog {
            path: path.clone(),
            writer,
            n_appended,
            stdout: Arc::clone(stdout),
            start: target
                .map(|mut target| target.start())
                .transpose()
                .map_err(cannot)?,
            code,
            called,
        };
        Ok(Some((joblog, past)))
    }

    /// Calls this once, when the log cannot be written.
    pub(crate) fn on_trouble(&self, call: impl FnOnce() + Send + 'static) {
        lock(&self.writer).on_trouble(call);
    }

    /// Writes a row down once all is out that has been appended to standard output; `row` is given what
    /// that was since the last row.
    pub(crate) fn note(&mut self, row: impl FnOnce(Extent) -> Row) {
        let (needs, digest) = self.stdout.mark();
        let place = self.start.map(|start| FilePosition {
            end: start.end + needs,
            ..start
        });
        let result = Extent {
            n_bytes: needs - self.n_appended,
            digest,
            place,
        };
        let line = row(result).line();
        self.n_appended = needs;
        lock(&self.writer).add(&line, needs);
    }

    /// What went wrong, once all of standard output is written.
    pub(crate) fn trouble(&self) -> Option<Fatal> {
        let error = lock(&self.writer).take_trouble()?;
        let message = format!("cannot write to {}", self.path.display());
        Some(
            Fatal::new(Exit::Failed, message)
                .cause(error)
                .hint("--resume runs the inputs again that it does not record"),
        )
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What earlier runs have written, with nothing changed: for a run that makes no call.
pub(crate) fn look(args: &JoblogArgs, code: u64) -> Result<Past, Fatal> {
    let (Some(path), Some(again)) = (&args.joblog, args.again()) else {
        return Ok(Past::default());
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Past::default()),
        Err(error) => return Err(cannot(path, error)),
    };
    let contents = read(path, &mut file, true)?;
    Ok(Past::new(&contents.records, again, code))
}

fn read(path: &Path, file: &mut File, goes_on: bool) -> Result<Contents, Fatal> {
    let is_file = file.metadata().map(|metadata| metadata.is_file());
    if !is_file.map_err(|error| cannot(path, error))? {
        let message = format!("cannot use {} as a joblog", path.display());
        return Err(Fatal::new(Exit::Usage, message).cause("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)
        .map_err(|error| cannot(path, error))?;
    let contents = Contents::read(&text).map_err(|problem| {
        let message = format!("{} is not a joblog", path.display());
        Fatal::new(Exit::Usage, message).cause(problem)
    })?;
    match contents.records.len() {
        n if n > 0 && !goes_on => {
            let n = grouped(n as u64);
            let message = format!("{} already records {n} inputs", path.display());
            let hint = "--resume resumes that run; otherwise remove the file, or name another one";
            Err(Fatal::new(Exit::Usage, message).hint(hint))
        }
        _ => Ok(contents),
    }
}

fn cannot(path: &Path, error: io::Error) -> Fatal {
    let message = format!("cannot use {} as a joblog", path.display());
    Fatal::new(Exit::Usage, message).cause(error)
}

/// The mistake of going on in a file that has not the results of so many inputs. What the other one has after
/// them, such as a part of a line, is to be taken back there.
fn other(path: &Path, n: usize) -> Fatal {
    let plural = if n == 1 { "" } else { "s" };
    let message = format!(
        "standard output is not the file that holds the results of {} input{plural} recorded in {}",
        grouped(n as u64),
        path.display()
    );
    let hint =
        "add to that file, or to a copy of it; `| cat >> FILE` keeps the other results apart";
    Fatal::new(Exit::Usage, message).hint(hint)
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).open(path)
}

/// Makes standard output and the account agree.
fn repair(
    contents: &mut Contents,
    target: &mut OutputFile,
    notes: &mut Vec<String>,
) -> io::Result<()> {
    let n_lost = contents.forget_lost(&target.place);
    if n_lost > 0 {
        notes.push(format!(
            "standard output no longer has the results of {} inputs, which are run again: \
             `>> FILE` adds to a file, `> FILE` truncates it\n",
            grouped(n_lost as u64)
        ));
    }
    let n_cut = match contents.end_in(&target.place) {
        Some(end) => target.cut(end)?,
        None => 0,
    };
    if n_cut > 0 {
        notes.push(format!(
            "{} bytes of results that were not accounted for were taken back from standard output\n",
            grouped(n_cut)
        ));
    }
    Ok(())
}

fn account(past: &Past, called: &str, again: Option<Again>) -> String {
    let n = grouped(past.len() as u64);
    let failed = match past.n_failed {
        0 => String::new(),
        n if matches!(again, Some(Again::None)) => {
            format!(
                ", {} of them failed (--resume-failed runs these again)",
                grouped(n)
            )
        }
        n => format!(", {} of them failed", grouped(n)),
    };
    format!("{called}: {n} inputs have ended before{failed}\n")
}

/// The command that goes on with the run of these words, and adds to the file that standard output is.
pub(crate) fn resuming(words: impl IntoIterator<Item = OsString>, stdout: Option<&Path>) -> String {
    use std::os::unix::ffi::OsStrExt;
    let words: Vec<OsString> = words.into_iter().collect();
    let mut shown: Vec<String> = words.iter().map(|word| quoted(word.as_bytes())).collect();
    let program = words.first().map(Path::new).and_then(Path::file_name);
    if let (Some(first), Some(name)) = (shown.first_mut(), program)
        && words[0].as_bytes().starts_with(b"/")
    {
        *first = quoted(name.as_bytes());
    }
    let goes_on = |word: &OsString| {
        ["--resume", "--resume-failed", "--retry-failed"]
            .iter()
            .any(|option| word == option)
    };
    if !words.iter().any(goes_on) {
        // After the subcommand, since what comes after a script belongs to it.
        shown.insert(2.min(shown.len()), "--resume".to_owned());
    }
    if let Some(path) = stdout {
        shown.push(format!(">> {}", quoted(path.as_os_str().as_bytes())));
    }
    shown.join(" ")
}

/// The file that standard output is, by name, where the system tells it.
pub(crate) fn stdout_path() -> Option<PathBuf> {
    let path = OutputFile::stdout().ok()??.path()?;
    let here = std::env::current_dir().ok()?;
    Some(path.strip_prefix(here).map(Path::to_owned).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_can_be_pasted() {
        let words = |text: &str| -> Vec<OsString> { text.split('|').map(OsString::from).collect() };
        assert_eq!(
            resuming(words("owngil|map|f.py:f|--joblog|a b.log|it's"), None),
            "owngil map --resume f.py:f --joblog 'a b.log' \"it's\""
        );
        assert_eq!(
            resuming(
                words("/usr/bin/owngil|run|--joblog|l|s.py|-x"),
                Some(Path::new("out.txt"))
            ),
            "owngil run --resume --joblog l s.py -x >> out.txt"
        );
        assert_eq!(
            resuming(words("./owngil|map|--retry-failed|m:f"), None),
            "./owngil map --retry-failed m:f"
        );
    }
}
