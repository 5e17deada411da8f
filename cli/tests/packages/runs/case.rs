//! Case: what people met with a package, run by the command as they would.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use crate::Result;
use crate::environment::{Environment, scripts};

/// One file of the folder `cases`: see case.py.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) needs: Vec<String>,
    inputs: Vec<String>,
    options: Vec<Vec<String>>,
    /// The command that runs it: `map` or `run`.
    verb: String,
    /// Of at most one of its distributions.
    versions: BTreeMap<String, Vec<Option<String>>>,
}

/// All by name, read with that Python.
pub(crate) fn all(python: &str) -> Result<BTreeMap<String, Case>> {
    let mut command = Command::new(python);
    let output = command.arg(scripts().join("case.py")).arg("all").output()?;
    succeeded(&output)?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whether all is there that it needs, which is not where something has no wheel for this Python.
pub(crate) fn can_run(environment: &Environment, case: &Case) -> Result<bool> {
    let mut has = case.needs.iter().map(|name| environment.has(name));
    has.try_fold(true, |all, one| Ok(all && one?))
}

/// Runs it with each version and each set of options.
pub(crate) fn run(environment: &Environment, name: &str, case: &Case) -> Result<()> {
    let installed = (String::new(), vec![None]);
    let (distribution, versions) = match case.versions.first_key_value() {
        Some((name, versions)) => (name.clone(), versions.clone()),
        None => installed,
    };
    for version in versions {
        let folder = match &version {
            None => None,
            Some(version) => match older(environment, &distribution, version)? {
                None => continue,
                folder => folder,
            },
        };
        for options in &case.options {
            run_once(environment, name, case, folder.as_deref(), options).map_err(|error| {
                let version = version.as_deref().unwrap_or("as installed");
                format!("{distribution} {version}, {options:?}: {error}")
            })?;
        }
    }
    Ok(())
}

fn run_once(
    environment: &Environment,
    name: &str,
    case: &Case,
    older: Option<&Path>,
    options: &[String],
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = folder.path().join("site");
    fs::create_dir(&site)?;
    let path = match older {
        None => site.into_os_string(),
        Some(older) => std::env::join_paths([site.as_path(), older])?,
    };
    let set = |command: &mut Command| {
        command.current_dir(folder.path()).env("PYTHONPATH", &path);
        command.envs(environment.variables());
        // What it is a child of, unless it is a worker process.
        command.env("RUNNER", std::process::id().to_string());
    };
    let mut command = environment.command("case.py");
    set(command.args(["prepare", name]));
    succeeded(&command.output()?)?;
    let file = scripts().join("cases").join(name).with_extension("py");
    let mut command = Command::new(env!("CARGO_BIN_EXE_owngil"));
    set(command.args([&case.verb, "-k", "-j4"]));
    command.arg("--python").arg(environment.python());
    command.args(options);
    match case.verb.as_str() {
        "run" => command.arg(file).arg(":::"),
        _ => command
            .args(["--chunk", "1"])
            .arg(format!("{}:f", file.display())),
    };
    let results = command.args(&case.inputs).output()?;
    succeeded(&results)?;
    let said = String::from_utf8_lossy(&results.stderr);
    if said.contains("Traceback") {
        return Err(format!("it said: {said}").into());
    }
    let mut command = environment.command("case.py");
    set(command.args(["check", name]).stdin(Stdio::piped()));
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    child
        .stdin
        .take()
        .ok_or("no input")?
        .write_all(&results.stdout)?;
    succeeded(&child.wait_with_output()?)
}

/// A folder with an older version of a distribution alone; none where it has no wheel for this Python.
fn older(environment: &Environment, name: &str, version: &str) -> Result<Option<PathBuf>> {
    let wanted = format!("{name}=={version}");
    let folder = environment.folder().join("older").join(&wanted);
    if folder.exists() {
        return Ok(Some(folder));
    }
    let new = folder.with_extension("new");
    let mut command = Command::new(environment.python());
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    let output = command.arg("--target").arg(&new).arg(&wanted).output()?;
    if String::from_utf8_lossy(&output.stderr).contains("No matching distribution") {
        eprintln!("SKIPPED: {wanted} has no wheel for this Python");
        return Ok(None);
    }
    succeeded(&output)?;
    fs::rename(new, &folder)?;
    Ok(Some(folder))
}

fn succeeded(output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {said}", output.status).into())
}
