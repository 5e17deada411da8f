//! The job log, and runs that resume from it: `--joblog`, `--resume`, `--resume-failed`, `--retry-failed`.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Ended, Running, command, owngil, run, scripts};

/// A folder with a function, a script and inputs.
struct Place(TempDir);

impl Place {
    fn new(inputs: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(
            scripts().join("going_on.py"),
            folder.path().join("going_on.py"),
        )
        .unwrap();
        let place = Place(folder);
        place.write("inputs", inputs);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn owngil(&self, words: &str) -> Command {
        self.set(owngil(words.split(' ')))
    }

    fn set(&self, mut command: Command) -> Command {
        command
            .current_dir(self.0.path())
            .env("CALLS", self.path("calls"));
        command
    }

    fn run(&self, words: &str) -> Ended {
        run(&mut self.owngil(words))
    }

    /// Runs it with standard output added to the file `out`.
    fn run_into_file(&self, words: &str) -> Ended {
        let bash = format!("{} {words} >> out", env!("CARGO_BIN_EXE_owngil"));
        self.shell(&bash)
    }

    fn shell(&self, script: &str) -> Ended {
        let mut shell = self.set(command("sh"));
        let binary = Path::new(env!("CARGO_BIN_EXE_owngil")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", binary.display()));
        run(shell.args(["-c", script]))
    }

    /// The columns of the account, without its first line.
    fn rows(&self) -> Vec<Vec<String>> {
        let log = self.read("log");
        assert!(log.is_empty() || log.ends_with('\n'), "{log}");
        let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
        log.lines().skip(1).map(columns).collect()
    }

    /// The number of each input with its outcome, in their order.
    fn outcomes(&self) -> Vec<(u64, String)> {
        let outcome = |row: Vec<String>| (row[0].parse().unwrap(), row[9].clone());
        let mut outcomes: Vec<_> = self.rows().into_iter().map(outcome).collect();
        outcomes.sort();
        outcomes
    }

    fn calls(&self) -> Vec<String> {
        let mut calls: Vec<String> = self.read("calls").lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }
}

fn ok(numbers: &[u64]) -> Vec<(u64, String)> {
    numbers
        .iter()
        .map(|number| (*number, "ok".to_owned()))
        .collect()
}

const MAP: &str = "map going_on.py:unless_seven -i inputs --joblog log";

#[test]
fn an_account_has_gnu_parallels_columns_first_and_a_row_for_each_input() {
    let place = Place::new("1\n7\n");
    place.run(MAP).check(1);
    let log = place.read("log");
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\t\
                  Outcome\tTries\tInput\tCode\tStdout\n";
    assert!(log.starts_with(header), "{log}");
    let mut rows = place.rows();
    rows.sort();
    for row in &rows {
        assert!(row[2].parse::<f64>().unwrap() > 1e9 && row[3].parse::<f64>().unwrap() >= 0.0);
    }
    let columns = |row: &[String]| [0, 1, 4, 5, 6, 7, 8, 9, 10].map(|at| row[at].clone());
    assert_eq!(
        columns(&rows[0]),
        [
            "1",
            ":",
            "0",
            "4",
            "0",
            "0",
            "going_on.py:unless_seven 1",
            "ok",
            "1"
        ]
    );
    assert_eq!(
        columns(&rows[1]),
        [
            "2",
            ":",
            "0",
            "0",
            "1",
            "0",
            "going_on.py:unless_seven 7",
            "failed",
            "1"
        ]
    );
}

#[test]
fn the_status_of_a_script_is_in_its_account() {
    let place = Place::new("");
    place.run("run --joblog log going_on.py ::: 1 7").check(1);
    let mut rows = place.rows();
    rows.sort();
    assert_eq!((rows[0][6].as_str(), rows[1][6].as_str()), ("0", "3"));
    assert_eq!(rows[1][8], "going_on.py 7");
    assert_eq!(
        place
            .run("run --joblog log --resume going_on.py ::: 1 7 8")
            .check(0)
            .lines()
            .len(),
        1
    );
    assert_eq!(place.calls(), ["1", "7", "8"]);
}

#[test]
fn each_way_of_going_on_runs_what_its_name_says() {
    for (option, status, called) in [
        ("--resume", 0, &["8", "9"][..]),
        ("--resume-failed", 1, &["17", "7", "8", "9"]),
        ("--retry-failed", 1, &["17", "7"]),
    ] {
        let place = Place::new("7\n1\n17\n");
        place.run(MAP).check(1);
        // More inputs may follow.
        place.write("inputs", "7\n1\n17\n8\n9\n");
        fs::remove_file(place.path("calls")).unwrap();
        let ended = place.run(&format!("{MAP} {option}"));
        let note = "note: going_on.py:unless_seven: 3 inputs have ended before, 2 of them failed";
        assert!(
            ended.check(status).stderr.starts_with(note),
            "{}",
            ended.stderr
        );
        assert_eq!(place.calls(), called, "{option}");
    }
}

#[test]
fn an_input_that_succeeds_at_last_is_done() {
    let place = Place::new("1\n2\n");
    let words = "map going_on.py:third_time -i inputs --joblog log --resume-failed -j 1";
    for status in [1, 1, 0, 0] {
        place.run(words).check(status);
    }
    assert_eq!(place.calls(), ["1", "1", "1", "2", "2", "2"]);
    assert_eq!(place.rows().len(), 6);
}

#[test]
fn going_on_with_nothing_is_a_first_run() {
    for option in ["--resume", "--resume-failed"] {
        let place = Place::new("1\n2\n");
        let ended = place.run(&format!("{MAP} {option}"));
        assert_eq!(
            (ended.check(0).lines().len(), ended.stderr.as_str()),
            (2, "")
        );
        assert_eq!(place.outcomes(), ok(&[1, 2]));
    }
    let place = Place::new("1\n2\n");
    assert_eq!(
        place.run(&format!("{MAP} --retry-failed")).check(0).stdout,
        ""
    );
}

#[test]
fn an_account_is_not_written_over_and_belongs_to_one_run() {
    let place = Place::new("1\n2\n");
    place.run(MAP).check(0);
    let log = place.read("log");
    let ended = place.run(MAP);
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: log already records 2 inputs\nhint: --resume ")
    );
    assert_eq!(place.read("log"), log);

    let mut running = Running::start(
        place
            .owngil("map going_on.py:counted --joblog other")
            .stdin(Stdio::piped()),
    );
    running.write_line("1");
    running.read_line();
    let ended = place.run("map going_on.py:counted 1 --joblog other --resume");
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: another run is writing to other\n"),
        "{}",
        ended.stderr
    );
    running.end().check(0);
}

