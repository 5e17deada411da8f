//! One corpus of Python functions, run in a plain `python` process and on every backend: the outcomes agree.
//!
//! What CPython refuses in interpreters with their own GIL stands in [`expected`], and in
//! docs/compatibility.md, which a test compares with it. A difference that stands there and does not occur is a
//! failure too.

mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use owngil::{
    Backend, Completed, Error, Function, OutputPolicy, Payload, Pool, PythonError, Value,
};
use serde::Deserialize;

use expected::{
    BOTH, CANNOT_CROSS, DIFFERENCES, Difference, Instead, MODULES, OWN, THREAD, Versions,
};

/// How a call of the corpus ended, in a form that is the same for every way of running it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Outcome {
    /// The canonical text of what was returned.
    value: Option<String>,
    /// The same without which containers are one object.
    #[serde(default)]
    tree: Option<String>,
    exception: Option<Raised>,
    stdout: String,
    stderr: String,
}

/// All that is known of an exception.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Raised {
    type_name: String,
    message: String,
    notes: Vec<String>,
    /// The types of what it was raised from, or during.
    chain: Vec<String>,
    traceback: String,
    exit_status: Option<i32>,
    /// What the error advises; a plain process gives no advice.
    #[serde(default)]
    hint: Option<String>,
}

/// A case and the number of its input.
type Call = (String, usize);

/// What a plain process of the interpreters' own Python does.
struct Plain {
    outcomes: BTreeMap<Call, Outcome>,
    imports: BTreeMap<String, String>,
    version: (u8, u8),
}

static PLAIN: LazyLock<Plain> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Report {
        outcomes: Vec<Line>,
        imports: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Line {
        name: String,
        number: usize,
        #[serde(flatten)]
        outcome: Outcome,
    }
    let python: String = pool(Backend::default(), 1)
        .call(&harness("python"), ())
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let run = Command::new(&python)
        .arg(scripts().join("corpus.py"))
        .arg(&report)
        .status();
    let status = run.unwrap_or_else(|error| panic!("{python}: {error}"));
    assert!(status.success(), "{python} ended with {status}");
    let report: Report = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let outcomes = report.outcomes.into_iter();
    let version = owngil::runtime_info().unwrap().version;
    let mut parts = version.split('.').skip(1).map(|part| part.parse().unwrap());
    Plain {
        outcomes: outcomes
            .map(|line| ((line.name, line.number), line.outcome.blurred()))
            .collect(),
        imports: report.imports,
        version: (parts.next().unwrap(), parts.next().unwrap()),
    }
});

impl Outcome {
    fn new(completed: Completed<String>) -> Outcome {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (value, error) = match completed.result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        let outcome = Outcome {
            value,
            tree: None,
            exception: error.map(|error| Raised::new(&error)),
            stdout: text(completed.output.stdout),
            stderr: text(completed.output.stderr),
        };
        outcome.blurred()
    }

    /// Without the numbers that depend on the run: addresses, and how deep the stack was.
    fn blurred(mut self) -> Self {
        if let Some(raised) = &mut self.exception {
            raised.message = blurred(&raised.message);
            raised.traceback = without_the_middle(blurred(&raised.traceback));
            // Of a longer chain the rest is left out.
            raised.chain.truncate(LONGEST_CHAIN);
            // From 3.14 on json and pickle add a note for each level of what they write.
            raised.notes.truncate(LONGEST_CHAIN);
        }
        self.stderr = blurred(&self.stderr);
        self
    }

    /// How it differs from what is expected.
    fn against(&self, expected: &Outcome) -> Option<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, got: &dyn Debug, expected: &dyn Debug| {
            let (got, expected) = (format!("{got:#?}"), format!("{expected:#?}"));
            if got != expected {
                found.push(format!(
                    "{what}: {}\n  expected: {}",
                    shortened(&got),
                    shortened(&expected)
                ));
            }
        };
        let bare = |outcome: &Outcome| {
            let mut raised = outcome.exception.clone()?;
            raised.hint = None;
            Some(raised)
        };
        compare("value", &self.value, &expected.value);
        compare("exception", &bare(self), &bare(expected));
        compare("stdout", &self.stdout, &expected.stdout);
        compare("stderr", &self.stderr, &expected.stderr);
        (!found.is_empty()).then(|| found.join("\n"))
    }
}

impl Raised {
    fn new(error: &Error) -> Raised {
        let Error::Python(python) = error else {
            panic!("no exception of the task's: {error}");
        };
        let chain = std::iter::successors(python.cause(), PythonError::cause);
        Raised {
            type_name: python.type_name().to_owned(),
            message: python.message().to_owned(),
            notes: python.notes().to_vec(),
            chain: chain.map(|cause| cause.type_name().to_owned()).collect(),
            traceback: python.traceback().to_owned(),
            exit_status: python.exit_status(),
            hint: error.hint(),
        }
    }
}

