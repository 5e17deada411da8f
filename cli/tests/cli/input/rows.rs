//! CSV and TSV, and which fields become arguments.

use std::fs;

use crate::support::{owngil, refused, run, run_with, words};

/// What `values.py:call` was given, one call after the other.
fn calls(arguments: &str, input: &str) -> (Vec<String>, String) {
    let ended = run_with(&mut words(arguments), input);
    let lines = ended.lines().into_iter();
    let shown = lines.map(|line| serde_json::from_str(line).unwrap());
    (shown.collect(), ended.stderr)
}

#[test]
fn columns_are_keyword_arguments_of_a_function_that_takes_them() {
    let input = "name,points\r\n\"Lovelace, Ada\",3\r\n\"a \"\"b\"\"\nc\",5";
    let ended = run_with(&mut words("map -k --input csv scoring.py:rank"), input);
    let expected = ["\"Lovelace, Ada has 003\"", "\"a \\\"b\\\"\\nc has 005\""];
    assert_eq!(ended.check(0).lines(), expected);
    let (shown, _) = calls("map -k --input csv values.py:call", "a,b\n1,é\n");
    assert_eq!(shown, ["a='1', b='é'"]);
    // A function of one argument gets a dict.
    let ended = run_with(
        &mut words("map -k --input csv values.py:shown"),
        "a,b\n1,2\n",
    );
    assert_eq!(ended.check(0).lines(), ["\"{'a': '1', 'b': '2'}\""]);
}

#[test]
fn another_character_may_divide_the_columns() {
    for (delimiter, input) in [
        (";", "a;b\n1,5;\"x;y\"\n"),
        ("|", "a|b\n1,5|x;y\n"),
        ("\t", "a\tb\n1,5\tx;y\n"),
    ] {
        let options = ["map", "--input", "csv", "--delimiter", delimiter];
        let ended = run_with(owngil(options).arg("values.py:call"), input);
        let expected = "\"a='1,5', b='x;y'\"\n";
        assert_eq!(ended.check(0).stdout, expected, "{delimiter}");
    }
    refused(
        "map --input csv --delimiter ;; values.py:call",
        "invalid value ';;' for '--delimiter <CHAR>'",
    );
}

#[test]
fn rows_without_a_header_are_arguments_by_position_or_a_list() {
    let (shown, _) = calls(
        "map -k --input tsv --no-header values.py:call",
        "1\t2\n3\t\n",
    );
    assert_eq!(shown, ["'1', '2'", "'3', ''"]);
    let ended = run_with(
        &mut words("map --input csv --no-header values.py:shown"),
        "1,2\n",
    );
    assert_eq!(ended.check(0).lines(), ["\"['1', '2']\""]);
    let (shown, _) = calls("map --input csv --as args values.py:call", "a,b\n1,2\n");
    assert_eq!(shown, ["'1', '2'"]);
    let (shown, _) = calls("map -k --input csv --as line values.py:call", "a,b\n1,2\n");
    assert_eq!(shown, ["'a,b'", "'1,2'"]);
}

#[test]
fn entries_of_objects_become_keyword_arguments_if_the_first_ones_fit() {
    let object = "{\"name\": \"Ada\", \"points\": 3}\n";
    let ended = run_with(&mut words("map -v scoring.py:rank"), object);
    assert_eq!(ended.check(0).stdout, "\"Ada has 003\"\n");
    let expected = "scoring.py:rank\n";
    let reported = ended
        .stderr
        .lines()
        .find(|line| line.starts_with("inputs: "));
    assert!(
        reported
            .unwrap()
            .starts_with("inputs: each field (name, points) is a keyword argument of "),
        "{}{expected}",
        ended.stderr
    );
    let ended = run_with(&mut words("map -v scoring.py:score"), object);
    assert_eq!(ended.check(0).stdout, "{\"name\":\"Ada\",\"score\":4.5}\n");
    assert!(
        ended.stderr.contains("it has no parameter name\n"),
        "{}",
        ended.stderr
    );
    // What is decided holds for all.
    let input = format!("[1]\n{object}{{\"name\": \"Bob\"}}\n");
    let ended = run_with(&mut words("map -k scoring.py:rank"), input);
    assert_eq!(ended.check(1).stdout, "\"Ada has 003\"\n");
    assert!(
        ended
            .stderr
            .contains("missing 1 required positional argument: 'points'")
    );
    for backend in ["process", "thread"] {
        let mut command = owngil(["map", "--backend", backend, "scoring.py:rank"]);
        let ended = run_with(&mut command, object);
        assert_eq!(ended.check(0).stdout, "\"Ada has 003\"\n");
    }
}

