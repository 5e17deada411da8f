//! Table: the part of docs/compatibility.md that says what was seen, and the list that ships in the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::environment::{Environment, root};
use crate::place::Place;
use crate::record::{self, Record, Soaked};
use crate::runs::matrix::PLACES;

const BEGIN: &str = "<!-- made by `make compatibility`, from here -->\n";
const END: &str = "<!-- to here -->\n";

/// How long a package must have been soaked to be listed.
pub(crate) const N_MINUTES_MIN: f64 = 10.0;

/// Writes the page's part, and the list.
pub(crate) fn run() -> Result<()> {
    let page = Page::read()?;
    let path = root().join("docs/compatibility.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or("the page has no beginning mark")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no ending mark")?;
    fs::write(
        path,
        format!("{before}{BEGIN}\n{}\n\n{END}{after}", page.text()),
    )?;
    Ok(fs::write(list(), page.list())?)
}

/// The list that ships.
fn list() -> PathBuf {
    root().join("src/tested/packages.tsv")
}

/// Compares the list with what it is made of.
pub(crate) fn check_list() -> Result<()> {
    let (found, expected) = (fs::read_to_string(list())?, Page::read()?.list());
    match expected
        .lines()
        .find(|line| !found.lines().any(|it| it == *line))
    {
        Some(line) => Err(format!("the list lacks {line:?}: make compatibility").into()),
        None if found == expected => Ok(()),
        None => Err("the list has more than what was seen: make compatibility".into()),
    }
}

/// The distributions that run in processes whatever was seen.
fn in_processes() -> BTreeSet<String> {
    let path = root().join("src/tested/processes.tsv");
    let text = fs::read_to_string(path).unwrap_or_default();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| Some(row.split('\t').next()?.to_lowercase()))
        .collect()
}

/// A list that ships in the program, as a table of three of its columns; the last two may be the same one.
fn shown(list: &str, heads: [&str; 3], columns: [usize; 3]) -> Vec<String> {
    let path = root().join("src/tested").join(list);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let n = if columns[1] == columns[2] { 2 } else { 3 };
    let line = |cells: Vec<&str>| format!("| {} |", cells[..n].join(" | "));
    let mut lines = vec![line(heads.to_vec()), line(vec!["---"; 3])];
    for row in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = row.split('\t').collect();
        let cells = columns.map(|column| fields.get(column).copied().unwrap_or_default());
        lines.push(line(cells.to_vec()));
    }
    lines
}

/// Whether a package may have private copies on that Python.
pub(crate) fn is_listed(minor: &str, package: &str) -> Result<bool> {
    let page = Page::read()?;
    let row = page.rows.get(package);
    let row = row.filter(|row| !in_processes().contains(&row.distribution.to_lowercase()));
    let known = row.and_then(|row| row.minors.get(minor));
    Ok(known.is_some_and(|known| known.listed().is_some()))
}

/// The packages of an environment that worked in private copies in the versions that it has.
pub(crate) fn soakable(environment: &Environment) -> Result<Vec<String>> {
    let page = Page::read()?;
    let in_processes = in_processes();
    let mut found = Vec::new();
    for (package, row) in &page.rows {
        let release = environment.release(&row.distribution)?;
        let (Some(release), Some(known)) = (release, row.minors.get(environment.version())) else {
            continue;
        };
        let has_worked = known.worked(Place::Private).any(|it| it.1 == release);
        if has_worked && !in_processes.contains(&row.distribution.to_lowercase()) {
            found.push(package.clone());
        }
    }
    Ok(found)
}

/// A version, so that 1.10 comes after 1.9.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Version(Vec<u64>, String);

impl Version {
    fn new(text: &str) -> Version {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        Version(
            numbers.filter_map(|number| number.parse().ok()).collect(),
            text.to_owned(),
        )
    }
}

/// What is known of one package on one Python.
#[derive(Default)]
struct Known {
    has_no_wheel: bool,
    /// What went wrong, if anything, by version and place.
    trials: BTreeMap<(Version, String), Option<String>>,
    /// How long each version was soaked in private copies without a failure.
    soaks: BTreeMap<Version, Soaks>,
    /// Whether a soak had wrong answers of it.
    has_failed_soak: bool,
    /// Whether its own tests ended differently in interpreters.
    has_failed_suite: bool,
}

