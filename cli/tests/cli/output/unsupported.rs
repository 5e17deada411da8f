//! Results that cannot be written, each reported with what to return in their place.

use std::fs;

use crate::support::{Ended, owngil, run};

/// How a call of `f` of this file ended, on each backend; `numpy` is there too, with the names alone.
fn ended(code: &str, check: impl Fn(&Ended)) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("f.py", code);
    let kinds = ["int64", "uint8", "float32", "longdouble", "bool", "ndarray"];
    let classes = kinds.map(|kind| format!("class {kind}: pass\n")).concat();
    file("numpy.py", &classes);
    for backend in ["interpreter", "thread", "process"] {
        let mut command = owngil(["map", "--backend", backend, "f.py:f", "x"]);
        let ended = run(command.current_dir(&folder));
        assert_eq!(ended.check(1).stdout, "");
        check(&ended);
    }
}

#[test]
fn a_model_is_dumped() {
    let model = "class Model:\n    def model_dump(self, mode='python'):\n        return {}\n";
    for value in ["Model()", "[{'a': Model()}]"] {
        ended(&format!("{model}def f(x): return {value}\n"), |ended| {
            let (reported, hint) = ended.stderr.split_once("\nhint: ").unwrap();
            assert!(
                reported.ends_with(" is of type f.Model, which JSON cannot hold"),
                "{reported}"
            );
            assert!(
                hint.starts_with("return value.model_dump(mode=\"json\")\n"),
                "{hint}"
            );
        });
    }
    // A name alone does not make it one.
    let other = "class Model:\n    model_dump = None\ndef f(x): return Model()\n";
    ended(other, |ended| {
        assert!(!ended.stderr.contains("model_dump"), "{}", ended.stderr);
    });
}

#[test]
fn the_error_of_a_value_that_nests_too_deeply_names_the_limit() {
    let deep = "def f(x):\n    for _ in range(501): x = {'a': x}\n    return x\n";
    let endless = "def f(x):\n    x = []\n    x.append(x)\n    return x\n";
    for code in [deep, endless] {
        ended(code, |ended| {
            let expected = "error: input 1 (\"x\"): result nests deeper than 500 levels\n\
                            hint: return it flatter, or as text of json.dumps\n";
            assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
        });
    }
}

#[test]
fn a_value_too_deep_to_be_pickled_has_an_error_of_one_line() {
    let code = "def f(x):\n    for _ in range(100_000): x = [x]\n    return x\n";
    ended(code, |ended| {
        let expected = "error: input 1 (\"x\"): result (list): cannot be pickled: RecursionError: ";
        assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
        assert!(ended.stderr.len() < 800, "{}", ended.stderr.len());
    });
}

#[test]
fn numbers_of_numpy_become_numbers() {
    for (kind, hint) in [
        ("int64", "int(value)"),
        ("uint8", "int(value)"),
        ("float32", "float(value)"),
        ("longdouble", "float(value)"),
        ("bool", "bool(value)"),
        ("ndarray", "value.tolist()"),
    ] {
        let code = format!("import numpy\ndef f(x): return [numpy.{kind}()]\n");
        ended(&code, |ended| {
            let expected = format!(
                "error: input 1 (\"x\"): result[0] is of type numpy.{kind}, which JSON cannot hold\n\
                 hint: return {hint}\n"
            );
            assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        });
    }
}

#[test]
fn what_has_not_run_is_said_to_be_run() {
    for (code, what) in [
        (
            "async def f(x): return x\n",
            "result (coroutine): cannot be pickled, and has not run: \
             call the async function in a plain one, by asyncio.run(…)",
        ),
        (
            "async def g(x): return x\ndef f(x): return {'a': [g(x)]}\n",
            "result[\"a\"][0] (coroutine): cannot be pickled, and has not run: \
             call the async function in a plain one, by asyncio.run(…)",
        ),
        (
            "async def f(x): yield x\n",
            "result (async_generator): cannot be pickled, and has not run: \
             collect it in a plain function, by asyncio.run(…)",
        ),
        (
            "def f(x): yield x\n",
            "result (generator): cannot be pickled, and has not run: return list(…) of it",
        ),
    ] {
        ended(code, |ended| {
            // Python has nothing to add.
            let expected = format!("error: input 1 (\"x\"): {what}\nerror: 1 of 1 input failed\n");
            assert_eq!(ended.stderr, expected);
        });
    }
}
