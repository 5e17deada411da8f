//! Where code runs that cannot run in an interpreter with its own GIL, and what is said of it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{owngil, run};

/// A script that loads an extension module of the standard library which refuses, at once or late.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at_once = "import os, readline\ndef f(x): return [x, os.getpid()]\n";
    let late = "import os\ndef f(x):\n    if x == 'c':\n        import readline\n    return [x, os.getpid()]\n";
    let script = "import readline, sys\nprint(sys.argv[1])\n";
    for (name, text) in [
        ("at_once.py", at_once),
        ("late.py", late),
        ("script.py", script),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn note(folder: &TempDir, what: &str) -> String {
    let folder: PathBuf = folder.path().canonicalize().unwrap();
    format!(
        "note: {}/{what} runs in worker processes: an extension module refuses interpreters with their own GIL (readline); calls already \
         started run again from the beginning (--backend process runs all of them there)\n",
        folder.display()
    )
}

#[test]
fn a_function_that_is_refused_runs_in_processes_and_that_is_said_once() {
    let folder = folder();
    for (file, inputs) in [("at_once.py", 4), ("late.py", 6)] {
        let reference = format!("{file}:f");
        let names = &["a", "b", "c", "d", "e", "f"][..inputs];
        let mut command = owngil(["map", "-k", "-j", "2", &reference]);
        let ended = run(command.args(names).current_dir(folder.path()));
        assert_eq!(ended.check(0).stderr, note(&folder, &reference));
        let results: Vec<(String, u32)> = ended
            .lines()
            .into_iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let found: Vec<&str> = results.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, names);
        let (_, of_c) = results[2];
        assert!(file == "at_once.py" || results[0].1 != of_c, "{results:?}");
    }
}

#[test]
fn a_script_that_is_refused_runs_in_processes() {
    let folder = folder();
    let arguments = ["run", "-k", "-j", "2", "script.py", ":::", "a", "b", "c"];
    let ended = run(owngil(arguments).current_dir(folder.path()));
    assert_eq!(ended.check(0).stdout, "a\nb\nc\n");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("script.py runs in worker processes"));
}

#[test]
fn a_quiet_run_says_nothing_of_it() {
    let folder = folder();
    let mut command = owngil(["map", "-q", "at_once.py:f", "a"]);
    let ended = run(command.current_dir(folder.path()));
    assert_eq!(ended.check(0).stderr, "");
}

#[test]
fn all_can_be_had_run_in_processes() {
    let folder = folder();
    let mut command = owngil(["map", "--backend", "process", "late.py:f", "a", "c"]);
    let ended = run(command.current_dir(folder.path()));
    assert_eq!(ended.check(0).stderr, "");
    assert_eq!(ended.lines().len(), 2);
}

/// Without inputs, output is shown line by line.
#[test]
fn what_a_script_prints_after_a_refusal_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let source = "import os
print('first', flush=True)
try:
    if os.fork() == 0: os._exit(0)
    os.wait()
except BaseException:
    print('refused', flush=True)
    raise
print('second')
";
    fs::write(folder.path().join("forks.py"), source).unwrap();
    let mut command = owngil(["run", "-j", "1", "forks.py"]);
    let ended = run(command.current_dir(folder.path()));
    assert_eq!(ended.check(0).stdout, "first\nsecond\n");
}
