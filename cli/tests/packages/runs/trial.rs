//! Trial: one package in one place, in this process.

use std::fs;
use std::path::Path;

use owngil::{Pool, Task};
use serde::Serialize;

use crate::Result;
use crate::environment::Environment;
use crate::place::{N_WORKERS, Place};
use crate::workload::{self, Answers, N_ROUNDS, Reference, function};

/// How the line begins that says what moved.
pub(crate) const MOVED: &str = "moved: ";

/// Lets all workers import the package and work with it at the same time, and compares their answers with a
/// plain process's; lets them write one file at once; then retires them, and does it all again with new ones. At
/// the end they spin until each has seen all others, without letting go of its GIL: if they shared one, they would
/// spin for ever, and run out of time.
pub(crate) fn run(environment: &Environment, package: &str, place: Place) -> Result<()> {
    let expected = workload::reference(environment, package)?;
    let folder = tempfile::tempdir()?;
    let trial = Trial {
        environment,
        package,
        place,
        expected,
        folder: folder.path(),
    };
    for round in 0..N_ROUNDS {
        trial.round(round)?;
    }
    if let Some(expected) = &trial.expected.written {
        let found = workload::read(environment, package, &trial.path("written"))?;
        if found != *expected {
            return Err(format!("written: expected {expected}, found {found}").into());
        }
    }
    Ok(())
}

struct Trial<'a> {
    environment: &'a Environment,
    package: &'a str,
    place: Place,
    expected: Reference,
    folder: &'a Path,
}

impl Trial<'_> {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// One set of workers.
    fn round(&self, round: usize) -> Result<()> {
        let pool = self.place.pool(self.environment)?;
        let package = self.package;
        let meeting = self.meeting(&format!("work{round}"))?;
        let n_seeds = workload::n_seeds(package);
        let texts = each(&pool, "meet_and_work", |_| {
            (meeting.as_str(), N_WORKERS, package, n_seeds)
        })?;
        // All of them have ended before one is judged: a worker that is left behind may be what crashes.
        for text in texts {
            let text: String = text?;
            let found: Answers = serde_json::from_str(&text)?;
            if found != self.expected.answers {
                return Err(difference(&self.expected.answers, &found).into());
            }
        }
        if self.expected.written.is_some() {
            let meeting = self.meeting(&format!("write{round}"))?;
            let path = self.path("written");
            let written = each(&pool, "meet_and_write", |me| {
                (meeting.as_str(), N_WORKERS, package, path.as_str(), me)
            })?;
            written.into_iter().collect::<owngil::Result<Vec<()>>>()?;
        }
        if round + 1 == N_ROUNDS {
            let marks = self.path("marks");
            fs::write(&marks, [0; N_WORKERS])?;
            let seen = each(&pool, "see_all", |me| {
                (marks.as_str(), me, N_WORKERS, package)
            })?;
            seen.into_iter().collect::<owngil::Result<Vec<()>>>()?;
            for moved in pool.moved() {
                eprintln!("{MOVED}{package} to processes: {}", moved.reason);
            }
        }
        pool.shutdown();
        Ok(())
    }

    /// An empty folder where calls meet.
    fn meeting(&self, name: &str) -> Result<String> {
        let meeting = self.path(name);
        fs::create_dir(&meeting)?;
        Ok(meeting)
    }
}

/// Calls a function once for each worker, at once, and waits for all.
fn each<T, A>(
    pool: &Pool,
    name: &str,
    arguments: impl Fn(usize) -> A,
) -> Result<Vec<owngil::Result<T>>>
where
    T: serde::de::DeserializeOwned + Send + 'static,
    A: Serialize,
{
    let function = function(name);
    let tasks: owngil::Result<Vec<Task<T>>> = (0..N_WORKERS)
        .map(|me| pool.submit(&function, arguments(me)))
        .collect();
    Ok(tasks?.into_iter().map(Task::wait).collect())
}

/// What differs, in a line.
fn difference(expected: &Answers, found: &Answers) -> String {
    let lacks = expected
        .loaded
        .iter()
        .find(|name| !found.loaded.contains(name));
    if let Some(name) = lacks {
        return format!("not loaded: {name}");
    }
    let mut both = expected.values.iter().zip(&found.values);
    match both.find(|(expected, found)| expected != found) {
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => format!("expected {expected:?}, found {found:?}"),
    }
}
