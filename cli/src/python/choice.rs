//! Choice: which Python is used, and why. It is found as uv finds it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use owngil::{RuntimeInfo, Version};

use super::metadata::Metadata;
use super::uv::{self, NoEnvironment};
use crate::exit::Exit;
use crate::fatal::Fatal;

/// A Python, and what spoke for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// `None` is the Python that owngil was built with.
    pub(crate) path: Option<PathBuf>,
    pub(crate) reason: String,
    /// What a person should know of how it was chosen.
    pub(crate) note: Option<String>,
}

/// What may speak for a Python, beside the environment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) option: Option<&'a Path>,
    /// That of `[tool.owngil]`.
    pub(crate) project: Option<&'a Path>,
    /// The script that will run, or the file of the function that will be called.
    pub(crate) script: Option<&'a Path>,
    /// Whether uv may say what it does.
    pub(crate) is_shown: bool,
}

impl Choice {
    /// Chooses by the option, the environment, the project, the script, and what lies in the folder or
    /// above it.
    pub(crate) fn find(
        asked: Asked<'_>,
        variable: impl Fn(&str) -> Option<OsString>,
        folder: Option<&Path>,
    ) -> Result<Choice, Fatal> {
        let chosen = |path: PathBuf, reason: &str| Choice {
            path: Some(path),
            reason: reason.to_owned(),
            note: None,
        };
        let set = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        if let Some(path) = asked.option {
            return Ok(chosen(path.to_owned(), "--python names it"));
        }
        if let Some(path) = set("OWNGIL_PYTHON") {
            return Ok(chosen(path, "OWNGIL_PYTHON names it"));
        }
        if let Some(path) = asked.project {
            return Ok(chosen(path.to_owned(), "[tool.owngil] names it"));
        }
        let (own, note) = match asked.script {
            Some(script) => of_script(script, asked.is_shown)?,
            None => (None, None),
        };
        if let Some(choice) = own {
            return Ok(choice);
        }
        // An environment of conda's may be there for other things than Python.
        let conda = || set("CONDA_PREFIX").filter(|path| path.join("bin/python").exists());
        let choice = if let Some(path) = set("VIRTUAL_ENV") {
            chosen(path, "VIRTUAL_ENV names it")
        } else if let Some(path) = conda() {
            chosen(path, "CONDA_PREFIX names it")
        } else {
            let above = folder.into_iter().flat_map(Path::ancestors);
            let mut environments = above.map(|folder| folder.join(".venv"));
            match environments.find(|path| path.join("pyvenv.cfg").is_file()) {
                Some(path) => chosen(path, "it is the .venv here or above"),
                None => Choice {
                    reason: "owngil was built with it".to_owned(),
                    ..Choice::default()
                },
            }
        };
        Ok(Choice { note, ..choice })
    }

    /// Starts it.
    pub(crate) fn start(&self) -> owngil::Result<RuntimeInfo> {
        match &self.path {
            Some(path) => owngil::use_python(path),
            None => owngil::runtime_info(),
        }
    }
}

/// What to say after a version about how that Python was built; nothing about a usual build.
pub(crate) fn build(info: &RuntimeInfo) -> &'static str {
    match (info.is_free_threaded, info.is_gil_enabled) {
        (false, _) => "",
        (true, false) => ", free-threaded, the GIL is off",
        (true, true) => ", free-threaded, but the GIL is on",
    }
}

/// The Python of a script with a PEP 723 block, or what to say where there is none.
fn of_script(script: &Path, is_shown: bool) -> Result<(Option<Choice>, Option<String>), Fatal> {
    let name = script.display();
    let metadata = Metadata::of(script).map_err(|error| {
        Fatal::new(
            Exit::Usage,
            format!("the PEP 723 block of {name} cannot be read"),
        )
        .cause(error)
        .hint("--python PATH passes it over")
    })?;
    let Some(metadata) = metadata else {
        return Ok((None, None));
    };
    let linked = Version::running();
    if !metadata.allows(linked) {
        let requires = metadata.requires_python.as_deref().unwrap_or_default();
        let message =
            format!("{name} asks for Python {requires}, and owngil is linked with {linked}");
        return Err(Fatal::new(Exit::NoPython, message).hint(
            "build owngil for such a Python (PYO3_PYTHON), or have it try with --python PATH",
        ));
    }
    match uv::python_of(&metadata.script, linked, is_shown) {
        Ok(path) => {
            let reason = format!("uv made it for the PEP 723 block of {name}");
            let path = Some(path);
            Ok((
                Some(Choice {
                    path,
                    reason,
                    note: None,
                }),
                None,
            ))
        }
        Err(NoEnvironment::NoUv) => {
            let needs = metadata.dependencies.join(", ");
            let note = format!(
                "note: {name} depends on {needs} (PEP 723), and uv, which would install it, is missing; \
                 --python PATH names an environment that has it\n"
            );
            Ok((None, (!needs.is_empty()).then_some(note)))
        }
        Err(NoEnvironment::Failed(why)) => {
            let message = format!("there is no environment for the PEP 723 block of {name}");
            let fatal = Fatal::new(Exit::NoPython, message).cause(why);
            Err(fatal.hint("--python PATH passes the block over"))
        }
    }
}

/// The file that a reference to a function names, if it names one.
pub(crate) fn file_of(reference: &str) -> Option<PathBuf> {
    let (file, _) = reference.rsplit_once(':')?;
    file.ends_with(".py").then(|| PathBuf::from(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: Asked<'_>, variables: &[(&str, &str)], folder: &Path) -> (String, String) {
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| OsString::from(value))
        };
        let choice = Choice::find(asked, variable, Some(folder)).unwrap();
        let path = choice.path.unwrap_or_default().display().to_string();
        (path, choice.reason)
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
        let project = Asked {
            project: Some(Path::new("project")),
            ..Asked::default()
        };
        let option = Asked {
            option: Some(Path::new("opt")),
            ..project
        };
        let none = Asked::default();
        assert_eq!(found(option, &all, &below).0, "opt");
        assert_eq!(found(project, &all, &below).0, "own");
        assert_eq!(found(project, &all[1..], &below).0, "project");
        assert_eq!(found(none, &all[1..], &below).0, "venv");
        assert_eq!(found(none, &all[2..], &below).0, conda);
        assert!(found(none, &[], &below).1.contains("built"));

        let environment = home.path().join(".venv");
        std::fs::create_dir(&environment).unwrap();
        assert!(found(none, &[], &below).1.contains("built"));
        std::fs::write(environment.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(found(none, &[], &below).0, environment.to_str().unwrap());
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
        let found = found(Asked::default(), &variables, folder.path());
        assert!(found.1.contains("built"));
    }

    #[test]
    fn a_function_in_a_file_has_that_file() {
        assert_eq!(file_of("a/b.py:f.g"), Some(PathBuf::from("a/b.py")));
        assert_eq!(file_of("a.b:f"), None);
        assert_eq!(file_of("a.py"), None);
    }
}