impl Difference {
    fn applies(&self, case: &str, backend: Backend) -> bool {
        self.case == case
            && self.versions.contains(&PLAIN.version)
            && self.backends.contains(&backend)
    }

    /// How an outcome differs from what is there instead.
    fn against(&self, outcome: &Outcome) -> Option<String> {
        let raised = outcome.exception.as_ref();
        let is_as_expected = match &self.instead {
            Instead::Gives(value) => outcome.value.as_deref() == Some(value),
            Instead::Refused(kind, text) => raised.is_some_and(|r| {
                r.type_name == *kind && r.message.contains(text) && r.hint.is_some()
            }),
            Instead::Fails(kind, text) => raised.is_some_and(|r| {
                r.type_name == *kind && r.message.contains(text) && r.hint.is_none()
            }),
        };
        (!is_as_expected).then(|| {
            format!(
                "not the difference in the table: {}",
                shortened(&format!("{outcome:#?}"))
            )
        })
    }
}

/// How many exceptions of a chain are reported.
const LONGEST_CHAIN: usize = 31;

/// Text without the digits that follow an address's mark or a word about depth.
fn blurred(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let marks = ["0x", "line repeated ", "(used "];
    while let Some(end) = marks
        .iter()
        .filter_map(|mark| Some(rest.find(mark)? + mark.len()))
        .min()
    {
        out.push_str(&rest[..end]);
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    out + rest
}

/// A traceback that is longer than any but a deep recursion's, without the middle: how deep it went is the run's own.
fn without_the_middle(traceback: String) -> String {
    let lines: Vec<&str> = traceback.lines().collect();
    if lines.len() < 1000 {
        return traceback;
    }
    format!(
        "{}\n...\n{}",
        lines[..100].join("\n"),
        lines[lines.len() - 1]
    )
}

fn shortened(text: &str) -> String {
    text.chars().take(2000).collect()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn harness(name: &str) -> Function {
    Function::file(scripts().join("corpus.py"), name)
}

fn pool(backend: Backend, n_workers: usize) -> Pool {
    let builder = Pool::builder().backend(backend).workers(n_workers);
    builder.output(OutputPolicy::Capture).build().unwrap()
}

/// One test at a time: the cases share the process's descriptors, children and working directory.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn calls() -> Vec<Call> {
    PLAIN.outcomes.keys().cloned().collect()
}

/// Submits all calls at once, so that the workers are busy at the same time, and waits for all.
fn outcomes(pool: &Pool, calls: &[Call]) -> Vec<Outcome> {
    let run = harness("run");
    let tasks: Vec<_> = calls
        .iter()
        .map(|(name, number)| pool.submit::<String, _>(&run, (name, number)).unwrap())
        .collect();
    tasks
        .into_iter()
        .map(|task| Outcome::new(task.wait_completed()))
        .collect()
}

/// Whether the outcome is the plain process's, or the difference that the table has.
fn check((name, number): &Call, backend: Backend, outcome: &Outcome) -> Result<(), String> {
    let plain = &PLAIN.outcomes[&(name.clone(), *number)];
    let is_missing = |raised: &Raised| raised.type_name == "ModuleNotFoundError";
    let difference = match DIFFERENCES
        .iter()
        .find(|difference| difference.applies(name, backend))
    {
        // This build of Python lacks the module, for the plain process as well.
        Some(_) if plain.exception.as_ref().is_some_and(is_missing) => outcome.against(plain),
        Some(expected) => expected.against(outcome),
        None => outcome.against(plain),
    };
    match difference {
        Some(difference) => Err(format!("{name} {number} on {backend}: {difference}")),
        None => Ok(()),
    }
}

fn assert_none(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} failures:\n\n{}\n",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: it is about own GILs")]
fn every_backend_agrees_with_a_plain_process() {
    let _alone = alone();
    let calls = calls();
    assert!(calls.len() >= 300);
    let mut failures = Vec::new();
    for &backend in BOTH {
        let outcomes = outcomes(&pool(backend, 2), &calls);
        let checks = calls
            .iter()
            .zip(&outcomes)
            .map(|(call, outcome)| check(call, backend, outcome));
        failures.extend(checks.filter_map(Result::err));
    }
    assert_none(&failures);
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: it is about own GILs")]
fn nothing_leaks_from_one_call_into_the_next() {
    let _alone = alone();
    let mut seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    println!("shuffled with {seed}");
    for (backend, repeats) in [(Backend::Interpreter, 3), (Backend::Thread, 1)] {
        let pool = pool(backend, 4);
        let mut calls = vec![calls(); repeats].concat();
        shuffle(&mut calls, &mut seed);
        let outcomes = outcomes(&pool, &calls);
        let checks = calls
            .iter()
            .zip(&outcomes)
            .map(|(call, outcome)| check(call, backend, outcome));
        assert_none(&checks.filter_map(Result::err).collect::<Vec<_>>());
    }
}

/// Fisher and Yates's, with xorshift.
fn shuffle<T>(items: &mut [T], seed: &mut u64) {
    for last in (1..items.len()).rev() {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        items.swap(last, (*seed % (last as u64 + 1)) as usize);
    }
}

/// Through Rust as bytes, as a tree, and back as a tree, each time into another interpreter.
#[test]
fn values_cross_to_rust_and_back_unchanged() {
    let _alone = alone();
    let [first, second] = [pool(Backend::default(), 1), pool(Backend::default(), 1)];
    let main = pool(Backend::Thread, 1);
    let (call, identity) = (harness("call"), harness("identity"));
    let (canonical, tree) = (harness("canonical"), harness("canonical_tree"));
    let mut failures = Vec::new();
    let mut kept = BTreeSet::new();
    for ((name, number), plain) in &PLAIN.outcomes {
        let refused = DIFFERENCES
            .iter()
            .any(|difference| difference.applies(name, Backend::Interpreter));
        let (Some(whole), Some(unshared), false) = (&plain.value, &plain.tree, refused) else {
            continue;
        };
        let mut equal = |way: &str, got: owngil::Result<String>, expected: &str| {
            if got.as_deref() != Ok(expected) {
                let got = shortened(&format!("{got:?}"));
                failures.push(format!(
                    "{name} {number}, {way}: {got}\n  expected: {}",
                    shortened(expected)
                ));
            }
        };
        let cannot = CANNOT_CROSS.iter().find(|(case, _)| case == name);
        let payload = match (first.call::<Payload, _>(&call, (name, number)), cannot) {
            (Ok(payload), None) => payload,
            (Err(Error::Value(error)), Some((_, text))) if error.to_string().starts_with(text) => {
                // That list is owngil's own.
                assert!(!error.to_string().contains("list item"), "{error}");
                kept.insert(name.as_str());
                continue;
            }
            (got, _) => {
                equal("returned", got.map(|payload| format!("{payload:?}")), "");
                continue;
            }
        };
        equal("as bytes", second.call(&canonical, (&payload,)), whole);
        equal(
            "as bytes, to the main interpreter",
            main.call(&canonical, (&payload,)),
            whole,
        );
        let value: owngil::Result<Value> = payload.decode().map_err(Error::from);
        equal(
            "as a tree",
            value.clone().and_then(|value| second.call(&tree, (value,))),
            unshared,
        );
        let back: owngil::Result<Value> = value.and_then(|value| main.call(&identity, (value,)));
        equal(
            "as a tree, twice",
            back.and_then(|value| second.call(&tree, (value,))),
            unshared,
        );
    }
    let cannot: BTreeSet<&str> = CANNOT_CROSS.iter().map(|(case, _)| *case).collect();
    assert_none(&failures);
    assert_eq!(kept, cannot);
}

#[test]
fn arguments_cross_from_rust_unchanged() {
    let _alone = alone();
    let [first, second] = [pool(Backend::default(), 1), pool(Backend::default(), 1)];
    let (arguments, run) = (harness("arguments"), harness("run_with"));
    let mut failures = Vec::new();
    for ((name, number), plain) in &PLAIN.outcomes {
        if DIFFERENCES
            .iter()
            .any(|difference| difference.applies(name, Backend::Interpreter))
        {
            continue;
        }
        let given: Value = first.call(&arguments, (name, number)).unwrap();
        let got = match second.call::<String, _>(&run, (name, given)) {
            Ok(value) => (Some(value), None),
            Err(error) => {
                let error = Raised::new(&error);
                (None, Some((error.type_name, blurred(&error.message))))
            }
        };
        let raised = plain
            .exception
            .as_ref()
            .map(|raised| (raised.type_name.clone(), raised.message.clone()));
        if got != (plain.value.clone(), raised) {
            failures.push(format!(
                "{name} {number}: {}",
                shortened(&format!("{got:?}"))
            ));
        }
    }
    assert_none(&failures);
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: it is about own GILs")]
fn the_modules_that_refuse_are_those_in_the_table() {
    let _alone = alone();
    let found: BTreeMap<String, String> = pool(Backend::default(), 1)
        .call(&harness("import_all"), ())
        .unwrap();
    assert!(found.len() > 250);
    let loads_in_plain = |name: &str| PLAIN.imports.get(name).is_some_and(String::is_empty);
    let expected = MODULES
        .iter()
        .filter(|(name, versions)| versions.contains(&PLAIN.version) && loads_in_plain(name));
    let refused = found
        .iter()
        .filter(|(name, error)| !error.is_empty() && loads_in_plain(name));
    for (name, error) in refused.clone() {
        println!("{name}: {error}");
    }
    let refused: BTreeSet<&str> = refused.map(|(name, _)| name.as_str()).collect();
    assert_eq!(refused, expected.map(|(name, _)| *name).collect());
}

/// The rows of a table of the document: the words of the first column, the versions on which they stand for a
/// difference, and the whole row.
fn rows(heading: &str) -> Vec<(BTreeSet<String>, BTreeSet<u8>, String)> {
    let document = include_str!("../../docs/compatibility.md");
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| What"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let differs = (12..=15)
            .zip(&cells[1..5])
            .filter(|(_, cell)| **cell != "works");
        let names = cells[0].split(", ").map(str::to_owned).collect();
        (
            names,
            differs.map(|(minor, _)| minor).collect(),
            row.to_owned(),
        )
    })
    .collect()
}

