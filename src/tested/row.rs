//! Row: one line of a list, as it is in its file.

/// A package, with the range of its versions that was tried in private copies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package {
    /// The distribution, as it is installed by: `scikit-learn`.
    pub distribution: String,
    /// What is imported: `sklearn`.
    pub modules: Vec<String>,
    /// The minor version of Python: `3.14`.
    pub python: String,
    /// The first version that was tried.
    pub oldest: String,
    /// The last version that was tried.
    pub newest: String,
    /// What was done.
    pub evidence: String,
}

/// A package that runs in processes, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InProcesses {
    /// The distribution, as it is installed by: `grpcio`.
    pub distribution: String,
    /// What is imported: `grpc`.
    pub modules: Vec<String>,
    /// What is in the way of several interpreters in one process.
    pub kind: Obstacle,
    /// Why, in words.
    pub reason: String,
}

/// What is in the way of several interpreters in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// Locks on files that are one for the process: two copies do not see each other's.
    Locks,
    /// A library that one GIL was to guard.
    Gil,
    /// Threads of its own that call Python.
    Threads,
    /// It changes what the process has one of.
    Process,
    /// It was seen to crash.
    Crash,
}

impl Obstacle {
    const NAMES: [(&'static str, Obstacle); 5] = [
        ("locks", Obstacle::Locks),
        ("gil", Obstacle::Gil),
        ("threads", Obstacle::Threads),
        ("process", Obstacle::Process),
        ("crash", Obstacle::Crash),
    ];

    /// As the list has it.
    pub fn name(self) -> &'static str {
        let known = Obstacle::NAMES.iter().find(|(_, one)| *one == self);
        known.map_or("", |(name, _)| name)
    }
}

impl Package {
    /// Reads `distribution modules python oldest newest evidence`, with tabs between them.
    pub(super) fn parse(line: &str) -> Result<Package, String> {
        let [distribution, modules, python, oldest, newest, evidence] = columns(line)?;
        Ok(Package {
            distribution: distribution.to_owned(),
            modules: split(modules),
            python: python.to_owned(),
            oldest: oldest.to_owned(),
            newest: newest.to_owned(),
            evidence: evidence.to_owned(),
        })
    }

    /// The versions that it is about, in words.
    pub fn versions(&self) -> String {
        match self.oldest == self.newest {
            true => self.oldest.clone(),
            false => format!("{} to {}", self.oldest, self.newest),
        }
    }

    /// The line that it is read from.
    pub fn line(&self) -> String {
        let modules = self.modules.join(",");
        let (oldest, newest) = (&self.oldest, &self.newest);
        let columns = [
            &self.distribution,
            &modules,
            &self.python,
            oldest,
            newest,
            &self.evidence,
        ];
        columns
            .map(|column| column.replace(['\t', '\n'], " "))
            .join("\t")
            + "\n"
    }
}

impl InProcesses {
    /// Reads `distribution modules kind reason`, with tabs between them.
    pub(super) fn parse(line: &str) -> Result<InProcesses, String> {
        let [distribution, modules, kind, reason] = columns(line)?;
        let known = Obstacle::NAMES.iter().find(|(name, _)| *name == kind);
        let (_, kind) = known.ok_or_else(|| format!("no kind {kind:?}"))?;
        Ok(InProcesses {
            distribution: distribution.to_owned(),
            modules: split(modules),
            kind: *kind,
            reason: reason.to_owned(),
        })
    }
}

fn columns<const N: usize>(line: &str) -> Result<[&str; N], String> {
    let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
    let n = columns.len();
    let columns = <[&str; N]>::try_from(columns).map_err(|_| format!("{n} columns, not {N}"))?;
    match columns.iter().all(|column| !column.is_empty()) {
        true => Ok(columns),
        false => Err("an empty column".to_owned()),
    }
}

fn split(modules: &str) -> Vec<String> {
    modules
        .split(',')
        .map(|module| module.trim().to_owned())
        .collect()
}

/// The rows of a file: one a line, but for blank ones and those that begin with `#`.
pub(super) fn rows<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let lines = text.lines().zip(1..);
    let rows = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    rows.map(|(line, number)| parse(line).map_err(|error| format!("line {number}: {error}")))
        .collect()
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_it_is_read() {
        let line = "scikit-learn\tsklearn,x\t3.14\t1.5.2\t1.9.1\tsoaked\n";
        let found = rows(&format!("# a list\n\n{line}"), Package::parse).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].modules, ["sklearn", "x"]);
        assert_eq!(found[0].line(), line);
    }

    #[test]
    fn what_is_no_row_is_reported_with_its_line() {
        for (text, expected) in [
            ("# x\na\tb\n", "line 2: 2 columns, not 4"),
            ("a\tb\tlocks\t \n", "line 1: an empty column"),
            ("a\tb\tluck\tnone\n", "line 1: no kind \"luck\""),
        ] {
            assert_eq!(rows(text, InProcesses::parse).unwrap_err(), expected);
        }
    }
}
