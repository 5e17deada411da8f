//! A run that is killed at any moment, and resumed: nothing is lost, nothing is done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{owngil, scale, scripts};

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(120);

/// About how long a row of the job log is.
const ROW_LEN: u64 = 110;

/// Numbers as if by chance, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A run in a folder of its own.
struct Run<'a> {
    words: &'a [&'a str],
    folder: &'a Path,
}

impl Run<'_> {
    fn start(&self) -> Child {
        let append = |name: &str| {
            let mut options = OpenOptions::new();
            options
                .append(true)
                .create(true)
                .open(self.folder.join(name))
                .unwrap()
        };
        self.command()
            .stdout(append("out"))
            .stderr(append("err"))
            .spawn()
            .unwrap()
    }

    fn command(&self) -> Command {
        let mut command = owngil(self.words);
        command
            .current_dir(self.folder)
            .env("CALLS", self.folder.join("calls"))
            .stdin(Stdio::null());
        command
    }

    /// The inputs that the job log has as ended, from 1; each of them once.
    fn recorded(&self) -> BTreeSet<u64> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let mut recorded = BTreeSet::new();
        for line in whole.lines().skip(1) {
            let number = line.split('\t').next().unwrap().parse().unwrap();
            assert!(recorded.insert(number), "{number} is recorded twice");
        }
        recorded
    }

    fn log_len(&self) -> u64 {
        fs::metadata(self.folder.join("log")).map_or(0, |log| log.len())
    }

    /// A file of the folder, as far as there is one.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Starts the run, and kills it after it has recorded that many rows.
    fn kill(&self, n_rows: u64, dice: &mut Dice) {
        let len = self.log_len() + n_rows * ROW_LEN;
        let mut child = self.start();
        let started = Instant::now();
        while self.log_len() <= len && started.elapsed() < LIMIT {
            if n_rows == 0 && started.elapsed() > Duration::from_micros(dice.below(100_000)) {
                break;
            }
            let status = child.try_wait().unwrap();
            assert!(status.is_none(), "it ended by itself: {status:?}");
            thread::sleep(Duration::from_micros(dice.below(1500)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether all that was recorded is there, and none of it was run again; `n_called` is how long the list of calls
    /// was before.
    fn check_after_kill(
        &self,
        before: &BTreeSet<u64>,
        n_called: usize,
        result: fn(&str) -> Option<u64>,
    ) {
        let after = self.recorded();
        assert!(after.is_superset(before));
        for call in self.read("calls")[n_called..].lines() {
            let number = call.parse().unwrap();
            let is_again = before.contains(&number);
            assert!(!is_again, "{number} was done and is run again");
        }
        let results: BTreeSet<u64> = self.read("out").lines().filter_map(result).collect();
        let missing: Vec<_> = after.difference(&results).collect();
        assert!(
            missing.is_empty(),
            "the job log has {missing:?}, standard output does not"
        );
    }
}

/// Kills a run at that many random moments, and resumes it up to its end; `result` gives the number of the
/// input that a line of standard output belongs to, if the line is whole. `make stress` kills it more often.
fn kill_and_resume(words: &[&str], n_inputs: u64, n_kills: u64, result: fn(&str) -> Option<u64>) {
    let (n_inputs, n_kills) = (n_inputs * scale(), n_kills * scale());
    let folder = tempfile::tempdir().unwrap();
    let inputs: String = (1..=n_inputs).map(|number| format!("{number}\n")).collect();
    fs::write(folder.path().join("inputs"), inputs).unwrap();
    fs::copy(
        scripts().join("going_on.py"),
        folder.path().join("going_on.py"),
    )
    .unwrap();
    let run = Run {
        words,
        folder: folder.path(),
    };
    let mut dice = Dice(n_inputs + words.len() as u64);
    for kill in 0..n_kills {
        let before = run.recorded();
        let n_called = run.read("calls").len();
        // After that many more rows, or, in one of ten runs, before there are any.
        let n_rows = match kill % 10 {
            9 => 0,
            _ => dice.below(n_inputs * 3 / 4 / n_kills),
        };
        run.kill(n_rows, &mut dice);
        run.check_after_kill(&before, n_called, result);
        if kill == n_kills / 2 {
            // As a kill in the middle of a write would leave it.
            let torn = run.read("log") + "17\t:\t17000";
            fs::write(folder.path().join("log"), torn).unwrap();
        }
    }
    let n_recorded = run.recorded().len() as u64;
    assert!(n_recorded < n_inputs, "there is nothing left to resume");
    run.start().wait().unwrap();
    let all: BTreeSet<u64> = (1..=n_inputs).collect();
    assert_eq!(run.recorded(), all);
    let out = run.read("out");
    let mut results: BTreeMap<u64, u64> = BTreeMap::new();
    for line in out.lines() {
        let number = result(line).unwrap_or_else(|| panic!("a part of a result: {line:?}"));
        *results.entry(number).or_default() += 1;
    }
    let twice: Vec<_> = results.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(results.len() as u64, n_inputs);
    // And there is nothing left to do.
    run.start().wait().unwrap();
    assert_eq!(run.read("out"), out);
}

fn of_map(line: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value["input"].as_str()?.parse().ok()
}

const MAP: [&str; 9] = [
    "map",
    "going_on.py:counted",
    "-i",
    "inputs",
    "--joblog",
    "log",
    "--resume",
    "-j",
    "2",
];

#[test]
fn a_map_that_is_killed_at_any_moment_resumes_where_it_was() {
    kill_and_resume(&MAP, 4_000, 10, of_map);
}

#[test]
fn so_does_one_that_keeps_the_order() {
    let words = [&MAP[..2], &["-k"], &MAP[2..]].concat();
    kill_and_resume(&words, 4_000, 10, of_map);
}

#[test]
fn so_does_one_whose_calls_start_programs_that_print() {
    let words = [&MAP[..1], &["going_on.py:by_a_program"], &MAP[2..]].concat();
    kill_and_resume(&words, 400, 10, of_map);
}

/// What is left of a run is cut away up to the last whole input, so the end is that of a plain loop.
#[test]
fn a_map_that_gives_several_results_of_each_input_ends_as_a_plain_loop() {
    let (n_inputs, n_kills) = (1_500 * scale(), 10 * scale());
    let folder = tempfile::tempdir().unwrap();
    let inputs: String = (1..=n_inputs).map(|number| format!("{number}\n")).collect();
    fs::write(folder.path().join("inputs"), inputs).unwrap();
    let script = folder.path().join("going_on.py");
    fs::copy(scripts().join("going_on.py"), script).unwrap();
    let words = [&["map", "--each", "going_on.py:several"], &MAP[2..]].concat();
    let run = Run {
        words: &words,
        folder: folder.path(),
    };
    let mut dice = Dice(n_inputs);
    let last_of = |line: &str| {
        let (number, item) = line.trim_matches('"').split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        (line.ends_with('"') && item == (number % 70).to_string()).then_some(number)
    };
    let mut n_torn = 0;
    for kill in 0..n_kills {
        let before = run.recorded();
        let n_called = run.read("calls").len();
        let n_rows = match kill % 5 {
            4 => 0,
            _ => dice.below(n_inputs / 2 / n_kills),
        };
        run.kill(n_rows, &mut dice);
        run.check_after_kill(&before, n_called, last_of);
        let out = run.read("out");
        n_torn += u32::from(
            out.lines()
                .last()
                .is_some_and(|line| last_of(line).is_none()),
        );
    }
    assert!(n_torn > 0, "no input was killed between its items");
    assert!(
        (run.recorded().len() as u64) < n_inputs,
        "there is nothing left to resume"
    );
    run.start().wait().unwrap();
    let plain = (1..=n_inputs)
        .flat_map(|number| (0..=number % 70).map(move |item| format!("\"{number} {item}\"\n")));
    assert!(run.read("out") == plain.collect::<String>());
    assert_eq!(run.recorded().len() as u64, n_inputs);
}

#[test]
fn so_do_runs_of_a_script_some_of_which_fail() {
    // With the same job log.
    let words = [&["run", "-a", "inputs"], &MAP[4..], &["going_on.py"]].concat();
    let of_script = |line: &str| {
        let (number, padding) = line.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        (padding.len() as u64 == number % 200).then_some(number)
    };
    kill_and_resume(&words, 4_000, 10, of_script);
}
