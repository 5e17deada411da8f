//! Record: what was seen of a package, line by line in a file per Python, which the table is made of.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::environment::{Environment, scripts};
use crate::place::Place;

/// One line of such a file. A later one takes the place of an earlier one about the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// On what the trials were made.
    Machine { python: String, date: String },
    /// A package that has no wheel for this Python.
    NoWheel {
        package: String,
        distribution: String,
    },
    /// A package that does not work in a plain process: nothing can be said of it.
    NoReference { package: String, failure: String },
    /// A package in one place.
    Trial {
        package: String,
        distribution: String,
        version: String,
        /// What it is imported as.
        modules: Vec<String>,
        /// What the workload has beside its answers.
        parts: Vec<String>,
        place: Place,
        /// None: it answered as a plain process does.
        failure: Option<String>,
    },
    /// A part of the tests that a package brings, in four interpreters at once.
    Suite {
        package: String,
        distribution: String,
        version: String,
        /// How many passed in a plain process.
        n_tests: usize,
        /// None: each test ended as it does in a plain process.
        failure: Option<String>,
    },
    /// Packages in one place for a while.
    Soak {
        place: Place,
        /// With the versions that were installed.
        packages: BTreeMap<String, String>,
        minutes: f64,
        seed: u64,
        soaked: Soaked,
    },
}

/// How a soak went.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Soaked {
    /// `done`, or how the process ended before its time.
    pub(crate) ended: String,
    pub(crate) n_tasks: u64,
    pub(crate) n_wrong: u64,
    /// How many calls each package had.
    pub(crate) calls: BTreeMap<String, u64>,
    /// The first wrong answer of each package.
    pub(crate) wrong: Vec<String>,
    /// The calls that were begun last, if the process ended before its time.
    pub(crate) last: Vec<String>,
    /// Resident memory after a third of the time, and at the end.
    pub(crate) memory_mib: [f64; 2],
    pub(crate) is_flat: bool,
}

impl Soaked {
    /// What is wrong with it.
    pub(crate) fn failure(&self) -> Option<String> {
        let [before, after] = self.memory_mib;
        if self.ended != "done" {
            Some(self.ended.clone())
        } else if self.n_wrong > 0 {
            Some(format!(
                "{} wrong answers of {}",
                self.n_wrong, self.n_tasks
            ))
        } else if !self.is_flat {
            Some(format!("memory grew from {before} to {after} MiB"))
        } else {
            None
        }
    }
}

/// Keeps lines whole that several threads add.
static FILE: Mutex<()> = Mutex::new(());

impl Record {
    /// The record of this Python, today.
    pub(crate) fn machine(environment: &Environment) -> Result<Record> {
        let code = "import sys, time; \
                    print('%d.%d.%d' % sys.version_info[:3], time.strftime('%Y-%m-%d'))";
        let mut command = Command::new(environment.python());
        let output = command.args(["-c", code]).output()?;
        let reported = String::from_utf8(output.stdout)?;
        let (python, date) = reported.trim().split_once(' ').ok_or("no version")?;
        Ok(Record::Machine {
            python: python.to_owned(),
            date: date.to_owned(),
        })
    }

    /// Adds it to its file.
    pub(crate) fn keep(&self, environment: &Environment) -> Result<()> {
        // Where it was installed does not belong in the record.
        let folder = format!("{}/", environment.folder().display());
        let line = serde_json::to_string(self)?.replace(&folder, "") + "\n";
        let _one_at_a_time = FILE.lock();
        let path = file(environment.version());
        let mut file = fs::File::options().append(true).create(true).open(path)?;
        Ok(file.write_all(line.as_bytes())?)
    }

    /// What it is about: of those that are about the same the last one counts.
    fn subject(&self) -> String {
        match self {
            Record::Machine { .. } => String::new(),
            Record::NoWheel { package, .. } | Record::NoReference { package, .. } => {
                format!("trial {package}")
            }
            Record::Trial {
                package,
                version,
                place,
                ..
            } => format!("trial {package} {version} {place}"),
            Record::Suite { package, .. } => format!("suite {package}"),
            Record::Soak {
                place,
                packages,
                seed,
                ..
            } => format!("soak {place} {seed} {packages:?}"),
        }
    }
}

fn file(version: &str) -> PathBuf {
    scripts().join(format!("seen/{version}.jsonl"))
}

/// The Pythons of which something is known.
pub(crate) fn versions() -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for file in fs::read_dir(scripts().join("seen"))? {
        let name = file?.file_name().to_string_lossy().into_owned();
        versions.extend(name.strip_suffix(".jsonl").map(str::to_owned));
    }
    versions.sort();
    Ok(versions)
}

/// What was seen on that Python, in the order of what it is about.
pub(crate) fn read(version: &str) -> Result<Vec<Record>> {
    let text = match fs::read_to_string(file(version)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut records = BTreeMap::new();
    for line in text.lines() {
        let record: Record = serde_json::from_str(line)?;
        records.insert(record.subject(), record);
    }
    Ok(records.into_values().collect())
}

/// Takes out the lines whose place others have taken, and puts the rest in order.
pub(crate) fn tidy(version: &str) -> Result<()> {
    let records = read(version)?;
    let lines: Result<Vec<String>> = records
        .iter()
        .map(|record| Ok(serde_json::to_string(record)? + "\n"))
        .collect();
    let _one_at_a_time = FILE.lock();
    Ok(fs::write(file(version), lines?.concat())?)
}
