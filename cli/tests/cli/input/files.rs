//! Names of files, what is in them, and pieces of a stream.

use std::fs;
use std::path::Path;

use crate::support::{Ended, owngil, run, run_with, scripts, words};

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A function of `values.py` in another folder.
fn map_in(folder: &Path, options: &[&str], function: &str) -> Ended {
    let function = format!("{}/values.py:{function}", scripts().display());
    run(owngil(["map", "-k"])
        .args(options)
        .arg("--")
        .arg(function)
        .current_dir(folder))
}

#[test]
fn files_that_match_are_inputs_in_order() {
    let folder = folder(&[
        ("b.csv", b""),
        ("a b.csv", b""),
        ("-x.csv", b""),
        ("new\nline.csv", b""),
        ("deep/c.csv", b""),
        ("deep/c.txt", b""),
        ("build/d.csv", b""),
        (".hidden.csv", b""),
        (".gitignore", b"/build\n"),
    ]);
    let names = |options: &[&str]| {
        let ended = map_in(folder.path(), options, "same");
        ended.check(0);
        let lines = ended.stdout.lines();
        let names = lines.map(|line| serde_json::from_str::<String>(line).unwrap());
        names.collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(
        names(&["--glob", "**/*.csv"]),
        "-x.csv | a b.csv | b.csv | deep/c.csv | new\nline.csv"
    );
    assert_eq!(names(&["--glob", "deep/*"]), "deep/c.csv | deep/c.txt");
    assert_eq!(names(&["--glob", "*.csv", "--glob", "![-an]*"]), "b.csv");
    assert_eq!(
        names(&["--glob", "**/[.bcd]*.csv", "--no-ignore", "--hidden"]),
        ".hidden.csv | b.csv | build/d.csv | deep/c.csv"
    );
    // A script gets them as they are.
    let script = scripts().join("arguments.py");
    let mut command = owngil(["run", "-k", "--glob", "[-an]*.csv"]);
    let ended = run(command
        .arg(&script)
        .args(["{}", "{.}"])
        .current_dir(&folder));
    let expected = [
        "'-x.csv', '-x']",
        "'a b.csv', 'a b']",
        "'new\\nline.csv', 'new\\nline']",
    ];
    for (line, expected) in ended.check(0).lines().into_iter().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
    }
    let ended = map_in(folder.path(), &["--glob", "*.jsn"], "same");
    let expected = "error: no file matches *.jsn\nhint: ";
    assert!(
        ended.check(2).stderr.starts_with(expected),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_in_files_can_be_the_input() {
    let folder = folder(&[
        ("1.txt", b"one\ntwo\n"),
        ("2.txt", b"a\xff"),
        ("3.txt", b""),
    ]);
    let ended = map_in(folder.path(), &["--as", "file", "--glob", "*.txt"], "shown");
    assert_eq!(ended.check(1).lines(), [r#""'one\\ntwo\\n'""#, "\"''\""]);
    let expected = "error: input 2 (\"2.txt\"): byte 1 is not UTF-8\nhint: use --as file-bytes ";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    let ended = map_in(
        folder.path(),
        &["--as", "file-bytes", "--glob", "2*"],
        "shown",
    );
    assert_eq!(ended.check(0).lines(), [r#""b'a\\xff'""#]);
    let mut command = words("map -k --as file text.py:same ::: warm_up.py nowhere ::: x");
    assert!(run(&mut command).check(2).stderr.contains("several groups"));
    let ended = run(&mut words(
        "map -k --as file text.py:same nowhere primes.py",
    ));
    let expected = "error: input 1 (\"nowhere\"): cannot read it: No such file or directory";
    assert!(ended.check(1).stderr.contains(expected), "{}", ended.stderr);
    let primes = fs::read_to_string(scripts().join("primes.py")).unwrap();
    assert_eq!(
        serde_json::from_str::<String>(&ended.stdout).unwrap(),
        primes
    );
}

#[test]
fn pieces_of_a_stream_are_inputs_that_end_where_lines_end() {
    let input: String = (0..50_000).map(|number| format!("{number}\n")).collect();
    let mut command = owngil(["map", "-k", "--pipe", "--block", "64K"]);
    let ended = run_with(
        command.args(["-c", "lambda text: text.splitlines()"]),
        &*input,
    );
    let pieces: Vec<Vec<String>> = ended
        .check(0)
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(pieces.len(), input.len().div_ceil(64 << 10));
    let together = pieces.concat().into_iter();
    assert_eq!(together.map(|line| line + "\n").collect::<String>(), input);
    let bytes = ["map", "--pipe", "--as", "bytes", "-c", "lambda b: b.hex()"];
    let ended = run_with(&mut owngil(bytes), b"\xff\n".as_slice());
    assert_eq!(ended.check(0).stdout, "\"ff0a\"\n");
}

#[test]
fn a_script_finds_its_piece_at_standard_input() {
    let folder = folder(&[(
        "count.py",
        b"import sys\nprint(sys.argv[1:], sum(1 for _ in sys.stdin), sys.stdin.read())\n",
    )]);
    let script = folder.path().join("count.py");
    let input = "x\n".repeat(70_000);
    for backend in ["interpreter", "process", "thread"] {
        let mut command = owngil(["run", "-k", "--backend", backend]);
        let command = command
            .args(["--pipe", "--block", "64k"])
            .arg(&script)
            .args(["-v", "{#}"]);
        let ended = run_with(command, &*input);
        let expected = [
            "['-v', '1'] 32768 ",
            "['-v', '2'] 32768 ",
            "['-v', '3'] 4464 ",
        ];
        assert_eq!(ended.check(0).lines(), expected, "{backend}");
    }
    // A run without a piece finds it empty again.
    let ended = run(owngil(["run", "-k"]).arg(&script).args([":::", "a"]));
    assert_eq!(ended.check(0).lines(), ["['a'] 0 "]);
}

#[test]
fn a_script_sees_the_number_of_its_worker() {
    for backend in ["interpreter", "process", "thread"] {
        let options = [
            "run",
            "-j",
            "2",
            "--backend",
            backend,
            "arguments.py",
            "w{%}",
            ":::",
        ];
        let ended = run(owngil(options).args(["a"; 20]));
        for line in ended.check(0).lines() {
            assert!(
                ["'w1']", "'w2']"].iter().any(|end| line.ends_with(end)),
                "{line}"
            );
        }
    }
}

#[test]
fn a_stream_is_wanted_for_pieces() {
    for arguments in [
        "map m:f --pipe a",
        "map m:f --pipe --input jsonl",
        "run --pipe s.py ::: a",
    ] {
        let ended = run_with(&mut words(arguments), "");
        assert!(ended.check(2).stderr.contains("--pipe"), "{}", ended.stderr);
    }
}
