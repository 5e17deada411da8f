//! What scripts leave open, closed or set: each beside plain Python, on every backend.

use std::collections::BTreeMap;
use std::fs;

use super::scripts::{BACKENDS, Plain, compare_where_possible};
use crate::support::{command, owngil, run};

/// Scripts by what they do, each with the backends that it is not for.
const SCRIPTS: [(&str, &str, &[&str]); 24] = [
    (
        "locks_a_descriptor",
        r#"
import fcntl, os, sys
fcntl.flock(os.open("lock", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX); print("locked", sys.argv[1])
file = open("lock"); copy = os.dup(file.fileno())
"#,
        &["interpreter", "thread"],
    ),
    (
        "leaves_descriptors",
        r#"
import os, sys, tempfile
print(len(os.listdir("/proc/self/fd")) < 180)
for n in range(20): os.open(os.devnull, os.O_RDONLY); os.pipe(); os.dup(1); os.unlink(tempfile.mkstemp(dir=".")[1])
os.dup2(os.open(os.devnull, os.O_RDONLY), 90)
"#,
        &["auto", "interpreter", "thread"],
    ),
    (
        "does_not_wait_for_its_output",
        r#"
import os
print(os.get_blocking(1), os.get_blocking(2)); os.set_blocking(1, False); print(os.get_blocking(1))
"#,
        &[],
    ),
    (
        "detaches_its_output",
        r#"
import io, sys
old = sys.stdout
sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8", line_buffering=True)
print("é", sys.argv[1])
try: old.write("x")
except ValueError as error: print(error)
"#,
        &[],
    ),
    (
        "wraps_its_output",
        r#"
import codecs, io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8"); print("é", sys.argv[1])
sys.stderr = codecs.getwriter("utf-8")(sys.stderr.buffer)
"#,
        &[],
    ),
    (
        "closes_its_output",
        r#"
import sys
print("seen", sys.argv[1]); sys.stdout.close()
try: print("unseen")
except ValueError as error: open("error-" + sys.argv[1], "w").write(f"{error} {sys.stdout.closed}")
"#,
        &[],
    ),
    (
        "closes_its_output_by_a_wrapper",
        r#"
import io, sys
io.TextIOWrapper(sys.stdout.buffer); print("unseen")
"#,
        &[],
    ),
    (
        "wraps_its_input",
        r#"
import io, sys
sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="latin-1"); print(repr(sys.stdin.read()), sys.stdin.fileno())
"#,
        &[],
    ),
    (
        "detaches_and_closes_its_input",
        r#"
import sys
print(sys.stdin.closed, sys.stdin.encoding, sys.stdin.name); sys.stdin.reconfigure(encoding="latin-1")
if sys.argv[1] in "13": sys.stdin.detach()
else: sys.stdin.close()
"#,
        &[],
    ),
    (
        "pickles_its_output",
        r#"
import io, pickle, sys
class Pickler(pickle.Pickler):
    def reducer_override(self, found):
        if type(found) is type(sys): return __import__, (found.__name__,)
        # As cloudpickle and dill do.
        if type(found) is io.TextIOWrapper: return getattr, (sys, found.name.strip("<>"))
        return NotImplemented
for stream in sys.stdout, sys.stderr:
    try: pickle.dumps(stream)
    except TypeError: print("refused")
    kept = io.BytesIO(); Pickler(kept).dump(stream); print(pickle.loads(kept.getvalue()) is stream)
"#,
        &[],
    ),
    (
        "writes_by_a_file_of_its_module",
        r#"
import importlib, sys
name = "of_" + sys.argv[1]; open(name + ".py", "w").write("out = open(__name__ + '.log', 'w')\n")
importlib.invalidate_caches(); importlib.import_module(name).out.write("did " + sys.argv[1])
"#,
        &[],
    ),
    (
        "writes_where_there_is_no_room",
        r#"
import sys
sys.stdout = open("/dev/full", "w"); print("lost")
"#,
        &[],
    ),
    (
        "hides_a_connection_from_the_collector",
        r#"
import sqlite3
db = sqlite3.connect("db", timeout=0.1); db.create_function("f", 1, lambda value: db and value)
db.execute("create table if not exists t (a)"); db.execute("begin immediate")
print(db.execute("select f(count(*)) from t").fetchone())
"#,
        &[],
    ),
    (
        "fails_with_a_lock_and_an_object",
        r#"
import fcntl, sys
number = sys.argv[1]
class Last:
    def __del__(self): print("ended", number, sys.argv)
def work():
    last, file = Last(), open("lock", "w"); fcntl.flock(file, fcntl.LOCK_EX); print("locked")
    raise ValueError
work()
"#,
        &[],
    ),
    (
        "finalizes_in_the_order_of_exit_functions",
        r#"
import atexit, os, tempfile, weakref
class Kept: pass
kept = Kept()
atexit.register(lambda: print(1, os.path.exists(folder.name))); weakref.finalize(kept, print, "finalized")
atexit.register(lambda: print(2, os.path.exists(folder.name))); folder = tempfile.TemporaryDirectory()
"#,
        &[],
    ),
    (
        "becomes_another_program",
        r#"
import atexit, os, sys
atexit.register(print, "unseen")
try: os.execvp("no-such-program", ["no"])
except FileNotFoundError: print("before")
os.environ["MINE"] = sys.argv[1]; os.execlp("sh", "sh", "-c", "echo after $MINE; exit $((MINE % 2))")
"#,
        &[],
    ),
    (
        "shows_its_exception_itself",
        r#"
import sys, traceback
def hook(kind, error, trace): print(kind, error, [frame.name for frame in traceback.extract_tb(trace)])
def work(): raise ValueError(sys.argv[1])
sys.excepthook = hook; work()
"#,
        &[],
    ),
    (
        "sets_hooks",
        r#"
import gc, sys
print(gc.callbacks, gc.get_debug(), sys.get_asyncgen_hooks(), sys.getprofile(), sys.gettrace())
print(sys.get_coroutine_origin_tracking_depth(), [sys.monitoring.get_tool(tool) for tool in range(6)])
gc.callbacks.append(lambda *phase: None); gc.set_debug(gc.DEBUG_UNCOLLECTABLE); sys.set_asyncgen_hooks(print, print)
sys.set_coroutine_origin_tracking_depth(5); monitoring = sys.monitoring; monitoring.use_tool_id(3, "mine")
monitoring.register_callback(3, monitoring.events.LINE, lambda *line: None)
monitoring.set_events(3, monitoring.events.LINE)
sys.setprofile(lambda *event: None); sys.settrace(lambda *event: None)
"#,
        &[],
    ),
    (
        "audits",
        r#"
import sys
sys.addaudithook(lambda event, _: print("heard", sys.argv[1]) if event == "mine" else None); sys.audit("mine")
"#,
        &[],
    ),
    (
        "ends_what_it_forks",
        r#"
import os, signal
child = os.fork()
if child == 0: signal.pause()
os.kill(child, signal.SIGTERM); print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#,
        &["interpreter"],
    ),
    (
        "replaces_its_input",
        r#"
import os, sys
name = "lines-" + sys.argv[1]; print(repr(sys.stdin.readline())); open(name, "w").write("first\nsecond\n")
os.dup2(os.open(name, os.O_RDONLY), 0); print(sys.stdin.readline())
"#,
        &["interpreter", "thread"],
    ),
    (
        "leaves_shared_memory",
        r#"
import threading
from multiprocessing import shared_memory
kept = shared_memory.SharedMemory(f"owngil{threading.get_native_id()}", create=True, size=9); print(kept.size > 8)
"#,
        &[],
    ),
    (
        "temporary_files",
        r#"
import os, tempfile
named = tempfile.NamedTemporaryFile("w", dir="."); named.write("a"); named.flush()
other = tempfile.TemporaryFile(); other.write(b"b"); print(os.path.getsize(named.name))
"#,
        &[],
    ),
    (
        "text_of_an_exception",
        r#"
import sys
class Failure(Exception):
    def __str__(self): return "".join(["failed ", sys.argv[1]])
print("before"); raise Failure
"#,
        &[],
    ),
];

