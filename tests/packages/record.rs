//! Record: what was seen of a package, line by line in a file per Python, which the table is made of.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::environment::{Environment, scripts};
use crate::place::Place;

/// One line of such a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// On what the trials were made.
    Machine { python: String, date: String },
    /// A package in one place.
    Trial {
        package: String,
        distribution: String,
        version: String,
        place: Place,
        /// None: it answered as a plain process does.
        failure: Option<String>,
    },
    /// Packages in one place for a while.
    Soak {
        place: Place,
        packages: Vec<String>,
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
    /// Some of the wrong answers.
    pub(crate) wrong: Vec<String>,
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

impl Record {
    /// Adds it to its file.
    pub(crate) fn keep(self, environment: &Environment) -> Result<()> {
        let mut records = read(environment.version())?;
        records.push(self);
        write(environment.version(), &records)
    }
}

fn file(version: &str) -> PathBuf {
    scripts().join(format!("seen-{version}.jsonl"))
}

/// The Pythons of which something is known.
pub(crate) fn versions() -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for file in fs::read_dir(scripts())? {
        let name = file?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix("seen-");
        versions.extend(
            rest.and_then(|rest| rest.strip_suffix(".jsonl"))
                .map(str::to_owned),
        );
    }
    versions.sort();
    Ok(versions)
}

/// What was seen on that Python.
pub(crate) fn read(version: &str) -> Result<Vec<Record>> {
    let text = match fs::read_to_string(file(version)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let records = text.lines().map(|line| Ok(serde_json::from_str(line)?));
    records.collect()
}

pub(crate) fn write(version: &str, records: &[Record]) -> Result<()> {
    let lines: Result<Vec<String>> = records
        .iter()
        .map(|record| Ok(serde_json::to_string(record)? + "\n"))
        .collect();
    Ok(fs::write(file(version), lines?.concat())?)
}
