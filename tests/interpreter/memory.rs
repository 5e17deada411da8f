//! Memory budgets: what goes beyond one fails alone.

use crate::support::f;
use owngil::{Error, ExceptionKind, Function, Pool};

const LIMIT: usize = 64 << 20;

fn limited(n_workers: usize) -> Pool {
    let builder = Pool::builder().workers(n_workers).memory_limit(LIMIT);
    builder.build().unwrap()
}

/// What takes more memory than there may be, each in its own way.
const HOGS: [(&str, &str); 9] = [
    (
        "big bytes",
        "def f():\n    held = []\n    while True: held.append(bytearray(1 << 20))",
    ),
    (
        "small lists",
        "def f():\n    held = []\n    while True: held.append([None])",
    ),
    (
        "str joins",
        "def f():\n    text = 'x' * 1000\n    while True: text = ''.join([text, text])",
    ),
    (
        "a dict",
        "def f():\n    held = {}\n    while True: held[len(held)] = str(len(held))",
    ),
    ("a list at once", "def f(): return [0] * 10**8"),
    (
        "json",
        "import json\ndef f(): return json.loads('[' + ','.join(['[1, 2]'] * 3_000_000) + ']')",
    ),
    (
        "a regular expression",
        "
import re
def f():
    text = 'ab' * (5 << 20)
    return re.findall('(a)(b)', text)",
    ),
    (
        "threads",
        "
import threading
def f():
    errors = []
    # All have begun before one allocates: at the limit Thread.start may wait for ever (gh-140746).
    gate = threading.Lock()
    gate.acquire()
    def hog():
        held = []
        try:
            gate.acquire()
            gate.release()
            while True: held.append(bytearray(1 << 20))
        except MemoryError as error:
            errors.append(error)
    threads = [threading.Thread(target=hog) for _ in range(3)]
    for thread in threads: thread.start()
    gate.release()
    for thread in threads: thread.join()
    raise errors[0]",
    ),
    (
        "a cycle",
        "
def f():
    last = []
    while True:
        new = [last, bytearray(10_000)]
        last.append(new)
        last = new",
    ),
];

#[test]
fn hogs_end_in_memory_error_and_their_worker_goes_on() {
    let pool = limited(1);
    // It stays the same interpreter all the while.
    let id = f("
import sys
def f():
    sys.n = getattr(sys, 'n', 0) + 1
    return sys.n");
    assert_eq!(pool.call(&id, ()), Ok(1));
    for (n, (name, source)) in HOGS.iter().enumerate() {
        let outcome = pool.call::<owngil::Payload, _>(&f(source), ());
        let Err(Error::Python(error)) = outcome else {
            panic!("{name}: {outcome:?}");
        };
        assert_eq!(error.kind(), ExceptionKind::MemoryError, "{name}: {error}");
        assert!(
            error
                .traceback()
                .contains("the worker's memory limit is 64 MiB"),
            "{error:?}"
        );
        assert_eq!(pool.call(&id, ()), Ok(n + 2), "{name}");
    }
}

#[test]
fn deep_recursion_ends_as_it_does_without_a_limit() {
    // RecursionError comes first with the usual limit; with a higher one, memory may.
    let pool = limited(1);
    let deep = f("def f():\n    def g(n): return g(n + 1)\n    return g(0)");
    let outcome = pool.call::<(), _>(&deep, ());
    let Err(Error::Python(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ExceptionKind::RecursionError);
    assert_eq!(pool.call(&f("def f(x): return x"), 1), Ok(1));
}

/// SQLite allocates by itself: an exception to the rule, which the documentation names.
#[test]
fn what_a_library_allocates_by_itself_is_not_counted() {
    let pool = limited(1);
    let source = "
import sqlite3
def f():
    base = sqlite3.connect(':memory:')
    base.execute('create table t (a)')
    for _ in range(100): base.execute('insert into t values (zeroblob(1000000))')
    return base.execute('select count(*) from t').fetchone()[0]";
    assert_eq!(pool.call(&f(source), ()), Ok(100));
}

#[test]
fn a_neighbour_sees_nothing_of_it() {
    let pool = limited(2);
    // One of them holds most of what it may while the other goes beyond it.
    let folder = tempfile::tempdir().unwrap();
    let source = "
import os, time
def hold(folder):
    held = bytearray(50 << 20)
    open(os.path.join(folder, 'held'), 'w').close()
    while not os.path.exists(os.path.join(folder, 'done')): time.sleep(0.001)
    return len(held)
def hog():
    held = []
    while True: held.append(bytearray(1 << 20))";
    let path = folder.path().to_str().unwrap();
    let holding = pool
        .submit::<usize, _>(&Function::source(source, "hold"), path)
        .unwrap();
    while !folder.path().join("held").exists() {
        std::thread::yield_now();
    }
    for _ in 0..5 {
        let outcome = pool.call::<(), _>(&Function::source(source, "hog"), ());
        let Err(Error::Python(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(error.kind(), ExceptionKind::MemoryError);
    }
    std::fs::write(folder.path().join("done"), "").unwrap();
    assert_eq!(holding.wait(), Ok(50 << 20));
}

#[test]
fn a_worker_whose_memory_is_full_is_replaced() {
    let pool = limited(1);
    let keep = f("
import sys
def f(n):
    sys.kept = bytearray(n)
    return id(sys)");
    let again = f("import sys\ndef f(): return hasattr(sys, 'kept')");
    // There is room beside it: the interpreter stays.
    pool.call::<u64, _>(&keep, 20 << 20).unwrap();
    assert_eq!(pool.call(&again, ()), Ok(true));
    // Small objects fill it up, and more; linked, since a list that grows asks for a large block, which
    // fails below the limit.
    let fill = f("
import sys
def f():
    sys.held = None
    try:
        while True: sys.held = sys.held, bytearray(1000)
    except MemoryError:
        pass");
    let _ = pool.call::<(), _>(&fill, ());
    assert_eq!(pool.call(&again, ()), Ok(false));
}
