//! Where inputs come from, and what a line is.

use std::fs;
use std::path::Path;

use crate::support::{owngil, run, run_with, words};

#[test]
fn inputs_come_from_standard_input_in_three_ways() {
    for arguments in [
        "map -k text.py:same",
        "map -k text.py:same -",
        "map -k text.py:same -i -",
    ] {
        let ended = run_with(&mut words(arguments), "one\ntwo");
        assert_eq!(ended.check(0).stdout, "\"one\"\n\"two\"\n", "{arguments}");
    }
    let ended = run(&mut words("map text.py:same"));
    assert_eq!(
        (ended.check(0).stdout.as_str(), ended.stderr.as_str()),
        ("", "")
    );
}

#[test]
fn inputs_come_from_a_file_and_standard_input_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.txt");
    fs::write(&path, "one\ntwo\n").unwrap();
    let mut command = words("map -k text.py:same -i");
    let ended = run_with(command.arg(&path), "not this");
    assert_eq!(ended.check(0).stdout, "\"one\"\n\"two\"\n");
}

#[test]
fn every_line_of_text_is_an_input() {
    let ended = run_with(&mut words("map -k text.py:same"), "\n\na\r\n  b \n\nend");
    let expected = ["\"\"", "\"\"", "\"a\"", "\"  b \"", "\"\"", "\"end\""];
    assert_eq!(ended.check(0).lines(), expected);
}

#[test]
fn bytes_that_are_no_utf8_are_not_lost() {
    let input = b"a\xff\xfeb\n\xed\xa0\x80\n\xc3\xa9\n\xc3\n".as_slice();
    let ended = run_with(&mut words("map -k text.py:hexadecimal"), input);
    let expected = ["\"61fffe62\"", "\"eda080\"", "\"c3a9\"", "\"c3\""];
    assert_eq!(ended.check(0).lines(), expected);
    let ended = run_with(&mut words("map -k text.py:same"), input);
    assert_eq!(ended.check(0).lines()[0], "\"a\\udcff\\udcfeb\"");
}

#[test]
fn a_long_line_is_one_input() {
    let input = format!("{}\nshort\n", "x".repeat(5 << 20));
    let ended = run_with(&mut words("map -k text.py:same"), input);
    let lines = ended.check(0).lines();
    assert_eq!((lines[0].len(), lines[1]), ((5 << 20) + 2, "\"short\""));
}

#[test]
fn a_line_of_json_is_one_argument() {
    let input = "{\"b\": [1, 2.5, null, true], \"a\": \"é\\n\"}\n\n  \n[]\n\"text\"\n7\n";
    let ended = run_with(&mut words("map -k values.py:shown"), input);
    let expected = [
        r#""{'b': [1, 2.5, None, True], 'a': 'é\\n'}""#,
        "\"[]\"",
        "\"'text'\"",
        "\"7\"",
    ];
    assert_eq!(ended.check(0).lines(), expected);
}

#[test]
fn numbers_cross_as_they_are_written() {
    let numbers = [
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "-123456789012345678901234567890123456789012345678901234567890",
        "0.1",
        "5e-324",
        "2.2250738585072011e-308",
        "[123456789012345678901234567890, {\"x\": 1.5}]",
    ];
    let input = numbers.join("\n");
    let ended = run_with(&mut words("map -k --input jsonl values.py:shown"), input);
    let mut expected: Vec<String> = numbers
        .iter()
        .map(|number| format!("\"{number}\""))
        .collect();
    expected[6] = "\"2.225073858507201e-308\"".to_owned();
    expected[7] = "\"[123456789012345678901234567890, {'x': 1.5}]\"".to_owned();
    assert_eq!(ended.check(0).lines(), expected);
}

#[test]
fn the_format_is_found_by_the_name_or_by_the_first_line_unless_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |name: &str, text: &str, option: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut command = words("map values.py:shown --input");
        let ended = run(command.args([option, "-i"]).arg(&path));
        let lines = ended.check(0).lines();
        serde_json::from_str::<String>(lines[0]).unwrap()
    };
    for (name, text, option, expected) in [
        ("a.jsonl", "1\n", "auto", "1"),
        ("a.ndjson", "1\n", "auto", "1"),
        ("a.txt", "1\n", "auto", "'1'"),
        ("a.txt", "[1]\n", "auto", "[1]"),
        ("a.txt", "\n \n\"x\"\n", "auto", "'x'"),
        ("a.txt", "[note] x\n", "auto", "'[note] x'"),
        ("a.txt", "[1]\n", "lines", "'[1]'"),
        ("a.jsonl", "[1]\n", "lines", "'[1]'"),
        ("a.txt", "1\n", "jsonl", "1"),
    ] {
        assert_eq!(
            shown(name, text, option),
            expected,
            "{name}, {text:?}, {option}"
        );
    }
}

#[test]
fn arguments_are_text_unless_they_are_said_to_be_json() {
    let ended = run(&mut words("map values.py:shown [1]"));
    assert_eq!(ended.check(0).stdout, "\"'[1]'\"\n");
    let ended = run(&mut words("map values.py:shown --input jsonl [1]"));
    assert_eq!(ended.check(0).stdout, "\"[1]\"\n");
}

#[test]
fn a_broken_line_of_json_is_told_by_its_number_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.jsonl");
    fs::write(&path, "1\n\n{\"a\": \n[NaN]\n2\n").unwrap();
    let mut command = words("map -k values.py:same -i");
    let ended = run(command.arg(&path));
    assert_eq!(ended.check(1).stdout, "1\n2\n");
    let file = path.display();
    for part in [
        format!("error: {file}:3: not JSON: EOF while parsing a value at column "),
        format!("error: {file}:4: not JSON: expected value at column 2\nhint: "),
        "\nerror: 2 of 4 inputs failed\n".to_owned(),
    ] {
        assert!(ended.stderr.contains(&part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_before_anything_runs() {
    for path in ["nowhere.txt", "/"] {
        let ended = run(&mut owngil(["map", "text.py:same", "-i", path]));
        ended.check(2);
        let expected = format!("error: cannot read {path}\ncaused by: ");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    }
}

#[test]
fn input_that_cannot_be_read_on_is_an_error() {
    // It opens, and gives an error when it is read.
    let path = "/proc/self/mem";
    if !Path::new(path).exists() {
        return;
    }
    let ended = run(&mut owngil(["map", "text.py:same", "-i", path]));
    ended.check(1);
    let expected = format!("error: cannot read on in {path}\ncaused by: ");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
}
