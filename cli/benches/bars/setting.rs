//! Setting: what this run was asked for, and where things are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The number of workers everywhere: of owngil, of the limits and of the peers.
pub(crate) const N_WORKERS: usize = 2;

/// Marks every process of a run, so that all of them can be found and ended.
pub(crate) const MARK: &str = "OWNGIL_BENCH";

const USAGE: &str = "usage: bars [--quick] [--rows ID,ID…]; `make bench` sets the rest";

/// What the process is to do.
pub(crate) enum Mode {
    /// Run these rows, or all.
    All(Vec<String>),
    /// Run one row here, and print its lines as JSON.
    Row(String),
    /// Be the process that a row measures.
    Child(Vec<String>),
}

/// What every row needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) quick: bool,
    /// The Python that peers run on: the one that owngil was built for.
    pub(crate) python: PathBuf,
    /// Its minor version: 14 of 3.14.
    pub(crate) minor: u32,
    /// The repository.
    pub(crate) root: PathBuf,
    /// This process's place in the tree of processes.
    pub(crate) mark: String,
}

impl Setting {
    pub(crate) fn from_arguments() -> Result<(Setting, Mode)> {
        let (mut quick, mut mode) = (false, Mode::All(Vec::new()));
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut next = || arguments.next().ok_or(USAGE);
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--quick" => quick = true,
                "--rows" => mode = Mode::All(next()?.split(',').map(str::to_owned).collect()),
                "--row" => mode = Mode::Row(next()?),
                "--child" => {
                    mode = Mode::Child(arguments.collect());
                    break;
                }
                _ => return Err(USAGE.into()),
            }
        }
        let named = env::var_os("PYO3_PYTHON").map(PathBuf::from);
        let python = named.unwrap_or_else(|| PathBuf::from("python3"));
        let minor = match mode {
            Mode::Child(_) => 0,
            _ => minor_of(&python)?,
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_owned();
        let mark = env::var(MARK).unwrap_or_else(|_| format!("{}.", std::process::id()));
        let setting = Setting {
            quick,
            python,
            minor,
            root,
            mark,
        };
        Ok((setting, mode))
    }

    /// `full`, or `quick` in a quick run.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The folder of the peers' scripts.
    pub(crate) fn peers(&self) -> PathBuf {
        self.root.join("cli/benches/peers")
    }

    /// Where the virtual environment is for the peers that are not in the standard library.
    pub(crate) fn venv(&self) -> PathBuf {
        self.root
            .join(format!("target/bench-venv-3.{}", self.minor))
    }

    /// The Python of the virtual environment that `make packages` makes.
    pub(crate) fn python_with_packages(&self) -> Result<PathBuf> {
        let folder = self.root.join(format!("target/packages-3.{}", self.minor));
        match folder.join("installed").exists() {
            true => Ok(folder.join("bin/python")),
            false => Err("skipped: `make packages` has not made its environment".into()),
        }
    }

    /// The JSON file that a run writes.
    pub(crate) fn json(&self) -> PathBuf {
        self.root.join("target/bench.json")
    }
}

fn minor_of(python: &Path) -> Result<u32> {
    let code = "import sys; print(sys.version_info.minor)";
    let output = Command::new(python).args(["-c", code]).output();
    let output = output.map_err(|error| format!("{}: {error}", python.display()))?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
