//! `--each`: the items of what a function returns, each as a result.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::{Ended, Running, command, owngil, run};

const SOURCE: &str = "
import asyncio, os, time

def upto(n):
    for k in range(int(n)): yield {'n': int(n), 'k': k}

async def awaited(n):
    for k in range(int(n)):
        await asyncio.sleep(0)
        yield k

def listed(n): return [n] * int(n)

def number(n): return int(n)

async def coroutine(n): return [n]

def endless(n):
    while True: yield n

def failing(n):
    yield n
    raise ValueError(n)

def unfit(n):
    try:
        yield n
        yield n.encode()
        yield n
    finally:
        open('closed', 'w').close()

def waiting(n):
    for k in range(3):
        yield f'{n} {k}'
        while n == '2' and not os.path.exists(f'go{k}'): time.sleep(0.001)
";

/// The functions in a folder of their own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("it.py"), SOURCE).unwrap();
    folder
}

/// `owngil map --each` there with these words.
fn each(folder: &Path, words: &str) -> Ended {
    let mut command = owngil(["map", "--each"]);
    run(command.args(words.split(' ')).current_dir(folder))
}

#[test]
fn each_item_is_a_result_in_every_format() {
    let folder = folder();
    for (words, expected) in [
        (
            "-k it.py:upto 2 0 1",
            "{\"n\":2,\"k\":0}\n{\"n\":2,\"k\":1}\n{\"n\":1,\"k\":0}\n",
        ),
        ("-k it.py:upto --output csv 1 2", "n,k\n1,0\n2,0\n2,1\n"),
        ("-k it.py:awaited --output json 2 1", "[\n0,\n1,\n0\n]\n"),
        ("-k it.py:upto --output json 0", "[]\n"),
        ("-k it.py:listed --output text 1 2", "1\n2\n2\n"),
        ("-k it.py:listed --output none 1 2", ""),
        ("it.py:listed --backend process 2", "\"2\"\n\"2\"\n"),
        ("it.py:listed --backend thread 2", "\"2\"\n\"2\"\n"),
    ] {
        let ended = each(folder.path(), words);
        assert_eq!(ended.check(0).stdout, expected, "{words}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn what_has_no_items_fails_with_a_hint() {
    let folder = folder();
    let ended = each(folder.path(), "it.py:number 3");
    let message = "error: input 1 (\"3\"): TypeError: a stream needs an iterable, and the function has returned int\n";
    assert!(ended.check(1).stderr.starts_with(message), "{ended:?}");
    let hint = "\nhint: without --each, what the function returns is one result\n";
    assert!(ended.stderr.contains(hint), "{ended:?}");
    let ended = each(folder.path(), "it.py:coroutine 3");
    assert!(ended.check(1).stderr.contains("\nhint: let the async"));
    assert!(!ended.stderr.contains(hint), "{ended:?}");
}

#[test]
fn an_error_comes_after_the_items_and_ends_its_input_alone() {
    let folder = folder();
    let ended = each(folder.path(), "-k it.py:failing a b");
    assert_eq!(ended.check(1).stdout, "\"a\"\n\"b\"\n");
    assert_eq!(ended.last_words(), "error: 2 of 2 inputs failed");
    let ended = each(folder.path(), "-k it.py:unfit a b");
    assert_eq!(ended.check(1).stdout, "\"a\"\n\"b\"\n");
    assert_eq!(ended.stderr.matches("of type bytes").count(), 2);
    assert!(folder.path().join("closed").exists());
    let ended = each(folder.path(), "-k --timeout 0.3 it.py:waiting 2 1");
    let expected = "\"2 0\"\n\"1 0\"\n\"1 1\"\n\"1 2\"\n";
    assert_eq!(ended.check(1).stdout, expected);
    assert!(ended.stderr.contains("ran out of time"), "{ended:?}");
}

#[test]
fn an_item_is_written_before_the_next_is_computed() {
    let folder = folder();
    for options in [&[][..], &["-k"], &["--joblog", "log"]] {
        let mut command = owngil(["map", "--each", "-j", "2"]);
        command.args(options).args(["it.py:waiting", "2", "2"]);
        let mut running = Running::start(command.current_dir(folder.path()));
        assert_eq!(running.read_line(), "\"2 0\"");
        if options.is_empty() {
            // The other input does not wait for its turn.
            assert_eq!(running.read_line(), "\"2 0\"");
        }
        let pass = |k: u32| fs::write(folder.path().join(format!("go{k}")), "").unwrap();
        pass(0);
        assert_eq!(running.read_line(), "\"2 1\"");
        pass(1);
        pass(2);
        let ended = running.end();
        let n_before = 2 + usize::from(options.is_empty());
        assert_eq!(ended.check(0).lines().len(), 6 - n_before);
        for k in 0..3 {
            fs::remove_file(folder.path().join(format!("go{k}"))).unwrap();
        }
    }
}

#[test]
fn an_endless_generator_ends_with_its_reader() {
    let folder = folder();
    let owngil = env!("CARGO_BIN_EXE_owngil");
    for option in ["-j2", "-k"] {
        let script = format!("{owngil} map --each {option} it.py:endless a a | head -n 5000");
        let mut shell = command("sh");
        let ended = run(shell.args(["-c", &script]).current_dir(folder.path()));
        assert_eq!(ended.check(0).stdout, "\"a\"\n".repeat(5000));
        assert_eq!(ended.stderr, "");
    }
}

/// What was written of an input that is cut short must not count as that of the next input.
#[test]
fn a_run_that_is_interrupted_between_items_ends_as_a_plain_loop_when_it_is_resumed() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let words = "map --each --joblog log --resume -j 3 it.py:waiting 1 2 3 4 5";
    let start = || {
        let mut append = OpenOptions::new();
        let out = append.append(true).create(true).open(path("out")).unwrap();
        let mut command = owngil(words.split(' '));
        command.current_dir(folder.path());
        (command, out)
    };
    let (mut first, out) = start();
    let mut child = first
        .stdout(out)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let written = || fs::read_to_string(path("out")).unwrap();
    while !written().ends_with("\"2 0\"\n") {
        thread::sleep(Duration::from_millis(1));
    }
    // Inputs after it may have ended, and wait for their turn.
    thread::sleep(Duration::from_millis(50));
    let pid = rustix::process::Pid::from_child(&child);
    while child.try_wait().unwrap().is_none() {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(written(), "\"1 0\"\n\"1 1\"\n\"1 2\"\n\"2 0\"\n");
    for k in 0..3 {
        fs::write(path(&format!("go{k}")), "").unwrap();
    }
    let (mut second, out) = start();
    assert!(second.stdout(out).status().unwrap().success());
    let plain: String = (1..=5)
        .flat_map(|n| (0..3).map(move |k| format!("\"{n} {k}\"\n")))
        .collect();
    assert_eq!(written(), plain);
}

#[test]
fn what_needs_a_whole_result_is_refused() {
    let folder = folder();
    for option in ["--envelope", "--retries 2", "--results kept"] {
        let ended = each(folder.path(), &format!("{option} it.py:listed 1"));
        let message = "the argument '--each' cannot be used with '--";
        assert!(ended.check(2).stderr.contains(message), "{ended:?}");
    }
}
