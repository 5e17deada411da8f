//! Which inputs are run, when, how often and for how long, and when a run ends early.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Running, owngil, run};

/// `owngil` with these words, in the folder of the scripts; calls are noted in the folder.
fn noted(folder: &Path, words: &str) -> Command {
    let mut command = owngil(words.split(' '));
    command.env("CALLS", folder.join("calls"));
    command
}

fn calls(folder: &Path) -> Vec<String> {
    let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
    calls.lines().map(str::to_owned).collect()
}

/// What a run says, and the calls that it makes.
fn with_calls(words: &str) -> (Ended, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&mut noted(folder.path(), words));
    (ended, calls(folder.path()))
}

#[test]
fn what_fails_is_tried_as_often_as_asked() {
    for order in ["", " -k"] {
        let (ended, calls) = with_calls(&format!(
            "map going_on.py:third_time a b c --retries 3 -j 2{order}"
        ));
        let mut lines = ended.check(0).lines();
        if order.is_empty() {
            lines.sort();
        }
        assert_eq!(lines, ["\"a after 3\"", "\"b after 3\"", "\"c after 3\""]);
        assert_eq!((calls.len(), ended.stderr.as_str()), (9, ""));
    }
    let (ended, calls) =
        with_calls("map going_on.py:third_time a b --retries 2 --retry-delay 10ms..20ms");
    assert_eq!(ended.check(1).last_words(), "error: 2 of 2 inputs failed");
    assert_eq!(calls.len(), 4);
    let (ended, calls) = with_calls("run --retries 3 going_on.py ::: 7 8");
    assert!(
        ended
            .check(1)
            .stderr
            .contains("the script ended with status 3")
    );
    assert_eq!(calls.len(), 4);
    // What was printed by a try that was followed by another is not printed.
    assert_eq!(ended.lines().len(), 2);
}

#[test]
fn what_takes_too_long_is_ended() {
    let ended = run(&mut owngil([
        "map",
        "going_on.py:sleeping",
        "0",
        "60",
        "0",
        "--timeout",
        "2",
    ]));
    assert_eq!(ended.check(1).lines(), ["\"0\"", "\"0\""]);
    assert!(
        ended
            .stderr
            .contains("error: input 2 (\"60\"): the task ran out of time")
    );
}

