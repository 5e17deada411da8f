//! Control: functions that block, and what goes on meanwhile.

use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use owngil::{Backend, Error, Pool};

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows, soon};

const BLOCKED: &str = "from owngil.host import block\ndef f(): return block()";

/// How long what must not wait for a blocked function may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A function that blocks until the sender is dropped or sends; it says when it has begun.
fn block() -> (
    impl Fn() -> Result<u8, mpsc::RecvError> + Send + Sync,
    mpsc::Receiver<()>,
    mpsc::Sender<u8>,
) {
    let (begun, has_begun) = mpsc::channel();
    let (free, freed) = mpsc::channel();
    let freed = Mutex::new(freed);
    let function = move || {
        begun.send(()).unwrap();
        freed.lock().unwrap().recv()
    };
    (function, has_begun, free)
}

#[test]
fn a_function_that_blocks_keeps_no_deadline_cancel_or_other_worker_waiting() {
    for backend in rows(BACKENDS) {
        let (function, has_begun, free) = block();
        let pool = builder(backend, 2)
            .grace(Duration::from_millis(200))
            .host_function("block", function)
            .build()
            .unwrap();
        let start = Instant::now();
        let task = pool.task(&f(BLOCKED)).deadline(Duration::from_millis(300));
        let task = task.submit::<u8>().unwrap();
        has_begun.recv().unwrap();
        let one: u8 = pool.call(&f("def f(): return 1"), ()).unwrap();
        assert_eq!(one, 1);
        let Err(Error::TimedOut { stack, .. }) = task.wait() else {
            panic!("{backend}: it is out of time");
        };
        // It stood in the Python function that called.
        if let Some(stack) = stack {
            assert_eq!(stack.frames[0].function, "f");
        }
        assert!(start.elapsed() < AT_ONCE);

        let task = pool.submit::<u8, _>(&f(BLOCKED), ()).unwrap();
        has_begun.recv().unwrap();
        task.cancel();
        assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));

        // Both workers are replaced in time: two calls run at once.
        let meet = f(crate::support::MEET);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let tasks: Vec<_> = (0..2)
            .map(|_| pool.submit::<bool, _>(&meet, (path, 2)).unwrap())
            .collect();
        assert!(tasks.into_iter().all(|task| task.wait().unwrap()));

        let start = Instant::now();
        drop(pool);
        assert!(start.elapsed() < AT_ONCE);
        drop(free);
    }
}

#[test]
fn an_interrupt_arrives_when_the_function_returns() {
    let source = "
from owngil.host import block, note
def f():
    try: note('value %s' % block())
    except BaseException as error:
        note(type(error).__name__)
        raise
";
    for backend in rows(BACKENDS) {
        let (function, has_begun, free) = block();
        let (notes, noted) = mpsc::channel();
        let pool = builder(backend, 1)
            .grace(Duration::from_secs(60))
            .host_function("block", function)
            .host_function("note", move |text: String| notes.send(text))
            .build()
            .unwrap();
        let task = pool.task(&f(source)).deadline(Duration::from_millis(100));
        let task = task.submit::<u8>().unwrap();
        has_begun.recv().unwrap();
        assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
        free.send(7).unwrap();
        assert_eq!(noted.recv_timeout(AT_ONCE).unwrap(), "KeyboardInterrupt");
        assert_eq!(pool.call::<u8, _>(&f("def f(): return 1"), ()).unwrap(), 1);
        assert_eq!(pool.stats().n_lost, 0, "the worker goes on");
    }
}

#[test]
fn a_pool_that_is_shut_down_or_dropped_does_not_wait_for_a_blocked_function() {
    for backend in rows(BACKENDS) {
        for shuts_down in [true, false] {
            let (function, has_begun, free) = block();
            let pool = builder(backend, 1)
                .grace(Duration::from_millis(200))
                .host_function("block", function)
                .build()
                .unwrap();
            let task = pool.submit::<u8, _>(&f(BLOCKED), ()).unwrap();
            has_begun.recv().unwrap();
            let start = Instant::now();
            if shuts_down {
                let late = pool.shutdown_within(Duration::from_millis(50));
                assert!(matches!(late, Err(Error::TimedOut { .. })));
            }
            drop(pool);
            assert!(start.elapsed() < AT_ONCE, "{backend}");
            assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
            drop(free);
        }
    }
}

