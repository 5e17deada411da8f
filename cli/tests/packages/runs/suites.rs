//! Suites: a part of the tests that packages bring, in four interpreters at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use owngil::{Function, Task};
use serde::Deserialize;

use crate::environment::{Contents, Environment, scripts};
use crate::place::{N_WORKERS, Place};
use crate::record::{self, Record};
use crate::{Result, process};

/// How long the tests of one package may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1200);

/// How many tests that differ are named.
const N_NAMED: usize = 20;

/// How each test ended, by its name.
type Ends = BTreeMap<String, String>;

/// What a run of pytest gave.
#[derive(Deserialize)]
struct Outcomes {
    ends: Ends,
    said: String,
}

/// Runs the suites that are named, or all that are installed, each in a process of its own.
pub(crate) fn run(named: &[&str]) -> Result<()> {
    let environment = Environment::with(Contents::Newest)?;
    let output = environment.command("suites.py").arg("list").output()?;
    // By package: its distribution, and what its tests need.
    let mut suites: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout)?;
    if let Some(name) = named.iter().find(|name| !suites.contains_key(**name)) {
        return Err(format!("no suite {name}").into());
    }
    suites.retain(|name, _| named.is_empty() || named.contains(&name.as_str()));
    let needs = suites.values().flat_map(|names| &names[1..]);
    let needs: BTreeSet<&str> = needs
        .map(String::as_str)
        .chain(["pytest", "hypothesis"])
        .collect();
    environment.add(&Vec::from_iter(needs))?;
    let mut failed = Vec::new();
    for (package, needs) in suites {
        let distribution = &needs[0];
        let Some(version) = environment.release(distribution)? else {
            continue;
        };
        if let Some(failure) = try_one(&environment, &package, distribution, &version)? {
            failed.push(format!("{package}: {failure}"));
        }
    }
    record::tidy(environment.version())?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n").into()),
    }
}

/// What went wrong with the tests of one package, if anything.
fn try_one(
    environment: &Environment,
    package: &str,
    distribution: &str,
    version: &str,
) -> Result<Option<String>> {
    let plain = match plain(environment, package) {
        Ok(plain) => plain,
        Err(error) => return Ok(Some(format!("not in a plain process: {error}"))),
    };
    let folder = tempfile::tempdir()?;
    let expected = folder.path().join("expected");
    fs::write(&expected, serde_json::to_string(&plain)?)?;
    let mut command = process::role(environment)?;
    command.args(["suite", package]).arg(environment.folder());
    // Some tests leave files where they run.
    command.arg(expected).current_dir(folder.path());
    let ended = process::run_for(&mut command, PATIENCE)?;
    let failure = ended.failure();
    let n_tests = plain.values().filter(|end| *end == "passed").count();
    let outcome = failure.as_deref().unwrap_or("as in a plain process");
    eprintln!("{package} {version}, {n_tests} tests: {outcome}");
    if failure.is_some() {
        eprintln!("{}", ended.errors());
    }
    let record = Record::Suite {
        package: package.to_owned(),
        distribution: distribution.to_owned(),
        version: version.to_owned(),
        n_tests,
        failure: failure.clone(),
    };
    record.keep(environment)?;
    Ok(failure)
}

/// What two plain processes agree on.
fn plain(environment: &Environment, package: &str) -> Result<Ends> {
    let once = || -> Result<Outcomes> {
        let folder = tempfile::tempdir()?;
        let mut command = environment.command("suites.py");
        let command = command.arg(package).arg(folder.path());
        command.current_dir(folder.path());
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(errors.lines().last().unwrap_or_default().into());
        }
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().last().unwrap_or_default();
        Ok(serde_json::from_str(last)?)
    };
    let (mut first, second) = (once()?, once()?);
    first
        .ends
        .retain(|name, end| second.ends.get(name) == Some(end));
    if !first.ends.values().any(|end| end == "passed") {
        return Err(format!("no test passed:\n{}", first.said).into());
    }
    for (name, end) in &first.ends {
        if end == "failed" || end == "not collected" {
            eprintln!("{package}: in a plain process, {end}: {name}");
        }
    }
    Ok(first.ends)
}

/// The role that runs one suite in all interpreters at once.
pub(crate) fn here(package: &str, folder: &str, expected: &str) -> Result<()> {
    let environment = Environment::at(folder)?;
    let expected: Ends = serde_json::from_str(&fs::read_to_string(expected)?)?;
    let pool = Place::Private.pool(&environment)?;
    let function = Function::file(scripts().join("suites.py"), "outcomes");
    let folder = tempfile::tempdir()?;
    let tasks: Result<Vec<Task<String>>> = (0..N_WORKERS)
        .map(|me| {
            let own = folder.path().join(me.to_string());
            fs::create_dir(&own)?;
            Ok(pool.submit(&function, (package, own.to_str()))?)
        })
        .collect();
    let found: Vec<owngil::Result<String>> = tasks?.into_iter().map(Task::wait).collect();
    let mut different = BTreeSet::new();
    let mut said = String::new();
    for found in found {
        let found: Outcomes = serde_json::from_str(&found?)?;
        let before = different.len();
        for (name, end) in &expected {
            let other = found.ends.get(name).map_or("not run", String::as_str);
            if other != end {
                different.insert(format!("{name}: {other}, in a plain process {end}"));
            }
        }
        if different.len() > before {
            said = found.said;
        }
    }
    pool.shutdown();
    let Some(first) = different.first() else {
        return Ok(());
    };
    let (n, of) = (different.len(), expected.len());
    let named: Vec<&str> = different.iter().map(String::as_str).take(N_NAMED).collect();
    Err(format!(
        "{n} of {of} tests differ: {first}\n{}\n{said}",
        named.join("\n")
    )
    .into())
}
