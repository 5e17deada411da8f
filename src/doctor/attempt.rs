//! Attempt: whether private copies of one installed package hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::evidence::Evidence;
use super::subject::Subject;
use super::survey::{Found, Survey};
use super::trial::{Children, Way};
use super::{Doctor, verdict};
use crate::error::{Error, Result};
use crate::tested::{self, Package};

/// How private copies of a package did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The package, as it is named.
    pub distribution: String,
    /// Its version.
    pub version: String,
    /// The Python that it is installed in.
    pub executable: PathBuf,
    /// What was imported of it.
    pub modules: Vec<String>,
    /// Its extension modules that were loaded then.
    pub n_native: usize,
    /// How many extension modules it has.
    pub n_files: usize,
    /// Whether it is as a published wheel has it: evidence is about those alone.
    pub is_published: bool,
    /// Why it did not hold, if it did not.
    pub failure: Option<String>,
}

impl Attempt {
    /// The row for a list that says so, of this version on the Python that runs.
    pub fn row(&self, evidence: impl Into<String>) -> Package {
        Package {
            distribution: self.distribution.clone(),
            modules: self.modules.clone(),
            python: tested::python(),
            oldest: self.version.clone(),
            newest: self.version.clone(),
            evidence: evidence.into(),
        }
    }
}

impl Doctor<'_> {
    /// Tries private copies of an installed package: one worker imports it, then four at the same moment, three
    /// times, each time new ones. `None` where no such package with extension modules is installed.
    ///
    /// A package that is known to run in processes is not tried; that is its failure.
    ///
    /// # Errors
    ///
    /// As [`examine`](Doctor::examine), and [`Error::Config`] without a program that tries imports.
    pub fn attempt(&self, package: &str) -> Result<Option<Attempt>> {
        let survey = Survey::of(&Subject::Installed)?;
        let name = tested::normalised(package);
        let is_of = |found: &&Found| {
            let installed = found.distribution.split(' ').next().unwrap_or_default();
            tested::normalised(installed) == name
        };
        let found: Vec<&Found> = survey.imports.iter().filter(is_of).collect();
        let Some((distribution, version)) = found
            .first()
            .and_then(|found| found.distribution.split_once(' '))
        else {
            return Ok(None);
        };
        // A folder that is there by two names has each of them twice.
        let files = found.iter().flat_map(|found| &found.files);
        let files: BTreeMap<&str, &Path> = files
            .map(|(name, path)| (name.as_str(), path.as_path()))
            .collect();
        let mut attempt = Attempt {
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            executable: PathBuf::from(&survey.executable),
            modules: found.iter().map(|found| found.name.clone()).collect(),
            n_native: 0,
            n_files: files.len(),
            is_published: files.values().all(|path| tested::is_published(path)),
            failure: None,
        };
        if let Some(known) = self.list.process_of_distribution(distribution) {
            attempt.failure = Some(format!("{distribution} {}", known.reason));
            return Ok(Some(attempt));
        }
        let program = self
            .program
            .as_ref()
            .ok_or_else(|| Error::config("no program was named that tries imports".to_owned()))?;
        let children = Children {
            program,
            python: survey.executable.as_ref(),
            paths: &survey.paths,
            time_limit: self.time_limit,
        };
        let evidence = Evidence::again(&children, &attempt.modules)?;
        let is_own = |name: &str| files.contains_key(name);
        let loaded = evidence
            .plain
            .natives()
            .filter(|module| is_own(&module.name));
        attempt.n_native = loaded.count();
        attempt.failure = verdict::of_attempt(found[0], &evidence);
        Ok(Some(attempt))
    }
}

impl Evidence {
    /// Imports in a plain process, and where that works in many interpreters with private copies.
    fn again(children: &Children<'_>, targets: &[String]) -> Result<Evidence> {
        let plain = children.import(Way::Plain, targets)?;
        let private = match plain.is_imported() {
            true => Some(children.import(Way::Again, targets)?),
            false => None,
        };
        Ok(Evidence {
            plain,
            strict: None,
            private,
            probed: Vec::new(),
        })
    }
}
