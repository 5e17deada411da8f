//! Text that begins with a byte order mark, or is not UTF-8.

use std::fs;

use crate::support::{owngil, run, run_with, scripts, words};

const MARK: &str = "\u{FEFF}";

/// UTF-16 with its mark, in the order of bytes that `encode` gives.
fn utf16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let marked = format!("{MARK}{text}");
    marked.encode_utf16().flat_map(encode).collect()
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, expected) in [
        ("a.txt", "é\nb\n", "\"'é'\"\n\"'b'\"\n"),
        ("a.jsonl", "[1]\n2\n", "\"[1]\"\n\"2\"\n"),
        ("a.json", "[\n1,\n2]\n", "\"1\"\n\"2\"\n"),
        ("a.csv", "n,m\n1,2\n", "\"{'n': '1', 'm': '2'}\"\n"),
        ("a.csv", "\"n\",m\n1,2\n", "\"{'n': '1', 'm': '2'}\"\n"),
        ("a.tsv", "n\tm\n1\t2\n", "\"{'n': '1', 'm': '2'}\"\n"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, format!("{MARK}{text}")).unwrap();
        let mut command = words("map -k values.py:shown -a");
        let ended = run(command.arg(&path));
        assert_eq!(ended.check(0).stdout, expected, "{name}");
    }
    for (arguments, text, expected) in [
        ("map -k values.py:shown", "a\n[1]\n", "\"'a'\"\n\"'[1]'\"\n"),
        ("map -k values.py:shown", "[1]\n2\n", "\"[1]\"\n\"2\"\n"),
        ("map -k values.py:shown --as line", "[1]\n", "\"'[1]'\"\n"),
        (
            "map -k values.py:shown --as path",
            "text.py\n",
            "\"'text.py'\"\n",
        ),
        (
            "map -k values.py:shown --pipe",
            "a\nb\n",
            "\"'a\\\\nb\\\\n'\"\n",
        ),
        (
            "run arguments.py",
            "a\n",
            "__main__ 1 ['arguments.py', 'a']\n",
        ),
    ] {
        let ended = run_with(&mut words(arguments), format!("{MARK}{text}"));
        assert_eq!(ended.check(0).stdout, expected, "{arguments}");
    }
}

#[test]
fn bytes_keep_their_mark() {
    let marked = format!("{MARK}a\n");
    for (arguments, expected) in [
        (
            "map values.py:shown --as bytes",
            "\"b'\\\\xef\\\\xbb\\\\xbfa'\"\n",
        ),
        ("map text.py:hexadecimal -0", "\"efbbbf610a\"\n"),
    ] {
        let ended = run_with(&mut words(arguments), marked.clone());
        assert_eq!(ended.check(0).stdout, expected, "{arguments}");
    }
    // A script reads pieces as it would read the stream.
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("hex.py"),
        "import sys\nprint(sys.stdin.buffer.read().hex())\n",
    )
    .unwrap();
    let mut command = owngil(["run", "--pipe", "hex.py"]);
    let ended = run_with(command.current_dir(&folder), marked);
    assert_eq!(ended.check(0).stdout, "efbbbf610a\n");
}

#[test]
fn utf16_is_an_error_before_anything_runs_that_says_what_converts_it() {
    let folder = tempfile::tempdir().unwrap();
    for encode in [u16::to_le_bytes, u16::to_be_bytes] {
        for (name, text) in [
            ("a.txt", "one\ntwo\n"),
            ("a.jsonl", "[1]\n"),
            ("a.json", "[\n1\n]"),
            ("a.csv", "n\n1\n"),
            ("a.tsv", "n\n1\n"),
        ] {
            let text = utf16(text, encode);
            fs::write(folder.path().join(name), &text).unwrap();
            let function = scripts().join("text.py:same");
            for command in ["map", "run"] {
                let mut command = owngil([command, "-a", name, "--"]);
                let called = match command.get_args().next().unwrap() == "map" {
                    true => function.clone(),
                    false => scripts().join("arguments.py"),
                };
                let ended = run(command.arg(called).current_dir(&folder));
                assert_eq!(ended.check(2).stdout, "", "{name}");
                let expected = format!(
                    "error: {name} is UTF-16, and inputs are read as UTF-8\n\
                     hint: convert it: iconv -f UTF-16 -t UTF-8 {name}\n"
                );
                assert_eq!(ended.stderr, expected);
            }
        }
    }
    let text = utf16("one\n", u16::to_le_bytes);
    let ended = run_with(&mut words("map text.py:same"), text.clone());
    assert_eq!(
        ended.check(2).stderr,
        "error: standard input is UTF-16, and inputs are read as UTF-8\n\
         hint: convert it: iconv -f UTF-16 -t UTF-8\n"
    );
    // What NUL ends may be anything.
    let ended = run_with(&mut words("map -k text.py:hexadecimal -0"), text);
    assert_eq!(ended.check(0).lines()[0], "\"fffe6f\"");
}
