//! How results and output are given: formats, envelopes, lines, tags, and a folder for each input.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Running, owngil, run, run_with, words};

/// A script or module in a folder of its own.
fn python(source: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.py");
    fs::write(&path, source).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn results_are_written_in_each_format() {
    let input = "{\"a\": 1, \"b\": \"x,y\"}\n{\"b\": null}\n";
    for (format, expected) in [
        ("jsonl", "{\"a\":1,\"b\":\"x,y\"}\n{\"b\":null}\n"),
        ("json", "[\n{\"a\":1,\"b\":\"x,y\"},\n{\"b\":null}\n]\n"),
        ("csv", "a,b\n1,\"x,y\"\n,\n"),
        ("text", "{\"a\":1,\"b\":\"x,y\"}\n{\"b\":null}\n"),
        ("none", ""),
    ] {
        let mut command = words("map -k values.py:same --output");
        let ended = run_with(command.arg(format), input);
        assert_eq!(ended.check(0).stdout, expected, "{format}");
    }
    let ended = run(&mut words("map -k text.py:shout --output text a b"));
    assert_eq!(ended.check(0).stdout, "A!\nB!\n");
    let ended = run(&mut words("map -k text.py:shout --output json"));
    assert_eq!(ended.check(0).stdout, "[]\n");
}

#[test]
fn a_row_that_does_not_fit_fails_alone() {
    let input = "{\"a\": 1}\n{\"new\": 2}\n3\n{\"a\": 4}\n";
    let mut command = words("map -k values.py:same --input jsonl --output csv");
    let ended = run_with(&mut command, input);
    assert_eq!(ended.check(1).stdout, "a\n1\n4\n");
    assert!(
        ended.stderr.contains("\nhint: return the same keys"),
        "{ended:?}"
    );
    assert_eq!(ended.last_words(), "error: 2 of 4 inputs failed");
}

#[test]
fn envelopes_tell_failures_too_on_every_backend() {
    let (_folder, path) = python(
        "import time\ndef f(x):\n    if x == 'b': raise ValueError('bad\\nly')\n    \
         if x == 'c': return b''\n    time.sleep(0.02)\n    return [x]\n",
    );
    for backend in ["auto", "process", "thread"] {
        let mut command = owngil(["map", "-k", "-j2", "--envelope", "--backend", backend]);
        let ended = run(command.arg(format!("{path}:f")).args(["a", "b", "c"]));
        let records: Vec<Value> = (ended.check(1).lines().iter())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [a, b, c] = &records[..] else {
            panic!("{records:?}")
        };
        assert_eq!((&a["index"], &a["input"]), (&1.into(), &"a".into()));
        assert_eq!(
            (&a["outcome"], &a["value"][0]),
            (&"value".into(), &"a".into())
        );
        assert!(a["time"].as_f64().unwrap() >= 0.02 && a["worker"].as_u64().unwrap() < 2);
        assert!(a["attempt"] == 1 && a.get("type").is_none());
        assert_eq!(
            (&b["outcome"], &b["type"]),
            (&"exception".into(), &"ValueError".into())
        );
        assert_eq!(b["message"], "bad\nly");
        assert!(
            b["traceback"]
                .as_str()
                .unwrap()
                .contains("it.py\", line 3, in f")
        );
        assert!(b["time"].as_f64().unwrap() < 5.0 && b.get("value").is_none());
        assert_eq!((&c["index"], &c["outcome"]), (&3.into(), &"error".into()));
        assert!(
            ended
                .stderr
                .contains("error: input 2 (\"b\"): ValueError: bad")
        );
    }
    let mut command = owngil(["map", "-k", "--envelope", "--output", "csv"]);
    let ended = run(command.arg(format!("{path}:f")).args(["a", "c"]));
    let lines = ended.check(1).lines();
    assert!(lines[1].starts_with("1,a,value,0.0") && lines[1].ends_with(",\"[\"\"a\"\"]\",,,"));
    let ended = run(&mut words("map text.py:shout --envelope --output text a"));
    assert!(
        ended
            .check(2)
            .stderr
            .contains("--output text has no records")
    );
}

#[test]
fn an_envelope_has_the_input_as_it_came() {
    let mut command = words("map -k values.py:same --envelope --input jsonl");
    let ended = run_with(
        &mut command,
        " {\"a\": 12345678901234567890123} \nno json\n",
    );
    let lines = ended.check(1).lines();
    assert!(lines[0].starts_with("{\"index\":1,\"input\":{\"a\": 12345678901234567890123},"));
    assert!(lines[1].starts_with("{\"index\":2,\"input\":\"no json\",\"outcome\":\"error\","));
}

#[test]
fn lines_come_while_their_task_runs_and_are_not_mixed() {
    let source = "import sys, time\nname = sys.argv[1]\nfor number in range(200):\n    \
                  print(name, end=' ')\n    print('x' * 5000, number)\n";
    let (_folder, path) = python(source);
    for backend in ["auto", "process", "thread"] {
        let options = ["run", "-j3", "--line-buffer", "--backend", backend, &path];
        let ended = run(owngil(options).args([":::", "a", "b", "c"]));
        assert_eq!(ended.check(0).lines().len(), 600);
        for name in ["a", "b", "c"] {
            let own = ended.stdout.lines().filter(|line| line.starts_with(name));
            let expected = |number| format!("{name} {} {number}", "x".repeat(5000));
            assert!(own.eq((0..200).map(expected)), "{backend}");
        }
    }
    // The first line is there while the script waits for the file that comes after it.
    let (folder, path) = python(
        "import os, sys, time\nprint('first')\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)",
    );
    let gate = folder.path().join("go");
    for option in ["--line-buffer", "--ungroup"] {
        let mut command = owngil(["run", option, "--tag", &path, ":::"]);
        let mut running = Running::start(command.arg(&gate));
        assert_eq!(running.read_line(), format!("{}\tfirst", gate.display()));
        fs::write(&gate, "").unwrap();
        running.end().check(0);
        fs::remove_file(&gate).unwrap();
    }
}

#[test]
fn parts_of_lines_come_at_once_if_that_is_asked_for() {
    let (folder, path) = python(
        "import os, sys, time\nprint('part', end='')\n\
         while not os.path.exists(sys.argv[1]): time.sleep(0.01)\nprint(' and end')",
    );
    let gate = folder.path().join("go");
    let mut command = owngil(["run", "-u", &path, ":::"]);
    let mut running = Running::start(command.arg(&gate));
    let mut part = [0; 4];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut part).unwrap();
    assert_eq!(&part, b"part");
    fs::write(&gate, "").unwrap();
    assert_eq!(running.read_line(), " and end");
    running.end().check(0);
}

