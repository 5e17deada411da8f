//! Uv: the environment of a script with a PEP 723 block, which uv makes and keeps.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use owngil::Version;

/// Why there is no such environment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoEnvironment {
    /// There is no uv.
    NoUv,
    /// What uv said.
    Failed(String),
}

/// The Python of the script's environment, with what the script depends on.
///
/// `is_shown` has uv say what it does, since that may take its time.
pub(crate) fn python_of(
    script: &Path,
    version: Version,
    is_shown: bool,
) -> Result<PathBuf, NoEnvironment> {
    let mut named = OsString::from("--script=");
    named.push(script);
    // uv would take the newest Python that the script allows for, and that may be of another version.
    let python = format!("--python={}.{}", version.major, version.minor);
    ask(
        ["sync".as_ref(), named.as_os_str(), python.as_ref()],
        is_shown,
    )?;
    let found = ask(
        ["python".as_ref(), "find".as_ref(), named.as_os_str()],
        false,
    )?;
    match found.lines().next() {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(NoEnvironment::Failed(
            "uv names no Python for it".to_owned(),
        )),
    }
}

/// What uv writes to standard output.
fn ask<const N: usize>(words: [&OsStr; N], is_shown: bool) -> Result<String, NoEnvironment> {
    let mut uv = Command::new("uv");
    uv.args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    uv.stderr(match is_shown {
        true => Stdio::inherit(),
        false => Stdio::piped(),
    });
    let output = uv
        .spawn()
        .and_then(|child| child.wait_with_output())
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => NoEnvironment::NoUv,
            _ => NoEnvironment::Failed(format!("uv does not run: {error}")),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(NoEnvironment::Failed(match said.trim() {
        "" => format!("uv ended with {}", output.status),
        said => format!("uv said: {said}"),
    }))
}
