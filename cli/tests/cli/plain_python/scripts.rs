//! What plain Python would have done: scripts that start programs, change what belongs to the process, and leave things
//! open, beside a loop that starts `python` for each input.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{command, is_python_3_12, owngil, plain_python, run, scale};

pub(crate) const BACKENDS: [&str; 4] = ["auto", "interpreter", "thread", "process"];

/// Scripts by what they do; each gets one argument. What they print comes in the order in which it is written, as with
/// `python -u`.
const SCRIPTS: [(&str, &str); 35] = [
    ("child", "import subprocess, sys
print('before'); subprocess.run(['echo', 'child', sys.argv[1]], check=True); print('after')"),
    ("child_of_a_shell", "import os, sys
print(os.system(f'echo shell {sys.argv[1]}; exit 3')); print(os.popen('echo popen').read(), end='')"),
    ("spawned", "import os, sys
pid = os.posix_spawn('/bin/echo', ['echo', 'spawned', sys.argv[1]], os.environ)
print(os.waitpid(pid, 0)[1])"),
    ("merged", "import subprocess, sys
subprocess.run('echo out; echo err >&2', shell=True, stderr=subprocess.STDOUT)
subprocess.run(['echo', 'given'], stdout=sys.stdout)
print(subprocess.run('echo kept; echo lost >&2', shell=True, capture_output=True).stdout)"),
    ("descriptors", "import os, sys
os.write(1, b'one\\n'); os.write(sys.stdout.fileno(), b'two\\n'); print('three')
copy = os.dup(1); os.write(copy, b'four\\n'); os.close(copy)"),
    ("from_c", "import ctypes, sys
ctypes.CDLL(None).puts(b'from C ' + sys.argv[1].encode()); print('from Python')"),
    ("replaced", "import os, sys
target = os.open('target-' + sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
kept = os.dup(1); os.dup2(target, 1); os.system('echo hidden'); os.dup2(kept, 1)
os.close(target); print(open('target-' + sys.argv[1]).read())"),
    ("kinds_of_streams", "import io, sys
for stream in sys.stdin, sys.stdout, sys.stderr:
    kinds = io.IOBase, io.TextIOBase, io.TextIOWrapper
    print([isinstance(stream, kind) for kind in kinds], isinstance(stream.buffer, io.IOBase))"),
    ("builtin_functions", "import copy, inspect, os, pickle
for function in os.read, os.kill, os._exit, os.chdir, os.nice:
    print(function, function.__name__, function.__qualname__, function.__module__, function.__doc__)
    print(function.__self__, inspect.signature(function), hasattr(function, '__dict__'), hasattr(function, 'other'))
    print(copy.copy(function) is function, pickle.loads(pickle.dumps(function)) is function)"),
    ("folder", "import os, sys, time
os.makedirs(sys.argv[1], exist_ok=True); os.chdir(sys.argv[1]); time.sleep(0.02)
open('made', 'w').write('x'); print(os.path.basename(os.getcwd())); os.system('basename $(pwd)')"),
    ("folder_is_as_at_the_start", "import os, sys
print(os.path.exists('here')); os.makedirs('deep', exist_ok=True); os.chdir('deep')"),
    ("umask", "import os, sys
os.umask(0o077); open('f' + sys.argv[1], 'w').close(); print(oct(os.stat('f' + sys.argv[1]).st_mode))"),
    ("umask_is_as_at_the_start", "import os
before = os.umask(0o077); print(oct(before))"),
    ("variables", "import os, subprocess, sys, time
print(os.environ.get('TASK')); os.environ['TASK'] = sys.argv[1]; time.sleep(0.01)
print(os.popen('echo $TASK').read(), subprocess.getoutput('echo $TASK'), os.system('test $TASK = ' + sys.argv[1]))"),
    ("interrupted_by_a_timer", "import _thread, threading, time
timer = threading.Timer(0.05, _thread.interrupt_main)
try:
    timer.start()
    for _ in range(500): time.sleep(0.01)
    print('not interrupted')
except KeyboardInterrupt: print('interrupted')
timer.join()"),
    ("signal_to_its_thread", "import signal, threading
try: signal.pthread_kill(threading.get_ident(), signal.SIGINT); print('not interrupted')
except KeyboardInterrupt: print('interrupted')"),
    ("unflushed", "import gzip, csv, sys, zipfile
kept = open('text-' + sys.argv[1], 'w'); kept.write('did it')
packed = zipfile.ZipFile('packed-' + sys.argv[1], 'w'); packed.writestr('a', sys.argv[1])
rows = open('rows-' + sys.argv[1], 'w'); csv.writer(rows).writerow([1, sys.argv[1]])"),
    ("logging", "import logging, sys
logger = logging.getLogger('app'); handler = logging.StreamHandler(sys.stdout); logger.addHandler(handler)
logger.setLevel('INFO'); logger.info('hello %s', sys.argv[1])
logging.basicConfig(filename='log-' + sys.argv[1], level='DEBUG'); logging.debug('to the file')"),
    ("warnings", "import sys, warnings
warnings.showwarning = lambda message, *_: print('warned', message)
warnings.warn('once'); warnings.filterwarnings('ignore'); warnings.warn('never')"),
    ("own_module", "import sys
sys.path.insert(0, 'modules'); import counted
counted.n += 1; print(counted.n, counted.__name__)"),
    ("state", "import builtins, decimal, locale, os, random, sys
print(decimal.getcontext().prec, sys.getrecursionlimit(), hasattr(builtins, 'left'), len(sys.path) < 12, sys.argv)
decimal.getcontext().prec = 5; sys.setrecursionlimit(2000); builtins.left = 1; sys.path.extend('abcdefghijkl')
random.seed(1); sys.argv.append('more'); sys.excepthook = None"),
    ("at_exit", "import atexit, sys
atexit.register(print, 'first registered'); atexit.register(lambda: print('last registered', sys.argv[1]))
print('end of the script')"),
    ("threads", "import sys, threading, time
def later(): time.sleep(0.02); print('later', sys.argv[1])
threading.Thread(target=time.sleep, args=[9], daemon=True).start()
print('now'); threading.Thread(target=later).start()"),
    ("executor", "import concurrent.futures, sys
futures = concurrent.futures.ThreadPoolExecutor(2)
print(sorted(futures.map(len, ['a', 'bb', sys.argv[1]]))); left = futures.submit(print, 'submitted')"),
    ("executor_at_the_end", "import atexit, concurrent.futures, sys, time
futures = concurrent.futures.ThreadPoolExecutor(1)
def later(n):
    time.sleep(0.2)
    try: futures.submit(print, 'never')
    except RuntimeError: print('refused'); return n
for n in range(3): futures.submit(later, n).add_done_callback(lambda future: print('called back', future.result()))
futures.shutdown(wait=False) if sys.argv[1] == 'b' else atexit.register(later, 3)"),
    ("signals_of_the_host", "import signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGINT, signal.SIG_IGN); print('set')
signal.signal(signal.SIGINT, signal.default_int_handler)"),
    ("own_signal", "import os, signal, sys
got = []; signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
os.kill(os.getpid(), signal.SIGUSR1); print(got == [signal.SIGUSR1])"),
        (
        "closed_number",
        "import os, sys
kept = open(sys.stdout.fileno(), 'w'); kept.write(f'by a file of its own {sys.argv[1]}\\n'); kept.close()",
    ),
    (
        "finalizers",
        "import os, sys, weakref
class Kept: pass
kept = Kept(); weakref.finalize(kept, os.write, 1, f'gone {sys.argv[1]}\\n'.encode())
print('end')",
    ),
    (
        "hook",
        "import sys
def hook(kind, error, trace): print('hook', kind.__name__, error)
sys.excepthook = hook
raise ValueError(sys.argv[1])",
    ),
    (
        "names",
        "import logging, sys, tempfile, threading, os
print(logging.getLevelName(25), threading.current_thread().name, threading.active_count())
print(threading.current_thread() is threading.main_thread(), threading.main_thread().daemon)
logging.addLevelName(25, 'NOTE'); os.makedirs('t' + sys.argv[1]); os.environ['TMPDIR'] = 't' + sys.argv[1]
print(os.path.basename(tempfile.gettempdir()))",
    ),
    (
        "spawned_pool",
        "import multiprocessing, os, sys
class Value: pass
def work(n): return Value(), os.environ.get('MINE')
if __name__ == '__main__':
    os.environ['MINE'] = sys.argv[1]
    with multiprocessing.get_context('forkserver').Pool(1) as pool:
        print([(type(value).__name__, mine) for value, mine in pool.map(work, [1])])",
    ),
("exit_status", "import sys
print('status'); sys.exit(int(sys.argv[1]) % 2)"),
    (
        "bad_descriptors",
        "import fcntl
class Bad:
    def __init__(self, number): self.number = number
    def fileno(self): return self.number
for number in 'spam', -1, 2**31, -2**31 - 1, None, 1.5, 999:
    for file in number, Bad(number):
        for call in (fcntl.fcntl, fcntl.F_SETFL, 0), (fcntl.ioctl, 0), (fcntl.flock, fcntl.LOCK_UN), (fcntl.lockf, fcntl.LOCK_UN):
            try: call[0](file, *call[1:])
            except Exception as error: print(number, type(error).__name__, error)",
    ),
    ("main", "import __main__, sys
print(__name__, __file__ == sys.argv[0] or __file__.endswith(sys.argv[0]), __package__, __spec__, vars(__main__) is globals())"),
];

/// What came of all inputs of a script: standard output in their order, the statuses, and the files.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    stdout: String,
    failed: Vec<String>,
    files: BTreeMap<String, String>,
}

/// Files in a folder and below, but for Python's own caches.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("__pycache__") {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            // A zip archive holds the time of day.
            let holds = match name.contains("packed-") {
                true => "an archive".to_owned(),
                false => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            };
            found.insert(name, holds);
        }
    }
    found
}

fn prepare(name: &str, source: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    // Not by the name of a module.
    let script = format!("of_{name}.py");
    fs::write(folder.path().join(&script), source).unwrap();
    fs::write(folder.path().join("here"), "").unwrap();
    fs::create_dir(folder.path().join("modules")).unwrap();
    fs::write(folder.path().join("modules/counted.py"), "n = 0\n").unwrap();
    (folder, script)
}

const INPUTS: [&str; 5] = ["1", "2", "3", "4", "5"];

fn by_a_plain_loop(name: &str, source: &str) -> Outcome {
    let (folder, script) = prepare(name, source);
    let mut outcome = Outcome {
        stdout: String::new(),
        failed: Vec::new(),
        files: BTreeMap::new(),
    };
    for input in INPUTS {
        let mut python = command(plain_python());
        let ended = run(python
            .args(["-u", &script, input])
            .current_dir(folder.path()));
        outcome.stdout.push_str(&ended.stdout);
        if ended.status != Some(0) {
            outcome.failed.push(input.to_owned());
        }
    }
    outcome.files = files(folder.path());
    outcome
}

/// What comes of scripts in plain Python, by their names: each is found out once for all backends.
pub(crate) type Plain = Mutex<BTreeMap<&'static str, Arc<OnceLock<Outcome>>>>;

fn by_owngil(name: &str, source: &str, backend: &str) -> Outcome {
    let (folder, script) = prepare(name, source);
    // Two workers, so that one runs several inputs, one after another.
    let words = ["run", "-k", "-j", "2", "--backend", backend];
    let mut command = owngil(words);
    command.arg(script).arg(":::").args(INPUTS);
    let ended = run(command.current_dir(folder.path()));
    let inputs = INPUTS.iter().filter(|input| {
        let reported = format!("({input:?}):");
        ended.stderr.lines().any(|line| line.contains(&reported))
    });
    Outcome {
        stdout: ended.stdout,
        failed: inputs.map(|input| (*input).to_owned()).collect(),
        files: files(folder.path()),
    }
}

/// What is for the process, and so refused where it has others.
const OF_A_PROCESS: [&str; 4] = [
    "replaced",
    "own_signal",
    "interrupted_by_a_timer",
    "signal_to_its_thread",
];

/// What a backend cannot do, and refuses.
fn is_refused(name: &str, backend: &str) -> bool {
    match backend {
        // ctypes can be imported there from 3.13 on.
        "interpreter" if name == "from_c" => is_python_3_12(),
        "interpreter" => OF_A_PROCESS.contains(&name),
        // Workers share the main interpreter, and with it os.environ, and the process's descriptors. What a thread
        // prints that a script has started belongs to no script.
        "thread" => {
            let shared = [
                "variables",
                "executor",
                "executor_at_the_end",
                "threads",
                "names",
                "spawned_pool",
                "finalizers",
            ];
            OF_A_PROCESS.contains(&name) || shared.contains(&name)
        }
        _ => false,
    }
}

/// Compares scripts with plain Python, but for those that are left out.
pub(crate) fn compare_all(
    scripts: &[(&'static str, &'static str)],
    plain: &Plain,
    backend: &str,
    is_left_out: impl Fn(&str) -> bool,
) {
    let mut wrong = Vec::new();
    for (name, source) in scripts.iter().filter(|(name, _)| !is_left_out(name)) {
        let plain = Arc::clone(plain.lock().unwrap().entry(*name).or_default());
        let plain = plain.get_or_init(|| by_a_plain_loop(name, source));
        let own = by_owngil(name, source, backend);
        if *plain != own {
            wrong.push(format!("{name}:\nplain {plain:?}\nowngil {own:?}"));
        }
    }
    assert!(wrong.is_empty(), "on {backend}: {}", wrong.join("\n"));
}

/// As `compare_all`, with scripts that each name the backends that cannot run it.
pub(crate) fn compare_where_possible<'s>(
    scripts: impl IntoIterator<Item = &'s (&'static str, &'static str, &'static [&'static str])>,
    plain: &Plain,
    backend: &str,
) {
    let scripts = scripts.into_iter();
    let possible = scripts.filter(|(_, _, not_on)| !not_on.contains(&backend));
    let possible: Vec<_> = possible.map(|(name, source, _)| (*name, *source)).collect();
    compare_all(&possible, plain, backend, |_| false);
}

fn compare(backend: &str) {
    static PLAIN: Plain = Plain::new(BTreeMap::new());
    compare_all(&SCRIPTS, &PLAIN, backend, |name| is_refused(name, backend));
}

on_backends! {
    by_default: "auto",
    in_interpreters: "interpreter",
    on_threads: "thread",
    in_worker_processes: "process",
}

/// How many scripts there are in all.
const N_SCRIPTS: usize = 100;

/// A folder with so many scripts of those kinds, and the names of the scripts.
fn hundred_scripts() -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let fitting = |name: &str| {
        ![
            "state",
            "own_module",
            "main",
            "exit_status",
            "hook",
            "names",
            "spawned_pool",
        ]
        .contains(&name)
    };
    let kinds = SCRIPTS.iter().filter(|(name, _)| fitting(name));
    let names = kinds.cycle().take(N_SCRIPTS).enumerate();
    let names = names.map(|(n, (name, source))| {
        let script = format!("{n}-{name}.py");
        // Each in a new folder of its own: it may have been killed there before.
        let own = format!(
            "import os, shutil, sys
sys.argv[1:] = ['{n}']
shutil.rmtree('of-{n}', ignore_errors=True); os.mkdir('of-{n}'); os.chdir('of-{n}'); open('here', 'w').close()
{source}\n"
        );
        fs::write(folder.path().join(&script), own).unwrap();
        script
    });
    let names = names.collect();
    let any = "import runpy, sys\nrunpy.run_path(sys.argv[1], run_name='__main__')\n";
    fs::write(folder.path().join("any.py"), any).unwrap();
    (folder, names)
}

#[test]
fn a_hundred_scripts_that_are_killed_and_gone_on_with_give_what_a_plain_loop_gives() {
    let (folder, names) = hundred_scripts();
    let mut plain = String::new();
    for name in &names {
        let mut python = command(plain_python());
        let python = python.args(["-u", "any.py", name]);
        let ended = run(python.current_dir(folder.path()));
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.stderr);
        plain.push_str(&ended.stdout);
    }
    let expected = files(folder.path());
    let (folder, names) = hundred_scripts();
    fs::write(folder.path().join("names"), names.join("\n") + "\n").unwrap();
    let start = || -> Child {
        let append = |name: &str| {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true);
            file.open(folder.path().join(name)).unwrap()
        };
        let words = "run -k -j 4 -a names --joblog log --resume any.py {}";
        let mut command: Command = owngil(words.split(' '));
        let command = command.current_dir(folder.path()).stdin(Stdio::null());
        command
            .stdout(append("out"))
            .stderr(append("err"))
            .spawn()
            .unwrap()
    };
    let n_done = || fs::read(folder.path().join("log")).map_or(0, |log| log.len());
    // `make stress` kills it more often.
    for kill in 0..8 * scale() {
        let (before, started) = (n_done(), Instant::now());
        let mut child = start();
        // Some before anything is done, some after a while.
        let patience = Duration::from_millis(40 + 90 * (kill % 8));
        while started.elapsed() < patience || (kill % 3 == 0 && n_done() == before) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    let status = start().wait().unwrap();
    let errors = fs::read_to_string(folder.path().join("err")).unwrap();
    assert!(status.success(), "{errors}");
    let out = fs::read_to_string(folder.path().join("out")).unwrap();
    assert_eq!(out, plain);
    let mut found = files(folder.path());
    for own in ["names", "log", "out", "err"] {
        found.remove(own);
    }
    assert_eq!(found, expected);
}

/// A table of ctypes is one for all interpreters of the process.
#[test]
fn interpreters_use_ctypes_for_the_first_time_at_once() {
    if is_python_3_12() {
        return; // It cannot be imported there.
    }
    let source = "import ctypes; print(ctypes.sizeof(ctypes.c_int))";
    let (folder, script) = prepare("ctypes", source);
    for _ in 0..40 {
        let mut command = owngil(["run", "-j", "4", "--backend", "interpreter"]);
        command.arg(&script).arg(":::").args(["1", "2", "3", "4"]);
        let ended = run(command.current_dir(folder.path()));
        assert_eq!(ended.stdout, "4\n".repeat(4), "{}", ended.stderr);
    }
}
