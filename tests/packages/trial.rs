//! Trial: one package in one place, in this process.

use std::fs;

use owngil::Task;

use crate::Result;
use crate::environment::Environment;
use crate::place::{N_WORKERS, Place};
use crate::workload::{Answers, function, reference};

/// How many different inputs each worker gets.
const N_SEEDS: u64 = 10;

/// How the line begins that says what moved.
pub(crate) const MOVED: &str = "moved: ";

/// Lets all workers import the package and work with it at the same time, and compares their answers with a
/// plain process's. Then lets them spin until each has seen all others, without letting go of its GIL: if they
/// shared one, they would spin for ever, and run out of time.
pub(crate) fn run(package: &str, place: Place) -> Result<()> {
    let environment = Environment::of_tests()?;
    let expected = reference(&environment, package, N_SEEDS)?;
    if !expected.missing.is_empty() {
        return Err(format!("a plain process lacks {:?}", expected.missing).into());
    }
    let folder = tempfile::tempdir()?;
    let meeting = folder.path().join("meeting");
    fs::create_dir(&meeting)?;
    let pool = place.pool(&environment)?;
    let meet = function("meet_and_work");
    let arguments = (meeting.to_str(), N_WORKERS, package, N_SEEDS);
    let tasks: owngil::Result<Vec<Task<String>>> = (0..N_WORKERS)
        .map(|_| pool.submit(&meet, arguments))
        .collect();
    // All of them end before one is judged: a worker that is left behind may be what crashes.
    let texts: Vec<owngil::Result<String>> = tasks?.into_iter().map(Task::wait).collect();
    for text in texts {
        let found: Answers = serde_json::from_str(&text?)?;
        if found != expected {
            return Err(difference(&expected, &found).into());
        }
    }
    let marks = folder.path().join("marks");
    fs::write(&marks, [0; N_WORKERS])?;
    let see_all = function("see_all");
    let tasks: owngil::Result<Vec<Task<()>>> = (0..N_WORKERS)
        .map(|me| pool.submit(&see_all, (marks.to_str(), me, N_WORKERS, package)))
        .collect();
    for task in tasks? {
        task.wait()?;
    }
    for moved in pool.moved() {
        eprintln!("{MOVED}{package} to processes: {}", moved.reason);
    }
    pool.shutdown();
    Ok(())
}

/// What differs, in a line.
fn difference(expected: &Answers, found: &Answers) -> String {
    if !found.missing.is_empty() {
        return format!("not loaded: {}", found.missing.join(", "));
    }
    let mut both = expected.values.iter().zip(&found.values);
    match both.find(|(expected, found)| expected != found) {
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => format!("expected {expected:?}, found {found:?}"),
    }
}
