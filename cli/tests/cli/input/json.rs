//! JSON values that go over several lines.

use std::fs;

use crate::support::{owngil, run, run_with, scripts, words};

/// What `owngil map -k values.py:shown` gives for a file of that name: status, results, and messages.
fn shown(name: &str, text: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    let mut command = owngil(["map", "-k", "-a", name]);
    command.args(options).arg("--");
    command.arg(scripts().join("values.py:shown"));
    let ended = run(command.current_dir(&folder));
    let values = ended.stdout.lines();
    let values = values.map(|line| serde_json::from_str::<String>(line).unwrap());
    let values: Vec<String> = values.collect();
    (ended.status, values.join("; "), ended.stderr)
}

#[test]
fn the_items_of_an_array_are_inputs_however_it_is_laid_out() {
    for (name, text, expected) in [
        (
            "a.json",
            "[\n  {\"a\": 1},\n  {\n    \"a\": 2\n  }\n]\n",
            "{'a': 1}; {'a': 2}",
        ),
        ("a.json", "[{\"a\": 1},\n{\"a\": 2}]", "{'a': 1}; {'a': 2}"),
        ("a.json", "[1, [2, 3], \"x\"]\n", "1; [2, 3]; 'x'"),
        (
            "a.json",
            "[\n18446744073709551616, -0\n]",
            "18446744073709551616; 0",
        ),
        ("a.json", "[]\n", ""),
        ("a.txt", "[\n1,\n2\n]\n", "1; 2"),
    ] {
        let (status, values, stderr) = shown(name, text, &[]);
        assert_eq!(
            (status, values.as_str()),
            (Some(0), expected),
            "{text}\n{stderr}"
        );
        assert_eq!(stderr, "");
    }
}

#[test]
fn an_object_over_several_lines_is_one_input() {
    let object = "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n";
    let expected = "{'a': 1, 'b': [2]}";
    assert_eq!(shown("a.json", object, &[]).1, expected);
    // As jq writes several.
    let both = format!("{expected}; {expected}");
    assert_eq!(shown("a.json", &object.repeat(2), &[]).1, both);
    assert_eq!(shown("a.jsonl", object, &["--input", "json"]).1, expected);
}

#[test]
fn a_file_of_json_lines_is_one_whatever_it_is_called() {
    for (text, expected) in [
        ("[1]\n[2]\n", "[1]; [2]"),
        ("{\"a\": 1}\n\n{\"a\": 2}\n", "{'a': 1}; {'a': 2}"),
        ("1\n\"x\"\n", "1; 'x'"),
    ] {
        assert_eq!(shown("a.json", text, &[]).1, expected);
    }
    assert_eq!(shown("a.jsonl", "[1, 2]\n", &[]).1, "[1, 2]");
    assert_eq!(
        shown("a.json", "[1,\n2]", &["--input", "lines"]).1,
        "'[1,'; '2]'"
    );
    // A broken line fails alone.
    let (status, values, stderr) = shown("a.json", "1\n{\"a\": \n3\n", &[]);
    assert_eq!((status, values.as_str()), (Some(1), "1; 3"));
    assert!(
        stderr.starts_with("error: a.json:2: not JSON: EOF")
            && stderr.contains("\nhint: each line must be one JSON value; --input json reads "),
        "{stderr}"
    );
}

#[test]
fn nothing_runs_of_a_text_that_is_broken_anywhere() {
    for (text, line, what) in [
        ("[\n1,\n2\n", 4, "EOF while parsing a list at column 1"),
        ("[\n1,\n2,\n]\n", 4, "expected value at column 1"),
        (
            "[\n{\"a\": 1}\n{\"a\": 2}\n]\n",
            3,
            "expected `,` or `]` at column 1",
        ),
        (
            "{\n\"a\": 1,\n\"b\": nul\n}\n",
            3,
            "expected value at column 6",
        ),
        (
            "[\nNaN\n]\n",
            2,
            "NaN, which --allow-nan reads, at column 1",
        ),
    ] {
        let (status, values, stderr) = shown("a.json", text, &[]);
        assert_eq!((status, values.as_str()), (Some(2), ""), "{text}");
        let expected =
            format!("error: a.json:{line}: not JSON: {what}\nhint: --input lines reads text\n");
        assert_eq!(stderr, expected);
    }
    assert_eq!(shown("a.json", "[\nNaN\n]\n", &["--allow-nan"]).1, "nan");
}

#[test]
fn a_stream_may_hold_them_too() {
    let array = "[\n{\"a\": 1},\n{\"a\": 2}\n]\n";
    let ended = run_with(&mut words("map -k values.py:shown"), array);
    assert_eq!(ended.check(0).lines(), ["\"{'a': 1}\"", "\"{'a': 2}\""]);
    let ended = run_with(&mut words("map -k values.py:shown"), "[1, 2]\n");
    assert_eq!(ended.check(0).lines(), ["\"[1, 2]\""]);
    let ended = run_with(
        &mut words("map -k --input json values.py:shown"),
        "[1, 2]\n",
    );
    assert_eq!(ended.check(0).lines(), ["\"1\"", "\"2\""]);
    let ended = run_with(&mut words("run -k arguments.py {a}"), array);
    let line = |word: &str| format!("__main__ 1 ['arguments.py', '{word}']");
    assert_eq!(ended.check(0).lines(), [line("1"), line("2")]);
}

#[test]
fn an_input_is_on_one_line_where_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), "[\n{\n\"a b\":\n[1, 2]\n}\n]").unwrap();
    let mut command = owngil(["map", "--envelope", "--failed", "failed", "-a", "a.json"]);
    let code = "def f(x): raise ValueError";
    let ended = run(command.args(["-c", code]).current_dir(&folder));
    let start = "{\"index\":1,\"input\":{\"a b\":[1,2]},";
    assert!(ended.check(1).stdout.starts_with(start), "{ended:?}");
    let failed = fs::read_to_string(folder.path().join("failed")).unwrap();
    assert_eq!(failed, "{\"a b\":[1,2]}\n");
}
