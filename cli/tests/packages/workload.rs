//! Workload: what is done with a package, and what a plain process gives for it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use owngil::Function;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::environment::{Environment, scripts};

/// How often each trial starts workers, the first start included; it retires all of them in between.
pub(crate) const N_ROUNDS: usize = 2;

/// What a package gave: the extension modules that were loaded, and a text for each seed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Answers {
    pub(crate) loaded: Vec<String>,
    pub(crate) values: Vec<String>,
}

/// What a plain process gave.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Reference {
    #[serde(flatten)]
    pub(crate) answers: Answers,
    /// What four plain processes left that wrote one file, if the package has such.
    pub(crate) written: Option<String>,
    /// What was installed, and what it is imported as.
    pub(crate) distribution: String,
    pub(crate) version: String,
    pub(crate) modules: Vec<String>,
    /// What else the workload has beside its answers: exceptions, threads, pickling, files.
    pub(crate) parts: Vec<String>,
}

/// All workloads by name, with the distributions that they need, their own first.
pub(crate) fn all(python: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut command = Command::new(python);
    let output = command
        .arg(scripts().join("exercise.py"))
        .arg("workloads")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The packages that have a file of their own.
pub(crate) fn long_names() -> Vec<String> {
    long_files().into_keys().collect()
}

pub(crate) fn is_long(package: &str) -> bool {
    long_files().contains_key(package)
}

/// The files with_NAME.py in the folders of `long`, by the names of their packages.
fn long_files() -> BTreeMap<String, PathBuf> {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries(scripts().join("long"));
    let files = folders.flat_map(|folder| entries(folder.path()));
    let named = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let name = name.strip_prefix("with_")?.strip_suffix(".py")?;
        Some((name.to_owned(), file.path()))
    });
    named.collect()
}

/// How many different inputs a package gets.
pub(crate) fn n_seeds(package: &str) -> u64 {
    if is_long(package) { 10 } else { 4 }
}

/// A function of `exercise.py`.
pub(crate) fn function(name: &str) -> Function {
    Function::file(scripts().join("exercise.py"), name)
}

/// What a plain Python process gives, which is kept in the environment's folder until the workload changes.
pub(crate) fn reference(environment: &Environment, package: &str) -> Result<Reference> {
    let kept = environment.folder().join("references");
    fs::create_dir_all(&kept)?;
    let file = kept.join(format!("{package}-{:016x}.json", fingerprint(package)?));
    if let Ok(text) = fs::read(&file) {
        return Ok(serde_json::from_slice(&text)?);
    }
    let first = fresh(environment, package)?;
    let second = fresh(environment, package)?;
    if first != second {
        return Err(format!("two plain processes differ: {first} and {second}").into());
    }
    fs::write(file, &first)?;
    Ok(serde_json::from_str(&first)?)
}

fn fresh(environment: &Environment, package: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut command = environment.command("exercise.py");
    command.args([
        "reference",
        package,
        &n_seeds(package).to_string(),
        &N_ROUNDS.to_string(),
    ]);
    let output = command.arg(folder.path()).output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = errors.lines().last().unwrap_or_default().to_owned();
        return Err(format!("a plain process: {}: {last}\n{errors}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What a plain process finds at a path that was written.
pub(crate) fn read(environment: &Environment, package: &str, path: &str) -> Result<String> {
    let output = environment
        .command("exercise.py")
        .args(["read", package, path])
        .output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = errors.lines().last().unwrap_or_default();
        return Err(format!("what was written cannot be read: {last}").into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// A number that changes with what the workload does.
fn fingerprint(package: &str) -> Result<u64> {
    let mut state = DefaultHasher::new();
    fs::read(scripts().join("exercise.py"))?.hash(&mut state);
    match long_files().get(package) {
        Some(file) => fs::read(file)?.hash(&mut state),
        None => of_brief(package)?.hash(&mut state),
    }
    Ok(state.finish())
}

/// The lines of `brief` that name the package.
fn of_brief(package: &str) -> Result<String> {
    for file in fs::read_dir(scripts().join("brief"))? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(file)?;
            if let Some(at) = text.find(&format!("\ndef {package}(seed):\n")) {
                // From its decorator up to the next package's.
                let begin = text[..at].rfind("\n@briefly").unwrap_or(0);
                let end = text[at..]
                    .find("\n@briefly")
                    .map_or(text.len(), |end| at + end);
                return Ok(text[begin..end].to_owned());
            }
        }
    }
    Err(format!("no workload {package}").into())
}