fn minors(versions: &Versions) -> BTreeSet<u8> {
    (12..=15)
        .filter(|&minor| versions.contains(&(minor, 0)))
        .collect()
}

#[test]
fn the_document_has_the_differences_of_the_table() {
    for (heading, backends) in [
        ("What an interpreter refuses", OWN),
        ("What a thread refuses", THREAD),
    ] {
        let rows = rows(heading);
        let of_backend = || {
            DIFFERENCES
                .iter()
                .filter(|difference| difference.backends.contains(&backends[0]))
        };
        for difference in of_backend() {
            let Difference {
                subject,
                versions,
                instead,
                ..
            } = difference;
            let row = rows.iter().find(|(names, ..)| names.contains(*subject));
            let (_, written, row) = row.unwrap_or_else(|| panic!("{heading} lacks {subject}"));
            assert_eq!(*written, minors(versions), "{heading}: {subject}");
            if let Instead::Refused(_, text) | Instead::Fails(_, text) = instead {
                assert!(
                    row.contains(text),
                    "{heading}: {subject} does not quote {text:?}"
                );
            }
        }
        for name in rows.iter().flat_map(|(names, ..)| names) {
            let is_known = of_backend().any(|difference| difference.subject == name);
            assert!(is_known, "{heading}: no case shows {name}");
        }
    }
}

