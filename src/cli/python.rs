//! Python: which one is used, and why. Found as uv finds it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use owngil::RuntimeInfo;

/// A Python, and what spoke for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// `None` is the Python that owngil was built with.
    pub(crate) path: Option<PathBuf>,
    pub(crate) reason: &'static str,
}

impl Choice {
    /// Chooses by the option, the environment, and what lies in the folder or above it.
    pub(crate) fn find(
        option: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
        folder: Option<&Path>,
    ) -> Choice {
        let chosen = |path: PathBuf, reason| Choice {
            path: Some(path),
            reason,
        };
        let set = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        if let Some(path) = option {
            return chosen(path.to_owned(), "--python names it");
        }
        if let Some(path) = set("OWNGIL_PYTHON") {
            return chosen(path, "OWNGIL_PYTHON names it");
        }
        if let Some(path) = set("VIRTUAL_ENV") {
            return chosen(path, "VIRTUAL_ENV names it");
        }
        // An environment of conda's may be there for other things than Python.
        if let Some(path) = set("CONDA_PREFIX").filter(|path| path.join("bin/python").exists()) {
            return chosen(path, "CONDA_PREFIX names it");
        }
        let above = folder.into_iter().flat_map(Path::ancestors);
        let mut environments = above.map(|folder| folder.join(".venv"));
        match environments.find(|path| path.join("pyvenv.cfg").is_file()) {
            Some(path) => chosen(path, "it is the .venv here or above"),
            None => Choice {
                path: None,
                reason: "owngil was built with it",
            },
        }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> owngil::Result<RuntimeInfo> {
        match &self.path {
            Some(path) => owngil::use_python(path),
            None => owngil::runtime_info(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(option: Option<&str>, variables: &[(&str, &str)], folder: &Path) -> (String, String) {
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| OsString::from(value))
        };
        let choice = Choice::find(option.map(Path::new), variable, Some(folder));
        let path = choice.path.unwrap_or_default().display().to_string();
        (path, choice.reason.to_owned())
    }

    #[test]
    fn the_order_is_option_variables_environment_here_or_above_and_the_built_in_one() {
        let home = tempfile::tempdir().unwrap();
        let below = home.path().join("src/deep");
        std::fs::create_dir_all(&below).unwrap();
        let conda = home.path().join("conda");
        std::fs::create_dir_all(conda.join("bin")).unwrap();
        std::fs::write(conda.join("bin/python"), "").unwrap();
        let conda = conda.to_str().unwrap();

        let all = [
            ("OWNGIL_PYTHON", "own"),
            ("VIRTUAL_ENV", "venv"),
            ("CONDA_PREFIX", conda),
        ];
        assert_eq!(found(Some("opt"), &all, &below).0, "opt");
        assert_eq!(found(None, &all, &below).0, "own");
        assert_eq!(found(None, &all[1..], &below).0, "venv");
        assert_eq!(found(None, &all[2..], &below).0, conda);
        assert!(found(None, &[], &below).1.contains("built"));

        let environment = home.path().join(".venv");
        std::fs::create_dir(&environment).unwrap();
        assert!(found(None, &[], &below).1.contains("built"));
        std::fs::write(environment.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(found(None, &[], &below).0, environment.to_str().unwrap());
    }

    #[test]
    fn an_empty_variable_and_a_conda_environment_without_python_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().to_str().unwrap();
        let variables = [
            ("OWNGIL_PYTHON", ""),
            ("VIRTUAL_ENV", ""),
            ("CONDA_PREFIX", prefix),
        ];
        assert!(found(None, &variables, folder.path()).1.contains("built"));
    }
}
