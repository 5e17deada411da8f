//! Which packages were tried in private copies, which run in processes, and why.
//!
//! A private copy that loads does not always work. So [`Extensions::Tested`](crate::Extensions::Tested) makes private
//! copies only of packages on a list. The list goes by version and by minor version of Python, and covers packages as
//! published in wheels. `packages.tsv` lists what was tried, and `processes.tsv` what cannot work. Both ship with the
//! program.
//!
//! ```
//! let list = owngil::tested::List::shipped();
//! let duckdb = list.in_processes().find(|package| package.distribution == "duckdb");
//! assert!(duckdb.is_some_and(|package| package.reason.contains("lock")));
//! ```

mod release;
mod row;
mod site;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use owngil_ffi::{Admission, Version};

use crate::error::{Error, Result};

pub use row::{InProcesses, Obstacle, Package};

pub(crate) use site::normalised;
use site::{Distribution, distribution_of};

/// What ships with the program. It is parsed when a package is looked for, which is later than a pool's start.
static SHIPPED: LazyLock<Vec<Package>> =
    LazyLock::new(|| built_in(include_str!("packages.tsv"), Package::parse));
static IN_PROCESSES: LazyLock<Vec<InProcesses>> =
    LazyLock::new(|| built_in(include_str!("processes.tsv"), InProcesses::parse));

fn built_in<T>(text: &str, parse: fn(&str) -> std::result::Result<T, String>) -> Vec<T> {
    // A test reads it.
    row::rows(text, parse).unwrap_or_default()
}

/// The list of packages and private copies: the one that ships with the program, and any additions to it.
#[derive(Clone, Debug, Default)]
pub struct List {
    own: Arc<[Package]>,
}

impl List {
    /// Returns the list that ships with the program.
    pub fn shipped() -> List {
        List::default()
    }

    /// Adds the packages from a file, which has the columns of `packages.tsv`. A file that does not exist adds nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a file that cannot be read, or that is no such list.
    pub fn with_file(self, path: &Path) -> Result<List> {
        let wrong = |why: String| Error::config(format!("{}: {why}", path.display()));
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(self),
            text => text.map_err(|error| wrong(error.to_string()))?,
        };
        let mut own = self.own.to_vec();
        own.extend(row::rows(&text, Package::parse).map_err(wrong)?);
        Ok(List { own: own.into() })
    }

    /// The packages that were tried in private copies.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        SHIPPED.iter().chain(self.own.iter())
    }

    /// The packages that run in processes.
    pub fn in_processes(&self) -> impl Iterator<Item = &InProcesses> {
        IN_PROCESSES.iter()
    }

    /// What is known of that module, or of the package that has it, if it runs in processes.
    pub(crate) fn process_of_module(&self, module: &str) -> Option<&InProcesses> {
        let top = module.split('.').next().unwrap_or(module);
        let mut known = self.in_processes();
        known.find(|known| known.modules.iter().any(|known| known == top))
    }

    /// What is known of that package, if it runs in processes.
    pub(crate) fn process_of_distribution(&self, name: &str) -> Option<&InProcesses> {
        let name = normalised(name);
        self.in_processes()
            .find(|known| normalised(&known.distribution) == name)
    }

    /// Whether an extension module of that name, in that file, may have a private copy.
    pub(crate) fn admit(&self, module: &str, file: &Path) -> Admission {
        match self.standing(module, file) {
            Standing::Tested(_) => Admission::Copy,
            Standing::InProcesses(why) => Admission::Refused(why),
            Standing::Untested { why, package } => {
                let all_the_same = "`--extensions private` makes it one all the same";
                let trial = package.map(|name| format!(", `owngil doctor --try {name}` tests it"));
                let trial = trial.unwrap_or_default();
                Admission::IfDeclared(format!("{why} ({all_the_same}{trial})"))
            }
        }
    }

    /// What is known of private copies of that module, in that file.
    pub(crate) fn standing(&self, module: &str, file: &Path) -> Standing<'_> {
        let top = module.split('.').next().unwrap_or(module);
        let found = distribution_of(file, &self.likely(top));
        let is_of = |known: &&InProcesses| match &found {
            Some(found) => normalised(&known.distribution) == normalised(&found.name),
            None => known.modules.iter().any(|known| known == top),
        };
        if let Some(known) = self.in_processes().find(is_of) {
            let name = found.as_ref().map(|found| shown(found));
            let name = name.unwrap_or_else(|| known.distribution.clone());
            return Standing::InProcesses(format!("{name} {}", known.reason));
        }
        let Some(found) = found else {
            let python = python();
            return Standing::Untested {
                why: format!(
                    "{module} belongs to no installed package, and only packages were tested on Python {python}"
                ),
                package: None,
            };
        };
        match self.tested(&found) {
            Ok(tested) => Standing::Tested(tested),
            Err(why) => Standing::Untested {
                why,
                package: Some(found.name.clone()),
            },
        }
    }

    /// The test that counts for a distribution, or why there is none.
    fn tested(&self, found: &Distribution) -> std::result::Result<&Package, String> {
        let (name, python, shown) = (normalised(&found.name), python(), shown(found));
        let is_known =
            |row: &&Package| row.python == python && normalised(&row.distribution) == name;
        let known: Vec<&Package> = self.packages().filter(is_known).collect();
        let covers = |row: &&&Package| release::is_within(&found.version, &row.oldest, &row.newest);
        match known.iter().find(covers) {
            Some(row) if found.is_published => Ok(row),
            Some(_) => Err(format!(
                "{shown} was not installed from a published wheel, and only those were tested on Python {python}"
            )),
            None if known.is_empty() => Err(format!(
                "{shown} is not among the packages tested on Python {python}"
            )),
            None => {
                let ranges: Vec<String> = known.iter().map(|row| row.versions()).collect();
                let ranges = ranges.join(", ");
                Err(format!(
                    "{shown} was not tested on Python {python}, but {ranges}"
                ))
            }
        }
    }

    /// The distributions that may have brought a module, by their normalised names.
    fn likely(&self, top: &str) -> Vec<String> {
        let has = |modules: &[String]| modules.iter().any(|module| module == top);
        let tried = self.packages().filter(|known| has(&known.modules));
        let tried = tried.map(|known| &known.distribution);
        let others = self.in_processes().filter(|known| has(&known.modules));
        let known = tried.chain(others.map(|known| &known.distribution));
        let mut likely: Vec<String> = known.map(|name| normalised(name)).collect();
        likely.push(normalised(top));
        likely.dedup();
        likely
    }
}

/// What is known of private copies of a module.
#[derive(Clone, Debug)]
pub(crate) enum Standing<'l> {
    /// They were tried, in this version on this Python.
    Tested(&'l Package),
    /// It runs in processes, for this reason.
    InProcesses(String),
    /// Untried, or tried in others alone.
    Untested {
        why: String,
        /// The package that could be tried.
        package: Option<String>,
    },
}

fn shown(found: &Distribution) -> String {
    format!("{} {}", found.name, found.version)
}

/// Whether a file is as a published wheel has it.
pub(crate) fn is_published(file: &Path) -> bool {
    distribution_of(file, &[]).is_some_and(|found| found.is_published)
}

/// The minor version of the Python that runs.
pub(crate) fn python() -> String {
    let version = Version::running();
    format!("{}.{}", version.major, version.minor)
}
