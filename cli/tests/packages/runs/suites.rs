//! Suites: a part of the tests that packages bring, in four interpreters at once.

use std::collections::BTreeMap;
use std::process::Stdio;

use owngil::{Function, Task};

use crate::environment::{Contents, Environment, scripts};
use crate::place::{N_WORKERS, Place};
use crate::record::Record;
use crate::{Result, process};

/// How each test ended, by its name.
type Ends = BTreeMap<String, String>;

/// Runs the suites that are named, or all that are installed, each in a process of its own.
pub(crate) fn run(named: &[&str]) -> Result<()> {
    let environment = Environment::with(Contents::Newest)?;
    environment.add(&["pytest", "hypothesis"])?;
    let output = environment.command("suites.py").arg("names").output()?;
    let mut names: Vec<String> = serde_json::from_slice(&output.stdout)?;
    names.retain(|name| named.is_empty() || named.contains(&name.as_str()));
    let mut failed = Vec::new();
    for package in names {
        let plain = match plain(&environment, &package) {
            Ok(plain) if plain.is_empty() => continue,
            Ok(plain) => plain,
            Err(error) => {
                eprintln!("{package}: not in a plain process: {error}");
                failed.push(package);
                continue;
            }
        };
        let mut command = process::role(&environment)?;
        command.args(["suite", &package]).arg(environment.folder());
        command.arg(serde_json::to_string(&plain)?);
        let failure = process::run(&mut command)?.failure();
        eprintln!(
            "{package}, {} tests: {}",
            plain.len(),
            failure.as_deref().unwrap_or("as in a plain process")
        );
        let is_wrong = failure.is_some();
        let record = Record::Suite {
            package: package.clone(),
            n_tests: plain.len(),
            failure,
        };
        record.keep(&environment)?;
        failed.extend(is_wrong.then_some(package));
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join(", ").into()),
    }
}

/// What two plain processes agree on.
fn plain(environment: &Environment, package: &str) -> Result<Ends> {
    let once = || -> Result<Ends> {
        let folder = tempfile::tempdir()?;
        let mut command = environment.command("suites.py");
        let output = command
            .arg(package)
            .arg(folder.path())
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(errors.lines().last().unwrap_or_default().into());
        }
        let text = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(
            text.lines().last().unwrap_or_default(),
        )?)
    };
    let (mut first, second) = (once()?, once()?);
    first.retain(|name, end| second.get(name) == Some(end));
    Ok(first)
}

/// The role that runs one suite in all interpreters at once.
pub(crate) fn here(package: &str, folder: &str, expected: &str) -> Result<()> {
    let environment = Environment::at(folder)?;
    let expected: Ends = serde_json::from_str(expected)?;
    let pool = Place::Private.pool(&environment)?;
    let function = Function::file(scripts().join("suites.py"), "outcomes");
    let folder = tempfile::tempdir()?;
    let tasks: Result<Vec<Task<String>>> = (0..N_WORKERS)
        .map(|me| {
            let own = folder.path().join(me.to_string());
            std::fs::create_dir(&own)?;
            Ok(pool.submit(&function, (package, own.to_str()))?)
        })
        .collect();
    let found: Vec<owngil::Result<String>> = tasks?.into_iter().map(Task::wait).collect();
    for found in found {
        let found: Ends = serde_json::from_str(&found?)?;
        for (name, end) in &expected {
            let other = found.get(name).map_or("not run", String::as_str);
            if other != end {
                return Err(format!("{name}: {other}, in a plain process {end}").into());
            }
        }
    }
    pool.shutdown();
    Ok(())
}