#[test]
fn the_document_has_the_modules_of_the_table() {
    let rows = rows("Modules of the standard library that refuse");
    let written: BTreeMap<&str, &BTreeSet<u8>> = rows
        .iter()
        .flat_map(|(names, minors, _)| {
            names
                .iter()
                .map(move |name| (name.trim_matches('`'), minors))
        })
        .collect();
    let expected: BTreeMap<&str, BTreeSet<u8>> = MODULES
        .iter()
        .map(|(name, versions)| (*name, minors(versions)))
        .collect();
    assert_eq!(
        written,
        expected
            .iter()
            .map(|(name, minors)| (*name, minors))
            .collect()
    );
}

/// What a task changes in one interpreter is looked for in another, and the document says what is found.
#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: it is about own GILs")]
fn what_the_document_calls_shared_is_shared() {
    let _alone = alone();
    let [first, second] = [pool(Backend::default(), 1), pool(Backend::default(), 1)];
    let [change, look, restore] = ["change", "look", "restore"]
        .map(|name| Function::file(scripts().join("process_wide.py"), name));
    let folder = tempfile::tempdir().unwrap();
    let before: BTreeMap<String, String> = second.call(&look, (-1,)).unwrap();
    let (descriptor, kept): (i32, Value) = first.call(&change, (folder.path(),)).unwrap();
    let after: BTreeMap<String, String> = second.call(&look, (descriptor,)).unwrap();
    let () = first.call(&restore, (kept, descriptor)).unwrap();
    let document = include_str!("../../docs/compatibility.md");
    let bullets = |heading: &str| -> BTreeSet<String> {
        let (_, section) = document.split_once(&format!("\n### {heading}\n")).unwrap();
        let section = section.split("\n#").next().unwrap();
        let lines = section.lines().filter_map(|line| line.strip_prefix("- "));
        lines
            .map(|line| {
                line.split(": ")
                    .next()
                    .unwrap()
                    .trim_end_matches('.')
                    .to_lowercase()
            })
            .collect()
    };
    let (shared, own) = (
        bullets("Shared by the whole process"),
        bullets("One for each interpreter"),
    );
    for (name, value) in &before {
        let expected = if after[name] == *value { &own } else { &shared };
        assert!(
            expected.contains(name),
            "{name}: {value} before, {} after; the document has it elsewhere",
            after[name]
        );
    }
}