#[test]
fn tags_stand_before_each_line_of_both_streams() {
    for option in [&[][..], &["--line-buffer"], &["-u", "-j1"], &["-k"]] {
        let mut command = owngil(["run", "--tagstring", "<{#}:{}>"]);
        let ended = run(command.args(option).args(["arguments.py", ":::", "a", "b"]));
        let mut lines = ended.check(0).lines();
        lines.sort_unstable();
        let expected = [
            "<1:a>\t__main__ 1 ['arguments.py', 'a']",
            "<2:b>\t__main__ 1 ['arguments.py', 'b']",
        ];
        assert_eq!(lines, expected, "{option:?}");
        let mut warnings: Vec<&str> = ended.stderr.lines().collect();
        warnings.sort_unstable();
        assert_eq!(warnings, ["<1:a>\twarning: ['a']", "<2:b>\twarning: ['b']"]);
    }
    let mut command = words("map -k --tag --line-buffer printing.py:lines");
    let ended = run_with(&mut command, "7\n");
    assert_eq!(ended.check(0).lines().len(), 1);
    assert!(
        ended
            .stderr
            .lines()
            .all(|line| line.starts_with("7\ttask 7 line "))
    );
    let ended = run(&mut words("run -j2 --tag arguments.py"));
    assert!(
        ended
            .check(0)
            .lines()
            .iter()
            .any(|line| line.starts_with("worker 2\t__main__"))
    );
}

#[test]
fn each_input_has_a_folder_with_all_that_came_of_it() {
    let (folder, path) = python(
        "import sys\ndef f(x):\n    print('out', x)\n    print('err', x, file=sys.stderr, end='')\n    \
         if x.startswith('bad'): raise ValueError(x)\n    return {'got': x}\n",
    );
    let inputs = ["a/../b c", "bad\n", "", "é\u{1}"];
    for option in [&[][..], &["--line-buffer"], &["-u"], &["-k"]] {
        let results = folder.path().join("results");
        let mut command = owngil(["map", "--output=none", "--results"]);
        command.arg(&results).args(option).arg(format!("{path}:f"));
        let ended = run(command.args(inputs));
        assert_eq!(ended.check(1).stdout, "");
        let read = |folder: &str, file: &str| fs::read_to_string(results.join(folder).join(file));
        for (name, input) in ["1-a_.._b_c", "2-bad_", "3-", "4-___"]
            .into_iter()
            .zip(inputs)
        {
            assert_eq!(read(name, "input").unwrap(), input);
            assert_eq!(read(name, "stdout").unwrap(), format!("out {input}\n"));
            assert_eq!(read(name, "stderr").unwrap(), format!("err {input}"));
        }
        let value: Value = serde_json::from_str(&read("4-___", "value.json").unwrap()).unwrap();
        assert_eq!(value["got"], "é\u{1}");
        assert!(
            read("2-bad_", "error")
                .unwrap()
                .ends_with("ValueError: bad\n\n")
        );
        assert!(read("2-bad_", "value.json").is_err() && read("3-", "error").is_err());
        fs::remove_dir_all(&results).unwrap();
    }
    let results = folder.path().join("of_scripts");
    let mut command = owngil(["run", "--results"]);
    let ended = run(command
        .arg(&results)
        .args(["arguments.py", ":::", "x", "exit=3"]));
    assert_eq!(ended.check(1).lines().len(), 2);
    let error = fs::read_to_string(results.join("2-exit_3/error")).unwrap();
    assert_eq!(error, "the script ended with status 3\n");
    let ended = run(&mut words("run --results x arguments.py"));
    assert!(ended.check(2).stderr.contains("error: --results: "));
    assert!(!Path::new("x").exists());
    let ended = run(&mut words("map --results /dev/null/x text.py:shout a"));
    assert!(
        ended
            .check(2)
            .stderr
            .contains("error: cannot make the folder /dev/null/x\ncaused by: ")
    );
}

