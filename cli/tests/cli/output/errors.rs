//! What is reported about failures, and the statuses.

use std::fs;
use std::path::Path;

use crate::support::{command, owngil, run, run_with, words};

#[test]
fn a_call_that_fails_is_reported_with_its_input_and_traceback_and_the_run_goes_on() {
    let ended = run_with(
        &mut words("map -k -j 1 failing.py:picky"),
        "good\nbad\nfine\n",
    );
    assert_eq!(ended.check(1).stdout, "\"good\"\n\"fine\"\n");
    let (before, after) = ended
        .stderr
        .split_once("error: input 2 (\"bad\"): ")
        .unwrap();
    // What a call printed stands before its own error, in whole lines.
    assert!(before.ends_with("looking at good\nand good again\nlooking at bad\nand bad again\n"));
    let mut lines = after.lines();
    assert_eq!(lines.next(), Some("ValueError: bad is bad"));
    assert_eq!(lines.next(), Some("Traceback (most recent call last):"));
    assert!(
        lines.next().unwrap().contains("failing.py\", line "),
        "{after}"
    );
    assert!(after.contains("in check\n"), "{after}");
    assert!(
        after.contains("ValueError: bad is bad\nvery bad\na note\n"),
        "{after}"
    );
    assert!(after.ends_with("looking at fine\nand fine again\nerror: 1 of 3 inputs failed\n"));
}

#[test]
fn many_failures_are_counted() {
    let input = "bad\n".repeat(1234) + &"good\n".repeat(766);
    let ended = run_with(&mut words("map failing.py:picky"), input);
    assert_eq!(ended.check(1).lines().len(), 766);
    assert_eq!(ended.last_words(), "error: 1 234 of 2 000 inputs failed");
    assert_eq!(ended.stderr.matches("Traceback").count(), 100);
    let note = "\nnote: 1 134 more failures are not shown (--max-errors-shown)\n";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
}

#[test]
fn inputs_that_fail_can_be_read_again_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let failed = folder.path().join("failed");
    let option = format!("--failed={}", failed.display());
    let words = [
        "map",
        &option,
        "--max-errors-shown",
        "1",
        "failing.py:picky",
    ];
    let ended = run_with(&mut owngil(words), "good\nbad\nbad\ngood\n");
    assert_eq!(ended.check(1).stderr.matches("Traceback").count(), 1);
    assert_eq!(fs::read_to_string(&failed).unwrap(), "bad\nbad\n");
}

#[test]
fn a_quiet_run_reports_errors_and_nothing_else() {
    let ended = run(&mut words("map -q failing.py:leave x"));
    ended.check(1);
    assert!(
        ended
            .stderr
            .starts_with("error: input 1 (\"x\"): SystemExit: no x\n")
    );
    assert!(!ended.stderr.contains("inputs failed"));
}

#[test]
fn a_long_input_is_cut_in_messages() {
    let long = "é".repeat(1000);
    let ended = run(&mut owngil(["map", "failing.py:leave", &long]));
    let cut = format!("{}…{}", "é".repeat(28), "é".repeat(12));
    let expected = format!("error: input 1 (\"{cut}\"): SystemExit: no é");
    assert!(
        ended.check(1).stderr.starts_with(&expected),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_function_that_cannot_be_loaded_ends_the_run_before_any_input_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("syntax.py"), "def f(x:\n").unwrap();
    fs::write(
        folder.path().join("import.py"),
        "def g():\n    1 / 0\ng()\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("names.py"),
        "def score(x): pass\nnumber = 1\n",
    )
    .unwrap();
    for (function, error, more) in [
        (
            "nowhere.py:f",
            "nowhere.py:f: No such file or directory",
            "",
        ),
        (
            "name.py:f",
            "name.py:f: No such file",
            "\nhint: did you mean names.py?\n",
        ),
        (
            "names.py:scor",
            "names.py has no scor",
            "\nhint: did you mean score?\n",
        ),
        (
            "names.py:number",
            "number is of type int, which cannot be called",
            "",
        ),
        (
            "no_such_module:f",
            "No module named 'no_such_module'",
            "\nhint: ",
        ),
        (
            "syntax.py:f",
            "it does not compile: SyntaxError",
            "\ncaused by:   File \"",
        ),
        (
            "import.py:f",
            "importing it raised: ZeroDivisionError: division by zero",
            "\ncaused by: Traceback (most recent call last):\n",
        ),
        ("import.py:f", "cannot load", "line 2, in g\n"),
        (
            "nothing",
            "\"nothing\": it names no function",
            "\nhint: write FILE.py:NAME or MODULE:NAME\n",
        ),
    ] {
        let mut command = owngil(["map", function, "input"]);
        let ended = run(command.current_dir(folder.path()));
        assert_eq!(ended.check(2).stdout, "");
        assert!(
            ended.stderr.starts_with("error: cannot load "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(error), "{error}\n{}", ended.stderr);
        assert!(ended.stderr.contains(more), "{more}\n{}", ended.stderr);
        let ended = run(owngil(["run", function]).current_dir(folder.path()));
        ended.check(2);
    }
}

#[test]
fn an_import_that_refuses_interpreters_comes_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("line.py"),
        "import readline\ndef f(x): return x\n",
    )
    .unwrap();
    for strict in [["--extensions", "strict"], ["--backend", "interpreter"]] {
        let mut command = owngil(["map", "line.py:f", "x"]);
        let ended = run(command.args(strict).current_dir(folder.path()));
        assert!(
            ended.check(2).stderr.contains("\nhint: "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("`auto`"), "{}", ended.stderr);
    }
}

#[test]
fn a_command_line_that_cannot_be_is_reported() {
    for arguments in [
        "map",
        "map text.py:same -j 0 x",
        "map text.py:same --backend no-such x",
        "map text.py:same --extensions no-such x",
        "map text.py:same --input csv x",
        "map text.py:same -i text.py x",
        "map text.py:same --no-such-option",
        "map text.py:same -q -v x",
        "run",
        "walk",
    ] {
        let ended = run(&mut words(arguments));
        ended.check(2);
        assert!(
            ended.stderr.starts_with("error: "),
            "{arguments}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_python_that_cannot_be_used_has_a_status_of_its_own() {
    let ended = run(&mut words("map --python /nowhere/python text.py:same x"));
    ended.check(4);
    assert!(
        ended
            .stderr
            .starts_with("error: cannot use the Python /nowhere/python")
    );
    assert!(
        ended
            .stderr
            .contains("\ncaused by: /nowhere/python was chosen: --python names it\n")
    );
    let mut command = words("run text.py");
    let ended = run(command.env("OWNGIL_PYTHON", "no-such-python"));
    ended.check(4);
    assert!(
        ended.stderr.contains("OWNGIL_PYTHON names it"),
        "{}",
        ended.stderr
    );
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let script = "\"$0\" map text.py:same x > /dev/full";
    let ended = run(command("sh").args(["-c", script, env!("CARGO_BIN_EXE_owngil")]));
    ended.check(1);
    assert!(
        ended.stderr.starts_with("error: cannot write results: "),
        "{}",
        ended.stderr
    );
}
