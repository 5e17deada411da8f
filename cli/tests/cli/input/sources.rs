//! Where inputs come from, and what a line is.

use std::fs;
use std::path::Path;

use crate::support::{owngil, refused, run, run_with, words};

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
fn a_broken_line_of_json_is_reported_by_its_number_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.jsonl");
    fs::write(&path, "1\n\n{\"a\": \n[NaN]\n2\n").unwrap();
    let mut command = words("map -k values.py:same -i");
    let ended = run(command.arg(&path));
    assert_eq!(ended.check(1).stdout, "1\n2\n");
    let file = path.display();
    for part in [
        format!("error: {file}:3: not JSON: EOF while parsing a value at column "),
        format!("error: {file}:4: not JSON: NaN, which --allow-nan reads, at column 2\n"),
        "\nhint: each line must be one JSON value; --input lines reads text\n".to_owned(),
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
fn a_file_that_is_not_there_is_reported_with_the_one_that_may_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["names.txt", "people.json", "job.py"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let job = format!("{}/job.py", folder.path().display());
    for (arguments, hint) in [
        (
            &["map", "job.py:f", "-a", "name.txt"][..],
            "did you mean names.txt?",
        ),
        (
            &["map", "job.py:f", "-a", "./people.jsonl"],
            "did you mean ./people.json?",
        ),
        (
            &["run", "job.py", "::::", "nmaes.txt"],
            "did you mean names.txt?",
        ),
        (
            &["run", "-a", "nowhere/names.txt", "job.py"],
            "there is no directory nowhere",
        ),
        (&["map", "jbo.py:f", "x"], "did you mean job.py?"),
        (&["run", "jobs.py"], "did you mean job.py?"),
        (&["run", "nowhere/job.py"], "there is no directory "),
    ] {
        let ended = run(owngil(arguments).current_dir(&folder));
        let hint = format!("\nhint: {hint}");
        assert!(ended.check(2).stderr.contains(&hint), "{}", ended.stderr);
    }
    let ended = run(&mut owngil([
        "map",
        &format!("{job}:f"),
        "-a",
        "nothing.like.it",
    ]));
    assert!(
        !ended.check(2).stderr.contains("hint: "),
        "{}",
        ended.stderr
    );
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
    let expected = format!("error: reading {path} failed\ncaused by: ");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
}

#[test]
fn groups_of_inputs_are_combined_or_linked() {
    let ended = run(&mut words("map -k values.py:all_of ::: a -k ::: 1 2"));
    let expected = [
        "[\"a\",\"1\"]",
        "[\"a\",\"2\"]",
        "[\"-k\",\"1\"]",
        "[\"-k\",\"2\"]",
    ];
    assert_eq!(ended.check(0).lines(), expected);
    let ended = run(&mut words(
        "map -k --input jsonl values.py:all_of ::: 1 2 :::+ [3] 4 5",
    ));
    assert_eq!(ended.check(0).lines(), ["[1,[3]]", "[2,4]"]);
    let ended = run(&mut words(
        "run -k arguments.py {2}-{1} {#} ::: a b ::: x y",
    ));
    let line = |words: &str| format!("__main__ 1 ['arguments.py', {words}]");
    let expected = ["'x-a', '1'", "'y-a', '2'", "'x-b', '3'", "'y-b', '4'"];
    assert_eq!(ended.check(0).lines(), expected.map(line));
    let ended = run(&mut words("run -k arguments.py -v ::: a ::: x y"));
    let expected = ["'-v', 'a', 'x'", "'-v', 'a', 'y'"];
    assert_eq!(ended.check(0).lines(), expected.map(line));
}

#[test]
fn files_are_groups_too_and_one_of_them_may_be_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "one\ntwo\n").unwrap();
    fs::write(folder.path().join("b.txt"), "x\ny\n").unwrap();
    let run_here = |arguments: &str, input: &str| {
        let values = crate::support::scripts().join("values.py:all_of");
        let mut command = words(arguments);
        let ended = run_with(command.arg("--").arg(values).current_dir(&folder), input);
        ended.check(0).stdout.clone()
    };
    assert_eq!(
        run_here("map -k -a a.txt -a b.txt", ""),
        "[\"one\",\"x\"]\n[\"one\",\"y\"]\n[\"two\",\"x\"]\n[\"two\",\"y\"]\n"
    );
    assert_eq!(
        run_here("map -k -a b.txt -a -", "1\n"),
        "[\"x\",\"1\"]\n[\"y\",\"1\"]\n"
    );
    let mut command = words("run -k arguments.py :::: a.txt ::::+ b.txt");
    let script = crate::support::scripts().join("arguments.py");
    let mut command_here = owngil(["run", "-k"]);
    let ended = run(command_here
        .arg(script)
        .args(["{}", "::::", "a.txt", "::::+", "b.txt"])
        .current_dir(&folder));
    assert!(
        ended.check(0).lines()[1].ends_with("'two', 'y']"),
        "{ended:?}"
    );
    // Where there is no such file.
    let ended = run(&mut command);
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: cannot read a.txt\n")
    );
}

