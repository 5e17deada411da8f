//! Packages with extension modules: each does real work in four workers at once, and answers as a plain
//! Python process does.
//!
//! A package has a few lines in `brief/` or a file in `long/`, and its version in `pins/`; what users reported is a file
//! in `cases/`. Each test runs in a process of its own, so that a crash is one failure. The tests need pip and a
//! registry, so they run only with `OWNGIL_TEST_PACKAGES=1`: `make packages`. `make soak` and `make compatibility` run
//! this program, too.
//!
//! Reading order: `environment` has the packages, `place` where they run, `workload` what they do, `runs` the ways to
//! run them, `record` what was seen, `table` what is known of each, for a page and for the list that ships, `evidence`
//! whether that list is borne out.

mod environment;
mod evidence;
mod place;
mod process;
mod record;
mod runs;
mod table;
mod workload;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use environment::{Contents, Environment, Unready};
use place::Place;
use process::Ended;
use runs::{case, matrix, soak, suites, trial};

/// What goes wrong here, for a person to read.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Where the tests run packages.
const TESTED: Place = Place::Auto;

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["base"] => environment::print_base(),
        ["trial", package, place, folder @ ..] => one_trial(package, place, folder.first()),
        ["soak", options @ ..] => soak::run(options),
        ["soak-here", plan] => soak::here(plan),
        ["matrix", options @ ..] => matrix::run(options),
        ["suites", names @ ..] => suites::run(names),
        ["suite", package, folder, expected] => suites::here(package, folder, expected),
        ["table"] => table::run(),
        _ => return tests(),
    };
    match done {
        Ok(()) => owngil::exit(0),
        Err(error) => {
            eprintln!("{error}");
            owngil::exit(1)
        }
    }
}

/// One package in one place, in the environment of the tests if no other is named.
fn one_trial(package: &str, place: &str, folder: Option<&&str>) -> Result<()> {
    let environment = match folder {
        None => Environment::with(Contents::Tests)?,
        Some(folder) => Environment::at(folder)?,
    };
    trial::run(&environment, package, place.parse()?)
}

fn tests() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A trial keeps all cores busy.
    arguments.test_threads.get_or_insert(1);
    let asked = std::env::var("OWNGIL_TEST_PACKAGES").is_ok_and(|value| value == "1");
    let environment = match asked && !arguments.list {
        true => Environment::with(Contents::Tests),
        false => Err(Unready::Unwanted),
    };
    let is_ignored = match &environment {
        Err(Unready::Unwanted) => true,
        Err(Unready::Unreachable(why)) => {
            eprintln!("SKIPPED: the tests of packages: {why}");
            true
        }
        _ => false,
    };
    let environment = environment.map_err(|unready| unready.to_string());
    let trials = workload::long_names().into_iter().map(|package| {
        let (name, environment) = (package.clone(), environment.clone());
        let run = move || {
            process::trial(&environment?, &package, TESTED)
                .and_then(Ended::into_result)
                .map_err(|error| error.to_string().into())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored)
    });
    let cases = match &environment {
        Ok(environment) => cases(environment),
        Err(_) => Ok(Vec::new()),
    };
    match cases {
        Ok(cases) => {
            let list = Trial::test("the list that ships has evidence for both ends", || {
                evidence::check().map_err(|error| error.to_string().into())
            });
            let all = trials.chain(cases).chain([list]);
            libtest_mimic::run(&arguments, all.collect()).exit_code()
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What people met, for which all is there on this Python.
fn cases(environment: &Environment) -> Result<Vec<Trial>> {
    let found = case::all(&environment.python().to_string_lossy())?;
    let mut trials = Vec::new();
    for (name, case) in found {
        let can_run = case::can_run(environment, &case)?;
        let (environment, title) = (environment.clone(), format!("case {name}"));
        let run =
            move || case::run(&environment, &name, &case).map_err(|error| error.to_string().into());
        trials.push(Trial::test(title, run).with_ignored_flag(!can_run));
    }
    Ok(trials)
}
