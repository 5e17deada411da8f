//! Workload: what is done with a package, and what a plain process gives for it.

use std::fs;

use owngil::Function;
use serde::Deserialize;

use crate::Result;
use crate::environment::{Environment, scripts};

/// What a package gave: the extension modules that it lacked, and a text for each seed.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Answers {
    pub(crate) missing: Vec<String>,
    pub(crate) values: Vec<String>,
    /// What was installed.
    pub(crate) distribution: String,
    pub(crate) version: String,
}

/// The packages that have a workload.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(scripts()).into_iter().flatten().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        Some(name.strip_prefix("with_")?.strip_suffix(".py")?.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The packages that have a few lines in `briefly.py`.
pub(crate) fn brief_names() -> Result<Vec<String>> {
    let text = fs::read_to_string(scripts().join("briefly.py"))?;
    let definitions = text.lines().filter_map(|line| line.strip_prefix("def "));
    let names = definitions.filter_map(|rest| rest.strip_suffix("(seed):"));
    Ok(names.map(str::to_owned).collect())
}

/// A function of `exercise.py`.
pub(crate) fn function(name: &str) -> Function {
    Function::file(scripts().join("exercise.py"), name)
}

/// What a plain Python process gives.
pub(crate) fn reference(environment: &Environment, package: &str, n_seeds: u64) -> Result<Answers> {
    let mut command = environment.command("exercise.py");
    let output = command.arg(package).arg(n_seeds.to_string()).output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{package} in a plain process: {}\n{errors}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
