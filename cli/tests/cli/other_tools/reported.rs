//! Bugs that users of similar tools reported, each in a small form; what plain Python gives is right.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::support::{command, is_python_3_12, owngil, run, run_with};

const BACKENDS: [&str; 4] = ["auto", "interpreter", "thread", "process"];

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `owngil` with a subcommand and these words, on a backend.
fn on(backend: &str, folder: &TempDir, words: &str) -> Command {
    let (subcommand, rest) = words.split_once(' ').unwrap();
    let mut command = owngil([subcommand, "--backend", backend]);
    command.args(rest.split(' ')).current_dir(folder);
    command
}

#[test]
fn a_thread_of_a_task_may_fork_where_a_process_may() {
    let files = folder(&[(
        "f.py",
        "import multiprocessing, threading
def fork(codes):
    child = multiprocessing.get_context('fork').Process(target=int)
    child.start(); child.join(); codes.append(child.exitcode)
def f(x):
    codes = []
    thread = threading.Thread(target=fork, args=[codes])
    thread.start(); thread.join()
    return codes
if __name__ == '__main__': print(f(None))
",
    )]);
    for backend in ["auto", "thread", "process"] {
        for words in ["map f.py:f x", "run f.py ::: x"] {
            let ended = run(&mut on(backend, &files, words));
            assert_eq!(ended.check(0).stdout, "[0]\n", "{backend}");
            assert!(!ended.stderr.contains("Traceback"), "{}", ended.stderr);
        }
    }
}

#[test]
fn daemon_threads_start_wherever_threads_do() {
    let files = folder(&[
        (
            "f.py",
            "import queue, threading
results = queue.Queue()
def manager(): threading.Thread(target=results.put, args=['done'], daemon=True).start()
def f(x):
    threading.Thread(target=manager).start()
    return results.get()
",
        ),
        (
            "monitor.py",
            "import threading
class Monitor(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True); self.killed = threading.Event(); self.start()
    def run(self): self.killed.wait()
Monitor(); print('ran')
",
        ),
    ]);
    for backend in BACKENDS {
        for (words, expected) in [
            ("map -j 1 f.py:f x y", "\"done\"\n\"done\"\n"),
            ("run -j 1 monitor.py ::: x y z", "ran\nran\nran\n"),
        ] {
            let ended = run(&mut on(backend, &files, words));
            assert_eq!(ended.check(0).stdout, expected, "{backend}");
            assert_eq!(ended.stderr, "", "{backend}");
        }
    }
}

#[test]
fn pieces_are_read_by_lines_as_standard_input_is() {
    let files = folder(&[(
        "lines.py",
        "import sys\nfor line in sys.stdin: print(repr(line))\n",
    )]);
    let input = b"x\r\ny\rz\nJos\xe9\nlast";
    let mut python = command(crate::support::plain_python());
    let python = run_with(python.arg("lines.py").current_dir(&files), input);
    for backend in BACKENDS {
        let mut command = on(backend, &files, "run --pipe lines.py");
        let ended = run_with(&mut command, input);
        assert_eq!(ended.check(0).stdout, python.check(0).stdout, "{backend}");
    }
    assert_eq!(python.lines()[0], r"'x\r\n'");
}

#[test]
fn a_script_may_come_by_a_pipe_with_a_name() {
    for words in ["run -k pipe ::: a b", "run -k --joblog log pipe ::: a b"] {
        let files = folder(&[]);
        let pipe = files.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        // Once: it is read once.
        let writer = thread::spawn(move || fs::write(pipe, "import sys\nprint(sys.argv[1])\n"));
        let ended = run(&mut on("auto", &files, words));
        assert_eq!(ended.check(0).stdout, "a\nb\n");
        writer.join().unwrap().unwrap();
    }
}

#[test]
fn classes_of_the_command_line_are_those_of_a_module() {
    let code = "import dataclasses, pickle
@dataclasses.dataclass
class D:
    a: 'int'
    b: 'dataclasses.InitVar[int]' = 0
def f(x): return pickle.loads(pickle.dumps(D(x))).a";
    let files = folder(&[]);
    for backend in BACKENDS {
        let ended = run(on(backend, &files, "map 7").args(["-c", code]));
        assert_eq!(ended.check(0).stdout, "\"7\"\n", "{backend}");
    }
}

#[test]
fn text_that_is_not_utf8_leaves_as_it_came() {
    let files = folder(&[]);
    for backend in BACKENDS {
        for (options, code) in [("text", "lambda x: x"), ("csv", "lambda x: [x]")] {
            let shell = format!(
                "printf 'Jos\\351\\n' | \"$0\" map --backend {backend} --output {options} -c '{code}' | od -An -tx1"
            );
            let mut shell_command = command("sh");
            shell_command.args(["-c", &shell, env!("CARGO_BIN_EXE_owngil")]);
            let ended = run(shell_command.current_dir(&files));
            assert_eq!(ended.check(0).stdout, " 4a 6f 73 e9 0a\n", "{backend}");
        }
        // What it writes as JSON it reads.
        let mut same = on(backend, &files, "map -c repr");
        let ended = run_with(&mut same, "\"Jos\\udce9\"\n");
        assert_eq!(ended.check(0).stdout, "\"'Jos\\\\udce9'\"\n");
    }
}

#[test]
fn programs_that_calls_start_see_the_variables_of_their_own_call() {
    let files = folder(&[(
        "f.py",
        "import os, subprocess, time
def f(x):
    os.environ['TASK'] = x; time.sleep(0.01)
    return subprocess.getoutput('echo $TASK')
",
    )]);
    let inputs: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let all: String = inputs.iter().map(|n| format!("\"{n}\"\n")).collect();
    // Workers that are threads share os.environ.
    for backend in ["auto", "interpreter", "process"] {
        let mut command = on(backend, &files, "map -k -j 4 --chunk 1 f.py:f");
        let ended = run(command.args(&inputs));
        assert_eq!(ended.check(0).stdout, all, "{backend}");
    }
}

