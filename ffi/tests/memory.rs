//! Memory: figures per interpreter, and what code that takes too much does to itself and to others.

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use owngil_ffi::{
    Attached, Config, Ended, ExceptionKind, Interpreter, Memory, Runtime, STACK_SIZE,
};

const MB: usize = 1 << 20;

fn runtime() -> &'static Runtime {
    Runtime::start(&Config::default()).unwrap()
}

fn on_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(STACK_SIZE);
    thread.spawn(work).unwrap().join().unwrap()
}

fn counted(limit: Option<usize>) -> (Interpreter, Memory) {
    let interpreter = Interpreter::new_accounted(runtime(), limit).unwrap();
    let memory = interpreter.memory().unwrap().clone();
    (interpreter, memory)
}

fn exec(attached: Attached<'_>, source: &str) -> Result<(), ExceptionKind> {
    let globals = attached.dict().unwrap();
    let done = attached.exec(source, "task.py", &globals);
    done.map(drop).map_err(|raised| raised.kind())
}

/// Runs `source` in module `__main__`, whose names stay.
fn run(interpreter: &mut Interpreter, source: &str) {
    interpreter.attach(|attached| {
        let main = attached.import(c"__main__").unwrap();
        let globals = main.get("__dict__").unwrap();
        attached
            .exec(source, "task.py", &globals)
            .map(drop)
            .unwrap();
    });
}

