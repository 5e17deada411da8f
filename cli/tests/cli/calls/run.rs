//! `owngil run`: a script once per input, or once per worker.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use std::process::Stdio;

use crate::support::{command, owngil, plain_python, run, run_with, words};

#[test]
fn the_script_runs_once_for_each_input_with_arguments_of_its_own() {
    let ended = run(&mut words(
        "run -k arguments.py --size 3 -j {} -k --out={}.png ::: a -x b",
    ));
    let line = |input: &str| {
        let words = format!("'--size', '3', '-j', '{input}', '-k', '--out={input}.png'");
        format!("__main__ 1 ['arguments.py', {words}]")
    };
    assert_eq!(ended.check(0).lines(), [line("a"), line("-x"), line("b")]);
    assert_eq!(ended.stderr.lines().count(), 3);
    assert!(
        ended
            .stderr
            .starts_with("warning: ['--size', '3', '-j', 'a', ")
    );
}

#[test]
fn without_braces_the_input_comes_last() {
    let ended = run(&mut owngil([
        "run",
        "-k",
        "arguments.py",
        "-v",
        ":::",
        "a b",
        "",
    ]));
    let expected = [
        "__main__ 1 ['arguments.py', '-v', 'a b']",
        "__main__ 1 ['arguments.py', '-v', '']",
    ];
    assert_eq!(ended.check(0).lines(), expected);
}

#[test]
fn without_inputs_the_script_runs_once_on_every_worker() {
    for backend in ["auto", "process", "thread"] {
        let options = ["run", "-j", "3", "--backend", backend];
        let ended = run(owngil(options).args(["arguments.py", "{}", "--flag"]));
        let expected = "__main__ 1 ['arguments.py', '{}', '--flag']";
        assert_eq!(ended.check(0).lines(), [expected; 3]);
        let (note, warnings) = ended.stderr.split_once('\n').unwrap();
        assert!(note.starts_with("note: no inputs were given: each of 3 workers"));
        assert_eq!(warnings, "warning: ['{}', '--flag']\n".repeat(3));
    }
    let ended = run(&mut words("run arguments.py :::"));
    assert_eq!(
        (ended.check(0).stdout.as_str(), ended.stderr.as_str()),
        ("", "")
    );
}

#[test]
fn scripts_that_fail_are_reported_and_the_others_go_on() {
    let inputs = ["exit=3", "good", "exit=0", "exit=some words", "raise"];
    let ended = run(owngil(["run", "-k", "arguments.py", ":::"]).args(inputs));
    assert_eq!(ended.check(1).lines().len(), 5);
    for part in [
        "\nerror: input 1 (\"exit=3\"): the script ended with status 3\n",
        "\nsome words\nerror: input 4 (\"exit=some words\"): the script ended with status 1\n",
        "\nerror: input 5 (\"raise\"): RuntimeError: as asked\nTraceback (most recent call last):\n",
        "\nerror: 3 of 5 inputs failed\n",
    ] {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
    let ended = run(&mut words("run -j 2 arguments.py exit=4"));
    ended.check(1);
    assert!(
        ended
            .stderr
            .contains("error: worker 2: the script ended with status 4\n")
    );
    assert_eq!(ended.last_words(), "error: 2 of 2 workers failed");
}

#[test]
fn what_a_run_prints_stays_together_and_in_order_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("prints.py");
    let text = "import sys\nfor line in range(20):\n    print(sys.argv[1], end=' ')\n    \
        print(line)\nprint('end', end='')\n";
    fs::write(&script, text).unwrap();
    let inputs: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let group = |input: &String| -> String {
        let lines: String = (0..20).map(|line| format!("{input} {line}\n")).collect();
        lines + "end\n"
    };
    for backend in ["auto", "process", "thread"] {
        let mut command = owngil(["run", "-k", "-j", "2", "--backend", backend]);
        let ended = run(command.arg(&script).arg(":::").args(&inputs));
        let expected: String = inputs.iter().map(group).collect();
        assert_eq!(ended.check(0).stdout, expected);
        let mut command = owngil(["run", "-j", "2", "--backend", backend]);
        let ended = run(command.arg(&script).arg(":::").args(&inputs));
        assert_eq!(ended.check(0).stdout.len(), expected.len());
        assert!(
            inputs
                .iter()
                .all(|input| ended.stdout.contains(&group(input)))
        );
    }
}