#[test]
fn transactions_of_workers_exclude_each_other() {
    let base = "import sqlite3
def base(): return sqlite3.connect('base', timeout=60, isolation_level=None)
def bump(x):
    connection = base()
    for _ in range(5):
        connection.execute('begin immediate')
        n, = connection.execute('select n from t').fetchone()
        connection.execute('update t set n = ?', (n + 1,)); connection.execute('commit')
    connection.close()
def begin(x): base().execute('create table t (n)'); base().execute('insert into t values (0)')
def end(x): return base().execute('select n from t').fetchone()
";
    for backend in BACKENDS {
        let files = folder(&[("f.py", base)]);
        let call = |words: &str| run(&mut on(backend, &files, words));
        call("map --output none f.py:begin x").check(0);
        let bump = "map -j 4 --chunk 1 --output none f.py:bump";
        call(&format!("{bump}{}", " x".repeat(16))).check(0);
        let ended = call("map f.py:end x");
        assert_eq!(ended.check(0).stdout, "[80]\n", "{backend}");
    }
}

#[test]
fn a_program_that_a_call_started_ends_with_the_calls_time() {
    let files = folder(&[(
        "f.py",
        "import subprocess
def f(x):
    child = subprocess.Popen(['sleep', '78'])
    open(x, 'w').write(str(child.pid))
    child.wait()
",
    )]);
    for backend in BACKENDS {
        let words = format!("map -j 2 --timeout 1 f.py:f {backend}-a {backend}-b");
        let ended = run(&mut on(backend, &files, &words));
        assert_eq!(ended.check(1).stderr.matches("ran out of time").count(), 2);
        for input in ["a", "b"] {
            let path = files.path().join(format!("{backend}-{input}"));
            let child = fs::read_to_string(path).unwrap();
            // A zombie has no command line.
            let line = fs::read(Path::new("/proc").join(&child).join("cmdline"));
            let is_gone = line.unwrap_or_default().is_empty();
            assert!(is_gone, "{backend}: process {child} lives on");
        }
    }
}

#[test]
fn a_file_that_may_grow_no_more_is_an_error_of_its_call() {
    let files = folder(&[(
        "f.py",
        "def f(x):
    try:
        with open('out', 'wb') as file: file.write(b'x' * 1_000_000)
    except OSError as error: return str(error)
",
    )]);
    for backend in BACKENDS {
        let shell = format!("ulimit -f 10; exec \"$0\" map --backend {backend} f.py:f x");
        let mut command = command("bash");
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_owngil")]);
        let ended = run(command.current_dir(&files));
        let expected = "\"[Errno 27] File too large\"\n";
        assert_eq!(ended.check(0).stdout, expected, "{backend}");
    }
}

#[test]
fn json_is_what_the_json_module_reads_and_writes() {
    let code = "def f(x):
    nested = 1
    for _ in range(140): nested = {'a': nested}
    return repr(x), nested";
    let expected = |shown: &str| {
        let nested = "{\"a\":".repeat(140) + "1" + &"}".repeat(140);
        format!("[\"{shown}\",{nested}]\n")
    };
    let files = folder(&[]);
    for backend in BACKENDS {
        let mut command = on(backend, &files, "map -k --input jsonl --allow-nan");
        let ended = run_with(command.args(["-c", code]), "-0\n1E400\nNaN\n-0.0\n");
        let all = ["0", "inf", "nan", "-0.0"].map(expected).concat();
        assert_eq!(ended.check(0).stdout, all, "{backend}");
    }
}

#[test]
fn isolated_runs_have_folders_of_their_own_and_leave_no_descriptors() {
    let names = ["one", "two", "three", "four"];
    let files = folder(&[(
        "f.py",
        "import os, sys, time
os.chdir(sys.argv[1]); time.sleep(0.02)
print(sys.argv[1], os.path.basename(os.getcwd()))
",
    )]);
    for name in names {
        fs::create_dir(files.path().join(name)).unwrap();
    }
    let n = 20;
    // Fewer than there are runs: one that leaves a descriptor leaves too many.
    let shell = "ulimit -n 64; exec \"$0\" run -j 2 --isolate interpreter f.py ::: \"$@\"";
    let mut command = command("bash");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_owngil")]);
    command.args(names.iter().cycle().take(names.len() * n));
    let ended = run(command.current_dir(&files));
    let lines = ended.check(0).lines();
    assert_eq!(lines.len(), names.len() * n);
    for line in lines {
        let (wanted, found) = line.split_once(' ').unwrap();
        assert_eq!(wanted, found);
    }
}

#[test]
fn a_crash_says_which_input_ran() {
    let files = folder(&[(
        "f.py",
        "import ctypes
def f(x):
    if x == 'b': ctypes.string_at(0)
    return x
",
    )]);
    // ctypes can be imported in interpreters from 3.13 on.
    let in_process = ["thread", "interpreter"];
    let n = if is_python_3_12() { 1 } else { 2 };
    for backend in &in_process[..n] {
        let words = "map -j 1 --chunk 1 f.py:f a b c";
        let ended = run(&mut on(backend, &files, words));
        let expected =
            "error: C code ended this process (SIGSEGV, a segmentation fault); running: input 2\n";
        // A signal has no status.
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (None, expected),
            "{backend}"
        );
    }
    let ended = run(&mut on("process", &files, "map -j 1 -k f.py:f a b c"));
    assert_eq!(ended.check(1).stdout, "\"a\"\n\"c\"\n");
    let expected = "error: input 2 (\"b\"): the task's worker was lost: ";
    assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
}
