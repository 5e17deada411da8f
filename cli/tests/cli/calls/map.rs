//! What `owngil map` prints, and in which order.

use std::collections::BTreeSet;

use crate::support::{owngil, run, run_with, words};

#[test]
fn a_function_is_called_once_for_each_argument() {
    let ended = run(&mut words("map -k text.py:shout hello world é"));
    ended.check(0);
    assert_eq!(ended.stdout, "\"HELLO!\"\n\"WORLD!\"\n\"É!\"\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn functions_of_modules_and_methods_can_be_called_on_every_backend() {
    for backend in ["auto", "process", "thread"] {
        let ended = run(&mut owngil([
            "map",
            "--backend",
            backend,
            "math:sqrt",
            "--input",
            "jsonl",
            "9",
        ]));
        assert_eq!(ended.check(0).stdout, "3.0\n");
        let ended = run(&mut owngil([
            "map",
            "text.py:Words.count",
            "--backend",
            backend,
            "a b c",
        ]));
        assert_eq!(ended.check(0).stdout, "3\n");
    }
}

#[test]
fn ten_thousand_lines_give_ten_thousand_results_in_order_if_asked() {
    let input: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    let expected: Vec<String> = (0..10_000).map(|number| format!("\"{number}\"")).collect();
    for backend in ["auto", "process", "thread"] {
        let arguments = ["map", "-j", "3", "--backend", backend, "text.py:same"];
        let ended = run_with(owngil(arguments).arg("--keep-order"), input.as_str());
        assert_eq!(ended.check(0).lines(), expected);
        let ended = run_with(&mut owngil(arguments), input.as_str());
        assert_eq!(ended.check(0).lines().len(), expected.len());
        let found: BTreeSet<&str> = ended.lines().into_iter().collect();
        assert!(expected.iter().all(|line| found.contains(line.as_str())));
    }
}

#[test]
fn results_are_what_json_dumps_gives() {
    let values = [
        "None",
        "[True, False, 0, -1, 2**63, -2**63 - 1, 10**100, -10**40]",
        "[0.1, -0.0, 1e15, 1e16, 1.5e-5, 0.0001, 5e-324, 1e300, 123456.789, 3.0]",
        "'é \\u2028 \\t \\x00 \\x1f \\x7f \"quoted\" \\\\ \\U0001F600'",
        "{'b': 1, 'a': {'nested': []}, 1: 2, None: 3, True: 4, 2.5: 5, 1e16: 6, 10**30: 7}",
        "(1, (2, ()), [{}])",
    ];
    let ended = run(owngil(["map", "-k", "values.py:made"]).args(values));
    let lines = ended.check(0).lines();
    assert_eq!(lines.len(), values.len());
    for (line, source) in lines.into_iter().zip(values) {
        let pair: (serde_json::Value, String) = serde_json::from_str(line).unwrap();
        let dumped = serde_json::to_string(&pair.1).unwrap();
        assert_eq!(line, format!("[{},{dumped}]", pair.1), "{source}");
    }
}

#[test]
fn sets_become_arrays_and_lone_surrogates_escapes() {
    let values = ["{7}", "frozenset(['x'])", "'a\\ud800b'", "{'\\udc80': 1}"];
    let ended = run(owngil(["map", "-k", "values.py:evaluated"]).args(values));
    let expected = ["[7]", "[\"x\"]", "\"a\\ud800b\"", "{\"\\udc80\":1}"];
    assert_eq!(ended.check(0).lines(), expected);
}

#[test]
fn floats_that_json_lacks_become_null_with_one_warning() {
    let values = ["float('nan')", "[float('inf'), 1.5, {'x': -float('inf')}]"];
    let ended = run(owngil(["map", "-k", "values.py:evaluated"]).args(values));
    assert_eq!(ended.check(0).lines(), ["null", "[null,1.5,{\"x\":null}]"]);
    assert_eq!(
        ended.stderr,
        "warning: JSON has no NaN and no infinity: 3 became null\n"
    );
}

#[test]
fn what_json_cannot_hold_is_an_error_of_that_input_alone() {
    let values = [
        "{'rows': [1, {'where': Point()}]}",
        "b'bytes'",
        "{'a': {(1, 2): 3}}",
        "'fine'",
        "lambda: 0",
    ];
    let ended = run(owngil(["map", "-k", "values.py:evaluated"]).args(values));
    assert_eq!(ended.check(1).stdout, "\"fine\"\n");
    for part in [
        "result[\"rows\"][1][\"where\"] is of type values.Point, which JSON cannot hold\nhint: return what",
        "result is of type bytes, which JSON cannot hold\nhint: return text",
        "result[\"a\"] has a key of type tuple, which JSON cannot hold\nhint: make the keys str",
        "error: input 5 (\"lambda: 0\"): result (function): ",
        "\nerror: 4 of 5 inputs failed\n",
    ] {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn the_number_of_workers_is_the_users() {
    let ended = run(&mut words("map -j 1 text.py:same a b"));
    assert_eq!(ended.check(0).stdout, "\"a\"\n\"b\"\n");
    let ended = run(&mut words("map -j 4 -k text.py:same a b c d e f"));
    assert_eq!(ended.check(0).lines().len(), 6);
}