#[test]
fn arguments_that_are_no_utf8_are_those_of_python() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("raw.py");
    fs::write(
        &script,
        "import os, sys\nprint(os.fsencode(sys.argv[1]).hex())\n",
    )
    .unwrap();
    let mut command = owngil(["run"]);
    let raw = OsStr::from_bytes(b"a\xff\x80");
    let ended = run(command.arg(&script).arg(":::").arg(raw));
    assert_eq!(ended.check(0).stdout, "61ff80\n");
}

#[test]
fn a_script_that_cannot_be_loaded_ends_the_run() {
    let ended = run(&mut words("run argument.py ::: a"));
    ended.check(2);
    assert!(
        ended
            .stderr
            .contains("argument.py: No such file or directory\n")
    );
    assert!(
        ended
            .stderr
            .contains("\nhint: did you mean arguments.py?\n")
    );
}

#[test]
fn options_before_the_script_may_be_bundled_and_a_script_must_be_named() {
    for options in ["-kj2", "-kqj2", "-qk -j 50%", "-kj-1"] {
        let ended = run(&mut words(&format!(
            "run {options} arguments.py -j9 ::: a b"
        )));
        let line = |input| format!("__main__ 1 ['arguments.py', '-j9', '{input}']");
        assert_eq!(ended.check(0).lines(), [line("a"), line("b")], "{options}");
    }
    for arguments in ["run", "run -k", "run ::: a"] {
        let ended = run(&mut words(arguments));
        ended.check(2);
        let start = "error: there is no script\nhint: ";
        assert!(ended.stderr.starts_with(start), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("Usage: owngil run"),
            "{}",
            ended.stderr
        );
    }
    let ended = run(&mut words("run --no-such arguments.py"));
    ended.check(2);
    assert!(ended.stderr.contains("unexpected argument '--no-such'"));
}

#[test]
fn chunks_may_be_given_for_functions_and_scripts() {
    let ended = run(&mut words("map -k --chunk 3 text.py:same a b c d e f g"));
    assert_eq!(
        ended.check(0).lines().join(""),
        "\"a\"\"b\"\"c\"\"d\"\"e\"\"f\"\"g\""
    );
    let ended = run(&mut words("run --chunk 2 arguments.py ::: a b c"));
    assert_eq!(ended.check(0).lines().len(), 3);
    run(&mut words("map --chunk 0 text.py:same a")).check(2);
}

#[test]
fn without_inputs_a_note_says_that_each_worker_runs_the_script() {
    let note = "note: no inputs were given: each of 2 workers runs the script once with these arguments \
                (`:::` before the inputs runs it once for each)\n";
    let run_it = |words: &str| run(owngil(words.split(' ')).stdin(Stdio::null()));
    let ended = run_it("run -j 2 resize.py a.jpg b.jpg");
    assert!(ended.stderr.starts_with(note), "{ended:?}");
    let note = "note: no inputs were given: each of 2 workers runs the script once (`-j 1` runs it once)\n";
    let ended = run_it("run -j 2 warm_up.py");
    assert!(ended.stderr.starts_with(note), "{ended:?}");
    for words in [
        "run -q -j 2 resize.py a.jpg b.jpg",
        "run -j 1 warm_up.py",
        "run resize.py ::: a.jpg",
    ] {
        assert!(!run_it(words).stderr.contains("note:"), "{words}");
    }
}

#[test]
fn leaving_at_once_ends_one_run_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("leaves.py");
    let source = "import os, sys\nprint(sys.argv[1])\nif sys.argv[1] == '3': os._exit(7)\n";
    fs::write(&script, source).unwrap();
    let mut command = owngil(["run", "-k", "-j", "2"]);
    let ended = run(command.arg(&script).args([":::", "1", "2", "3", "4", "5"]));
    assert_eq!(ended.check(1).lines(), ["1", "2", "3", "4", "5"]);
    assert!(
        ended
            .stderr
            .contains("input 3 (\"3\"): the script ended with status 7"),
        "{}",
        ended.stderr
    );
}

