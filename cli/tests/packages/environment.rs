//! Environment: a virtual environment with pinned packages, made once per Python.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use owngil::Interpreter;

use crate::workload;
use crate::{Result, case};

/// A virtual environment of the Python that this program was built with.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    folder: PathBuf,
    /// The minor version: `3.14`.
    version: String,
}

/// What is installed in one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    /// What the tests need, which is the packages that have a file of their own.
    Tests,
    /// The packages of the table in their newest releases.
    Newest,
    /// Some in the oldest releases that have a wheel for this Python.
    Oldest,
    /// The same in releases between those.
    Middle,
}

impl Contents {
    /// Those that an option of a run asks for.
    pub(crate) fn from_option(option: &str) -> Option<Contents> {
        match option {
            "--oldest" => Some(Contents::Oldest),
            "--middle" => Some(Contents::Middle),
            _ => None,
        }
    }

    /// What it adds to the names of its folder and its pins.
    fn suffix(self) -> &'static str {
        match self {
            Contents::Tests | Contents::Newest => "",
            Contents::Oldest => "-oldest",
            Contents::Middle => "-middle",
        }
    }
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unready {
    /// Not asked for.
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
    /// The one with these contents, made if it is not there.
    pub(crate) fn with(contents: Contents) -> Result<Environment, Unready> {
        let failed =
            |error: Box<dyn std::error::Error + Send + Sync>| Unready::Failed(error.to_string());
        let (base, version) = base().map_err(failed)?;
        let suffix = contents.suffix();
        let environment = Environment {
            folder: root().join(format!("target/packages-{version}{suffix}")),
            version,
        };
        let pins = environment.pins();
        let pinned = fs::read_to_string(&pins)
            .map_err(|error| Unready::Failed(format!("{}: {error}", pins.display())))?;
        let mut wanted: Vec<PathBuf> = Vec::new();
        match contents {
            Contents::Tests => {
                let found = workload::all(&base).map_err(failed)?;
                let tested = found
                    .into_iter()
                    .filter(|(name, _)| workload::is_long(name));
                wanted.extend(["-c".into(), pins]);
                wanted.extend(tested.flat_map(|(_, needs)| needs).map(PathBuf::from));
                let cases = case::all(&base).map_err(failed)?.into_values();
                let needs: BTreeSet<String> = cases.flat_map(|case| case.needs).collect();
                for name in needs {
                    if environment.has(&name).map_err(failed)? {
                        wanted.push(name.into());
                    }
                }
            }
            // All are named; what they say of each other's versions no resolver can follow.
            _ => wanted.extend(["--no-deps".into(), "-r".into(), pins]),
        }
        // What was installed whole is good for a part.
        let (stamp, part) = (
            environment.folder.join("installed"),
            format!("{contents:?}\n{pinned}"),
        );
        let whole = format!("{:?}\n{pinned}", Contents::Newest);
        if fs::read_to_string(&stamp).is_ok_and(|found| found == part || found == whole) {
            return Ok(environment);
        }
        environment.install(&base, &wanted)?;
        fs::write(stamp, part)?;
        Ok(environment)
    }

    fn install(&self, base: &str, wanted: &[PathBuf]) -> Result<(), Unready> {
        eprintln!("making {}", self.folder.display());
        let folder = self.folder.as_os_str();
        let made = Command::new(base)
            .args(["-m", "venv", "--clear"])
            .arg(folder)
            .output()?;
        if !made.status.success() {
            return Err(Unready::Failed(format!("{base} -m venv: {}", text(&made))));
        }
        self.add(wanted)
    }

    /// Has pip install what is not there of these.
    pub(crate) fn add(&self, wanted: &[impl AsRef<OsStr>]) -> Result<(), Unready> {
        let mut command = Command::new(self.python());
        command.args(["-m", "pip", "install", "--only-binary", ":all:"]);
        // Without a network pip would try for many minutes.
        command.args(["--retries", "1", "--timeout", "30"]);
        let installed = command.args(wanted).output()?;
        if installed.status.success() {
            return Ok(());
        }
        let said = text(&installed);
        let why = format!("pip cannot install them:\n{said}");
        Err(match UNREACHABLE.iter().any(|sign| said.contains(sign)) {
            true => Unready::Unreachable(why),
            false => Unready::Failed(why),
        })
    }

    /// One that was made before, by its folder.
    pub(crate) fn at(folder: &str) -> Result<Environment> {
        let folder = PathBuf::from(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let version = name.strip_prefix("packages-").ok_or("no environment")?;
        let version = version.split('-').next().unwrap_or_default().to_owned();
        Ok(Environment { folder, version })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that says what is installed: `pins/3.14.txt`.
    pub(crate) fn pins(&self) -> PathBuf {
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let name = name.trim_start_matches("packages-").to_owned();
        scripts().join(format!("pins/{name}.txt"))
    }

    /// Whether a distribution is installed: it is not where it has no wheel for this Python.
    pub(crate) fn has(&self, distribution: &str) -> Result<bool> {
        Ok(self.release(distribution)?.is_some())
    }

    /// In which version a distribution is installed.
    pub(crate) fn release(&self, distribution: &str) -> Result<Option<String>> {
        let plain = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
        let pinned = fs::read_to_string(self.pins())?;
        let mut pins = pinned.lines().filter_map(|line| line.split_once("=="));
        let found = pins.find(|(name, _)| plain(name) == plain(distribution));
        Ok(found.map(|(_, version)| version.trim().to_owned()))
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

    /// The variables that packages see, in all places alike.
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

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of the workloads.
pub(crate) fn scripts() -> PathBuf {
    root().join("cli/tests/packages")
}

/// The Python that this program was built with, and its minor version, asked in a process of its own: one
/// process runs one Python.
pub(crate) fn base() -> Result<(String, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("base").env_remove("VIRTUAL_ENV").output()?;
    if !output.status.success() {
        return Err(text(&output).into());
    }
    let reported = String::from_utf8(output.stdout)?;
    let (executable, version) = reported
        .trim()
        .split_once('\n')
        .ok_or("it printed no version")?;
    Ok((executable.to_owned(), version.to_owned()))
}

/// The role that prints both.
pub(crate) fn print_base() -> Result<()> {
    let reported: String = Interpreter::scope(|python| {
        python.exec("import sys")?;
        python.eval("'%s\\n%d.%d' % (sys.executable, *sys.version_info[:2])")
    })?;
    println!("{reported}");
    Ok(())
}

fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{}\n{errors}", output.status)
}