#[test]
fn contradictions_are_reported_before_python_starts() {
    for (arguments, message) in [
        (
            "map m:f a ::: b",
            "there are inputs before `:::` and after it",
        ),
        ("map m:f :::+ a", ":::+ needs a group of inputs before it"),
        ("map m:f -a - -a -", "standard input is named twice"),
        (
            "map m:f --as kwargs ::: a ::: b",
            "several groups of inputs need",
        ),
        ("run ::: a", "there is no script"),
        ("run s.py ::::", ":::: needs a file name"),
    ] {
        refused(arguments, message);
    }
}

#[test]
fn inputs_that_nul_ends_may_hold_newlines() {
    let input = "a\nb\0 c \0-d\0";
    let ended = run_with(&mut words("map -k -0 text.py:same"), input);
    assert_eq!(ended.check(0).lines(), ["\"a\\nb\"", "\" c \"", "\"-d\""]);
    let ended = run_with(&mut words("run -k -0 arguments.py -x {}"), input);
    let line = |word: &str| format!("__main__ 1 ['arguments.py', '-x', {word}]");
    let expected = ["'a\\nb'", "' c '", "'-d'"];
    assert_eq!(ended.check(0).lines(), expected.map(line));
}

#[test]
fn a_script_runs_for_each_line_that_is_piped_in() {
    let ended = run_with(&mut words("run -k arguments.py {} {#}"), "one\n\ntwo words");
    let line = |words: &str| format!("__main__ 1 ['arguments.py', {words}]");
    let expected = ["'one', '1'", "'', '2'", "'two words', '3'"];
    assert_eq!(ended.check(0).lines(), expected.map(line));
    let ended = run_with(
        &mut words("run -k -j 2 arguments.py -a - ::: x"),
        "not this",
    );
    let expected = line("'-a', '-', 'x'");
    assert_eq!(ended.check(0).lines(), [expected]);
    let objects = "{\"id\": 7, \"name\": \"a b\"}\n{\"id\": 8}\n";
    let ended = run_with(&mut words("run -k arguments.py {name}={id}"), objects);
    assert_eq!(ended.check(1).lines(), [line("'a b=7'")]);
    let expected = "error: standard input:2: there is no column name\nhint: the columns are id\n";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn what_a_function_gets_can_be_said() {
    let both = |option: &str, input: &str| {
        let mut command = words("map -k values.py:call --as");
        let ended = run_with(command.arg(option), input);
        let shown: Vec<String> = ended
            .lines()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (shown.join("; "), ended.stderr)
    };
    let input = "[1, \"x\"]\n[]\n{\"a\": 1}\n";
    let (shown, stderr) = both("args", input);
    assert_eq!(shown, "1, 'x'; ");
    let expected = "error: standard input:3: not a JSON array of arguments\nhint: ";
    assert!(stderr.contains(expected), "{stderr}");
    let (shown, stderr) = both("kwargs", "{\"a\": 1, \"b\": null}\n{}\n7\n");
    assert_eq!(shown, "a=1, b=None; ");
    let expected = "error: standard input:3: not a JSON object of keyword arguments\n";
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(both("arg", input).0, "[1, 'x']; []; {'a': 1}");
    assert_eq!(both("line", "[1]\n\n").0, "'[1]'; ''");
    assert_eq!(both("bytes", "[1]\nx\n").0, "b'[1]'; b'x'");
    let (shown, stderr) = both("path", "text.py\nno such.py\n");
    assert_eq!(shown, "'text.py'");
    let expected = "error: standard input:2: no such.py: No such file or directory";
    assert!(stderr.contains(expected), "{stderr}");
}
