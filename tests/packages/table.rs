//! Table: each package in each place, and the part of docs/compatibility.md that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::environment::{Environment, root};
use crate::place::Place;
use crate::record::{self, Record};
use crate::{Result, process, workload};

const BEGIN: &str = "<!-- made by `make compatibility`, from here -->\n";
const END: &str = "<!-- to here -->\n";

/// The places, the one that is preferred first.
const PLACES: [Place; 3] = [Place::Strict, Place::Private, Place::Process];

/// Tries the packages that are named, or all, on this Python, and writes the page. `--page` writes it alone.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    if options != ["--page"] {
        try_all(options)?;
    }
    let path = root().join("docs/compatibility.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or("the page has no beginning mark")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no ending mark")?;
    fs::write(
        path,
        format!("{before}{BEGIN}\n{}\n\n{END}{after}", Page::read()?.text()),
    )?;
    Ok(())
}

fn try_all(named: &[&str]) -> Result<()> {
    let environment = Environment::of_table()?;
    let version = environment.version();
    let mut packages = [workload::names(), workload::brief_names()?].concat();
    packages.retain(|package| named.is_empty() || named.contains(&package.as_str()));
    let machine = machine(&environment)?;
    for package in packages {
        let plain = workload::reference(&environment, &package, 1)?;
        let mut trials = Vec::new();
        for place in PLACES {
            let failure = process::trial(&environment, &package, place)?.failure();
            eprintln!("{package}, {place}: {}", failure.as_deref().unwrap_or("ok"));
            trials.push(Record::Trial {
                package: package.clone(),
                distribution: plain.distribution.clone(),
                version: plain.version.clone(),
                place,
                failure,
            });
        }
        // They take the place of what was seen before; a soak may have added to that meanwhile.
        let mut records = record::read(version)?;
        records.retain(|record| match record {
            Record::Machine { .. } => false,
            Record::Trial { package: other, .. } => *other != package,
            Record::Soak { .. } => true,
        });
        records.insert(0, machine.clone());
        records.extend(trials);
        record::write(version, &records)?;
    }
    Ok(())
}

fn machine(environment: &Environment) -> Result<Record> {
    let code =
        "import sys, time; print('%d.%d.%d' % sys.version_info[:3], time.strftime('%Y-%m-%d'))";
    let output = Command::new(environment.python())
        .args(["-c", code])
        .output()?;
    let told = String::from_utf8(output.stdout)?;
    let (python, date) = told.trim().split_once(' ').ok_or("no version")?;
    Ok(Record::Machine {
        python: python.to_owned(),
        date: date.to_owned(),
    })
}

/// What is known of one package on one Python.
#[derive(Default)]
struct Known {
    /// Where it was tried, and where it works.
    n_trials: usize,
    places: Vec<Place>,
    /// How long it was soaked in private copies, seed by seed, without a failure.
    soaks: Vec<f64>,
}

impl Known {
    fn cell(&self) -> String {
        if self.n_trials == 0 {
            return "not tried".to_owned();
        }
        let Some(place) = PLACES.iter().find(|place| self.places.contains(place)) else {
            return "nowhere".to_owned();
        };
        match (place, self.soaks.as_slice()) {
            (Place::Private, [minutes, ..]) => {
                format!(
                    "{}, soaked {} × {minutes} min",
                    place.words(),
                    self.soaks.len()
                )
            }
            (place, _) => place.words().to_owned(),
        }
    }
}

/// What was seen on all Pythons.
#[derive(Default)]
struct Page {
    machines: Vec<String>,
    /// By package, then by Python.
    rows: BTreeMap<String, BTreeMap<String, Known>>,
    /// How the packages are shown.
    titles: BTreeMap<String, String>,
    refusals: Vec<String>,
}

impl Page {
    fn read() -> Result<Page> {
        let mut page = Page::default();
        for minor in record::versions()? {
            for record in record::read(&minor)? {
                page.enter(&minor, record);
            }
        }
        Ok(page)
    }

    fn enter(&mut self, minor: &str, record: Record) {
        match record {
            Record::Machine { python, date } => {
                let own = env!("CARGO_PKG_VERSION");
                let machine = format!("CPython {python}, owngil {own}, {date}");
                self.machines.push(machine);
            }
            Record::Trial {
                package,
                distribution,
                version,
                place,
                failure,
            } => {
                let known = self.known(minor, &package);
                known.n_trials += 1;
                match failure {
                    None => known.places.push(place),
                    Some(failure) => {
                        if place == Place::Private {
                            let failure = failure.replace('`', "'");
                            self.refusals
                                .push(format!("- {distribution} on {minor}: `{failure}`"));
                        }
                    }
                }
                let title = format!("{distribution} {version}");
                self.titles.insert(package, title);
            }
            Record::Soak {
                place: Place::Private,
                packages,
                minutes,
                soaked,
                ..
            } if soaked.failure().is_none() => {
                for package in packages {
                    self.known(minor, &package).soaks.push(minutes);
                }
            }
            Record::Soak { .. } => {}
        }
    }

    fn known(&mut self, minor: &str, package: &str) -> &mut Known {
        let row = self.rows.entry(package.to_owned()).or_default();
        row.entry(minor.to_owned()).or_default()
    }

    fn text(&self) -> String {
        let minors: BTreeSet<&String> = self.rows.values().flat_map(BTreeMap::keys).collect();
        let heads: String = minors.iter().map(|minor| format!(" {minor} |")).collect();
        let mut lines = vec![
            format!("Measured on x86-64 Linux: {}.", self.machines.join("; ")),
            String::new(),
            format!("| Package |{heads}"),
            format!("|---|{}", "---|".repeat(minors.len())),
        ];
        let mut rows: Vec<(&String, &String)> = self.titles.iter().collect();
        rows.sort_by_key(|(_, title)| title.to_lowercase());
        for (package, title) in rows {
            let of = |minor: &&String| {
                self.rows[package]
                    .get(*minor)
                    .map_or("not tried".to_owned(), Known::cell)
            };
            let cells: String = minors
                .iter()
                .map(|minor| format!(" {} |", of(minor)))
                .collect();
            lines.push(format!("| {title} |{cells}"));
        }
        if !self.refusals.is_empty() {
            lines.push("\nWhat kept packages from private copies:\n".to_owned());
            lines.extend(self.refusals.iter().cloned());
        }
        lines.join("\n")
    }
}