#[test]
fn a_share_of_the_median_ends_what_began_before_it_was_known() {
    let words = "map going_on.py:sleeping 60 0.1 0.1 0.1 0.1 60 --timeout 1000% -j 2";
    let ended = run(&mut owngil(words.split(' ')));
    assert_eq!(ended.check(1).lines().len(), 4);
    assert_eq!(ended.last_words(), "error: 2 of 6 inputs failed");
    assert_eq!(
        // Of one that has just begun there may be no stack, and then other words.
        ended.stderr.matches("(\"60\"): the ").count(),
        2,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_run_ends_early_when_asked_to() {
    let inputs: Vec<String> = (1..=500).map(|number| number.to_string()).collect();
    let inputs = inputs.join(" ");
    for (halt, status, n_results) in [
        ("now,fail=1", 3, 0),
        ("soon,fail=2", 3, 0),
        ("soon,fail=5%", 3, 0),
        ("soon,success=3", 0, 3),
        ("soon,done=4", 0, 4),
        ("soon,done=10%", 1, 44),
    ] {
        let (ended, calls) = with_calls(&format!(
            "map going_on.py:unless_seven {inputs} --halt {halt} -j 2"
        ));
        let said = format!("halted by --halt {halt}\n");
        assert!(
            ended.check(status).stderr.ends_with(&said),
            "{halt}: {}",
            ended.stderr
        );
        assert!(ended.lines().len() >= n_results, "{halt}: {}", ended.stdout);
        assert!(calls.len() < 80, "{halt}: {}", calls.len());
    }
    let (ended, calls) = with_calls(&format!(
        "run --halt soon,fail=1 -j 1 going_on.py ::: {inputs}"
    ));
    assert_eq!((ended.check(3).lines().len(), calls.len()), (7, 7));
}

#[test]
fn now_interrupts_what_runs() {
    let words = "map going_on.py:sleeping 60 x --halt now,fail=1 -j 2";
    let ended = run(&mut owngil(words.split(' ')));
    assert!(
        ended
            .check(3)
            .stderr
            .ends_with("halted by --halt now,fail=1\n")
    );
}

#[test]
fn a_share_of_inputs_that_are_not_counted_is_a_mistake() {
    let mut command = owngil([
        "map",
        "text.py:same",
        "-i",
        "text.py",
        "--halt",
        "now,done=50%",
    ]);
    let ended = run(&mut command);
    assert!(
        ended
            .check(2)
            .stderr
            .contains("hint: name them on the command line, or give a number")
    );
    for words in [
        "--halt never",
        "--timeout 0",
        "--shard 3/2",
        "--memfree x",
        "--retry-delay 1",
        "--seed 1",
    ] {
        let words = format!("map text.py:same x {words}");
        run(&mut owngil(words.split(' '))).check(2);
    }
    let ended = run(&mut owngil(["run", "--retries", "2", "resize.py"]));
    assert!(
        ended.check(2).stderr.contains("no inputs to select"),
        "{}",
        ended.stderr
    );
}

#[test]
fn calls_begin_no_sooner_than_the_delay_allows() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = owngil([
        "map",
        "text.py:same",
        "a",
        "b",
        "c",
        "d",
        "--delay",
        "50ms",
        "-j",
        "4",
        "--joblog",
    ]);
    run(command.arg(&log)).check(0);
    let log = fs::read_to_string(log).unwrap();
    let begins = log
        .lines()
        .skip(1)
        .map(|line| line.split('\t').nth(2).unwrap());
    let mut begins: Vec<f64> = begins.map(|begin| begin.parse().unwrap()).collect();
    begins.sort_by(f64::total_cmp);
    assert_eq!(begins.len(), 4);
    // Their times are written to the millisecond.
    assert!(
        begins.windows(2).all(|pair| pair[1] - pair[0] > 0.048),
        "{begins:?}"
    );
}

#[test]
fn nothing_begins_while_memory_is_short() {
    let (ended, calls) = with_calls("map going_on.py:counted 1 --memfree 1K");
    assert_eq!((ended.check(0).lines().len(), calls.len()), (1, 1));
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(&mut noted(
        folder.path(),
        "map going_on.py:counted 1 --memfree 9999T",
    ));
    let note = "note: waiting until 9999.0T of memory are available (--memfree)";
    assert_eq!(running.read_error_line(), note);
    running.signal("INT");
    running.end().check(130);
    assert!(!folder.path().join("calls").exists());
}

#[test]
fn a_worker_has_no_more_memory_than_it_is_given() {
    let words = "map going_on.py:hungry 1000 100000000 1000 --memory-limit 32M -k";
    let ended = run(&mut owngil(words.split(' ')));
    assert_eq!(ended.check(1).lines(), ["1000", "1000"]);
    assert!(
        ended
            .stderr
            .contains("input 2 (\"100000000\"): MemoryError"),
        "{}",
        ended.stderr
    );
}

#[test]
fn workers_are_made_ready_by_a_function() {
    let (ended, calls) =
        with_calls("map going_on.py:is_started a b c d --init going_on.py:start -j 2");
    assert_eq!(ended.check(0).lines(), ["1"; 4]);
    assert_eq!(calls, ["started"; 2]);
    let ended = run(&mut owngil([
        "map",
        "text.py:same",
        "x",
        "--init",
        "text.py:nothing",
    ]));
    ended.check(2);
}

#[test]
fn an_order_left_to_chance_has_all_inputs_and_comes_back_with_its_seed() {
    let inputs: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    let ordered = |options: &str| {
        let words = format!("map text.py:same {} -k {options}", inputs.join(" "));
        let ended = run(&mut owngil(words.trim_end().split(' ')));
        ended.check(0).stdout.clone()
    };
    let (first, second) = (ordered("--shuf --seed 7"), ordered("--shuf --seed 7"));
    assert_eq!(first, second);
    assert_ne!(first, ordered("--shuf --seed 8"));
    assert_ne!(first, ordered(""));
    let all: BTreeSet<&str> = first.lines().collect();
    assert_eq!(all.len(), 100);
}

#[test]
fn shards_have_each_input_once_between_them() {
    let sharded = |command: &mut Command| {
        let lines: Vec<String> = run(command)
            .check(0)
            .lines()
            .iter()
            .map(|line| line.to_string())
            .collect();
        lines
    };
    let words = "map text.py:same a b c d e f g -k --shard";
    let shard = |shard: &str| sharded(&mut owngil(words.split(' ').chain([shard])));
    assert_eq!(shard("1/3"), ["\"a\"", "\"d\"", "\"g\""]);
    assert_eq!(shard("2/3"), ["\"b\"", "\"e\""]);
    assert_eq!(shard("3/3"), ["\"c\"", "\"f\""]);
    let mut slurm = owngil(words.split(' ').chain(["auto"]));
    slurm
        .env("SLURM_ARRAY_TASK_ID", "12")
        .env("SLURM_ARRAY_TASK_MIN", "10")
        .env("SLURM_ARRAY_TASK_COUNT", "3");
    assert_eq!(sharded(&mut slurm), ["\"c\"", "\"f\""]);
    let mut kubernetes = owngil(words.split(' ').chain(["auto/3"]));
    assert_eq!(
        sharded(kubernetes.env("JOB_COMPLETION_INDEX", "0")),
        ["\"a\"", "\"d\"", "\"g\""]
    );
    let mut nowhere = owngil(words.split(' ').chain(["auto"]));
    let ended = run(nowhere
        .env_remove("JOB_COMPLETION_INDEX")
        .env_remove("SLURM_ARRAY_TASK_ID"));
    assert!(
        ended.check(2).stderr.starts_with("error: --shard auto: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_account_of_a_shard_has_the_numbers_of_all_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = noted(folder.path(), "run -k --shard 2/2 --joblog");
    run(command
        .arg(&log)
        .args(["going_on.py", ":::", "1", "2", "3", "4"]))
    .check(0);
    let log = fs::read_to_string(log).unwrap();
    let numbers: Vec<&str> = log
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(numbers, ["2", "4"]);
}

#[test]
fn each_input_of_a_script_may_have_an_interpreter_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("leaving.py");
    fs::write(
        &script,
        "import json.decoder\nkept = json.decoder.BACKSLASH\nprint(kept.get('left', 'fresh'))\nkept['left'] = 'used'\n",
    )
    .unwrap();
    let isolated = |isolate: &str| {
        let options = ["run", "-j", "1", "--isolate", isolate];
        let ended = run(owngil(options).arg(&script).args([":::", "a", "b", "c"]));
        ended.check(0).stdout.clone()
    };
    assert_eq!(isolated("namespace"), "fresh\nused\nused\n");
    assert_eq!(isolated("modules"), "fresh\nused\nused\n");
    assert_eq!(isolated("interpreter"), "fresh\nfresh\nfresh\n");
    let options = ["run", "--isolate", "interpreter", "--backend", "thread"];
    run(owngil(options).arg(&script).args([":::", "a"])).check(2);
}

#[test]
fn a_dry_run_lists_what_would_be_done_and_does_nothing() {
    let (ended, calls) =
        with_calls("map going_on.py:counted 1 2 3 4 5 6 -j 2 --shard 1/1 --dry-run");
    let lines = ended.check(0).lines();
    assert_eq!(
        lines[..2],
        ["going_on.py:counted 1", "going_on.py:counted 2"]
    );
    assert_eq!(lines[5], "… and so on");
    assert!(
        lines[6].starts_with("backend: interpreter, 2 workers: "),
        "{lines:?}"
    );
    assert!(ended.stderr.starts_with("python: 3."), "{}", ended.stderr);
    assert!(calls.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = noted(folder.path(), "run --backend process --dry-run --joblog");
    let ended = run(command.arg(&log).args(["going_on.py", "--x", ":::", "a b"]));
    let expected = [
        "going_on.py --x 'a b'",
        "backend: process, 1 worker: it was asked for",
    ];
    assert_eq!(ended.check(0).lines(), expected);
    assert!(!log.exists() && !folder.path().join("calls").exists());
}
