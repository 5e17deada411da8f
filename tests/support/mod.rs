//! What several test files need: pools on every backend, and functions from text.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Debug;
use std::process::Command;
use std::time::{Duration, Instant};

use owngil::{Backend, Function, Pool, PoolBuilder};

/// The backends that this version of owngil has. A free-threaded Python makes no interpreters, and its threads
/// run in parallel.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) const BACKENDS: [Backend; 3] = [Backend::Interpreter, Backend::Thread, Backend::Process];
#[cfg(Py_GIL_DISABLED)]
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Thread, Backend::Process];

/// Those that run in this process, whose tasks see its descriptors.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) const HERE: [Backend; 2] = [Backend::Interpreter, Backend::Thread];
#[cfg(Py_GIL_DISABLED)]
pub(crate) const HERE: [Backend; 1] = [Backend::Thread];

/// The one of them that runs Python code in parallel.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) const PARALLEL: Backend = Backend::Interpreter;
#[cfg(Py_GIL_DISABLED)]
pub(crate) const PARALLEL: Backend = Backend::Thread;

/// What worker processes of tests are, whose own main is the harness's.
pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_owngil-test-worker");

/// A pool with so many workers.
pub(crate) fn pool(backend: Backend, n_workers: usize) -> Pool {
    builder(backend, n_workers).build().unwrap()
}

/// The same before it is built, for tests with settings of their own.
pub(crate) fn builder(backend: Backend, n_workers: usize) -> PoolBuilder {
    let builder = Pool::builder().backend(backend).workers(n_workers);
    builder.worker_program(WORKER)
}

/// How much longer than usual the long tests take: `OWNGIL_STRESS=10` makes it ten times.
pub(crate) fn scale() -> u32 {
    let scale = std::env::var("OWNGIL_STRESS").ok();
    scale.map_or(1, |scale| scale.parse().expect("OWNGIL_STRESS is a number"))
}

/// The rows of a table in turn. A test that fails shows which was the last: what it prints is shown then.
pub(crate) fn rows<T: Debug>(rows: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    rows.into_iter().inspect(|row| println!("row: {row:?}"))
}

/// Waits until it holds, which it does at once unless the machine is busy.
#[track_caller]
pub(crate) fn soon(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(30), "{what}: not in 30 s");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a test in a process of its own, where this returns `false` and the test goes on; here it has passed then.
///
/// For a test that changes, or measures, what a process has one of.
pub(crate) fn alone(test: &str) -> bool {
    if std::env::var_os("OWNGIL_TEST_ALONE").is_some() {
        return false;
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args([test, "--nocapture", "--test-threads=1"]);
    let output = own.env("OWNGIL_TEST_ALONE", "1").output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A name that no test has would pass as well.
    let has_passed = output.status.success() && stdout.contains(" 1 passed");
    assert!(has_passed, "{stdout}\n{stderr}");
    true
}

/// The function `f` that the source text defines.
pub(crate) fn f(source: &str) -> Function {
    Function::source(source, "f")
}

/// What a call that does not end by itself does, and whether an interrupt ends it.
pub(crate) struct Stuck {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// Whether other threads can take its GIL meanwhile, to see where it stands.
    pub(crate) releases_gil: bool,
}

/// The rows of stuck tasks, each of which goes on for ever, or for about a minute.
///
/// Without those in C code on a free-threaded Python: its garbage collector, which stops all threads, waits for
/// them, and so does everybody.
pub(crate) const STUCK: [Stuck; 9 - 2 * cfg!(Py_GIL_DISABLED) as usize] = [
    Stuck {
        name: "loop",
        source: "def f():\n    while True: pass",
        releases_gil: true,
    },
    Stuck {
        name: "generator in sum",
        source: "def f():\n    def g():\n        while True: yield 1\n    sum(g())",
        releases_gil: true,
    },
    Stuck {
        name: "sleep",
        source: "import time\ndef f(): time.sleep(60)",
        releases_gil: true,
    },
    Stuck {
        name: "event",
        source: "import threading\ndef f(): threading.Event().wait(60)",
        releases_gil: true,
    },
    Stuck {
        name: "read",
        source: "import os\ndef f():\n    r, w = os.pipe()\n    os.read(r, 1)",
        releases_gil: true,
    },
    #[cfg(not(Py_GIL_DISABLED))]
    Stuck {
        name: "sum of a range",
        source: "def f(): sum(range(3 * 10**9))",
        releases_gil: false,
    },
    #[cfg(not(Py_GIL_DISABLED))]
    Stuck {
        name: "regular expression",
        source: "import re\ndef f(): re.match(r'(a+)+$', 'a' * 31 + 'b')",
        releases_gil: false,
    },
    Stuck {
        name: "swallower",
        source: "def f():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        releases_gil: true,
    },
    Stuck {
        name: "asyncio",
        source: "import asyncio\ndef f(): asyncio.run(asyncio.sleep(60))",
        releases_gil: true,
    },
];

/// Reads a byte, and lets no exception keep it from that.
pub(crate) const DEAF: &str = "
import os
def f(fd):
    while True:
        try:
            os.read(fd, 1)
            return
        except BaseException: pass
";

/// Calls that wait, in whichever interpreters, until `n` of them have come: all run at once. Says whether
/// they did.
pub(crate) const MEET: &str = "
import os, time
def f(folder, n):
    name = os.path.join(folder, os.urandom(8).hex())
    os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    until = time.monotonic() + 60
    while len(os.listdir(folder)) < n:
        if time.monotonic() > until: return False
        time.sleep(0.001)
    return True
";

/// The resident memory of this process, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.unwrap().parse().unwrap()
}
