//! Evidence: each end of each range on the list that ships was tried and soaked, by what was seen.

use std::collections::{BTreeMap, BTreeSet};

use owngil::tested::List;

use crate::Result;
use crate::place::Place;
use crate::record::{self, Record};
use crate::table::{self, N_MINUTES_MIN};

/// What was seen in private copies on one Python, by package and version.
#[derive(Default)]
struct Seen {
    /// The workloads of each distribution.
    names: BTreeMap<String, BTreeSet<String>>,
    worked: BTreeSet<(String, String)>,
    minutes: BTreeMap<(String, String), f64>,
}

impl Seen {
    fn on(minor: &str) -> Result<Seen> {
        let mut seen = Seen::default();
        for record in record::read(minor)? {
            match record {
                Record::Trial {
                    package,
                    distribution,
                    version,
                    place: Place::Private,
                    failure: None,
                    ..
                } => {
                    let names = seen.names.entry(distribution).or_default();
                    names.insert(package.clone());
                    seen.worked.insert((package, version));
                }
                Record::Soak {
                    place: Place::Private,
                    packages,
                    minutes,
                    soaked,
                    ..
                } if soaked.failure().is_none() => {
                    for (package, version) in packages {
                        if soaked.calls.contains_key(&package) {
                            *seen.minutes.entry((package, version)).or_default() += minutes;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(seen)
    }

    /// What is missing for that release of a distribution.
    fn lacks(&self, distribution: &str, version: &str) -> Option<&'static str> {
        let is_of = |(package, other): &&(String, String)| {
            let names = self.names.get(distribution);
            other == version && names.is_some_and(|names| names.contains(package))
        };
        let Some(release) = self.worked.iter().find(is_of) else {
            return Some("it did not work in private copies");
        };
        let minutes = self.minutes.get(release).copied().unwrap_or_default();
        (minutes < N_MINUTES_MIN).then_some("it was not soaked for long enough")
    }
}

/// Compares the list that ships with what was seen.
pub(crate) fn check() -> Result<()> {
    let mut by_python = BTreeMap::new();
    for minor in record::versions()? {
        let seen = Seen::on(&minor)?;
        by_python.insert(minor, seen);
    }
    let mut lacking = Vec::new();
    for row in List::shipped().packages() {
        let seen = by_python
            .get(&row.python)
            .ok_or(format!("nothing was seen on {}", row.python))?;
        for version in BTreeSet::from([&row.oldest, &row.newest]) {
            if let Some(what) = seen.lacks(&row.distribution, version) {
                let (distribution, python) = (&row.distribution, &row.python);
                lacking.push(format!("{distribution} {version} on {python}: {what}"));
            }
        }
    }
    if !lacking.is_empty() {
        return Err(lacking.join("\n").into());
    }
    table::check_list()
}