#[test]
fn a_free_threaded_python_says_that_it_does_not_count() {
    let refused = runtime().on_main_thread(|thread| {
        let counted = Interpreter::lent_accounted(&thread, None);
        counted.map(drop).map_err(|error| error.to_string())
    });
    let is_reported = refused
        .unwrap()
        .is_err_and(|error| error.contains("free-threaded"));
    assert_eq!(is_reported, Runtime::IS_FREE_THREADED);
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn what_an_interpreter_takes_is_in_its_figure_and_in_no_other() {
    on_thread(|| {
        let (mut one, memory) = counted(None);
        let (_other, others) = counted(None);
        let (base, others_base) = (memory.in_use(), others.in_use());
        assert!((MB..32 * MB).contains(&base), "{base}");
        assert_eq!(memory.limit(), None);
        // Objects of their own, and objects in arenas.
        for source in [
            "a = bytearray(50 << 20)",
            "a = [[i] for i in range(600_000)]",
        ] {
            run(&mut one, source);
            let taken = memory.in_use() - base;
            assert!((40 * MB..90 * MB).contains(&taken), "{source}: {taken}");
            assert!(memory.peak() >= memory.in_use());
            run(&mut one, "del a");
        }
        run(&mut one, "a = bytearray(50 << 20); del a");
        assert!(memory.in_use() < base + 40 * MB, "it was given back");
        assert_eq!(others.in_use(), others_base);
        assert_eq!(one.end(), Ended::Ended);
        assert!(memory.in_use() < 32 * MB);
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn an_interpreter_without_an_account_has_no_figure_and_no_limit() {
    on_thread(|| {
        let (_neighbour, memory) = counted(Some(8 * MB));
        memory.enforce(true);
        let before = memory.in_use();
        let mut plain = Interpreter::new(runtime()).unwrap();
        assert!(plain.memory().is_none());
        run(
            &mut plain,
            "a = bytearray(50 << 20); b = [[i] for i in range(300_000)]",
        );
        assert_eq!((memory.in_use(), memory.n_refused()), (before, 0));
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn threads_and_visitors_count_where_they_work() {
    on_thread(|| {
        let (mut one, memory) = counted(None);
        let (mut other, others) = counted(None);
        run(&mut one, "import threading");
        run(&mut other, "import threading");
        let (base, others_base) = (memory.in_use(), others.in_use());
        let source = "kept = []\ndef work(): kept.append(bytearray(10 << 20))\n\
                      threads = [threading.Thread(target=work) for _ in range(4)]\n\
                      for thread in threads: thread.start()\nfor thread in threads: thread.join()";
        run(&mut one, source);
        assert!(memory.in_use() > base + 39 * MB);
        assert_eq!(others.in_use(), others_base);
        // What the same thread does for another interpreter meanwhile is that one's.
        let third = other.attach(|attached| {
            let third = attached.detach(|| {
                let (mut third, figure) = counted(None);
                run(&mut third, "x = bytearray(10 << 20)");
                figure.in_use()
            });
            exec(attached, "x = bytearray(1 << 20)").unwrap();
            third
        });
        assert!(third > 10 * MB);
        assert!(others.in_use() < others_base + 2 * MB);
        let before = memory.in_use();
        let visits = one.visits().clone();
        let look = move || {
            for _ in 0..1000 {
                visits.visit(|visit| visit.stacks()).unwrap();
            }
        };
        thread::spawn(look).join().unwrap();
        let drift = memory.in_use().abs_diff(before);
        assert!(drift < 64 << 10, "{drift} bytes in 1000 visits");
        // Nor do threads leave anything that grows.
        let many =
            "for _ in range(300):\n    t = threading.Thread(target=int); t.start(); t.join()";
        run(&mut one, many);
        let before = memory.in_use();
        run(&mut one, many);
        let drift = memory.in_use().abs_diff(before);
        assert!(drift < 256 << 10, "{drift} bytes in 300 threads");
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn the_limit_holds_while_it_is_enforced_and_the_interpreter_goes_on() {
    on_thread(|| {
        let (mut one, memory) = counted(Some(64 * MB));
        assert_eq!(memory.limit(), Some(64 * MB));
        run(&mut one, "a = bytearray(100 << 20); del a");
        for _ in 0..3 {
            one.attach(|attached| {
                memory.enforce(true);
                let big = exec(attached, "a = bytearray(100 << 20)");
                let many = exec(attached, "a = []\nwhile True: a.append([1, 2])");
                memory.enforce(false);
                assert_eq!(big, Err(ExceptionKind::MemoryError));
                assert_eq!(many, Err(ExceptionKind::MemoryError));
            });
            assert!(memory.n_refused() > 0);
            run(
                &mut one,
                "import json; assert json.loads(json.dumps([1] * 1000)) == [1] * 1000",
            );
        }
        assert_eq!(one.end(), Ended::Ended);
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn a_visitor_gets_in_at_the_limit() {
    let (sender, receiver) = mpsc::channel();
    let home = thread::Builder::new().stack_size(STACK_SIZE).spawn(move || {
        let (mut one, memory) = counted(Some(32 * MB));
        sender.send(one.visits().clone()).unwrap();
        let source = "a = []\nwhile True:\n    try:\n        while True: a.append(bytes(100))\n    except MemoryError: pass";
        one.attach(|attached| {
            memory.enforce(true);
            let ended = exec(attached, source);
            memory.enforce(false);
            ended
        })
    });
    let visits = receiver.recv().unwrap();
    let home = home.unwrap();
    thread::sleep(Duration::from_millis(500));
    while !home.is_finished() {
        visits.visit(|visit| !visit.stacks()[0].frames.is_empty() && visit.interrupt());
        thread::sleep(Duration::from_millis(5));
    }
    assert!(home.join().unwrap().is_err());
}

/// Name, code, and whether the limit reaches it. The code runs with a limit of 64 MiB.
const HOGS: &[(&str, &str, bool)] = &[
    (
        "bytes",
        "a = []\nwhile True: a.append(bytearray(1 << 20))",
        true,
    ),
    ("lists", "a = []\nwhile True: a.append([1, 2])", true),
    ("join", "s = 'x'\nwhile True: s = ''.join([s, s])", true),
    (
        "text",
        "def f():\n    s = ''\n    while True: s += 'hello' * 20\nf()",
        true,
    ),
    (
        "dict",
        "d = {}\ni = 0\nwhile True:\n    d[str(i)] = i; i += 1",
        true,
    ),
    (
        "recursion",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)",
        true,
    ),
    ("multiply", "a = [0] * 10**9", true),
    (
        "json",
        "import json\njson.loads('[' + '[1, {\"a\": \"bcd\"}],' * 10**6 + '0]')",
        true,
    ),
    ("regex", "import re\nre.findall('.', 'xy' * 10**7)", true),
    (
        "threads",
        // All have begun before one allocates: at the limit Thread.start may wait for ever (gh-140746).
        "import threading\nfound = []\ngate = threading.Lock()\ngate.acquire()\ndef work():\n    a = []\n    try:\n        gate.acquire()\n        gate.release()\n        while True: a.append([1])\n    except MemoryError: found.append(1)\n\
      t = [threading.Thread(target=work) for _ in range(8)]\nfor x in t: x.start()\ngate.release()\nfor x in t: x.join()\nif found: raise MemoryError",
        true,
    ),
    (
        "classes",
        "a = []\nwhile True: a.append(type('A', (), {'f': lambda self: 1}))",
        true,
    ),
    ("int", "1 << 10**10", true),
    (
        "set",
        "a = set()\ni = 0\nwhile True:\n    a.add(i); i += 1",
        true,
    ),
    (
        "deque",
        "import collections\na = collections.deque()\nwhile True: a.append((1, object()))",
        true,
    ),
    (
        "pickle",
        "import pickle\np = pickle.dumps([[i] for i in range(200_000)])\na = []\nwhile True: a.append(pickle.loads(p))",
        true,
    ),
    (
        "format",
        "a = []\nwhile True: a.append(f'{len(a)}' * 100)",
        true,
    ),
    (
        "bytesio",
        "import io\na = io.BytesIO()\nwhile True: a.write(bytes(1000))",
        true,
    ),
    (
        "zlib",
        "import zlib\nb = zlib.compress(bytes(10**8))\nzlib.decompress(b)",
        true,
    ),
    (
        "compile",
        "compile('a = [' + '1, ' * 10**7 + ']', 'x', 'exec')",
        true,
    ),
    (
        "sorted",
        "a = [[i] for i in range(400_000)]\nb = []\nwhile True: b.append(sorted(a, key=repr))",
        true,
    ),
    (
        "generators",
        "def g(): yield\na = []\nwhile True:\n    x = g(); next(x); a.append(x)",
        true,
    ),
    (
        "sqlite",
        "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t (b)')\n\
       for _ in range(100): c.execute('insert into t values (zeroblob(1000000))')",
        false,
    ),
];

/// What the process of one hog does: it runs alone, since a crash would end all tests.
#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn hog_child() {
    let Ok(name) = std::env::var("OWNGIL_HOG") else {
        return;
    };
    let (name, source, is_reached) = *HOGS.iter().find(|hog| hog.0 == name).unwrap();
    on_thread(move || {
        let (_neighbour, others) = counted(None);
        let (mut one, memory) = counted(Some(64 * MB));
        let others_base = others.in_use();
        for round in 0..2 {
            let ended = one.attach(|attached| {
                memory.enforce(true);
                let ended = exec(attached, source);
                memory.enforce(false);
                ended
            });
            match ended {
                Ok(()) => assert!(!is_reached, "{name} {round}: no limit"),
                Err(ExceptionKind::MemoryError) => assert!(is_reached, "{name} {round}"),
                // Before 3.14 the frames of a deep recursion are unwound without an exception.
                Err(kind) => assert!(name == "recursion", "{name} {round}: {kind:?}"),
            }
            assert_eq!(memory.n_refused() > 0, is_reached, "{name}");
            assert_eq!(others.in_use(), others_base, "{name}");
            run(
                &mut one,
                "import gc, json; gc.collect(); assert json.loads(json.dumps([1] * 1000))",
            );
        }
        assert_eq!(one.end(), Ended::Ended);
    });
    println!("\nhog {name} is done");
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: memory is not counted")]
fn hogs_end_in_a_memory_error_and_crash_nothing() {
    let check = |name: &str| {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hog_child", "--nocapture"])
            .env("OWNGIL_HOG", name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        let is_done = text.contains(&format!("hog {name} is done"));
        assert!(
            child.status.success() && is_done,
            "{name}: {}\n{}",
            child.status,
            String::from_utf8_lossy(&child.stderr)
        );
    };
    // Two at a time: they take longer than all other tests here.
    thread::scope(|scope| {
        for half in HOGS.chunks(HOGS.len().div_ceil(2)) {
            scope.spawn(move || half.iter().for_each(|(name, ..)| check(name)));
        }
    });
}