#[test]
fn what_is_no_joblog_is_left_alone() {
    let place = Place::new("1\n");
    place.write("log", "precious\n");
    let ended = place.run(&format!("{MAP} --resume"));
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: log is not a joblog\ncaused by: "),
        "{}",
        ended.stderr
    );
    assert_eq!(place.read("log"), "precious\n");
    let ended = place.run("map going_on.py:counted 1 --joblog /dev/full");
    assert!(
        ended.check(2).stderr.contains("it is not a regular file"),
        "{}",
        ended.stderr
    );
    let ended = place.run("map going_on.py:counted 1 --joblog no/such/folder/log");
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: cannot use no/such/folder/log as a joblog\n")
    );
    place.run("map going_on.py:counted 1 --resume").check(2);
    // Neither an array nor a table can be gone on with.
    for format in ["json", "csv"] {
        let ended = place.run(&format!(
            "map going_on.py:counted 1 --output {format} --joblog new"
        ));
        assert!(ended.check(2).stderr.contains("hint: use --output jsonl"));
        assert!(!place.path("new").exists());
    }
}

#[test]
fn inputs_that_have_changed_are_noticed_and_nothing_is_run_for_others() {
    let place = Place::new("1\n2\n3\n");
    place.run(MAP).check(0);
    place.write("inputs", "1\n4\n3\n5\n");
    let ended = place.run(&format!("{MAP} --resume"));
    assert!(
        ended
            .check(2)
            .stderr
            .contains("error: the inputs have changed: input 2 is now 4\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(place.calls(), ["1", "2", "3"]);
}

#[test]
fn a_function_that_has_changed_is_said_and_goes_on() {
    let place = Place::new("1\n2\n7\n");
    place.run(MAP).check(1);
    let fixed = place
        .read("going_on.py")
        .replace("endswith(\"7\")", "endswith(\"nothing\")");
    place.write("going_on.py", &fixed);
    let ended = place.run(&format!("{MAP} --resume-failed"));
    let note = "note: going_on.py:unless_seven has changed since some inputs were run\n";
    assert!(ended.check(0).stderr.contains(note), "{}", ended.stderr);
    assert_eq!(ended.stdout, "\"7\"\n");
}

#[test]
fn so_is_one_of_a_module_wherever_it_is_defined() {
    let words = "map -m package:unless_seven -i inputs --joblog log";
    let place = Place::new("1\n2\n");
    fs::create_dir(place.path("package")).unwrap();
    place.write("package/__init__.py", "from .inner import unless_seven\n");
    let source = place.read("going_on.py");
    place.write("package/inner.py", &source);
    place.run(words).check(0);
    let again = format!("{words} --resume");
    let ended = place.run(&again);
    assert!(
        !ended.check(0).stderr.contains("has changed"),
        "{}",
        ended.stderr
    );
    place.write("package/inner.py", &format!("{source}\n# fixed\n"));
    let ended = place.run(&again);
    let note = "note: package:unless_seven has changed since some inputs were run\n";
    assert!(ended.check(0).stderr.contains(note), "{}", ended.stderr);
    assert_eq!(place.calls(), ["1", "2"]);
}

#[test]
fn the_progress_is_that_of_what_is_left() {
    let place = Place::new("1\n2\n7\n");
    place.run(MAP).check(1);
    let words =
        "map going_on.py:unless_seven 1 2 7 17 --joblog log --resume-failed --progress json";
    let ended = place.run(words);
    let last = ended
        .check(1)
        .stderr
        .lines()
        .rfind(|line| line.starts_with("{\"progress\":"));
    let reported: serde_json::Value = serde_json::from_str(last.unwrap()).unwrap();
    assert_eq!(
        (
            &reported["progress"]["done"],
            &reported["progress"]["total"]
        ),
        (&2.into(), &2.into())
    );
}

#[test]
fn results_that_were_not_accounted_for_are_taken_back() {
    let place = Place::new("1\n2\n3\n");
    place.run_into_file(&format!("{MAP} -k")).check(0);
    // As if it had been killed between a result and its row.
    let log = place.read("log");
    let cut = log.trim_end().rfind('\n').unwrap() + 10;
    place.write("log", &log[..cut]);
    let mut out = OpenOptions::new()
        .append(true)
        .open(place.path("out"))
        .unwrap();
    std::io::Write::write_all(&mut out, b"\"a part").unwrap();
    let ended = place.run_into_file(&format!("{MAP} -k --resume"));
    let note = "note: 11 bytes of results that were not accounted for were taken back from standard output\n";
    assert!(ended.check(0).stderr.contains(note), "{}", ended.stderr);
    assert_eq!(place.read("out"), "\"1\"\n\"2\"\n\"3\"\n");
    assert_eq!(place.outcomes(), ok(&[1, 2, 3]));
}

#[test]
fn results_that_are_gone_from_the_file_are_made_again() {
    let place = Place::new("1\n2\n3\n");
    place.run_into_file(&format!("{MAP} -k")).check(0);
    let ended = place.shell(&format!("owngil {MAP} -k --resume > out"));
    let note = "note: standard output no longer has the results of 3 inputs, which are run again";
    assert!(ended.check(0).stderr.contains(note), "{}", ended.stderr);
    assert_eq!(place.read("out"), "\"1\"\n\"2\"\n\"3\"\n");
}

/// Two results of three, and a part of the third.
fn interrupted() -> Place {
    let place = Place::new("1\n2\n3\n");
    place.run_into_file(&format!("{MAP} -k")).check(0);
    let log = place.read("log");
    let cut = log.trim_end().rfind('\n').unwrap() + 1;
    place.write("log", &log[..cut]);
    place.write("out", "\"1\"\n\"2\"\n\"3");
    place
}

#[test]
fn results_that_were_moved_are_gone_on_with() {
    let place = interrupted();
    // A copy has another inode, as on another disk.
    fs::copy(place.path("out"), place.path("moved")).unwrap();
    fs::remove_file(place.path("out")).unwrap();
    let words = format!("owngil {MAP} -k --resume >> moved");
    let ended = place.shell(&words);
    let note = "note: 2 bytes of results that were not accounted for were taken back";
    assert!(ended.check(0).stderr.contains(note), "{}", ended.stderr);
    assert_eq!(place.read("moved"), "\"1\"\n\"2\"\n\"3\"\n");
    // And again, from there.
    fs::rename(place.path("moved"), place.path("again")).unwrap();
    place.write("inputs", "1\n2\n3\n4\n");
    place.shell(&words.replace("moved", "again")).check(0);
    assert_eq!(place.read("again"), "\"1\"\n\"2\"\n\"3\"\n\"4\"\n");
    assert_eq!(place.outcomes(), ok(&[1, 2, 3, 4]));
    // A copy that is cut short has lost some, which are made again.
    place.write("part", "\"1\"\n\"2\"\n\"3\"\n\"4");
    place.shell(&words.replace("moved", "part")).check(0);
    assert_eq!(place.read("part"), "\"1\"\n\"2\"\n\"3\"\n\"4\"\n");
}

#[test]
fn results_are_not_added_to_another_file_or_to_other_contents() {
    for contents in ["", "mine\n", "\"1\"\n\"1\"\n\"3", "\"2\"\n", "\"1"] {
        for is_same_file in [true, false] {
            let place = interrupted();
            let name = if is_same_file { "out" } else { "other" };
            // In place, as an editor or `cat backup > out` does.
            place.write(name, contents);
            let (log, calls) = (place.read("log"), place.read("calls"));
            let ended = place.shell(&format!("owngil {MAP} -k --resume >> {name}"));
            if is_same_file && contents.is_empty() {
                // Here is nothing to be mixed up with.
                ended.check(0);
                assert_eq!(place.read("out"), "\"1\"\n\"2\"\n\"3\"\n");
                continue;
            }
            let error = "error: standard output is not the file that holds the results of 2 inputs recorded in log\n\
                         hint: add to that file, or to a copy of it; `| cat >> FILE` keeps the other results apart\n";
            assert_eq!(ended.check(2).stderr, error, "{contents:?}, {is_same_file}");
            let now = (place.read(name), place.read("log"), place.read("calls"));
            assert_eq!(now, (contents.to_owned(), log, calls));
        }
    }
    // What the hint says.
    let place = interrupted();
    place
        .shell(&format!("owngil {MAP} -k --resume | cat >> apart"))
        .check(0);
    assert_eq!(place.read("apart"), "\"3\"\n");
}

#[test]
fn an_account_without_digests_is_gone_on_with() {
    let place = interrupted();
    let log = place.read("log");
    let lines = log.lines().map(|line| match line.starts_with("Seq") {
        true => format!("{line}\n"),
        false => format!("{}\n", line.rsplit_once(':').unwrap().0),
    });
    let older: String = lines.collect();
    assert_eq!(older.lines().last().unwrap().matches(':').count(), 4);
    place.write("log", &older);
    place.run_into_file(&format!("{MAP} -k --resume")).check(0);
    assert_eq!(place.read("out"), "\"1\"\n\"2\"\n\"3\"\n");
}

#[test]
fn a_full_disk_loses_nothing_that_was_done() {
    // Rows are longer than the results of the first function, and shorter than those of the second.
    for (function, message, limit) in [
        ("unless_seven", "cannot write to log", 16),
        ("counted", "cannot write results", 64),
    ] {
        let inputs: String = (0..500)
            .map(|number| format!("{}\n", 190 + 1000 * number))
            .collect();
        let place = Place::new(&inputs);
        let words = format!("map going_on.py:{function} -i inputs --joblog log --resume");
        let ended = place.shell(&format!(
            "trap '' XFSZ; ulimit -f {limit}; owngil {words} >> out"
        ));
        assert!(ended.check(1).stderr.contains(message), "{}", ended.stderr);
        let n_before = place.rows().len();
        assert!(n_before > 0 && n_before < 500, "{function}: {n_before}");
        fs::remove_file(place.path("calls")).unwrap();
        place.run_into_file(&words).check(0);
        assert_eq!(place.calls().len(), 500 - n_before, "{function}");
        let all: Vec<u64> = (1..=500).collect();
        assert_eq!(place.outcomes(), ok(&all), "{function}");
        let mut results: Vec<u64> = place.read("out").lines().map(number_of).collect();
        results.sort();
        let expected: Vec<u64> = (0..500).map(|number| 190 + 1000 * number).collect();
        assert_eq!(results, expected, "{function}");
    }
}

/// The number that a result is of.
fn number_of(line: &str) -> u64 {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value
        .as_str()
        .or(value["input"].as_str())
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_reader_that_goes_away_leaves_an_account_to_go_on_with() {
    let inputs: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    let place = Place::new(&inputs);
    let words = "map going_on.py:counted -i inputs --joblog log --resume";
    let first = place.shell(&format!("owngil {words} | head -n 1"));
    assert_eq!(first.check(0).lines().len(), 1);
    let n_before = place.rows().len();
    assert!(n_before < 20_000);
    let rest = place.run(words);
    assert_eq!(rest.check(0).lines().len(), 20_000 - n_before);
    assert_eq!(place.rows().len(), 20_000);
}

#[test]
fn ctrl_c_prints_the_command_that_goes_on() {
    let place = Place::new("");
    let inputs: String = (0..100).map(|_| "0.02\n").collect();
    place.write("inputs", &inputs);
    let script = "exec owngil map going_on.py:sleeping -i inputs --joblog 'a log' -j 2 >> 'an out'";
    let mut shell = place.set(command("sh"));
    let binary = Path::new(env!("CARGO_BIN_EXE_owngil")).parent().unwrap();
    shell.env("PATH", format!("{}:/usr/bin:/bin", binary.display()));
    let running = Running::start(shell.args(["-c", script]));
    while place.read("a log").lines().count() < 3 {
        thread::sleep(Duration::from_millis(1));
    }
    running.signal("INT");
    let ended = running.end();
    let hint = "hint: to resume: owngil map --resume going_on.py:sleeping -i inputs --joblog 'a log' -j 2 >> 'an out'";
    assert_eq!(ended.check(130).last_words(), hint);
    let n_before = place.read("a log").lines().count() - 1;
    assert!(n_before < 100);
    assert_eq!(place.read("an out").lines().count(), n_before);
    place
        .shell(hint.strip_prefix("hint: to resume: ").unwrap())
        .check(0);
    assert_eq!(place.read("an out").lines().count(), 100);
    assert_eq!(place.read("a log").lines().count(), 101);
}
