//! Trial: an import in a throw-away child, and what the child lived to tell.
//!
//! The child is a plain Python, or a program of owngil's own that makes interpreters. It tells each
//! step before it takes it, so that of a crash too is known where it came from.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::extensions::Extensions;
use crate::function::Function;
use crate::interpreter::Interpreter;

const TRIAL: &str = include_str!("trial.py");

/// The first word of a command line that asks for a trial.
const MARK: &str = "--owngil-trial";

/// How many interpreters import at the same time, once one has done so alone.
const N_TOGETHER: usize = 2;

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
}

impl Way {
    /// Whether it can be gone here.
    pub(super) fn is_here(self) -> bool {
        self.extensions().check().is_ok()
    }

    fn extensions(self) -> Extensions {
        match self {
            Way::Private => Extensions::Private,
            Way::Plain | Way::Strict => Extensions::Strict,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Way::Plain => "plain",
            Way::Strict => "strict",
            Way::Private => "private",
        }
    }
}

/// What a child told, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) ending: Ending,
    /// How far it was: `alone`, `together`, `ending`; empty before its first import.
    pub(super) stage: String,
    /// The extension that was being loaded when it ended, or the module that was being imported.
    pub(super) at: String,
    pub(super) modules: Vec<Module>,
    /// Extensions that did not load, with the exception's type and text.
    pub(super) failed: Vec<(String, String)>,
    /// Who first imported whom.
    pub(super) importers: Vec<(String, String)>,
    /// The last that was written to standard error.
    pub(super) last_words: String,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ending {
    /// All was imported.
    Imported,
    /// An import raised: the type, the text, and the module that the exception names.
    Raised(String, String, String),
    /// A signal ended the process.
    Killed(i32),
    /// The process ended with a status before it was done.
    Exited(i32),
    /// It was not done in time.
    TimedOut,
}

/// A module that is there when all is imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Empty for a built-in one.
    pub(super) path: String,
    /// Whether the interpreter came without it.
    pub(super) is_new: bool,
    /// Whether it is of the standard library.
    pub(super) is_standard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Extension,
    Builtin,
    Source,
    Other,
}

impl Outcome {
    pub(super) fn is_imported(&self) -> bool {
        self.ending == Ending::Imported
    }

