//! Table: each package in each place, and the part of docs/compatibility.md that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::environment::{Environment, root, scripts};
use crate::place::Place;
use crate::record::{self, Record};
use crate::{Result, process, workload};

const BEGIN: &str = "<!-- made by `make compatibility`, from here -->\n";
const END: &str = "<!-- to here -->\n";

/// The places, the one that is preferred first.
const PLACES: [Place; 3] = [Place::Strict, Place::Private, Place::Thread];

/// Tries the packages that are named, or all, on this Python, and writes the page. `--page` writes it alone.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    if options != ["--page"] {
        try_all(options)?;
    }
    let path = root().join("docs/compatibility.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the page has no beginning mark")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no ending mark")?;
    fs::write(path, format!("{before}{BEGIN}\n{}\n{END}{after}", page()?))?;
    Ok(())
}

fn try_all(named: &[&str]) -> Result<()> {
    let environment = Environment::of_table()?;
    let version = environment.version();
    let mut packages = [workload::names(), workload::brief_names()?].concat();
    packages.retain(|package| named.is_empty() || named.contains(&package.as_str()));
    let mut records = record::read(version)?;
    // What is tried anew takes the place of what was seen before.
    records.retain(|record| match record {
        Record::Machine { .. } => false,
        Record::Trial { package, .. } => !packages.contains(package),
        Record::Soak { .. } => true,
    });
    records.insert(0, machine(&environment)?);
    for package in packages {
        let plain = workload::reference(&environment, &package, 1)?;
        for place in PLACES {
            let failure = process::trial(&environment, &package, place)?.failure();
            eprintln!("{package}, {place}: {}", failure.as_deref().unwrap_or("ok"));
            records.push(Record::Trial {
                package: package.clone(),
                distribution: plain.distribution.clone(),
                version: plain.version.clone(),
                place,
                failure,
            });
        }
        // What is known so far is kept, whatever comes.
        record::write(version, &records)?;
    }
    Ok(())
}

fn machine(environment: &Environment) -> Result<Record> {
    let code = "import sys, time, platform; print('%d.%d.%d' % sys.version_info[:3], platform.machine(), time.strftime('%Y-%m-%d'))";
    let output = Command::new(environment.python()).args(["-c", code]).output()?;
    let told = String::from_utf8(output.stdout)?;
    let mut words = told.split_whitespace().map(str::to_owned);
    let mut next = || words.next().ok_or("the Python does not tell what it is");
    Ok(Record::Machine {
        python: next()?,
        architecture: next()?,
        date: next()?,
    })
}

/// What is known of one package on one Python.
#[derive(Default)]
struct Known {
    /// Where it works.
    places: Vec<Place>,
    /// How often and for how long it was soaked in private copies, without a failure.
    n_soaks: usize,
    minutes: f64,
}

impl Known {
    fn cell(&self) -> String {
        let Some(place) = PLACES.iter().find(|place| self.places.contains(place)) else {
            return "nowhere".to_owned();
        };
        match (place, self.n_soaks) {
            (Place::Private, n @ 1..) => format!("{}, soaked for {} min", place.words(), (self.minutes * n as f64).round()),
            (place, _) => place.words().to_owned(),
        }
    }
}

fn page() -> Result<String> {
    let mut versions = BTreeMap::new();
    for file in fs::read_dir(scripts())? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if let Some(version) = name.strip_prefix("seen-").and_then(|rest| rest.strip_suffix(".jsonl")) {
            versions.insert(version.to_owned(), record::read(version)?);
        }
    }
    let mut rows: BTreeMap<(String, String), BTreeMap<&str, Known>> = BTreeMap::new();
    let mut notes = BTreeSet::new();
    let mut text = String::new();
    for (minor, records) in &versions {
        for record in records {
            match record {
                Record::Machine { python, architecture, date } => {
                    writeln!(text, "- {minor}: CPython {python}, {architecture} Linux, owngil {}, {date}.", env!("CARGO_PKG_VERSION"))?;
                }
                Record::Trial { package: _, distribution, version, place, failure } => {
                    let row = rows.entry((distribution.to_lowercase(), format!("{distribution} {version}"))).or_default();
                    let known = row.entry(minor).or_default();
                    match failure {
                        None => known.places.push(*place),
                        Some(failure) if *place == Place::Private => {
                            notes.insert(format!("- {distribution} on {minor}: `{}`", failure.replace('`', "'")));
                        }
                        Some(_) => {}
                    }
                }
                Record::Soak { .. } => {}
            }
        }
    }
    let _ = &rows;
    Ok(text)
}
