//! `owngil bench`: what it finds about functions that are as different as can be.
//!
//! The machine may be busy, so nothing is asserted that depends on how much of it is free.

use std::fs;

use serde_json::Value;

use crate::support::{Ended, Running, owngil, run, run_with, words};

/// Options that make it a matter of a second.
const SHORT: [&str; 4] = ["bench", "--seconds", "0.4", "-j"];

/// What is found with two workers, as JSON.
#[track_caller]
fn found(arguments: &[&str], input: &str) -> Value {
    let mut command = owngil(SHORT);
    command.args(["2", "--json", "-"]).args(arguments);
    let ended = run_with(&mut command, input);
    assert_eq!(ended.check(0).stderr, "");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn number(found: &Value, path: &str) -> f64 {
    let value = found.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("{path} in {found:#}"))
}

fn ids(found: &Value, list: &str) -> Vec<String> {
    let list = found[list].as_array().unwrap().iter();
    list.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn tiny_calls_do_not_pay_and_are_to_do_more_each() {
    let found = found(&["bench.py:tiny", "a", "b", "c"], "");
    assert_eq!(ids(&found, "advice"), ["tiny"], "{found:#}");
    let mean = number(&found, "/plain_loop/mean_seconds");
    let pays_from = found["pays_from_seconds"].as_f64();
    assert!(pays_from.is_none_or(|from| mean < from), "{found:#}");
    assert!(number(&found, "/own_gils/1/speed_up") < 1.0, "{found:#}");
    // How many of them are called in a slice of time depends on the machine.
    assert_eq!(found["inputs"]["given"], 3);
    assert!((1.0..=3.0).contains(&number(&found, "/inputs/used")));
}

#[test]
fn work_on_the_cpu_is_worth_crossing_for() {
    let found = found(&["bench.py:heavy", "500000"], "");
    let id = &ids(&found, "advice")[0];
    assert!(id != "tiny" && id != "crossing", "{found:#}");
    let mean = number(&found, "/plain_loop/mean_seconds");
    let pays_from = found["pays_from_seconds"].as_f64();
    assert!(pays_from.is_none_or(|from| mean > from), "{found:#}");
    // What crosses, and not how long it took: on busy cores that is anything.
    for way in ["argument", "result"] {
        let bytes = number(&found, &format!("/crossing/{way}_bytes"));
        assert!((1.0..20.0).contains(&bytes), "{found:#}");
    }
    let workers: Vec<f64> = (0..2)
        .map(|at| number(&found, &format!("/own_gils/{at}/workers")))
        .collect();
    assert_eq!(workers, [1.0, 2.0]);
}

#[test]
fn large_data_is_to_stay_where_it_is() {
    let line = "x".repeat(2_000_000);
    let found = found(&["bench.py:length"], &line);
    assert_eq!(ids(&found, "advice"), ["crossing"], "{found:#}");
    assert!(number(&found, "/crossing/share") > 0.5, "{found:#}");
    let size = number(&found, "/crossing/argument_bytes");
    assert!((2_000_000.0..2_000_100.0).contains(&size), "{found:#}");
}

#[test]
fn waiting_takes_no_core() {
    let found = found(&["bench.py:waiting", "0.02"], "");
    assert!(number(&found, "/plain_loop/cpu_share") < 0.5, "{found:#}");
    assert!(number(&found, "/plain_loop/quantiles/p50_seconds") >= 0.0199);
}

#[test]
fn every_call_gets_arguments_of_its_own() {
    let list: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    let found = found(
        &["--input", "jsonl", "bench.py:shrinking"],
        &format!("[{}]\n", list.join(",")),
    );
    // Two thousand pops; a list that an earlier call has emptied would be one look.
    let mean = number(&found, "/plain_loop/mean_seconds");
    let floor = number(&found, "/plain_loop/quantiles/p50_seconds");
    assert!(mean > 5e-6 && floor > 5e-6, "{found:#}");
}

#[test]
fn the_report_the_picture_and_the_record_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (svg, json) = (folder.path().join("a.svg"), folder.path().join("a.json"));
    fs::write(&json, "x".repeat(100_000)).unwrap();
    let mut command = owngil(SHORT);
    command.args(["2", "bench.py:tiny", "a", "--svg"]).arg(&svg);
    let ended = run(command.arg("--json").arg(&json).env("LC_ALL", "C"));
    assert_eq!(ended.check(0).stderr, "");
    let record: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let advice = record["advice"][0]["text"].as_str().unwrap();
    let report = ended
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let plain = advice.replace('µ', "u");
    assert!(report.contains(&plain), "{plain}\n{}", ended.stdout);
    assert!(ended.stdout.is_ascii(), "{}", ended.stdout);
    for label in [
        "plain loop",
        "2 threads, one GIL",
        "1 own GIL",
        "2 own GILs",
        "2 processes",
    ] {
        let line = ended
            .lines()
            .into_iter()
            .find(|line| line.starts_with(label));
        assert!(line.is_some_and(|line| line.contains('#') || line.len() > 20));
    }
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert!(picture.contains("bench.py:tiny"));
}

