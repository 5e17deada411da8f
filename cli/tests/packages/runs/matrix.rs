//! Matrix: every package in the first place that it works in.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use crate::environment::{Contents, Environment};
use crate::place::Place;
use crate::record::{self, Record};
use crate::workload::{self, Reference};
use crate::{Result, process, table};

/// The places, the one that is preferred first.
pub(crate) const PLACES: [Place; 3] = [Place::Strict, Place::Private, Place::Process];

/// How often a package that is on no list is tried where owngil puts it by itself.
const N_DEFAULTS: usize = 3;

/// What is to be tried.
struct Plan {
    contents: Contents,
    /// All, if none is named.
    packages: Vec<String>,
    n_jobs: usize,
    /// Whether what is known is tried again.
    again: bool,
    /// In place of the matrix: where owngil puts what may not have private copies.
    default: bool,
}

impl Plan {
    fn from_options(options: &[&str]) -> Result<Plan> {
        let mut plan = Plan {
            contents: Contents::Newest,
            packages: Vec::new(),
            n_jobs: 2,
            again: false,
            default: false,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            if let Some(contents) = Contents::from_option(option) {
                plan.contents = contents;
                continue;
            }
            match *option {
                "--again" => plan.again = true,
                "--default" => plan.default = true,
                "--jobs" => plan.n_jobs = options.next().ok_or("--jobs needs a number")?.parse()?,
                name if name.starts_with('-') => return Err(format!("no option {name}").into()),
                package => plan.packages.push(package.to_owned()),
            }
        }
        Ok(plan)
    }
}

/// Tries the packages that are named, or all, on this Python, several at once.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let plan = Plan::from_options(options)?;
    let environment = Environment::with(plan.contents)?;
    Record::machine(&environment)?.keep(&environment)?;
    let mut packages = workload::all(&environment.python().to_string_lossy())?;
    if let Some(name) = plan
        .packages
        .iter()
        .find(|name| !packages.contains_key(*name))
    {
        return Err(format!("no workload {name}").into());
    }
    packages.retain(|name, _| plan.packages.is_empty() || plan.packages.contains(name));
    let seen = Seen::of(&environment)?;
    let queue = Mutex::new(packages.into_iter());
    let work = || -> Result<()> {
        loop {
            let Some((package, needs)) = queue.lock().map_err(|_| "a trial panicked")?.next()
            else {
                return Ok(());
            };
            try_one(&plan, &environment, &seen, &package, &needs)?;
        }
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..plan.n_jobs).map(|_| scope.spawn(work)).collect();
        let done = jobs
            .into_iter()
            .map(|job| job.join().map_err(|_| "a trial panicked")?);
        done.collect::<Result<Vec<()>>>()
    })?;
    record::tidy(environment.version())
}

fn try_one(
    plan: &Plan,
    environment: &Environment,
    seen: &Seen,
    package: &str,
    needs: &[String],
) -> Result<()> {
    let Some(distribution) = needs.first() else {
        return Ok(());
    };
    for name in needs {
        if !environment.has(name)? {
            if plan.contents == Contents::Newest {
                let (package, distribution) = (package.to_owned(), distribution.clone());
                Record::NoWheel {
                    package,
                    distribution,
                }
                .keep(environment)?;
            }
            return Ok(());
        }
    }
    let plain = match workload::reference(environment, package) {
        Ok(plain) => plain,
        Err(error) => {
            let failure = error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            eprintln!("{package}: {failure}");
            let package = package.to_owned();
            return Record::NoReference { package, failure }.keep(environment);
        }
    };
    if plan.default {
        return try_default(environment, package, &plain);
    }
    for place in PLACES {
        let failure = match seen.outcome(package, &plain.version, place) {
            Some(known) if !plan.again => known.clone(),
            _ => {
                let failure = process::trial(environment, package, place)?.failure();
                print_outcome(package, &plain, place, failure.as_deref());
                trial(package, &plain, place, failure.clone()).keep(environment)?;
                failure
            }
        };
        if failure.is_none() {
            break;
        }
    }
    Ok(())
}

/// Where owngil puts it by itself, if private copies are not for it: the answers must be plain Python's, each time.
fn try_default(environment: &Environment, package: &str, plain: &Reference) -> Result<()> {
    if table::is_listed(environment.version(), package)? {
        return Ok(());
    }
    let mut failure = None;
    for _ in 0..N_DEFAULTS {
        failure = process::trial(environment, package, Place::Auto)?.failure();
        print_outcome(package, plain, Place::Auto, failure.as_deref());
        if failure.is_some() {
            break;
        }
    }
    trial(package, plain, Place::Auto, failure).keep(environment)
}

fn print_outcome(package: &str, plain: &Reference, place: Place, failure: Option<&str>) {
    let version = &plain.version;
    eprintln!("{package} {version}, {place}: {}", failure.unwrap_or("ok"));
}

fn trial(package: &str, plain: &Reference, place: Place, failure: Option<String>) -> Record {
    Record::Trial {
        package: package.to_owned(),
        distribution: plain.distribution.clone(),
        version: plain.version.clone(),
        modules: plain.modules.clone(),
        parts: plain.parts.clone(),
        place,
        failure,
    }
}

/// The outcomes that are known: by package, version and place.
struct Seen(BTreeMap<(String, String, String), Option<String>>);

impl Seen {
    fn of(environment: &Environment) -> Result<Seen> {
        let records = record::read(environment.version())?;
        let outcomes = records.into_iter().filter_map(|record| match record {
            Record::Trial {
                package,
                version,
                place,
                failure,
                ..
            } => Some(((package, version, place.to_string()), failure)),
            _ => None,
        });
        Ok(Seen(outcomes.collect()))
    }

    fn outcome(&self, package: &str, version: &str, place: Place) -> Option<&Option<String>> {
        let key = (package.to_owned(), version.to_owned(), place.to_string());
        self.0.get(&key)
    }
}