/// All soaks of one version together.
#[derive(Clone, Copy, Default)]
struct Soaks {
    minutes: f64,
    /// With how many others it was soaked at the same time.
    n_others: usize,
}

impl Known {
    fn newest(&self) -> Option<&Version> {
        self.trials.keys().map(|(version, _)| version).max()
    }

    /// The versions that worked there.
    fn worked(&self, place: Place) -> impl DoubleEndedIterator<Item = &Version> {
        let place = place.to_string();
        let mut trials = self.trials.iter();
        std::iter::from_fn(move || {
            trials.find(|((_, other), failure)| *other == place && failure.is_none())
        })
        .map(|((version, _), _)| version)
        .collect::<BTreeSet<_>>()
        .into_iter()
    }

    /// The versions from which to which it may have private copies: the newest, and the oldest since which none failed;
    /// both worked and were soaked for long enough.
    fn listed(&self) -> Option<(&Version, &Version)> {
        let is_soaked = |version: &&Version| self.soaked([*version]).minutes >= N_MINUTES_MIN;
        let newest = self.worked(Place::Private).next_back()?;
        let has_failed = self.has_failed_soak || self.has_failed_suite;
        if !is_soaked(&newest) || has_failed || self.newest() != Some(newest) {
            return None;
        }
        let place = Place::Private.to_string();
        let failed = self
            .trials
            .iter()
            .filter(|((_, other), failure)| *other == place && failure.is_some())
            .map(|((version, _), _)| version)
            .max();
        let oldest = self
            .worked(Place::Private)
            .filter(is_soaked)
            .find(|version| failed.is_none_or(|failed| *version > failed))?;
        Some((oldest, newest))
    }

    /// How the one of these versions was soaked that was soaked least.
    fn soaked<'v>(&self, versions: impl IntoIterator<Item = &'v Version>) -> Soaks {
        let of = |version| self.soaks.get(version).copied().unwrap_or_default();
        let all = versions.into_iter().map(of);
        all.reduce(|one, other| Soaks {
            minutes: one.minutes.min(other.minutes),
            n_others: one.n_others.min(other.n_others),
        })
        .unwrap_or_default()
    }

    /// How the newest release fared where owngil puts it by itself, if it has no private copies there: what went
    /// wrong, if anything.
    fn by_default(&self, runs_in_processes: bool) -> Option<&Option<String>> {
        if self.listed().is_some() && !runs_in_processes {
            return None;
        }
        let key = (self.newest()?.clone(), Place::Auto.to_string());
        self.trials.get(&key)
    }

    fn cell(&self) -> String {
        let Some(newest) = self.newest() else {
            return if self.has_no_wheel {
                "no wheel"
            } else {
                "not tried"
            }
            .to_owned();
        };
        if let Some((oldest, newest)) = self.listed() {
            let minutes = self.soaked([oldest, newest]).minutes;
            return match oldest == newest {
                true => format!("private copy, {}, soaked {minutes} min", newest.1),
                false => format!(
                    "private copy, {} to {}, soaked {minutes} min",
                    oldest.1, newest.1
                ),
            };
        }
        let outcome = |place: Place| self.trials.get(&(newest.clone(), place.to_string()));
        let has_worked = |place: &Place| outcome(*place).is_some_and(Option::is_none);
        match PLACES.into_iter().find(has_worked) {
            None if PLACES.into_iter().all(|place| outcome(place).is_none()) => {
                "not tried".to_owned()
            }
            None => "nowhere".to_owned(),
            // What was not soaked is not for private copies.
            Some(Place::Private) => format!("process, {} (not soaked)", newest.1),
            Some(place) => format!("{}, {}", place.words(), newest.1),
        }
    }
}

/// What is known of a package.
#[derive(Default)]
struct Row {
    distribution: String,
    modules: BTreeSet<String>,
    minors: BTreeMap<String, Known>,
}

/// What was seen on all Pythons.
#[derive(Default)]
struct Page {
    machines: Vec<String>,
    /// By package.
    rows: BTreeMap<String, Row>,
    /// How packages' own tests ended, by distribution and minor version.
    suites: BTreeMap<String, BTreeMap<String, String>>,
}