#[test]
fn unreliable_figures_come_with_a_warning() {
    let found = |function: &str| found(&[function, "a"], "");
    assert!(ids(&found("bench.py:counted"), "warnings").contains(&"varies".to_owned()));
    let cached = ids(&found("bench.py:cached"), "warnings");
    assert!(cached.contains(&"keeps-results".to_owned()), "{cached:?}");
    assert!(!cached.contains(&"varies".to_owned()), "{cached:?}");
}

#[test]
fn a_module_that_refuses_own_gils_is_measured_on_threads() {
    let found = found(&["main_only.py:same", "a"], "");
    assert_eq!(ids(&found, "advice"), ["refused"], "{found:#}");
    assert_eq!(found["own_gils"], Value::Array(Vec::new()));
    let refused = found["refused"].as_str().unwrap();
    // 3.12 refuses the module by which it finds out where it is.
    let why = match cfg!(Py_3_13) {
        true => "main_only",
        false => "_xxsubinterpreters",
    };
    assert!(refused.contains(why), "{refused}");
    assert!(number(&found, "/processes/calls_per_second") > 0.0);
}

#[track_caller]
fn fails(ended: &Ended, status: i32, parts: &[&str]) {
    assert_eq!(ended.check(status).stdout, "");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn a_call_that_raises_ends_it_with_its_input_and_traceback() {
    let ended = run(&mut words("bench -j 2 bench.py:picky good bad"));
    fails(
        &ended,
        1,
        &[
            "error: input 2 (\"bad\"): ValueError: bad is bad\n",
            "caused by: Traceback (most recent call last):\n",
            "bench.py\", line ",
        ],
    );
    let ended = run_with(
        &mut words("bench -j 2 bench.py:tiny --input jsonl"),
        "1\n\n{\n",
    );
    let place = "error: standard input:3 ({): not JSON: ";
    fails(
        &ended,
        1,
        &[place, "hint: each line must be one JSON value"],
    );
}

#[test]
fn workers_that_disagree_end_it() {
    let ended = run(&mut words("bench -j 2 bench.py:thread a"));
    let what = "gives another result than one own GIL\nhint: the function depends on";
    fails(&ended, 1, &["error: input 1 (\"a\"): worker ", what]);
}

#[test]
fn what_cannot_be_is_found_before_anything_is_measured() {
    let ended = run(&mut words("bench bench.py:tiny"));
    fails(
        &ended,
        2,
        &["error: there are no inputs\nhint: ", "Usage: owngil bench"],
    );
    let ended = run(&mut words("bench bench.py:tinny a"));
    fails(
        &ended,
        2,
        &["bench.py has no tinny", "hint: did you mean tiny?"],
    );
    let ended = run(&mut words("bench bench.py:tiny a --json /nowhere/at/all"));
    fails(
        &ended,
        2,
        &["error: cannot write /nowhere/at/all\ncaused by: "],
    );
    let ended = run(&mut words("bench bench.py:tiny a --svg -"));
    fails(
        &ended,
        2,
        &["error: the chart cannot go", "hint: use --svg FILE"],
    );
    for seconds in ["0", "-1", "x", "nan", "1e9"] {
        let ended = run(&mut owngil([
            "bench",
            "bench.py:tiny",
            "a",
            "--seconds",
            seconds,
        ]));
        ended.check(2);
    }
}

#[test]
fn one_signal_ends_it_at_once() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut command = words("bench -j 2 --seconds 3000 bench.py:endless x");
        let mut running = Running::start(&mut command);
        assert_eq!(running.read_error_line(), "begun");
        running.signal(signal);
        let ended = running.end();
        assert_eq!(ended.check(status).stdout, "");
    }
}

#[test]
fn it_calls_as_map_does_whatever_the_inputs_have() {
    // Each field is an argument, by its name or its place.
    let people = "{\"name\": \"Ada\", \"points\": 3}\n{\"name\": \"Grace\", \"points\": 5}\n";
    for (arguments, input) in [
        (&["scoring.py:rank"][..], people),
        (
            &["scoring.py:rank", "--input", "csv"],
            "name,points\nAda,3\n",
        ),
        (
            &["scoring.py:rank", "--input", "csv", "--no-header"],
            "Ada,3\nGrace,5\n",
        ),
        (
            &["scoring.py:rank", "--as", "args", "--input", "jsonl"],
            "[\"Ada\", 3]\n",
        ),
        // And one that takes them together.
        (&["scoring.py:score"], people),
    ] {
        let found = found(arguments, input);
        assert!(
            number(&found, "/plain_loop/mean_seconds") > 0.0,
            "{arguments:?}"
        );
    }
}
