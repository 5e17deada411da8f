//! Ctrl-C and SIGTERM: the first lets what runs finish, the second ends the process.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::{Running, owngil, words};

/// Waits until so many calls of `waiting.py:for_go` have begun.
fn await_begun(folder: &Path, n: usize) {
    while n_begun(folder) < n {
        thread::sleep(Duration::from_millis(1));
    }
}

fn n_begun(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("begun"))
        .count()
}

#[test]
fn the_first_signal_lets_what_runs_finish_and_begins_nothing_more() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        for option in ["--keep-order", "--input=lines"] {
            let folder = tempfile::tempdir().unwrap();
            let mut command = words("map -j 2 waiting.py:for_go");
            let mut running = Running::start(command.arg(option).stdin(Stdio::piped()));
            for _ in 0..100 {
                running.write_line(folder.path().to_str().unwrap());
            }
            await_begun(folder.path(), 2);
            running.signal(signal);
            let said = "interrupted: waiting for what runs; once more to end at once";
            assert_eq!(running.read_error_line(), said);
            fs::write(folder.path().join("go"), "").unwrap();
            // Its standard input stays open all the while.
            let stdin = running.stdin.take();
            let ended = running.end();
            ended.check(status);
            drop(stdin);
            assert_eq!(ended.stdout, "\"done\"\n\"done\"\n");
            assert_eq!(n_begun(folder.path()), 2);
            assert_eq!(ended.last_words(), "interrupted: 2 inputs done");
        }
    }
}

#[test]
fn the_second_signal_ends_a_run_that_is_stuck() {
    for backend in ["interpreter", "thread"] {
        for option in ["--keep-order", "--input=lines"] {
            let mut command = owngil(["map", "-j", "2", "--backend", backend, option]);
            command.arg("waiting.py:unless_stuck").stdin(Stdio::piped());
            let mut running = Running::start(&mut command);
            running.write_line("one");
            assert_eq!(running.read_line(), "\"one\"");
            running.write_line("stuck");
            running.write_line("stuck");
            running.signal("INT");
            running.read_error_line();
            running.signal("INT");
            running.end().check(130);
        }
    }
}

#[test]
fn one_signal_ends_a_run_that_waits_for_input() {
    let mut command = words("map text.py:same");
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.write_line("one");
    assert_eq!(running.read_line(), "\"one\"");
    running.signal("INT");
    let stdin = running.stdin.take();
    let ended = running.end();
    drop(stdin);
    assert_eq!(ended.check(130).last_words(), "interrupted: 1 input done");
}

#[test]
fn one_signal_ends_an_import_that_does_not_end() {
    for backend in ["interpreter", "thread"] {
        let mut command = owngil(["map", "--backend", backend, "endless_import.py:f", "x"]);
        let mut running = Running::start(&mut command);
        assert_eq!(running.read_error_line(), "importing");
        running.signal("INT");
        running.end().check(130);
    }
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_no_signal() {
    let mut command = words("map -j 2 waiting.py:large");
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.feed_without_end(b"x\n");
    running.read_line();
    running.signal("INT");
    running.read_error_line();
    running.signal("INT");
    // Nothing more is read until it has ended.
    let stdout = running.stdout.take();
    running.end().check(130);
    drop(stdout);
}

#[test]
fn a_script_that_is_stuck_ends_with_the_second_signal() {
    for inputs in [&[":::", "a", "b"][..], &[]] {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("stuck.py");
        fs::write(
            &script,
            "import os\nos.write(2, b'begun\\n')\nwhile True: pass\n",
        )
        .unwrap();
        let mut command = owngil(["run", "-j", "1"]);
        let mut running = Running::start(command.arg(&script).args(inputs));
        assert_eq!(running.read_error_line(), "begun");
        running.signal("INT");
        assert!(running.read_error_line().starts_with("interrupted: "));
        running.signal("INT");
        running.end().check(130);
    }
}