#[test]
fn names_of_files_that_are_no_text_are_printed_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("prints.py");
    fs::write(&script, "import sys\nprint(sys.argv[1])\n").unwrap();
    let mut command = owngil(["run"]);
    command
        .arg(&script)
        .arg(":::")
        .arg(OsStr::from_bytes(b"a\xffb"));
    let output = command.output().unwrap();
    assert_eq!(
        (output.stdout, output.status.code()),
        (b"a\xffb\n".to_vec(), Some(0))
    );
}

#[test]
fn what_is_left_open_is_in_its_files_at_the_end() {
    for backend in ["auto", "interpreter", "process", "thread"] {
        for words in [
            &["run", "--backend"][..],
            &["run", "--isolate", "interpreter", "--backend"],
            &["map", "--backend"],
        ] {
            if words.len() == 4 && backend != "interpreter" {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let mut leave = owngil(words);
            let target = if words[0] == "run" {
                "left_open.py"
            } else {
                "left_open.py:leave"
            };
            leave.args([backend, target, ":::"]).arg(folder.path());
            run(&mut leave).check(0);
            let mut python = command(plain_python());
            let checked = run(python.args(["left_open.py", "check"]).arg(folder.path()));
            assert_eq!(
                checked.stdout, "whole\n",
                "{words:?} {backend}: {checked:?}"
            );
        }
    }
}

#[test]
fn a_file_is_whole_when_its_run_is_reported() {
    // The second run, in the same worker, reads what the first has left open.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("appends.py");
    std::fs::write(
        &script,
        "import sys\nprint(open('log', 'a+').seek(0, 2))\nout = open('log', 'a')\nout.write(sys.argv[1])\ndef f(): pass\n",
    )
    .unwrap();
    let mut command = owngil(["run", "-j1", "-k"]);
    command.current_dir(folder.path()).arg(&script);
    command.args([":::", "a", "b", "c"]);
    assert_eq!(run(&mut command).check(0).stdout, "0\n1\n2\n");
}

#[test]
fn process_pools_that_a_script_leaves_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for method in ["spawn", "fork"] {
        let script = folder.path().join("pool.py");
        let text = format!(
            "import sys, multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\ndef square(x): return x * x\n\
             if __name__ == '__main__':\n    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('{method}'))\n    \
             pool.submit(square, 5).add_done_callback(lambda done: print(sys.argv[1], done.result()))\n"
        );
        fs::write(&script, text).unwrap();
        for backend in ["auto", "thread", "process"] {
            let mut command = owngil(["run", "-k", "-j1", "--backend", backend]);
            let ended = run(command.arg(&script).args([":::", "a", "b"]));
            assert_eq!(ended.check(0).stdout, "a 25\nb 25\n", "{method} {backend}");
        }
    }
}

