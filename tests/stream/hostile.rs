//! Hostile: generators that do what generators should not.

use std::time::Duration;

use owngil::{Backend, Error, ItemStream, Pool};

use crate::support::{BACKENDS, builder, f, rows};

/// How long what must not wait may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What a stream of numbers gives, errors by the first line of their text.
fn given(pool: &Pool, source: &str) -> Vec<String> {
    let items = pool.task(&f(source)).deadline(AT_ONCE).stream::<u8>();
    let shown = items.map(|item| match item {
        Ok(number) => number.to_string(),
        Err(error) => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    });
    shown.collect()
}

/// Where `raise E` may stand, how many items come before, and whether a generator raises it.
const PLACES: [(&str, usize, bool); 10] = [
    ("def f():\n    raise E\n    yield 1", 0, true),
    ("def f():\n    yield 1\n    raise E", 1, true),
    ("def f():\n    try: yield 1\n    finally: raise E", 1, true),
    ("def f(): raise E", 0, false),
    (
        "class A:\n    def __iter__(self): raise E\ndef f(): return A()",
        0,
        false,
    ),
    ("async def f():\n    raise E\n    yield 1", 0, true),
    (
        "async def f():\n    yield 1\n    await asyncio.sleep(0)\n    raise E",
        1,
        true,
    ),
    (
        "async def f():\n    try: yield 1\n    finally: raise E",
        1,
        true,
    ),
    (
        "async def f():\n    yield 1\n    async with asyncio.timeout(60): raise E",
        1,
        true,
    ),
    (
        "async def f():\n    yield 1\n    yield 2\n    try: raise E\n    finally: await asyncio.sleep(0)",
        2,
        true,
    ),
];

#[test]
fn any_exception_is_the_last_item_wherever_it_is_raised() {
    let exceptions = [
        ("StopIteration(1)", "StopIteration: 1"),
        ("GeneratorExit()", "GeneratorExit"),
        ("KeyboardInterrupt()", "KeyboardInterrupt"),
        ("SystemExit(3)", "SystemExit: 3"),
        (
            "asyncio.CancelledError()",
            "asyncio.exceptions.CancelledError",
        ),
        ("MemoryError()", "MemoryError"),
    ];
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1).build().unwrap();
        for (exception, shown) in rows(exceptions) {
            for (place, n_before, is_generator) in rows(PLACES) {
                let source = place.replace("raise E", &format!("raise {exception}"));
                let mut items = given(&pool, &format!("import asyncio\n{source}"));
                let last = items.pop().unwrap();
                if is_generator && exception.starts_with("StopIteration") {
                    // PEP 479.
                    assert!(last.ends_with("generator raised StopIteration"), "{last}");
                } else {
                    assert_eq!(last, shown);
                }
                assert_eq!(items.len(), n_before);
            }
        }
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn an_asynchronous_generator_may_cancel_its_task_and_stop_its_loop() {
    let cancelled = "asyncio.exceptions.CancelledError";
    let rows_of: [(&str, &[&str]); 6] = [
        (
            "asyncio.current_task().cancel()\n    yield 2",
            &["1", "2", cancelled],
        ),
        (
            "asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)\n    yield 2",
            &["1", "2", cancelled],
        ),
        (
            "asyncio.current_task().cancel()\n    await asyncio.sleep(0.01)",
            &["1", cancelled],
        ),
        (
            "asyncio.get_running_loop().stop()\n    await asyncio.sleep(0.01)\n    yield 2",
            &["1", "2"],
        ),
        ("asyncio.create_task(asyncio.sleep(600))", &["1"]),
        (
            "asyncio.get_running_loop().close()",
            &["1", "RuntimeError: Cannot close a running event loop"],
        ),
    ];
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1).build().unwrap();
        for (body, expected) in rows(rows_of) {
            let source = format!("import asyncio\nasync def f():\n    yield 1\n    {body}");
            assert_eq!(given(&pool, &source), expected);
        }
    }
}

#[test]
fn odd_code_gives_what_a_plain_loop_gives() {
    let rows_of: [(&str, &[&str]); 9] = [
        // It is entered again.
        (
            "def g():\n    yield 1\n    yield next(known)\nknown = g()\ndef f(): return known",
            &["1", "ValueError: generator already executing"],
        ),
        (
            "import sys\ndef f():\n    sys.setprofile(lambda *_: None)\n    yield 1\n    sys.settrace(lambda *_: None)\n    yield 2\n    sys.setprofile(None)\n    sys.settrace(None)\n    yield 3",
            &["1", "2", "3"],
        ),
        (
            "import sys\ndef raises(*_): raise ValueError('profiled')\ndef f():\n    yield 1\n    sys.setprofile(raises)\n    yield 2",
            &["1", "ValueError: profiled"],
        ),
        (
            "import queue, threading\ndef f():\n    made = queue.Queue()\n    thread = threading.Thread(target=lambda: [made.put(n) for n in range(5)])\n    thread.start()\n    for _ in range(5): yield made.get()\n    thread.join()",
            &["0", "1", "2", "3", "4"],
        ),
        (
            "def f():\n    keys = {1: 1}\n    def g():\n        for key in keys:\n            keys[key + 1] = 1\n            yield key\n    return g()",
            &[
                "1",
                "RuntimeError: dictionary changed size during iteration",
            ],
        ),
        (
            "def f():\n    yield 1\n    def g(): return g()\n    g()",
            &["1", "RecursionError: maximum recursion depth exceeded"],
        ),
        (
            "def f(n=0):\n    if n < 300: yield from f(n + 1)\n    else: yield 9",
            &["9"],
        ),
        (
            "import contextvars\nv = contextvars.ContextVar('v', default=0)\ndef f():\n    token = v.set(1)\n    yield v.get()\n    v.reset(token)\n    yield v.get()",
            &["1", "0"],
        ),
        (
            "import sys, threading\ndef f():\n    yield 1\n    thread = threading.Thread(target=sys.exit)\n    thread.start()\n    thread.join()\n    yield 2",
            &["1", "2"],
        ),
    ];
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1).build().unwrap();
        for (source, expected) in rows(rows_of) {
            assert_eq!(given(&pool, source), expected);
        }
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn a_process_that_a_generator_forks_off_yields_nothing() {
    let source = "
import os
def f():
    yield 0
    process = os.fork()
    if process == 0:
        yield 10
        os._exit(7)
    yield os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    yield 5
";
    let pool = builder(Backend::Process, 1).build().unwrap();
    // It ends where it would yield.
    assert_eq!(given(&pool, source), ["0", "1", "5"]);
    assert_eq!(pool.stats().n_lost, 0);
}

#[test]
fn items_of_a_process_that_is_killed_come_in_order_and_an_error_after_them() {
    let source = "
import os
def f():
    yield os.getpid()
    for n in range(100_000): yield n
";
    let pool = builder(Backend::Process, 1).build().unwrap();
    for pause in 0..10 {
        let mut items: ItemStream<u32> = pool.stream(&f(source), ()).window(64);
        let process = items.next().unwrap().unwrap();
        assert_eq!(items.next(), Some(Ok(0)));
        std::thread::sleep(Duration::from_micros(200 * pause));
        let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        let rest: Vec<Result<u32, Error>> = items.collect();
        let (last, before) = rest.split_last().unwrap();
        assert!(matches!(last, Err(Error::WorkerLost(_))), "{last:?}");
        let n_before = before.len() as u32;
        assert!(before.iter().cloned().eq((1..=n_before).map(Ok)));
    }
}
