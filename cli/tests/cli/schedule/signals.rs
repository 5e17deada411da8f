//! Ctrl-C and SIGTERM: the first lets what runs finish, the second interrupts it, the third ends the
//! process. Ctrl-\\ and SIGUSR1 show where the workers stand.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Running, command, owngil, run, words};

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
        for option in ["--keep-order", "--input=lines", "--backend=process"] {
            let folder = tempfile::tempdir().unwrap();
            let mut command = words("map -j 2 waiting.py:for_go");
            let mut running = Running::start(command.arg(option).stdin(Stdio::piped()));
            for _ in 0..100 {
                running.write_line(folder.path().to_str().unwrap());
            }
            await_begun(folder.path(), 2);
            running.signal(signal);
            let said = "interrupted: waiting for what runs; once more to interrupt it";
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

/// As a shell has SIGINT for what a script runs in the background.
#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    for backend in ["auto", "process", "thread"] {
        let folder = tempfile::tempdir().unwrap();
        let shell = "trap '' INT; exec \"$0\" map -j 1 --backend \"$@\"";
        let mut command = command("sh");
        command.args(["-c", shell, env!("CARGO_BIN_EXE_owngil"), backend]);
        command.args(["waiting.py:for_go", "--"]).arg(folder.path());
        let running = Running::start(&mut command);
        await_begun(folder.path(), 1);
        // The third would end the process at once.
        running.signals(&["INT"; 3]);
        fs::write(folder.path().join("go"), "").unwrap();
        let ended = running.end();
        assert_eq!(ended.check(0).stdout, "\"done\"\n", "{backend}");
        assert_eq!(ended.stderr, "", "{backend}");
    }
}

#[test]
fn the_second_signal_ends_a_run_that_is_stuck() {
    for backend in ["auto", "process", "thread"] {
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

/// A run of two calls of a function of `waiting.py` that both have begun.
fn begun(function: &str, folder: &Path) -> Running {
    let mut command = words("map -j 2 --input=lines");
    let mut running = Running::start(command.arg(function).stdin(Stdio::piped()));
    for _ in 0..2 {
        running.write_line(folder.to_str().unwrap());
    }
    await_begun(folder, 2);
    running
}

#[test]
fn the_second_signal_interrupts_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = begun("waiting.py:until_interrupted", folder.path());
    running.signal("INT");
    assert!(running.read_error_line().contains("waiting for what runs"));
    running.signal("INT");
    assert!(running.read_error_line().contains("interrupting what runs"));
    let stdin = running.stdin.take();
    let ended = running.end();
    drop(stdin);
    ended.check(130);
    assert_eq!(
        ended.last_words(),
        "interrupted: 0 inputs done, 2 cut short"
    );
    // What they printed in their last moments, unless they were reported before it.
    assert!(ended.lines().len() <= 2, "{:?}", ended.lines());
}

#[test]
fn the_second_signal_waits_for_no_call_to_end() {
    for function in ["waiting.py:asleep", "waiting.py:stubborn"] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = begun(function, folder.path());
        running.signal("INT");
        running.read_error_line();
        let start = Instant::now();
        running.signal("INT");
        running.end().check(130);
        assert!(start.elapsed() < Duration::from_secs(60), "{function}");
        eprintln!("{function}: {:?} after the second signal", start.elapsed());
    }
}

#[test]
fn the_third_signal_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = begun("waiting.py:stubborn", folder.path());
    running.signal("INT");
    running.read_error_line();
    // A second later the run would end by itself: where the machine is busy, that passes between two commands.
    running.signals(&["INT", "TERM"]);
    let ended = running.end();
    // Which of the two is handled first is open.
    assert!([Some(130), Some(143)].contains(&ended.status), "{ended:?}");
    // Nothing was summed up.
    assert!(!ended.stderr.contains("done"), "{}", ended.stderr);
}

#[test]
fn two_signals_show_where_the_workers_stand_and_the_run_goes_on() {
    for signal in ["QUIT", "USR1"] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = begun("waiting.py:for_go", folder.path());
        for _ in 0..3 {
            running.signal(signal);
            for worker in 0..2 {
                let line = running.read_error_line();
                let expected = format!("worker {worker}: ");
                assert!(line.starts_with(&expected), "{line}");
                assert!(line.contains("waiting.py:for_go, for "), "{line}");
                let frame = running.read_error_line();
                assert!(frame.contains("waiting.py\", line "), "{frame}");
                assert!(frame.ends_with("in for_go"), "{frame}");
            }
        }
        fs::write(folder.path().join("go"), "").unwrap();
        drop(running.stdin.take());
        let ended = running.end();
        assert_eq!(ended.check(0).stdout, "\"done\"\n\"done\"\n");
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
    for backend in ["auto", "process", "thread"] {
        let words = ["map", "-u", "--backend", backend];
        let mut command = owngil(words);
        let command = command.args(["endless_import.py:f", "x"]);
        let mut running = Running::start(command);
        assert_eq!(running.read_error_line(), "importing");
        running.signal("INT");
        running.end().check(130);
    }
}

#[test]
fn a_full_pipe_holds_up_no_signal() {
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
        let mut command = owngil(["run", "-u", "-j", "1"]);
        let mut running = Running::start(command.arg(&script).args(inputs));
        assert_eq!(running.read_error_line(), "begun");
        running.signal("INT");
        assert!(running.read_error_line().starts_with("interrupted: "));
        running.signal("INT");
        running.end().check(130);
    }
}

/// In a container the session's leader may have no number: getsid(2) gives 0.
#[test]
fn children_of_calls_end_in_another_pid_namespace() {
    let unshare = ["--user", "--map-root-user", "--pid", "--fork"];
    for mount in [&["--mount-proc"][..], &[]] {
        let namespaced = || {
            let mut command = command("unshare");
            command.args(unshare).args(mount);
            command
        };
        if run(namespaced().arg("true")).status != Some(0) {
            eprintln!("SKIPPED: namespaces: this system lets no user make one");
            return;
        }
        for backend in ["interpreter", "process", "thread"] {
            let mut command = namespaced();
            command
                .arg(env!("CARGO_BIN_EXE_owngil"))
                .args(["map", "-j", "1", "-q"]);
            command.args(["--timeout", "2s", "--backend", backend]);
            let call = "children/sleeping.py:sleep_or_count";
            let ended = run(command.args([call, "977", "0"]));
            assert_eq!(ended.check(1).stdout, "0\n", "{ended:?}");
        }
    }
}
