//! Callers: what a function learns of the call that it answers.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use owngil::{Backend, Caller, Error};

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_caller_has_its_worker_and_its_task() {
    let source =
        "import owngil\nfrom owngil.host import who\ndef f(*_): return owngil.worker_id(), who()";
    for backend in rows(BACKENDS) {
        let who = |caller: Caller| ok((caller.worker(), caller.task()));
        let pool = builder(backend, 2)
            .host_function("who", who)
            .build()
            .unwrap();
        type Came = (usize, (Option<usize>, Option<u64>));
        let came: Came = pool
            .task(&f(source))
            .index(77)
            .submit()
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(came.1, (Some(came.0), Some(77)));
        // Calls travel in batches.
        let all: Result<Vec<Came>, _> = pool.map(&f(source), 0..500).collect();
        for (place, (worker, seen)) in all.unwrap().into_iter().enumerate() {
            assert_eq!(seen, (Some(worker), Some(place as u64)), "{backend}");
        }
    }
}

#[test]
fn a_caller_on_a_thread_of_a_task_has_the_worker_unless_workers_share_an_interpreter() {
    let source = "
import threading
from owngil.host import who_calls
def f():
    came = []
    thread = threading.Thread(target=lambda: came.append(who_calls()))
    thread.start(); thread.join()
    return came[0]
";
    for backend in rows(BACKENDS) {
        // No other pool of this program has a function of that name: the thread has no worker that says which is meant.
        let who = |caller: Caller| ok(caller.worker());
        let pool = builder(backend, 1)
            .host_function("who_calls", who)
            .build()
            .unwrap();
        let came: Option<usize> = pool.call(&f(source), ()).unwrap();
        let expected = (backend != Backend::Thread).then_some(0);
        assert_eq!(came, expected, "{backend}");
    }
}

#[test]
fn the_time_that_is_left_counts_from_the_end_of_the_import() {
    let source = "
import time
from owngil.host import left
time.sleep(3)
def f(): return left()
";
    let limit = Duration::from_secs(60);
    for backend in rows(BACKENDS) {
        let left = |caller: Caller| ok(caller.time_left().map(|left| left.as_millis() as u64));
        let builder = builder(backend, 1).host_function("left", left);
        let pool = builder.time_limit(limit).build().unwrap();
        let left: Option<u64> = pool.call(&f(source), ()).unwrap();
        assert!(
            left.is_some_and(|left| left > 57_500),
            "{backend}: {left:?}"
        );
    }
}

#[test]
fn a_caller_knows_the_time_that_is_left() {
    let source = "from owngil.host import left\ndef f(): return left()";
    for backend in rows(BACKENDS) {
        let left = |caller: Caller| ok(caller.time_left().map(|left| left.as_secs()));
        let pool = builder(backend, 1)
            .host_function("left", left)
            .build()
            .unwrap();
        let function = f(source);
        let task = || pool.task(&function);
        let came = |task: owngil::TaskBuilder<'_, ()>| {
            let task = task.submit::<Option<u64>>().unwrap();
            task.wait().unwrap()
        };
        assert_eq!(came(task()), None);
        for task in [
            task().deadline(LONG),
            task().time_limit(LONG),
            task().deadline(LONG).time_limit(10 * LONG),
            task().time_limit(LONG).deadline(10 * LONG),
        ] {
            let seconds = came(task).unwrap();
            assert!((500..600).contains(&seconds), "{backend}: {seconds}");
        }
    }
}

#[test]
fn a_caller_sees_that_its_call_is_cancelled_or_out_of_time() {
    let source = "from owngil.host import wait\ndef f(*_): wait()";
    for backend in rows(BACKENDS) {
        let (sender, events) = mpsc::channel();
        let wait = move |caller: Caller| {
            sender.send("waits").unwrap();
            let until = Instant::now() + Duration::from_secs(60);
            while !caller.is_cancelled() {
                assert!(Instant::now() < until, "it is cancelled");
                std::thread::sleep(Duration::from_millis(1));
            }
            sender.send("saw it")
        };
        let pool = builder(backend, 1)
            .host_function("wait", wait)
            .build()
            .unwrap();
        let next = || events.recv_timeout(Duration::from_secs(60)).unwrap();

        let task = pool.submit::<(), _>(&f(source), ()).unwrap();
        assert_eq!(next(), "waits");
        task.cancel();
        assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
        assert_eq!(next(), "saw it");

        let task = pool.task(&f(source)).deadline(Duration::from_millis(100));
        let task = task.submit::<()>().unwrap();
        assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
        assert_eq!((next(), next()), ("waits", "saw it"));

        let map = pool
            .map::<(), _>(&f(source), 0..1)
            .deadline(Duration::from_millis(100));
        // The value may still come in time.
        assert_eq!(map.count(), 1);
        assert_eq!((next(), next()), ("waits", "saw it"));

        // The worker goes on, or another in its place.
        let one: u8 = pool.call(&f("def f(): return 1"), ()).unwrap();
        assert_eq!(one, 1);
    }
}