#[test]
fn a_function_may_call_its_pool_which_runs_that_on_another_worker() {
    let outer = f("from owngil.host import square\ndef f(n): return square(n) + 1");
    for backend in rows(BACKENDS) {
        let handle: Arc<OnceLock<Pool>> = Arc::default();
        let weak: Weak<OnceLock<Pool>> = Arc::downgrade(&handle);
        let square = move |n: u64| {
            let handle = weak.upgrade().ok_or("the pool has ended")?;
            let pool = handle.get().ok_or("the pool has not started")?;
            pool.call::<u64, _>(&f("def f(n): return n * n"), n)
                .map_err(|error| error.to_string())
        };
        let pool = builder(backend, 2)
            .grace(Duration::from_millis(100))
            .host_function("square", square)
            .build()
            .unwrap();
        handle.set(pool).unwrap();
        let pool = handle.get().unwrap();
        assert_eq!(pool.call::<u64, _>(&outer, 6).unwrap(), 37);

        // Calls that take all workers and wait for another end at their deadline, all of them.
        let task = || {
            pool.task(&outer)
                .args(6)
                .deadline(Duration::from_millis(500))
        };
        let tasks: Vec<_> = (0..8).map(|_| task().submit::<u64>().unwrap()).collect();
        for task in tasks {
            assert!(matches!(task.wait(), Ok(37) | Err(Error::TimedOut { .. })));
        }
        let done = || {
            matches!(
                pool.task(&outer)
                    .args(6)
                    .deadline(AT_ONCE)
                    .submit::<u64>()
                    .unwrap()
                    .wait(),
                Ok(37)
            )
        };
        assert!(done(), "{backend}: the pool goes on");
    }
}

#[test]
fn a_function_may_drop_the_last_handle_of_its_pool() {
    for backend in rows(BACKENDS) {
        let handle: Arc<Mutex<Option<Pool>>> = Arc::default();
        let own = Arc::downgrade(&handle);
        let (sender, dropped) = mpsc::channel();
        let end = move || {
            let pool = own
                .upgrade()
                .and_then(|handle| handle.lock().unwrap().take());
            let had_it = pool.is_some();
            drop(pool);
            sender.send(had_it)
        };
        let pool = builder(backend, 1)
            .grace(Duration::from_millis(200))
            .host_function("end", end)
            .build()
            .unwrap();
        let source = f("from owngil.host import end\ndef f(): end()");
        // The function waits until the handle is there.
        let mut slot = handle.lock().unwrap();
        let task = pool.submit::<(), _>(&source, ()).unwrap();
        *slot = Some(pool);
        drop(slot);
        assert!(dropped.recv_timeout(AT_ONCE).unwrap(), "{backend}");
        assert!(matches!(
            task.wait(),
            Err(Error::Cancelled { .. }) | Err(Error::WorkerLost(_))
        ));
    }
}

#[test]
fn a_worker_process_that_dies_in_a_host_call_is_replaced() {
    let source = "
import os, signal, threading
from owngil.host import block
def f():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
    block()
";
    let (function, has_begun, free) = block();
    let pool = builder(Backend::Process, 1)
        .host_function("block", function)
        .build()
        .unwrap();
    let task = pool.submit::<(), _>(&f(source), ()).unwrap();
    has_begun.recv().unwrap();
    assert!(matches!(task.wait(), Err(Error::WorkerLost(_))));
    assert_eq!(pool.call::<u8, _>(&f("def f(): return 1"), ()).unwrap(), 1);
    drop(free);
}

#[test]
fn threads_that_answer_worker_processes_end_with_them() {
    if crate::support::alone("control::threads_that_answer_worker_processes_end_with_them") {
        return;
    }
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names
            .filter(|name| name.trim_end() == "owngil-host")
            .count()
    };
    let ping = || ok(1);
    let pool = builder(Backend::Process, 3)
        .host_function("ping", ping)
        .build()
        .unwrap();
    let source = f("from owngil.host import ping\ndef f(_): return sum(ping() for _ in range(20))");
    let all: Result<Vec<u8>, _> = pool.map(&source, 0..200).collect();
    assert!(all.unwrap().into_iter().all(|n| n == 20));
    assert!((3..=9).contains(&threads()), "{} threads", threads());
    drop(pool);
    soon("no thread is left", || threads() == 0);
    thread::yield_now();
}
