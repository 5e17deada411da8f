//! Ends: streams that are dropped, whose pool ends or whose worker is lost.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use owngil::{Backend, Error, ItemStream, Pool};

use crate::support::{BACKENDS, builder, f, rows, soon};

/// How long what must not wait may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Notes how it ends, and on which worker.
const NOTES: &str = "
import owngil
from owngil.host import note
def f(n):
    try:
        note('begun')
        for n in range(n): yield n
        note('done')
    except BaseException as error:
        note(type(error).__name__)
        raise
    finally:
        note(f'finally {owngil.worker_id()}')
";

/// A pool with one worker, and what its code notes.
fn noting(backend: Backend, grace: Duration) -> (Pool, Receiver<String>) {
    let (notes, noted) = mpsc::channel();
    let pool = builder(backend, 1)
        .grace(grace)
        .host_function("note", move |text: String| notes.send(text))
        .build()
        .unwrap();
    (pool, noted)
}

/// A call that shows that the worker is free.
fn is_free(pool: &Pool) {
    let task = pool.task(&f("def f(): return 1")).deadline(AT_ONCE);
    assert_eq!(task.submit::<u8>().unwrap().wait(), Ok(1));
}

fn next(noted: &Receiver<String>) -> String {
    noted.recv_timeout(AT_ONCE).unwrap()
}

#[test]
fn a_generator_is_closed_on_its_worker_when_its_stream_is_dropped() {
    for backend in rows(BACKENDS) {
        let (pool, noted) = noting(backend, Duration::from_secs(60));
        let mut items: ItemStream<u32> = pool.stream(&f(NOTES), 1_000_000_000).window(10);
        assert_eq!(items.next(), Some(Ok(0)));
        assert_eq!(next(&noted), "begun");
        drop(items);
        assert_eq!(next(&noted), "GeneratorExit");
        assert_eq!(next(&noted), "finally 0");
        is_free(&pool);
        let stats = pool.stats();
        assert_eq!((stats.n_lost, stats.workers[0].n_restarts), (0, 0));
    }
}

/// The interrupt that ends a call that runs would stop a suspended generator in the middle of its `finally`.
#[test]
fn a_suspended_generator_is_closed_in_full_whatever_ends_its_stream() {
    let source = "
from owngil.host import note
def f():
    try:
        while True: yield 1
    finally:
        for n in range(3):
            sum(range(100))
            note(str(n))
";
    // What each leaves of the stream.
    type End = fn(&Pool, ItemStream<u8>) -> Option<ItemStream<u8>>;
    let ways: [(&str, End); 5] = [
        ("interrupt", |_, items| {
            items.canceller().interrupt();
            Some(items)
        }),
        ("deadline", |_, items| Some(items)),
        ("shutdown", |pool, items| {
            let _ = pool.clone().shutdown_within(Duration::ZERO);
            Some(items)
        }),
        ("another thread", |_, items| {
            thread::spawn(move || drop(items)).join().unwrap();
            None
        }),
        ("panic", |_, items| {
            let panicking = std::panic::AssertUnwindSafe(|| {
                let _items = items;
                std::panic::resume_unwind(Box::new("the consumer's"));
            });
            assert!(std::panic::catch_unwind(panicking).is_err());
            None
        }),
    ];
    for backend in rows(BACKENDS) {
        for (way, end) in rows(ways) {
            let (pool, noted) = noting(backend, Duration::MAX);
            let task = pool.task(&f(source));
            let task = match way {
                "deadline" => task.deadline(Duration::from_millis(300)),
                _ => task,
            };
            let mut items = task.stream::<u8>().window(1);
            assert_eq!(items.next(), Some(Ok(1)));
            soon("it is suspended", || pool.stats().workers[0].is_suspended);
            let left = end(&pool, items);
            let notes: Vec<String> = (0..3).map(|_| next(&noted)).collect();
            assert_eq!(notes, ["0", "1", "2"]);
            let last = left.and_then(Iterator::last);
            assert!(last.is_none_or(|last| last.is_err()));
        }
    }
}

#[test]
fn a_generator_that_has_returned_is_not_closed() {
    for backend in rows(BACKENDS) {
        let (pool, noted) = noting(backend, Duration::from_secs(60));
        let items: Result<Vec<u32>, Error> = pool.stream(&f(NOTES), 3).collect();
        assert_eq!(items, Ok(vec![0, 1, 2]));
        let notes: Vec<String> = (0..3).map(|_| next(&noted)).collect();
        assert_eq!(notes, ["begun", "done", "finally 0"]);
        is_free(&pool);
        assert!(noted.try_recv().is_err());
    }
}

#[test]
fn a_stream_that_was_asked_for_nothing_or_is_queued_never_begins() {
    for backend in rows(BACKENDS) {
        let (pool, noted) = noting(backend, Duration::from_secs(60));
        drop(pool.stream::<u32, _>(&f(NOTES), 3));
        let mut first: ItemStream<u32> = pool.stream(&f(NOTES), 1_000_000_000).window(1);
        assert_eq!(first.next(), Some(Ok(0)));
        assert_eq!(next(&noted), "begun");
        let mut queued: ItemStream<u32> = pool.stream(&f(NOTES), 3);
        queued.start().unwrap();
        drop(queued);
        drop(first);
        assert_eq!(next(&noted), "GeneratorExit");
        assert_eq!(next(&noted), "finally 0");
        is_free(&pool);
        assert!(noted.try_recv().is_err(), "{backend}");
    }
}