impl Page {
    fn read() -> Result<Page> {
        let mut page = Page::default();
        for minor in record::versions()? {
            let is_trial =
                |record: &Record| !matches!(record, Record::Soak { .. } | Record::Suite { .. });
            let (trials, others): (Vec<_>, Vec<_>) =
                record::read(&minor)?.into_iter().partition(is_trial);
            for record in trials.into_iter().chain(others) {
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
            Record::NoWheel {
                package,
                distribution,
            } => {
                self.known(minor, &package).has_no_wheel = true;
                self.row(&package).distribution = distribution;
            }
            Record::NoReference { .. } => {}
            Record::Suite {
                distribution,
                version,
                n_tests,
                failure,
                ..
            } => self.enter_suite(minor, distribution, &version, n_tests, failure),
            Record::Trial {
                package,
                distribution,
                version,
                modules,
                place,
                failure,
                ..
            } => {
                let known = self.known(minor, &package);
                let key = (Version::new(&version), place.to_string());
                known.trials.insert(key, failure);
                let row = self.row(&package);
                row.distribution = distribution;
                row.modules.extend(modules);
            }
            Record::Soak {
                place: Place::Private,
                packages,
                minutes,
                soaked,
                ..
            } => self.enter_soak(minor, packages, minutes, &soaked),
            Record::Soak { .. } => {}
        }
    }

    /// After the trials, which say what a package is installed as.
    fn enter_suite(
        &mut self,
        minor: &str,
        distribution: String,
        version: &str,
        n_tests: usize,
        failure: Option<String>,
    ) {
        let rows = self.rows.values_mut();
        for row in rows.filter(|row| row.distribution == distribution) {
            let known = row.minors.entry(minor.to_owned()).or_default();
            known.has_failed_suite |= failure.is_some();
        }
        let outcome = match failure {
            None => format!("{version}, {n_tests} tests"),
            Some(failure) => format!("{version}, differs: `{failure}`"),
        };
        let suite = self.suites.entry(distribution).or_default();
        suite.insert(minor.to_owned(), outcome);
    }

    /// After the trials, too.
    fn enter_soak(
        &mut self,
        minor: &str,
        packages: BTreeMap<String, String>,
        minutes: f64,
        soaked: &Soaked,
    ) {
        let is_right = soaked.failure().is_none();
        // One that runs in processes now may have spoiled the others' answers.
        let in_processes = in_processes();
        let is_spoiled = packages.keys().any(|package| {
            let row = self.rows.get(package);
            row.is_some_and(|row| in_processes.contains(&row.distribution.to_lowercase()))
        });
        let n_others = packages.len() - 1;
        for (package, version) in packages {
            let known = self.known(minor, &package);
            if is_right && soaked.calls.contains_key(&package) {
                let soaks = known.soaks.entry(Version::new(&version)).or_default();
                soaks.minutes += minutes;
                soaks.n_others = soaks.n_others.max(n_others);
            }
            // A crash says nothing of who it was, and a wrong answer does.
            let named = format!("{package}(");
            let is_named = soaked.wrong.iter().any(|wrong| wrong.starts_with(&named));
            known.has_failed_soak |= is_named && !is_spoiled;
        }
    }

    fn row(&mut self, package: &str) -> &mut Row {
        self.rows.entry(package.to_owned()).or_default()
    }

    fn known(&mut self, minor: &str, package: &str) -> &mut Known {
        self.row(package)
            .minors
            .entry(minor.to_owned())
            .or_default()
    }

    fn minors(&self) -> BTreeSet<&String> {
        self.rows
            .values()
            .flat_map(|row| row.minors.keys())
            .collect()
    }

    fn sorted(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by_key(|row| row.distribution.to_lowercase());
        rows
    }

    fn text(&self) -> String {
        let minors = self.minors();
        let heads: String = minors.iter().map(|minor| format!(" {minor} |")).collect();
        let mut lines = vec![
            format!("Measured on x86-64 Linux: {}.", self.machines.join("; ")),
            String::new(),
            format!("| Package |{heads}"),
            format!("|---|{}", "---|".repeat(minors.len())),
        ];
        let in_processes = in_processes();
        for row in self.sorted() {
            let cell = |minor: &&String| {
                if in_processes.contains(&row.distribution.to_lowercase()) {
                    return " process (see below) |".to_owned();
                }
                let known = row.minors.get(*minor);
                format!(" {} |", known.map_or("not tried".to_owned(), Known::cell))
            };
            let cells: String = minors.iter().map(cell).collect();
            lines.push(format!("| {} |{cells}", row.distribution));
        }
        lines.extend(self.suites());
        lines.extend(self.defaults());
        let refusals = self.refusals();
        if !refusals.is_empty() {
            lines.push("\nHow packages failed in private copies:\n".to_owned());
            lines.extend(refusals);
        }
        lines.push("\nPackages that always run in worker processes, and why:\n".to_owned());
        lines.extend(shown(
            "processes.tsv",
            ["Package", "Kind", "Reason"],
            [0, 2, 3],
        ));
        lines.push("\nSystem libraries that Python code may load in an interpreter (`ctypes`, cffi), and why that is safe:\n".to_owned());
        lines.extend(shown("libraries.tsv", ["Library", "Why", ""], [0, 1, 1]));
        lines.join("\n")
    }

    /// How packages' own tests ended.
    fn suites(&self) -> Vec<String> {
        let tested = self.suites.values().flat_map(BTreeMap::keys);
        let minors: BTreeSet<&String> = tested.collect();
        let heads: String = minors.iter().map(|minor| format!(" {minor} |")).collect();
        let mut lines = vec![
            "\nPackages whose own tests were run, a part of them, by pytest in four interpreters at once. \
             Each test ended as in a plain process; the number is of those that passed:\n"
                .to_owned(),
            format!("| Package |{heads}"),
            format!("|---|{}", "---|".repeat(minors.len())),
        ];
        let mut suites: Vec<_> = self.suites.iter().collect();
        suites.sort_by_key(|(distribution, _)| distribution.to_lowercase());
        for (distribution, by_minor) in suites {
            let outcome = |minor: &&String| by_minor.get(*minor).map_or("not run", String::as_str);
            let cells: String = minors
                .iter()
                .map(|minor| format!(" {} |", outcome(minor)))
                .collect();
            lines.push(format!("| {distribution} |{cells}"));
        }
        lines
    }

    /// How packages fare without private copies, where owngil puts them by itself.
    fn defaults(&self) -> Vec<String> {
        let mut lines = vec![
            "\nPackages without private copies that gave what plain Python gives, in three runs with default options:\n".to_owned(),
        ];
        let in_processes = in_processes();
        for minor in self.minors() {
            let mut n_right = 0;
            let mut wrong = Vec::new();
            for row in self.sorted() {
                let runs_in_processes = in_processes.contains(&row.distribution.to_lowercase());
                let known = row.minors.get(minor);
                match known.and_then(|known| known.by_default(runs_in_processes)) {
                    None => {}
                    Some(None) => n_right += 1,
                    Some(Some(failure)) => wrong.push(format!("{}: `{failure}`", row.distribution)),
                }
            }
            let n_tried = n_right + wrong.len();
            let mut line = format!("- {minor}: {n_right} of {n_tried} that were tried");
            if !wrong.is_empty() {
                line += &format!("; not {}", wrong.join(", "));
            }
            lines.push(line);
        }
        lines
    }

    /// What went wrong with the newest release of each in private copies.
    fn refusals(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for row in self.sorted() {
            for (minor, known) in &row.minors {
                let Some(newest) = known.newest() else {
                    continue;
                };
                let key = (newest.clone(), Place::Private.to_string());
                if let Some(Some(failure)) = known.trials.get(&key) {
                    let failure: String = failure.replace('`', "'").chars().take(200).collect();
                    lines.push(format!("- {} on {minor}: `{failure}`", row.distribution));
                }
            }
        }
        lines
    }

    /// The list: one line per package and Python.
    fn list(&self) -> String {
        let mut text = String::from(
            "# Packages that may have private copies. `make compatibility` makes this file of cli/tests/packages/seen/*.jsonl.\n\
             # distribution\tmodules\tpython\toldest\tnewest\tevidence\n",
        );
        let in_processes = in_processes();
        let rows = self.sorted().into_iter();
        for row in rows.filter(|row| !in_processes.contains(&row.distribution.to_lowercase())) {
            for (minor, known) in &row.minors {
                if let Some((oldest, newest)) = known.listed() {
                    let Soaks { minutes, n_others } = known.soaked([oldest, newest]);
                    let modules: Vec<&str> = row.modules.iter().map(String::as_str).collect();
                    text += &format!(
                        "{}\t{}\t{minor}\t{}\t{}\ttried in four workers; soaked {minutes} min beside {n_others} packages\n",
                        row.distribution,
                        modules.join(","),
                        oldest.1,
                        newest.1,
                    );
                }
            }
        }
        text
    }
}