    /// Modules in machine code that were loaded.
    pub(super) fn natives(&self) -> impl Iterator<Item = &Module> {
        let is_native = |kind| matches!(kind, Kind::Extension | Kind::Builtin);
        let new = self.modules.iter().filter(|module| module.is_new);
        new.filter(move |module| is_native(module.kind))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module.name == name)
    }

    /// Why an extension did not load.
    pub(super) fn failure_of(&self, name: &str) -> Option<&str> {
        let known = self.failed.iter().find(|(failed, _)| failed == name);
        known.map(|(_, text)| text.as_str())
    }

    /// From the first that imports to the module itself.
    pub(super) fn chain(&self, name: &str) -> Vec<String> {
        let mut chain = vec![name.to_owned()];
        let mut last = name;
        while let Some((_, importer)) = self.importers.iter().find(|(module, _)| module == last) {
            if importer.is_empty() || chain.contains(importer) {
                break;
            }
            chain.push(importer.clone());
            last = importer;
        }
        chain.reverse();
        chain
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
            Way::Strict | Way::Private => self.role(way.word()),
        };
        command.args(words);
        let n_imports = match way {
            Way::Plain => 1,
            Way::Strict | Way::Private => 1 + N_TOGETHER,
        };
        Ok(told(&run(command, self.time_limit)?, n_imports))
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
            let n_told = found.len() - n_before;
            if n_told == rest.len() {
                break;
            }
            // The one after those that were told ended the child; a child that told nothing at all
            // would not tell more the next time.
            if at.is_empty() || n_told > rest.len() {
                break;
            }
            found.push((at, Probed::Ended(run.ending())));
            rest = &rest[n_told + 1..];
        }
        Ok(found)
    }

    fn role(&self, role: &str) -> Command {
        let mut command = Command::new(self.program);
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

/// A child that has ended.
struct Run {
    output: Vec<u8>,
    last_words: String,
    /// `None` where it had to be killed.
    status: Option<ExitStatus>,
}

impl Run {
    /// How it ended, where it did not do all that it was to do.
    fn ending(&self) -> Ending {
        match self.status {
            None => Ending::TimedOut,
            Some(status) => match status.signal() {
                Some(signal) => Ending::Killed(signal),
                None => Ending::Exited(status.code().unwrap_or(-1)),
            },
        }
    }
}

fn run(mut command: Command, time_limit: Duration) -> Result<Run> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot = |error: std::io::Error| {
        let program = Path::new(&program).display();
        Error::Config(format!(
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

/// Puts together what a child told that was to import everything so many times.
fn told(run: &Run, n_imports: usize) -> Outcome {
    let mut outcome = Outcome {
        ending: run.ending(),
        stage: String::new(),
        at: String::new(),
        modules: Vec::new(),
        failed: Vec::new(),
        importers: Vec::new(),
        last_words: run.last_words.clone(),
    };
    // Extensions that have begun to load, each inside of the one before.
    let mut loading: Vec<String> = Vec::new();
    let mut target = String::new();
    let mut raised = None;
    let (mut n_begun, mut n_done) = (0, 0);
    let (mut modules, mut importers) = (HashSet::new(), HashSet::new());
    for record in records(&run.output) {
        match record.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["stage", stage] => {
                outcome.stage = stage.to_owned();
                n_begun += 1;
            }
            ["target", name] => target = name.to_owned(),
            ["begin", name] => loading.push(name.to_owned()),
            ["loaded", name] => loading.retain(|loading| loading != name),
            ["failed", name, kind, text] => {
                loading.retain(|loading| loading != name);
                if outcome.failure_of(name).is_none() {
                    outcome
                        .failed
                        .push((name.to_owned(), format!("{kind}: {text}")));
                }
            }
            ["found", name, importer] => {
                if importers.insert(name.to_owned()) {
                    let edge = (name.to_owned(), importer.to_owned());
                    outcome.importers.push(edge);
                }
            }
            ["raised", kind, text, name] => {
                raised.get_or_insert_with(|| {
                    Ending::Raised(kind.to_owned(), text.to_owned(), name.to_owned())
                });
            }
            ["module", name, kind, path, new, standard] if modules.insert(name.to_owned()) => {
                outcome.modules.push(Module {
                    name: name.to_owned(),
                    kind: match kind {
                        "extension" => Kind::Extension,
                        "builtin" => Kind::Builtin,
                        "source" => Kind::Source,
                        _ => Kind::Other,
                    },
                    path: path.to_owned(),
                    is_new: new == "new",
                    is_standard: standard == "standard",
                });
            }
            ["done"] => {
                n_done += 1;
                if n_done == n_begun {
                    outcome.stage = "ending".to_owned();
                }
            }
            _ => {}
        }
    }
    outcome.at = loading.pop().unwrap_or(target);
    if run.status.is_some_and(|status| status.success()) {
        match raised {
            Some(raised) => outcome.ending = raised,
            None if n_done == n_imports => outcome.ending = Ending::Imported,
            None => {}
        }
    }
    outcome
}

/// The lines of the output, with their fields; a line that is cut off is none.
fn records(output: &[u8]) -> impl Iterator<Item = Vec<String>> {
    let output = String::from_utf8_lossy(output).into_owned();
    let lines: Vec<_> = output
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| line.split('\t').map(unescaped).collect())
        .collect();
    lines.into_iter()
}

fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        };
        text.push(plain);
    }
    text
}

/// Does a trial of the doctor's and ends the process, if that is what the process was started for.
///
/// A program whose [`Doctor`](super::Doctor) has itself for its trial program calls this first of all
/// in `main`. It looks at the first argument and returns at once unless that is `--owngil-trial`.
pub fn run_trial_if_asked() {
    let mut words = std::env::args_os().skip(1);
    if words.next().as_deref() != Some(OsStr::new(MARK)) {
        return;
    }
    let status = match serve(words) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            1
        }
    };
    crate::runtime::exit(status)
}

