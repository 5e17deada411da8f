//! CPython's own tests: each module runs in one interpreter, and its tests end as in plain `python`.
//!
//! `modules.txt` has the modules, `outcomes.py` runs one, `differences.txt` has what ends otherwise and why. They take
//! long and need a Python that ships its tests, so they run when `OWNGIL_TEST_CPYTHON=1` is set: `make cpython-tests`.

mod differences;
mod outcomes;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use differences::Differences;
use outcomes::{Outcomes, Place};

/// What goes wrong here, for a person to read.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    let is_asked = std::env::var("OWNGIL_TEST_CPYTHON").is_ok_and(|value| value == "1");
    let python = match is_asked && !arguments.list {
        true => Python::find().map(Some),
        false => Ok(None),
    };
    let python = match python {
        Ok(python) => python.map(Arc::new),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if python.as_ref().is_some_and(|python| python.tests.is_none()) {
        eprintln!("SKIPPED: CPython's tests: this Python does not ship them");
    }
    let trials = include_str!("modules.txt")
        .split_whitespace()
        .map(|module| {
            let has_it = python.as_ref().is_some_and(|python| python.has(module));
            let python = python.clone();
            let run = move || match python {
                Some(python) => check(&python, module).map_err(|error| error.to_string().into()),
                None => Err("no Python was asked for".into()),
            };
            Trial::test(module, run).with_ignored_flag(!has_it)
        });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The Python that owngil was built with.
struct Python {
    executable: PathBuf,
    /// The folder of the tests that it ships.
    tests: Option<PathBuf>,
}

impl Python {
    fn find() -> Result<Python> {
        let mut owngil = Command::new(env!("CARGO_BIN_EXE_owngil"));
        let reported = owngil.args(["map", "-c", "import sys; lambda _: sys.executable", "x"]);
        let executable: PathBuf = serde_json::from_slice(&reported.output()?.stdout)?;
        let script = "import importlib.util as util
spec = util.find_spec('test') and util.find_spec('test.support')
print(spec.origin if spec else '')";
        let output = Command::new(&executable).args(["-c", script]).output()?;
        let origin = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        let tests = origin.parent().and_then(Path::parent).map(Path::to_owned);
        Ok(Python { executable, tests })
    }

    fn has(&self, module: &str) -> bool {
        self.tests.as_ref().is_some_and(|tests| {
            let path = tests.join(module.replace('.', "/"));
            path.is_dir() || path.with_extension("py").is_file()
        })
    }
}

/// Whether a module's tests end as in plain `python`, but for what is known.
fn check(python: &Python, module: &str) -> Result<()> {
    let plain = Outcomes::of(python, module, Place::Plain)?;
    let own = Outcomes::of(python, module, Place::Interpreter)?;
    let mut differing = plain.differing(&own);
    Differences::known().take(&mut differing);
    if !differing.is_empty() {
        // What ends now so and now so in plain `python` is no difference.
        let again = Outcomes::of(python, module, Place::Plain)?;
        differing.retain(|test| plain.of_test(test) == again.of_test(test));
    }
    if differing.is_empty() {
        return Ok(());
    }
    let lines = differing.iter().map(|test| {
        let (plain, own) = (plain.of_test(test), own.of_test(test));
        format!("{test}\t{plain} in plain python, {own} in an interpreter\n")
    });
    let lines: String = lines.collect();
    Err(format!("{lines}\n{}", own.errors).into())
}