#[test]
fn a_ragged_row_fails_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    fs::write(&path, "name,points\nAda,3\n\nBob\nCy,1,2\nDee,4\n").unwrap();
    let ended = run(owngil(["map", "-k", "scoring.py:rank", "-a"]).arg(&path));
    assert_eq!(
        ended.check(1).lines(),
        ["\"Ada has 003\"", "\"Dee has 004\""]
    );
    let file = path.display();
    for part in [
        format!("error: {file}:4: it has 1 field, and the header has 2\n"),
        format!("error: {file}:5: it has 3 fields, and the header has 2\n"),
        "hint: fix the row, or read rows as text with --input lines\n".to_owned(),
        "error: 2 of 4 inputs failed\n".to_owned(),
    ] {
        assert!(ended.stderr.contains(&part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn columns_stand_in_the_arguments_of_a_script() {
    let input = "first name,file\nAda L,a/b.csv\n-x,'q\"\n";
    let mut command = owngil(["run", "-k", "--input", "csv", "arguments.py"]);
    let ended = run_with(
        command.args(["{first name}", "--f={file/.}", "{2}", "{#}"]),
        input,
    );
    let line = |words: &str| format!("__main__ 1 ['arguments.py', {words}]");
    let expected = [
        "'Ada L', '--f=b', 'a/b.csv', '1'",
        "'-x', '--f=\\'q\"', '\\'q\"', '2'",
    ];
    assert_eq!(ended.check(0).lines(), expected.map(line));
    let ended = run_with(
        &mut words("run --input csv arguments.py {nme}"),
        "name\nx\n",
    );
    let expected = "error: there is no column nme\nhint: the columns are name\n";
    assert!(ended.check(2).stderr.contains(expected), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn contradictions_about_rows_are_reported() {
    for (arguments, message) in [
        (
            "map m:f --input csv a",
            "rows come from a file or standard input",
        ),
        ("map m:f --no-header", "only rows have a header"),
        ("map m:f --input csv -0", "rows do not end with NUL"),
        (
            "map m:f --input csv -a - ::: x",
            "rows cannot be combined with other inputs",
        ),
    ] {
        refused(arguments, message);
    }
    let ended = run_with(&mut words("map values.py:call --input csv"), "a,a\n1,2\n");
    assert!(
        ended
            .check(2)
            .stderr
            .contains("the header has two columns \"a\"\nhint: use --no-header")
    );
}

#[test]
fn a_key_that_has_no_parameter_is_named() {
    let object =
        "{\"name\": \"Ada\", \"points\": 3, \"age\": 36}\n{\"name\": \"Bob\", \"points\": 5}\n";
    for option in [&[][..], &["--as", "kwargs"]] {
        for backend in ["interpreter", "thread", "process"] {
            let mut command = words("map -k scoring.py:rank --backend");
            let ended = run_with(command.arg(backend).args(option), object);
            // The others go on.
            assert_eq!(ended.check(1).stdout, "\"Bob has 005\"\n");
            let expected = "TypeError: rank() got an unexpected keyword argument 'age'\n\
                            hint: the entries of an object are keyword arguments; --as arg passes it whole, ";
            assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        }
    }
    // So is one of a function that takes no single argument, and a parameter without a key.
    for (code, expected) in [
        (
            "def f(): pass",
            "f() got an unexpected keyword argument 'name'\n",
        ),
        (
            "def f(*, name): pass",
            "f() got an unexpected keyword argument 'points'\n",
        ),
        (
            "def f(name, points, age, size): pass",
            "f() missing 1 required positional argument: 'size'\n",
        ),
    ] {
        let ended = run_with(&mut owngil(["map", "-c", code]), object);
        assert!(ended.check(1).stderr.contains(expected), "{}", ended.stderr);
        assert!(
            !ended.stderr.contains("but 1 was given"),
            "{}",
            ended.stderr
        );
    }
    // An error of the function's own gets no such hint.
    let code = "def f(name, points, age=0): return name + points";
    let ended = run_with(&mut owngil(["map", "-c", code]), object);
    assert!(
        !ended.check(1).stderr.contains("hint: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn rows_that_fit_in_no_way_end_the_run_before_the_first_call() {
    for (options, text, what) in [
        (
            "--input csv",
            "name,points,age\nAda,3,36\n",
            "it has no parameter age",
        ),
        (
            "--input tsv",
            "name\nAda\n",
            "nothing is there for its parameter points",
        ),
        (
            "--input csv --no-header",
            "Ada,3,36\n",
            "it does not take 3 arguments",
        ),
    ] {
        for command in ["map", "bench --quick"] {
            let mut command = words(&format!("{command} {options} scoring.py:rank"));
            let ended = run_with(&mut command, text);
            assert_eq!(ended.check(2).stdout, "");
            let expected = format!(
                "error: the rows do not fit the function: {what}\nhint: --as args passes columns in "
            );
            assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        }
    }
}