#[test]
fn a_generator_that_does_not_end_is_interrupted_and_its_worker_replaced() {
    let sources = [
        // It yields again.
        "def f():\n    while True:\n        try: yield 1\n        except GeneratorExit: pass",
        // It does not return from `finally`.
        "def f():\n    try:\n        while True: yield 1\n    finally:\n        while True: pass",
        "
def f():
    try:
        while True: yield 1
    finally:
        while True:
            try:
                while True: pass
            except BaseException: pass
",
        // It does not come to a yield.
        "def f():\n    yield 1\n    while True: pass",
        "import time\ndef f():\n    yield 1\n    time.sleep(600)",
        "async def f():\n    while True:\n        try: yield 1\n        except GeneratorExit: pass",
        "import asyncio\nasync def f():\n    yield 1\n    await asyncio.sleep(600)",
    ];
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1)
            .grace(Duration::from_millis(200))
            .build()
            .unwrap();
        for source in rows(sources) {
            let mut items = pool.stream::<u8, _>(&f(source), ());
            assert_eq!(items.next(), Some(Ok(1)));
            let start = Instant::now();
            drop(items);
            assert!(start.elapsed() < AT_ONCE, "dropping waits for nothing");
            is_free(&pool);
        }
    }
}

#[test]
fn a_pool_that_ends_ends_its_streams() {
    for backend in rows(BACKENDS) {
        let (pool, noted) = noting(backend, Duration::from_secs(2));
        let mut items: ItemStream<u32> = pool.stream(&f(NOTES), 1_000_000_000).window(4);
        assert_eq!(items.next(), Some(Ok(0)));
        assert_eq!(next(&noted), "begun");
        let late = pool.clone().shutdown_within(Duration::from_millis(50));
        assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
        // What was yielded before comes first, and then one error.
        let rest: Vec<Result<u32, Error>> = items.by_ref().collect();
        let (last, before) = rest.split_last().unwrap();
        assert!(matches!(last, Err(Error::Cancelled { .. })), "{last:?}");
        assert!(before.iter().all(Result::is_ok));
        assert!(items.next().is_none());
        let mut refused = pool.stream::<u32, _>(&f(NOTES), 3);
        assert_eq!(refused.next(), Some(Err(Error::ShutDown)));
        assert!(refused.next().is_none());

        // A stream is a handle to its pool: the last one ends it.
        let (pool, noted) = noting(backend, Duration::from_secs(2));
        let mut items: ItemStream<u32> = pool.stream(&f(NOTES), 1_000_000_000).window(4);
        drop(pool);
        assert_eq!(items.next(), Some(Ok(0)));
        let start = Instant::now();
        drop(items);
        assert!(start.elapsed() < AT_ONCE);
        assert_eq!(next(&noted), "begun");
    }
}

#[test]
fn a_shutdown_lets_streams_end_that_are_read() {
    for backend in rows(BACKENDS) {
        let (pool, _noted) = noting(backend, Duration::from_secs(60));
        let mut items: ItemStream<u32> = pool.stream(&f(NOTES), 1_000).window(4);
        assert_eq!(items.next(), Some(Ok(0)));
        let reading = thread::spawn(move || items.filter(Result::is_ok).count());
        pool.shutdown();
        assert_eq!(reading.join().unwrap(), 999);
    }
}

#[test]
fn a_worker_process_that_dies_ends_its_stream_after_what_was_yielded() {
    let source = "
import os, signal
from owngil.host import note
def f():
    yield 1
    yield 2
    note('wait')
    os.kill(os.getpid(), signal.SIGKILL)
    yield 3
";
    let (notes, noted) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let note = move |text: String| {
        notes.send(text).unwrap();
        may_go_on.lock().unwrap().recv()
    };
    let pool = builder(Backend::Process, 1)
        .host_function("note", note)
        .build()
        .unwrap();
    let mut items = pool.stream::<u8, _>(&f(source), ());
    assert_eq!((items.next(), items.next()), (Some(Ok(1)), Some(Ok(2))));
    assert_eq!(next(&noted), "wait");
    go_on.send(()).unwrap();
    let last = items.next();
    assert!(matches!(last, Some(Err(Error::WorkerLost(_)))), "{last:?}");
    assert!(items.next().is_none());
    is_free(&pool);
}

#[test]
fn every_stream_ends_once_whatever_ends_it() {
    // The moment at which the deadline comes falls anywhere.
    for backend in rows(BACKENDS) {
        let (pool, _noted) = noting(backend, Duration::from_secs(60));
        for n in 0..60 {
            let task = pool.task(&f(NOTES)).args(2_000);
            let task = task.deadline(Duration::from_micros(200 * n));
            let mut items: ItemStream<u32> = task.stream().window(8);
            let all: Vec<Result<u32, Error>> = items.by_ref().collect();
            let n_ok = all.iter().take_while(|item| item.is_ok()).count();
            let values = all.iter().take(n_ok).map(|item| *item.as_ref().unwrap());
            assert!(values.eq(0..n_ok as u32));
            match all.get(n_ok..).unwrap() {
                [] => assert_eq!(n_ok, 2_000),
                [Err(Error::TimedOut { .. })] => {}
                other => panic!("{other:?}"),
            }
            assert!(items.next().is_none());
        }
        soon("the worker is free", || !pool.stats().workers[0].is_busy);
        is_free(&pool);
    }
}