#[test]
fn a_folder_that_takes_no_more_fails_its_input_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the first input's folder would be.
    fs::write(folder.path().join("1-a"), "").unwrap();
    let mut command = owngil(["map", "-k", "text.py:shout", "--results"]);
    let ended = run(command.arg(folder.path()).args(["a", "b"]));
    assert_eq!(ended.check(1).lines(), ["\"A!\"", "\"B!\""]);
    assert!(
        ended
            .stderr
            .contains("error: input 1 (\"a\"): its output could not be kept: ")
    );
    assert!(folder.path().join("2-b/value.json").exists());
}

#[test]
fn what_is_kept_in_order_behind_a_slow_input_takes_bounded_memory() {
    // The first input waits; those after it print and give much, and must wait for it.
    let (folder, path) = python(
        "import os, sys, time\ndef f(x):\n    while x != 'y' and not os.path.exists(x): time.sleep(0.01)\n    \
         print('z' * 2000)\n    return x * 1000\n",
    );
    let gate = folder.path().join("go");
    let mut command = owngil(["map", "-k", "-j2"]);
    let mut running = Running::start(command.arg(format!("{path}:f")).stdin(Stdio::piped()));
    running.write_line(gate.to_str().unwrap());
    running.feed_without_end(b"y\n");
    // 64 MiB of results, 32 MiB of what was printed, and the input; then it grows no more.
    let mut peaks = vec![running.peak_kib()];
    while peaks.len() < 20 || peaks[peaks.len() - 10] < peaks[peaks.len() - 1] {
        std::thread::sleep(std::time::Duration::from_millis(100));
        peaks.push(running.peak_kib());
        let grown = peaks[peaks.len() - 1] - peaks[0];
        assert!(grown < 250 << 10, "{grown} KiB: {peaks:?}");
    }
    running.stderr_to_nothing();
    fs::write(&gate, "").unwrap();
    assert!(running.read_line().contains("/go/tmp"));
    drop(running.stdout.take());
    running.end().check(0);
}

#[test]
fn what_derives_from_plain_types_is_written_as_json_dumps_does() {
    let (_folder, path) = python(
        "import collections, enum, json\nclass Colour(enum.IntEnum):\n    RED = 1\nclass Text(str): pass\n\
         class Number(float): pass\nPair = collections.namedtuple('Pair', 'a b')\n\
         def made(x):\n    nested = collections.defaultdict(list, {Text('k'): [Pair(1, [Text('t')])]})\n    \
         ordered = collections.OrderedDict(z=Number(1.5), a=Colour.RED)\n    \
         return [collections.Counter(x), nested, ordered, Pair(ordered, nested)]\n\
         def f(x): return made(x)\n\
         def dumped(x): return json.dumps(made(x), separators=(',', ':'))\n\
         def cycle(x):\n    d = collections.OrderedDict()\n    d['d'] = d\n    return d\n",
    );
    let map = |function: &str, options: &[&str]| {
        let mut command = owngil(["map"]);
        run(command
            .args(options)
            .arg(format!("{path}:{function}"))
            .arg("hello"))
    };
    let expected = map("dumped", &["--output", "text"]).check(0).stdout.clone();
    assert!(
        expected.starts_with("[{\"h\":1,\"e\":1,\"l\":2,\"o\":1},{\"k\":[[1,[\"t\"]]]}"),
        "{expected}"
    );
    for backend in ["interpreter", "thread", "process"] {
        let ended = map("f", &["--backend", backend]);
        assert_eq!(ended.check(0).stdout, expected, "{backend}");
        let ended = map("cycle", &["--backend", backend]);
        let message = "is of type collections.OrderedDict, which JSON cannot hold";
        assert!(ended.check(1).stderr.contains(message), "{}", ended.stderr);
    }
}