#[test]
fn a_piece_of_standard_input_is_found_however_it_is_read() {
    let ways = [
        ("open(0).read()", "1\n2\n3\n"),
        ("open(0, closefd=False).read()", "1\n2\n3\n"),
        ("io.open(0).read()", "1\n2\n3\n"),
        ("os.fdopen(0).read()", "1\n2\n3\n"),
        ("os.fdopen(os.dup(0)).read()", "1\n2\n3\n"),
        ("os.read(0, 100).decode()", "1\n2\n3\n"),
        ("os.read(sys.stdin.fileno(), 100).decode()", "1\n2\n3\n"),
        (
            "subprocess.run(['cat'], stdout=-1).stdout.decode()",
            "1\n2\n3\n",
        ),
        ("os.popen('wc -l').read().strip()", "3"),
        ("sys.stdin.buffer.readline().decode() + input()", "1\n2"),
    ];
    let cases = ways.iter().map(|(reads, _)| format!("lambda: {reads},\n"));
    let cases: String = cases.collect();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("reads.py");
    let source = format!(
        "import io, os, subprocess, sys\nways = [{cases}]\nprint(repr(ways[int(sys.argv[1]) - 1]()))\n"
    );
    fs::write(&script, source).unwrap();
    for backend in ["auto", "thread", "process"] {
        // Each piece is read in another way.
        let mut command = owngil(["run", "--pipe", "-k", "-j1", "--block", "6", "--backend"]);
        command.arg(backend).arg(&script).arg("{#}");
        let ended = run_with(&mut command, "1\n2\n3\n".repeat(ways.len()));
        let lines = ended.check(0).lines();
        assert_eq!(lines.len(), ways.len(), "{backend}");
        for (line, (reads, expected)) in lines.into_iter().zip(ways) {
            let expected = format!("{expected:?}").replace('"', "'");
            assert_eq!(line, expected, "{reads} on {backend}");
        }
    }
}

#[test]
fn a_script_comes_by_any_way_that_python_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("package")).unwrap();
    fs::write(at("package/__init__.py"), "").unwrap();
    fs::write(at("package/other.py"), "word = 'beside'\n").unwrap();
    let relative = "import sys\nfrom .other import word\nprint(word, __name__, sys.argv[1:])\n";
    fs::write(at("package/__main__.py"), relative).unwrap();
    fs::create_dir(at("app")).unwrap();
    let plain = "import sys, dep\nprint(dep.word, __name__, sys.argv[1:])\n";
    fs::write(at("app/__main__.py"), plain).unwrap();
    fs::write(at("app/dep.py"), "word = 'beside'\n").unwrap();
    std::os::unix::fs::symlink("app/__main__.py", at("link.py")).unwrap();
    let archive = "import shutil; shutil.make_archive('packed', 'zip', 'app')";
    let mut python = command(plain_python());
    run(python.args(["-c", archive]).current_dir(folder.path())).check(0);
    for words in ["-m package", "app", "packed.zip", "link.py"] {
        let words = format!("run -k -j1 {words} x ::: a b");
        let ended = run(owngil(words.split(' ')).current_dir(folder.path()));
        let expected = ["beside __main__ ['x', 'a']", "beside __main__ ['x', 'b']"];
        assert_eq!(ended.check(0).lines(), expected, "{words}");
    }
    let source = "import sys\nprint(sys.argv)\n";
    let ended = run_with(&mut words("run -k -j1 - ::: a b"), source);
    assert_eq!(ended.check(0).lines(), ["['-', 'a']", "['-', 'b']"]);
    let shell = format!(
        "{} run -k -j1 <(echo 'import sys; print(sys.argv[1])') ::: a b",
        env!("CARGO_BIN_EXE_owngil")
    );
    let ended = run(command("bash").args(["-c", &shell]));
    assert_eq!(ended.check(0).lines(), ["a", "b"]);
}

#[test]
fn files_and_locks_that_a_script_holds_in_objects_end_with_it() {
    let source = "import fcntl, sqlite3, sys
class Kept:
    def __init__(self):
        self.base = sqlite3.connect('base', timeout=0.1)
        self.lock = open('lock', 'w'); fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.me = self
kept = Kept(); kept.base.execute('create table if not exists t (n)')
kept.base.execute('insert into t values (1)')
print(kept.base.execute('select count(*) from t').fetchone())
if sys.argv[1] == 'b': raise ValueError
";
    for backend in ["auto", "thread", "process"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("held.py"), source).unwrap();
        let words = ["run", "-k", "-j1", "--backend", backend, "held.py", ":::"];
        let mut command = owngil(words);
        let ended = run(command.args(["a", "b", "c"]).current_dir(folder.path()));
        assert_eq!(
            ended.check(1).lines(),
            ["(1,)"; 3],
            "{backend}: {}",
            ended.stderr
        );
        assert_eq!(
            ended.stderr.matches("Traceback").count(),
            1,
            "{}",
            ended.stderr
        );
    }
}
