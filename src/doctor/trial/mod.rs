//! Trial: an import in a throw-away child.
//!
//! The child is a plain Python, or a program of owngil's own that makes interpreters. It tells each
//! step before it takes it, so that of a crash too is known where it came from.

mod role;

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::doctor::outcome::{Ending, Outcome, Run, records, reported};
use crate::error::{Error, Result};
use crate::extensions::Extensions;
use crate::process::own_command;

pub(crate) use role::run_trial;
pub use role::run_trial_if_asked;

pub(super) const TRIAL: &str = include_str!("trial.py");

/// The first word of a command line that asks for a trial.
pub(super) const MARK: &str = "--owngil-trial";

/// The most that is read of a child, in bytes.
const OUTPUT_MAX: u64 = 64 << 20;

/// Where an import is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `python -c`: the main interpreter of a process of its own.
    Plain,
    /// An interpreter with its own GIL, under CPython's check.
    Strict,
    /// The same, in which what refuses is loaded from a private copy.
    Private,
    /// As `Private`, in more interpreters and several times, each time in new ones.
    Again,
}

impl Way {
    /// Whether it can be gone here.
    pub(super) fn is_here(self) -> bool {
        self.extensions().check().is_ok()
    }

    pub(super) fn extensions(self) -> Extensions {
        match self {
            Way::Private | Way::Again => Extensions::Private,
            Way::Plain | Way::Strict => Extensions::Strict,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Way::Plain => "plain",
            Way::Strict => "strict",
            Way::Private => "private",
            Way::Again => "again",
        }
    }

    /// How many interpreters import at the same time, once one has done so alone.
    pub(super) fn n_at_once(self) -> usize {
        match self {
            Way::Plain => 0,
            Way::Strict | Way::Private => 2,
            Way::Again => 4,
        }
    }

    /// How often they do.
    pub(super) fn n_rounds(self) -> usize {
        match self {
            Way::Again => 3,
            _ => 1,
        }
    }
}

/// Who makes the children, and how long they may take.
#[derive(Clone, Debug)]
pub(super) struct Children<'a> {
    /// The program that does [`run_trial_if_asked`] first of all.
    pub(super) program: &'a Path,
    /// The Python whose packages are tried.
    pub(super) python: &'a Path,
    pub(super) paths: &'a [String],
    pub(super) time_limit: Duration,
}

impl Children<'_> {
    /// Imports the targets.
    pub(super) fn import(&self, way: Way, targets: &[String]) -> Result<Outcome> {
        let n_paths = self.paths.len().to_string();
        let words = [n_paths.as_str()].into_iter();
        let words = words.chain(self.paths.iter().chain(targets).map(String::as_str));
        let mut command = match way {
            Way::Plain => {
                let mut command = Command::new(self.python);
                command.args(["-c", TRIAL]);
                command
            }
            _ => self.role(way.word()),
        };
        command.args(words);
        let n_imports = 1 + way.n_rounds() * way.n_at_once();
        Ok(reported(&run(command, self.time_limit)?, n_imports))
    }

    /// Has each file's way of refusing found out: pairs of a module's name and its file. What is not
    /// among the results crashed the child, or hung.
    pub(super) fn probe(&self, files: &[(String, PathBuf)]) -> Result<Vec<(String, Probed)>> {
        let mut found = Vec::new();
        let mut rest = files;
        while !rest.is_empty() {
            let mut command = self.role("probe");
            for (name, path) in rest {
                let mut word = OsString::from(format!("{name} "));
                word.push(path);
                command.arg(word);
            }
            let run = run(command, self.time_limit)?;
            let n_before = found.len();
            let mut at = String::new();
            for record in records(&run.output) {
                match record.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["begin", name] => at = name.to_owned(),
                    ["loaded", name] => found.push((name.to_owned(), Probed::Accepted)),
                    ["failed", name, kind, text] => {
                        let text = format!("{kind}: {text}");
                        found.push((name.to_owned(), Probed::Refused(text)));
                    }
                    _ => {}
                }
            }
            let n_reported = found.len() - n_before;
            if n_reported == rest.len() {
                break;
            }
            // The one after those that were reported ended the child; a child that reported nothing at all
            // would not tell more the next time.
            if at.is_empty() || n_reported > rest.len() {
                break;
            }
            found.push((at, Probed::Ended(run.ending())));
            rest = &rest[n_reported + 1..];
        }
        Ok(found)
    }

    fn role(&self, role: &str) -> Command {
        let mut command = own_command(self.program);
        command.arg(MARK).arg(role).arg(self.python);
        command
    }
}

/// What an interpreter with its own GIL says to a file, before the module runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Probed {
    Accepted,
    Refused(String),
    Ended(Ending),
}

fn run(mut command: Command, time_limit: Duration) -> Result<Run> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot = |error: std::io::Error| {
        let program = Path::new(&program).display();
        Error::config(format!(
            "cannot run {program}, which tries imports: {error}"
        ))
    };
    let mut child = command.spawn().map_err(cannot)?;
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    let until = Instant::now() + time_limit;
    // The end of its output tells that it has ended, or is about to.
    let output = stdout.recv_timeout(time_limit).ok();
    let status = wait(&mut child, until).map_err(cannot)?;
    // A process that it started may hold its streams for longer.
    let moment = Duration::from_secs(1);
    let output = output.or_else(|| stdout.recv_timeout(moment).ok());
    let errors = stderr.recv_timeout(moment).unwrap_or_default();
    let errors = String::from_utf8_lossy(&errors);
    let last = errors.lines().rfind(|line| !line.trim().is_empty());
    Ok(Run {
        output: output.unwrap_or_default(),
        last_words: last.unwrap_or_default().trim().chars().take(200).collect(),
        status,
    })
}

/// The status of a child that ends in time; the others are killed.
fn wait(child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a stream to its end, on a thread of its own.
fn read_all(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stream) = stream {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error counts.
            let _ = stream.take(OUTPUT_MAX).read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    receiver
}
