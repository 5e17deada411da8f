//! Slow, endless and closed pipes, and output that is not mixed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use crate::support::{Running, owngil, run_with, words};

#[test]
fn each_result_is_out_before_the_next_line_comes_in() {
    for option in ["--input=auto", "--input=jsonl", "--keep-order"] {
        let mut command = owngil(["map", "text.py:same", option]);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        for number in 0..50 {
            let line = format!("\"{number}\"");
            running.write_line(&line);
            assert_eq!(running.read_line(), line);
        }
        running.end().check(0);
    }
}

#[test]
fn a_result_is_out_while_another_call_takes_long() {
    let mut command = words("map -j 2 waiting.py:unless_stuck");
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.write_line("stuck");
    for number in 0..10 {
        running.write_line(&number.to_string());
        assert_eq!(running.read_line(), format!("\"{number}\""));
    }
    running.signal("TERM");
    running.read_error_line();
    running.signal("TERM");
    running.end().check(143);
}

#[test]
fn a_reader_that_has_had_enough_ends_the_run_quietly() {
    for backend in ["auto", "process", "thread"] {
        let mut command = owngil(["map", "text.py:same", "--backend", backend]);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        running.feed_without_end(b"y\n");
        assert_eq!(running.read_line(), "\"y\"");
        drop(running.stdout.take());
        let ended = running.end();
        assert_eq!(ended.check(0).stderr, "");
    }
}

#[test]
fn endless_input_takes_bounded_memory() {
    for (function, option, line) in [
        ("text.py:same", "--input=auto", &b"y\n"[..]),
        (
            "text.py:same",
            "--keep-order",
            b"a longer line of text, of which there are many\n",
        ),
        (
            "values.py:same",
            "--input=jsonl",
            b"{\"some\": [\"value\", 1, 2.5], \"more\": null}\n",
        ),
    ] {
        let mut command = owngil(["map", function, option]);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        running.feed_without_end(line);
        let mut peak_after = |n_lines: usize| {
            (0..n_lines).for_each(|_| drop(running.read_line()));
            running.peak_kib()
        };
        let early = peak_after(50_000);
        let late = peak_after(150_000);
        assert!(
            late < early + (32 << 10),
            "{function}: {early} KiB, then {late} KiB"
        );
        drop(running.stdout.take());
        running.end().check(0);
    }
}

#[test]
fn results_that_are_read_slowly_take_bounded_memory() {
    // Each result is 100 kB, and is made faster than it is read.
    let mut command = words("map waiting.py:large");
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.feed_without_end(b"x\n");
    for _ in 0..500 {
        assert_eq!(running.read_line().len(), 100_002);
    }
    let peak = running.peak_kib();
    assert!(peak < 400 << 10, "{peak} KiB");
    drop(running.stdout.take());
    running.end().check(0);
}

#[test]
fn what_tasks_print_comes_in_whole_lines_and_task_by_task() {
    let n_tasks = 1000;
    let input: String = (0..n_tasks).map(|number| format!("{number}\n")).collect();
    for backend in ["auto", "process", "thread"] {
        let mut command = owngil(["map", "-j", "2", "--backend", backend, "printing.py:lines"]);
        let ended = run_with(&mut command, input.as_str());
        assert_eq!(ended.check(0).lines().len(), n_tasks);
        let printed: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(printed.len(), 10 * n_tasks);
        let mut seen = BTreeMap::new();
        for ten in printed.chunks(10) {
            let task = ten[0].split(' ').nth(1).unwrap();
            let line = |line: usize| format!("task {task} line {line} {} end", "x".repeat(100));
            let expected: Vec<String> = (0..10).map(|number| line(number % 5)).collect();
            assert_eq!(ten, expected);
            *seen.entry(task).or_insert(0) += 1;
        }
        assert!(seen.len() == n_tasks && seen.values().all(|times| *times == 1));
    }
}

#[test]
fn no_task_and_no_program_that_it_starts_reads_inputs_of_others() {
    let expected: BTreeSet<String> = (1..40).map(|n| format!("[\"{n}\",\"\"]")).collect();
    let lines: String = (1..40).map(|n| format!("{n}\n")).collect();
    for backend in ["auto", "interpreter", "process", "thread"] {
        for what in [
            "map children/reading.py:convert",
            "run children/reading.py",
            "map children/reading.py:convert -a -",
            "map children/reading.py:convert -a /dev/stdin",
        ] {
            let (subcommand, rest) = what.split_once(' ').unwrap();
            let mut command = owngil([subcommand, "-j2", "--backend", backend]);
            command.args(rest.split(' '));
            let ended = run_with(&mut command, lines.clone().into_bytes());
            ended.check(0);
            let found = ended.lines().into_iter().map(|line| line.replace(' ', ""));
            assert!(
                found.collect::<BTreeSet<_>>() == expected,
                "{what} {backend}"
            );
        }
    }
}