fn serve(mut words: impl Iterator<Item = OsString>) -> Result<()> {
    let mut word = || words.next().unwrap_or_default();
    let role = word().to_string_lossy().into_owned();
    crate::runtime::use_python(PathBuf::from(word()))?;
    let call = |name| Function::source(TRIAL, name);
    let records: i64 = Interpreter::scope(|python| python.call(&call("prepare"), ()))?;
    let texts = |words: Vec<OsString>| -> Vec<String> {
        let texts = words.into_iter();
        texts
            .map(|text| text.to_string_lossy().into_owned())
            .collect()
    };
    if role == "probe" {
        let files = texts(words.collect());
        return interpreter(Way::Strict, |python| {
            python.call(&call("probe"), (records, &files))
        });
    }
    let way = match role.as_str() {
        "private" => Way::Private,
        _ => Way::Strict,
    };
    let n_paths = word().to_string_lossy().parse().unwrap_or(0);
    let mut paths = texts(words.collect());
    let targets = paths.split_off(n_paths.min(paths.len()));
    let trial = |python: &mut Interpreter, stage: &str| -> Result<bool> {
        python.call(&call("trial"), (records, stage, &paths, &targets))
    };
    if !interpreter(way, |python| trial(python, "alone"))? {
        return Ok(());
    }
    let all_are_there = Barrier::new(N_TOGETHER);
    let together = || {
        interpreter(way, |python| {
            all_are_there.wait();
            trial(python, "together")
        })
    };
    thread::scope(|scope| {
        for _ in 0..N_TOGETHER {
            scope.spawn(|| {
                if let Err(error) = together() {
                    // The others may wait for this one.
                    let _ = writeln!(std::io::stderr(), "{error}");
                    crate::runtime::exit(1);
                }
            });
        }
    });
    Ok(())
}

/// Runs `work` in an interpreter of that kind.
fn interpreter<R: Send>(
    way: Way,
    work: impl FnOnce(&mut Interpreter) -> Result<R> + Send,
) -> Result<R> {
    Interpreter::scope(|python| {
        python.set_extensions(way.extensions())?;
        work(python)
    })
}

#[cfg(all(test, not(model)))]
pub(super) mod tests {
    use super::*;

    /// What a child would have told that ended like this, by its status as the system gives it.
    pub(crate) fn outcome(output: &str, status: Option<i32>, n_imports: usize) -> Outcome {
        let run = Run {
            output: output.as_bytes().to_vec(),
            last_words: String::new(),
            status: status.map(ExitStatus::from_raw),
        };
        told(&run, n_imports)
    }

    const IMPORTED: &str = "\
stage\talone
target\ta.b
found\ta\t
found\ta.b\ta
found\tc\ta.b
begin\tc
loaded\tc
module\ta\tsource\t/a/__init__.py\tnew\t
module\tc\textension\t/c.so\tnew\t
module\tmath\tbuiltin\t\t\tstandard
done
";

    #[test]
    fn a_child_that_did_all_has_imported() {
        let once = outcome(IMPORTED, Some(0), 1);
        assert!(once.is_imported());
        let natives: Vec<_> = once.natives().map(|module| &*module.name).collect();
        assert_eq!(natives, ["c"]);
        assert!(once.has("math") && !once.has("b"));
        assert_eq!(once.chain("c"), ["a", "a.b", "c"]);
        // The same output is not enough where there was more to do.
        let ended = outcome(IMPORTED, Some(0), 3);
        assert_eq!((ended.ending, &*ended.stage), (Ending::Exited(0), "ending"));
    }

    #[test]
    fn a_child_that_ended_early_tells_where() {
        let together = "stage\ttogether\nstage\ttogether\ndone\nbegin\ta.fast\nbeg";
        let killed = outcome(&[IMPORTED, together].concat(), Some(11), 3);
        assert_eq!(killed.ending, Ending::Killed(11));
        assert_eq!((&*killed.stage, &*killed.at), ("together", "a.fast"));
        let hung = outcome("stage\talone\ntarget\ta\n", None, 1);
        assert_eq!((hung.ending, &*hung.at), (Ending::TimedOut, "a"));
        let mute = outcome("", Some(256), 1);
        assert_eq!((mute.ending, &*mute.stage), (Ending::Exited(1), ""));
    }

    #[test]
    fn an_exception_counts_unless_the_process_did_not_outlive_it() {
        let raised = "stage\talone\ntarget\ta\nfailed\ta\tImportError\tno\\n\\\\t\nraised\tImportError\tno\t\ndone\n";
        let told = outcome(raised, Some(0), 3);
        let expected = Ending::Raised("ImportError".to_owned(), "no".to_owned(), String::new());
        assert_eq!(told.ending, expected);
        assert_eq!(told.failure_of("a"), Some("ImportError: no\n\\t"));
        assert_eq!(outcome(raised, Some(6), 3).ending, Ending::Killed(6));
    }

    #[test]
    fn what_is_printed_among_records_is_none() {
        let noise = "hello\n\nstage\n\u{fffd}\tx\ty\nmodule\ta\tb\n";
        let told = outcome(&[noise, IMPORTED].concat(), Some(0), 1);
        assert!(told.is_imported());
    }
}
