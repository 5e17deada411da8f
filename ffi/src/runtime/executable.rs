//! Executable: the `python` that CPython takes itself for, which decides where its packages are.
//!
//! CPython finds its standard library and a virtual environment's packages from the path of its own executable. In
//! another program there is none, so this file names one. libpython ignores `VIRTUAL_ENV`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::StartError;
use crate::version::Version;

/// The executable of `python`: a `python` itself, a name on `PATH`, or a virtual environment.
///
/// # Errors
///
/// [`StartError::Environment`] where there is none, [`StartError::WrongVersion`] where it is of
/// another minor version than the libpython that is linked: its packages would not load.
pub fn find(python: &Path) -> Result<PathBuf, StartError> {
    let found = locate(python)?;
    let (executable, version) = match venv_version(&found) {
        Some(version) => (found, version),
        None => ask(&found)?,
    };
    let linked = Version::running();
    if !version.same_minor(linked) {
        return Err(StartError::WrongVersion {
            python: executable,
            found: version,
            linked,
        });
    }
    Ok(executable)
}

/// The executable that this crate was built with, if it is still there.
pub(crate) fn built_with() -> Option<PathBuf> {
    let path = PathBuf::from(env!("OWNGIL_BUILT_PYTHON"));
    path.is_file().then_some(path)
}

fn locate(python: &Path) -> Result<PathBuf, StartError> {
    let missing = |reason: &str| StartError::Environment {
        python: python.to_owned(),
        reason: reason.to_owned(),
    };
    if python.is_dir() {
        let inside = [
            "bin/python3",
            "bin/python",
            "Scripts/python.exe",
            "python.exe",
        ];
        let found = inside
            .iter()
            .map(|name| python.join(name))
            .find(|path| path.is_file());
        return found.ok_or_else(|| missing("the directory holds no python"));
    }
    // A name is looked up as a shell does; one that stands for a file here is written `./name`.
    let is_name = python.parent() == Some(Path::new(""));
    if is_name {
        let found = on_path(python.as_os_str());
        return found.ok_or_else(|| missing("no such name on PATH; write ./NAME for a file here"));
    }
    if python.is_file() {
        // Absolute, but never resolved: a virtual environment's python is a link to another.
        return std::path::absolute(python).map_err(|error| missing(&error.to_string()));
    }
    Err(missing("no such file"))
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|found| found.is_file())
}

/// The version that the `pyvenv.cfg` of a virtual environment's executable names.
fn venv_version(executable: &Path) -> Option<Version> {
    let folder = executable.parent()?;
    let beside = [
        folder.join("pyvenv.cfg"),
        folder.parent()?.join("pyvenv.cfg"),
    ];
    let text = beside
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find_map(|(key, value)| {
            // venv writes `version`, virtualenv and uv write `version_info`.
            matches!(key.trim(), "version" | "version_info").then(|| Version::parse(value))?
        })
}

/// Asks the executable itself; a shim gives the executable behind it.
fn ask(executable: &Path) -> Result<(PathBuf, Version), StartError> {
    let failed = |reason: String| StartError::Environment {
        python: executable.to_owned(),
        reason,
    };
    let script = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
    let output = Command::new(executable)
        .args(["-I", "-S", "-c", script])
        .output();
    let output = output.map_err(|error| failed(format!("it does not run: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let version = lines.next().and_then(Version::parse);
    match (version, lines.next()) {
        (Some(version), Some(path)) if !path.is_empty() => Ok((PathBuf::from(path), version)),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().last().unwrap_or("it said nothing").to_owned();
            Err(failed(format!("it is not a usable Python: {said}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let error = find(Path::new("/nowhere/python3")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/python3"), "{error}");
        let error = find(Path::new("no-such-python")).unwrap_err();
        assert!(error.to_string().contains("PATH"), "{error}");
    }

    #[test]
    fn a_virtual_environment_of_another_version_is_refused_by_both_versions() {
        let folder = std::env::temp_dir().join(format!("owngil-venv-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        std::fs::write(folder.join("bin/python3"), "").unwrap();
        std::fs::write(
            folder.join("pyvenv.cfg"),
            "home = /usr/bin\nversion = 3.9.18\n",
        )
        .unwrap();
        let error = find(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("3.9.18"), "{error}");
        assert!(error.contains(&Version::running().to_string()), "{error}");
    }
}
