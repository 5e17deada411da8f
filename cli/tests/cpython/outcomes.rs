//! Outcomes: how the tests of a module ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::{Python, Result};

/// How long a module may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where a module runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Plain,
    Interpreter,
}

#[derive(Debug)]
pub(crate) struct Outcomes {
    by_test: BTreeMap<String, String>,
    /// What was written to standard error: the tracebacks of what failed.
    pub(crate) errors: String,
}

impl Outcomes {
    /// Runs a module.
    pub(crate) fn of(python: &Python, module: &str, place: Place) -> Result<Outcomes> {
        let folder = tempfile::tempdir()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cpython/outcomes.py");
        let mut command = match place {
            Place::Plain => {
                let mut command = Command::new(&python.executable);
                command.arg(script).arg(folder.path());
                command
            }
            Place::Interpreter => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_owngil"));
                command.args(["run", "--backend", "interpreter", "-j", "1"]);
                // CPython's tests bring extension modules of their own.
                command.args(["--extensions", "private"]);
                command.arg(script).arg(folder.path()).arg(":::");
                command
            }
        };
        let errors = run(command.arg(module))?;
        let lines = fs::read_to_string(folder.path().join(module)).unwrap_or_default();
        let mut by_test = BTreeMap::new();
        for line in lines.lines() {
            if let Some((outcome, test)) = line.split_once('\t') {
                by_test.insert(test.to_owned(), outcome.to_owned());
            }
        }
        match by_test.is_empty() {
            true => Err(format!("{place:?}: no test ran\n{errors}").into()),
            false => Ok(Outcomes { by_test, errors }),
        }
    }

    /// The tests that did not end as the other's.
    pub(crate) fn differing(&self, other: &Outcomes) -> BTreeSet<String> {
        let tests = self.by_test.keys().chain(other.by_test.keys());
        let differs = |test: &&String| self.of_test(test) != other.of_test(test);
        tests.filter(differs).cloned().collect()
    }

    /// "begun" is one that ended its process, or ran out of time.
    pub(crate) fn of_test(&self, test: &str) -> &str {
        self.by_test.get(test).map_or("not run", String::as_str)
    }
}

/// Runs it to its end, or to that of the patience, and gives what it wrote to standard error.
fn run(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let errors = child.stderr.take().ok_or("no standard error")?;
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut errors = errors;
        io::copy(&mut errors, &mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let start = Instant::now();
    let mut ended = child.try_wait()?;
    while ended.is_none() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
        ended = child.try_wait()?;
    }
    if ended.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let errors = errors.join();
    Ok(errors.map_err(|_| "what it wrote could not be read")??)
}
