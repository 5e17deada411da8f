//! How scripts end, and what one run leaves for the next: each beside plain Python, on every backend.

use std::collections::BTreeMap;

use super::scripts::{Plain, compare_where_possible};
use crate::support::is_python_3_12;

/// Scripts by what they do, each with the backends that it is not for: those that refuse it, or whose workers share
/// one interpreter.
const SCRIPTS: [(&str, &str, &[&str]); 30] = [
    (
        "prints_when_it_is_abandoned",
        r#"
import os, sys
class Last:
    def __del__(self): print("last", sys.argv[1])
def generate():
    try: yield
    finally: print("closed", sys.argv[1])
last, generator = Last(), generate()
next(generator); print("start")
if os.fork() == 0: os._exit(0)
os.wait(); print("end"); generator.close(); del last
"#,
        &["interpreter"],
    ),
    (
        "configures_logging",
        r#"
import asyncio, logging.config, sys
logging.config.dictConfig({
    "version": 1,
    "formatters": {"f": {"format": "%(name)s %(message)s"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "f"}},
    "root": {"handlers": ["h"], "level": "INFO"},
})
logging.getLogger("lib.part").info("hello %s", sys.argv[1])
logging.getLogger("lib").info("hello %s", logging.getLogger("lib.part").parent.name)
logging.getLogger("asyncio").info("not seen: it was there")
"#,
        &[],
    ),
    (
        "writes_from_c",
        r#"
import ctypes, sys
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
c.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
c.fputs(b"not flushed\n", c.fopen(f"made-{sys.argv[1]}".encode(), b"w"))
"#,
        &[],
    ),
    // Its status counts, and no exit function runs.
    (
        "exits_at_once",
        r#"
import atexit, os, sys
atexit.register(print, "not seen"); print("seen", flush=True); os._exit(int(sys.argv[1]) % 2)
"#,
        &[],
    ),
    (
        "exits_at_once_in_an_exit_function",
        r#"
import atexit, os, sys
atexit.register(print, "not seen"); atexit.register(lambda: os._exit(int(sys.argv[1]) % 2)); print("seen", flush=True)
"#,
        &[],
    ),
    (
        "exits_in_a_hook",
        r#"
import atexit, sys
def hook(*exception): sys.exit(int(sys.argv[1]) % 2)
atexit.register(print, "at the end"); sys.excepthook = hook; raise RuntimeError
"#,
        &[],
    ),
    (
        "exit_functions_see_no_exception",
        r#"
import atexit, sys
atexit.register(lambda: print(sys.exc_info()[0], type(sys.last_value).__name__))
raise RuntimeError(sys.argv[1])
"#,
        &[],
    ),
    (
        "no_last_exception",
        r#"
import sys
print(hasattr(sys, "last_value"))
if sys.argv[1] in "13": raise RuntimeError
"#,
        &[],
    ),
    (
        "forks",
        r#"
import os, sys
print("before"); pid = os.fork()
if pid == 0:
    print("child", sys.argv[1])
    if sys.argv[1] == "2": sys.exit(5)
    if sys.argv[1] == "3": raise ValueError
    if sys.argv[1] == "4": os._exit(7)
else: print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#,
        &["interpreter"],
    ),
    (
        "waits_for_any_child",
        r#"
import os, sys
def start(): return os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 0.05; exit 3"], os.environ)
pid = start(); print(os.wait() == (pid, 3 << 8))
pid = start(); print(os.waitpid(-1, os.WNOHANG), os.waitpid(0, 0) == (pid, 3 << 8))
pid = start(); print(os.waitid(os.P_ALL, 0, os.WEXITED).si_pid == pid)
pid = start(); print(os.wait3(0)[:2] == (pid, 3 << 8))
pid = start(); os.waitpid(pid, 0)
try: os.waitpid(-1, os.WNOHANG)
except ChildProcessError as error: print(error)
"#,
        &["thread"],
    ),
    (
        "leaves_processes",
        r#"
import multiprocessing, sys, time
def work(name):
    time.sleep(0.1); open("made-" + name, "w").close()
if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work, args=sys.argv[1:]).start()
"#,
        &[],
    ),
    (
        "finalizers_of_multiprocessing",
        r#"
import sys
from multiprocessing import util
util.Finalize(None, lambda: print("finalized", sys.argv[1]), exitpriority=10)
"#,
        &[],
    ),
    (
        "handler_that_needs_globals",
        r#"
import json, logging, sys
class Handler(logging.Handler):
    def __init__(self): super().__init__(); self.records = []
    def emit(self, record): self.records.append(record.getMessage())
    def flush(self): print(json.dumps(self.records))
logging.getLogger().addHandler(Handler()); logging.warning(sys.argv[1])
"#,
        &[],
    ),
    (
        "finalizer_that_needs_globals",
        r#"
import os, sys, weakref
class Work:
    @staticmethod
    def clean(path): os.rmdir(path); print("cleaned", path)
work = Work(); os.mkdir("of-" + sys.argv[1]); weakref.finalize(work, Work.clean, "of-" + sys.argv[1])
"#,
        &[],
    ),
    (
        "destructor_that_needs_globals",
        r#"
import json, sys
number = sys.argv[1]
def shown(value): return json.dumps([value])
class Kept:
    def __del__(self): print("ended", shown(number))
def keep(): keep.kept = Kept()
keep()
"#,
        &[],
    ),
    (
        "exit_functions_of_threading",
        r#"
import sys, threading
threading._register_atexit(print, "threads end", sys.argv[1]); print("main")
"#,
        &[],
    ),
    (
        "replaces_the_environment",
        r#"
import os, sys
from unittest import mock
print(os.environ.get("LEFT"), type(os.environ).__name__); os.environ["LEFT"] = "x"
if sys.argv[1] == "1": os.environ = {"a": "b"}
else: mock.patch("os.environ", {}).start()
"#,
        &["thread"],
    ),
    (
        "modules_that_are_none",
        r#"
import sys
class Module:
    def __getattr__(self, name): raise ImportError(name)
print("LEFT" in sys.modules, 7 in sys.modules)
sys.modules["LEFT"] = Module(); sys.modules[7] = 7; del sys.path
"#,
        &[],
    ),
    (
        "hook_that_raises",
        r#"
import sys
def hook(*exception): print("hooked"); raise RuntimeError
sys.excepthook = hook
1 / 0
"#,
        &[],
    ),
    (
        "settings_of_modules",
        r#"
import calendar, csv, decimal, mimetypes, multiprocessing, urllib.request
print(csv.field_size_limit(), "mine" in csv.list_dialects(), decimal.DefaultContext.prec, calendar.firstweekday())
print(mimetypes.guess_type("a.mine"), urllib.request._opener)
multiprocessing.set_start_method("spawn"); csv.field_size_limit(5); csv.register_dialect("mine", delimiter=";")
decimal.DefaultContext.prec = 5; calendar.setfirstweekday(6); mimetypes.add_type("a/mine", ".mine")
urllib.request.install_opener(urllib.request.build_opener())
"#,
        &[],
    ),
    (
        "event_loop_is_left",
        r#"
import asyncio, os, sys
async def work(): return len(os.listdir("/proc/self/fd"))
loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)
n = loop.run_until_complete(work()); print(n < 60)
"#,
        &[],
    ),
    (
        "handlers_of_signals",
        r#"
import signal
old = signal.getsignal(signal.SIGINT); print(old, signal.getsignal(signal.SIGTERM))
print(signal.signal(signal.SIGINT, signal.SIG_IGN)); print(signal.getsignal(signal.SIGINT))
print(signal.signal(signal.SIGINT, old)); print(signal.signal(signal.SIGHUP, signal.SIG_DFL))
signal.signal(signal.SIGINT, signal.SIG_IGN)
"#,
        &[],
    ),
    (
        "silences_its_output",
        r#"
import os, sys
kept, nothing = os.dup(sys.stdout.fileno()), os.open(os.devnull, os.O_WRONLY)
os.dup2(nothing, sys.stdout.fileno()); print("unseen"); os.system("echo unseen"); sys.stdout.flush()
os.dup2(kept, sys.stdout.fileno()); print("seen", sys.argv[1]); os.system("echo seen")
"#,
        &["interpreter", "thread"],
    ),
    (
        "lines_and_encoding_of_its_output",
        r#"
import sys
sys.stdout.reconfigure(newline="\r\n"); print("a\r")
sys.stdout.reconfigure(encoding="ascii", errors="xmlcharrefreplace", newline="\n"); print("\u00e9", sys.stdout.encoding)
"#,
        &[],
    ),
    (
        "writes_when_it_is_destroyed",
        r#"
import os, sys
class Last:
    def __init__(self, path): self.file = open(path, "w")
    def __del__(self): os.write(1, b"ended\n"); self.file.write("last")
def keeps_all(): pass
kept = [Last(f"{sys.argv[1]}-{number}") for number in range(3)]
"#,
        &[],
    ),
    (
        "signals_itself",
        r#"
import os, signal, sys
got = []; signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
for n in range(500):
    os.kill(os.getpid(), signal.SIGUSR1)
    if len(got) != n + 1: print("late"); break
print(len(got))
for way in 999, "x":
    try: os.kill(os.getpid(), way)
    except Exception as error: print(type(error).__name__)
"#,
        &["interpreter", "thread"],
    ),
    (
        "closes_all_descriptors",
        r#"
import os, sys
os.closerange(3, 256); print("closed", sys.argv[1])
"#,
        &["interpreter", "thread"],
    ),
    (
        "annotations",
        r#"
import sys
print(__annotations__ if sys.version_info < (3, 14) else {})
"#,
        &[],
    ),
    (
        "arguments_of_replaced_functions",
        r#"
import os
os.chdir(path="."); os.fchdir(fd=os.open(".", os.O_RDONLY))
for call in (lambda: os.kill(os.getpid(), 999), lambda: os.write(2.0, b"x"), lambda: os.posix_spawn("/bin/true", ["true"])):
    try: print(call())
    except Exception as error: print(type(error).__name__)
"#,
        &[],
    ),
    (
        "prints_much_before_it_is_refused",
        r#"
import os
for number in range(20000): print("line", number)
pid = os.fork()
if pid == 0: os._exit(0)
os.waitpid(pid, 0); print("end")
"#,
        &["interpreter"],
    ),
];

fn compare(backend: &str) {
    static PLAIN: Plain = Plain::new(BTreeMap::new());
    // ctypes can be imported there from 3.13 on.
    let is_without_ctypes = backend == "interpreter" && is_python_3_12();
    let scripts = SCRIPTS.iter();
    let scripts = scripts.filter(|(name, ..)| !(is_without_ctypes && *name == "writes_from_c"));
    compare_where_possible(scripts, &PLAIN, backend);
}

on_backends! {
    scripts_end_by_default_as_in_plain_python: "auto",
    scripts_end_in_interpreters_as_in_plain_python: "interpreter",
    scripts_end_on_threads_as_in_plain_python: "thread",
    scripts_end_in_worker_processes_as_in_plain_python: "process",
}