fn compare(backend: &str) {
    static PLAIN: Plain = Plain::new(BTreeMap::new());
    compare_where_possible(&SCRIPTS, &PLAIN, backend);
}

on_backends! {
    scripts_leave_by_default_what_they_leave_in_plain_python: "auto",
    scripts_leave_in_interpreters_what_they_leave_in_plain_python: "interpreter",
    scripts_leave_on_threads_what_they_leave_in_plain_python: "thread",
    scripts_leave_in_worker_processes_what_they_leave_in_plain_python: "process",
}

/// Threads that use the script's variables for as long as they are there.
const DAEMONS: &str = "
import sys, threading, time
def work():
    while True: time.sleep(0.001); len(sys.argv)
for _ in range(9): threading.Thread(target=work, daemon=True).start()
print('ends'); time.sleep(0.01)
";

#[test]
fn daemon_threads_that_a_script_leaves_do_not_report_that_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("daemons.py"), DAEMONS).unwrap();
    for backend in BACKENDS {
        let words = [
            "run",
            "-j",
            "1",
            "--backend",
            backend,
            "daemons.py",
            ":::",
            "1",
            "2",
            "3",
        ];
        let ended = run(owngil(words).current_dir(folder.path()));
        assert_eq!(
            ended.stdout, "ends\nends\nends\n",
            "{backend}: {}",
            ended.stderr
        );
        assert_eq!(ended.stderr, "", "{backend}");
    }
}

