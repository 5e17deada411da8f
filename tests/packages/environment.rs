//! Environment: a virtual environment with pinned packages, made once per Python.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use owngil::Interpreter;

use crate::Result;

/// A virtual environment of the Python that this program was built with.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    folder: PathBuf,
    /// The minor version: `3.14`.
    version: String,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unready {
    /// Nobody asked for it.
    Unwanted,
    /// The packages cannot be fetched here.
    Unreachable(String),
    Failed(String),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unready::Unwanted => f.write_str("set OWNGIL_TEST_PACKAGES=1"),
            Unready::Unreachable(why) | Unready::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unready {}

impl From<std::io::Error> for Unready {
    fn from(error: std::io::Error) -> Unready {
        Unready::Failed(error.to_string())
    }
}

/// What pip says when it has no way to a registry.
const UNREACHABLE: [&str; 4] = [
    "Retrying (",
    "connection",
    "Network is unreachable",
    "name resolution",
];

impl Environment {
    /// The one with what the tests need.
    pub(crate) fn of_tests() -> Result<Environment, Unready> {
        Environment::made(&["requirements.txt"])
    }

    /// The one with all packages of the table.
    pub(crate) fn of_table() -> Result<Environment, Unready> {
        Environment::made(&["requirements.txt", "more.txt"])
    }

    fn made(files: &[&str]) -> Result<Environment, Unready> {
        let failed =
            |error: Box<dyn std::error::Error + Send + Sync>| Unready::Failed(error.to_string());
        let (base, version) = base().map_err(failed)?;
        let environment = Environment {
            folder: root().join(format!("target/packages-{version}")),
            version,
        };
        // Without a network pip would try for many minutes.
        let limits = ["--retries", "1", "--timeout", "30"];
        let install = ["-m", "pip", "install", "--only-binary", ":all:"];
        let mut arguments: Vec<PathBuf> =
            install.iter().chain(&limits).map(PathBuf::from).collect();
        let mut wanted = String::new();
        for file in files {
            let path = scripts().join(file);
            wanted += &fs::read_to_string(&path)?;
            arguments.extend(["-r".into(), path]);
        }
        // What was installed with more is good for less.
        let stamp = environment.folder.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|found| found.starts_with(&wanted)) {
            return Ok(environment);
        }
        eprintln!("making {}", environment.folder.display());
        let folder = environment.folder.as_os_str();
        let made = Command::new(&base)
            .args(["-m", "venv", "--clear"])
            .arg(folder)
            .output()?;
        if !made.status.success() {
            return Err(Unready::Failed(format!("{base} -m venv: {}", text(&made))));
        }
        let installed = Command::new(environment.python())
            .args(arguments)
            .output()?;
        if !installed.status.success() {
            let said = text(&installed);
            let why = format!("pip cannot install them:\n{said}");
            return Err(match UNREACHABLE.iter().any(|sign| said.contains(sign)) {
                true => Unready::Unreachable(why),
                false => Unready::Failed(why),
            });
        }
        fs::write(stamp, wanted)?;
        Ok(environment)
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// A Python program of this folder, as a plain process.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.python());
        command.arg(scripts().join(script)).envs(self.variables());
        command
    }

    /// What packages are told, in all places alike.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        let inside = self.folder.to_string_lossy().into_owned();
        [
            // Several workers with as many threads each as there are cores get in each other's way.
            ("OPENBLAS_NUM_THREADS", "1".to_owned()),
            ("OMP_NUM_THREADS", "1".to_owned()),
            // Where matplotlib keeps the list of fonts that it makes at its first import.
            ("MPLCONFIGDIR", inside.clone()),
            ("PYTHONPYCACHEPREFIX", inside + "/pycache"),
        ]
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workloads.
pub(crate) fn scripts() -> PathBuf {
    root().join("tests/packages")
}

/// The Python that this program was built with, and its minor version, asked in a process of its own: one
/// process runs one Python.
fn base() -> Result<(String, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("base").env_remove("VIRTUAL_ENV").output()?;
    if !output.status.success() {
        return Err(text(&output).into());
    }
    let told = String::from_utf8(output.stdout)?;
    let (executable, version) = told.trim().split_once('\n').ok_or("it told no version")?;
    Ok((executable.to_owned(), version.to_owned()))
}

/// The role that tells it.
pub(crate) fn print_base() -> Result<()> {
    let told: String = Interpreter::scope(|python| {
        python.exec("import sys")?;
        python.eval("'%s\\n%d.%d' % (sys.executable, *sys.version_info[:2])")
    })?;
    println!("{told}");
    Ok(())
}

fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{}\n{errors}", output.status)
}
