//! Functions that the command line holds, or whose module it names.

use crate::support::{owngil, run, run_with, words};

#[test]
fn code_may_be_an_expression_or_end_with_one() {
    for code in [
        "lambda x: x.upper()",
        " str.upper ",
        "import re; lambda x: re.sub('a', 'A', x).upper()",
        "def shout(x):\n    return x.upper()",
        "def f(x): return g(x)\ndef g(x): return x.upper()\nf",
    ] {
        for backend in ["interpreter", "process", "thread"] {
            let options = ["map", "-k", "--backend", backend, "-c", code];
            let ended = run(owngil(options).args(["a", "b \"é\""]));
            assert_eq!(ended.check(0).stdout, "\"A\"\n\"B \\\"É\\\"\"\n", "{code}");
        }
    }
}

#[test]
fn objects_become_keyword_arguments_of_code_too() {
    let input = "{\"a\": 1, \"b\": 2}\n";
    let ended = run_with(&mut owngil(["map", "-c", "lambda a, b: a + b"]), input);
    assert_eq!(ended.check(0).stdout, "3\n");
    let ended = run_with(&mut owngil(["map", "-c", "lambda d: sorted(d)"]), input);
    assert_eq!(ended.check(0).stdout, "[\"a\",\"b\"]\n");
}

#[test]
fn code_that_gives_no_function_ends_the_run() {
    for (code, message) in [
        ("lambda x:", "it does not compile: SyntaxError"),
        (
            "x = 1",
            "the last statement is neither an expression nor a function",
        ),
        ("1 / 0", "importing it raised: ZeroDivisionError"),
        ("7", "code is of type int, which cannot be called"),
    ] {
        let ended = run(&mut owngil(["map", "-c", code, "x"]));
        assert!(
            ended.check(2).stderr.contains(message),
            "{code}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_module_is_named_before_the_inputs() {
    let ended = run(&mut words("map -k -m os.path:basename a/b c"));
    assert_eq!(ended.check(0).stdout, "\"b\"\n\"c\"\n");
    let ended = run_with(&mut words("map -m text:same"), "x\n");
    assert_eq!(ended.check(0).stdout, "\"x\"\n");
    for (arguments, message) in [
        ("map -m text.py:same x", "text.py:same is not MODULE:NAME"),
        ("map -m json x", "json is not MODULE:NAME"),
        (
            "map -m a:b -c x",
            "the argument '--module <MODULE:NAME>' cannot be used with",
        ),
    ] {
        let ended = run(&mut words(arguments));
        assert!(ended.check(2).stderr.contains(message), "{}", ended.stderr);
    }
}

#[test]
fn an_async_function_gets_the_advice_that_one_of_a_file_gets() {
    let ended = run(&mut owngil(["map", "-c", "async def f(x): return x", "1"]));
    let stderr = &ended.check(1).stderr;
    assert!(stderr.contains("asyncio.run"), "{stderr}");
}