#[test]
fn descriptors_that_scripts_leave_open_are_an_error_before_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let leave = "import os\nfor _ in range(9): os.open(os.devnull, os.O_RDONLY)\nprint('left')\n";
    fs::write(folder.path().join("leaves.py"), leave).unwrap();
    for backend in ["interpreter", "thread"] {
        let words = format!("run -j 1 --backend {backend} leaves.py ::: $(seq 40)");
        let shell = format!("ulimit -n 200; exec \"$0\" {words}");
        let mut command = command("bash");
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_owngil")]);
        let ended = run(command.current_dir(folder.path()));
        assert!(
            ended.check(1).stdout.starts_with("left\nleft\n"),
            "{backend}"
        );
        let message = "too many descriptors are left open";
        assert!(
            ended.stderr.contains(message),
            "{backend}: {}",
            ended.stderr
        );
    }
}

#[test]
fn streams_that_a_script_leaves_in_a_module_end_with_the_interpreter_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let leave = "import json, sys\njson.kept = [sys.stdout.buffer]; json.kept.append(json.kept)\n";
    fs::write(folder.path().join("leaves.py"), leave).unwrap();
    for backend in BACKENDS {
        let words = ["run", "--backend", backend, "leaves.py", ":::", "1", "2"];
        let ended = run(owngil(words).current_dir(folder.path()));
        assert_eq!(ended.check(0).stderr, "", "{backend}");
    }
}

#[test]
fn a_zip_archive_that_each_script_writes_gives_the_modules_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "
import sys, zipfile
sys.path.insert(0, 'one.zip')
with zipfile.ZipFile('one.zip', 'w') as archive: archive.writestr(f'of_{sys.argv[1]}.py', 'x = 1')
print(__import__(f'of_{sys.argv[1]}').__name__)
";
    fs::write(folder.path().join("archives.py"), script).unwrap();
    for backend in BACKENDS {
        let words = ["run", "-k", "-j", "1", "--backend", backend, "archives.py"];
        let mut command = owngil(words);
        let ended = run(command.args([":::", "1", "2"]).current_dir(folder.path()));
        assert_eq!(ended.check(0).stdout, "of_1\nof_2\n", "{backend}");
    }
}
