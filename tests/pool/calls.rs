//! Pools: calls, tasks, maps, broadcasts, output and errors, on every backend.

use std::collections::{HashMap, HashSet};
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::support::{self, BACKENDS, alone, builder, f, pool, rows};
use owngil::{Backend, Error, ExceptionKind, Payload, Pool, Stack, Task, Value, keywords};
use serde::{Deserialize, Serialize};

const IDENTITY: &str = "def f(x):\n    return x\n";

#[test]
fn a_call_takes_any_arguments_and_gives_any_value() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Person {
        name: String,
        age: Option<u8>,
    }
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let describe = f("def f(*args, **kwargs):\n    return repr((args, kwargs))");
        let text = |value: Result<String, Error>| value.unwrap();
        assert_eq!(text(pool.call(&describe, ())), "((), {})");
        assert_eq!(text(pool.call(&describe, 5)), "((5,), {})");
        assert_eq!(text(pool.call(&describe, (5, "a"))), "((5, 'a'), {})");
        assert_eq!(text(pool.call(&describe, vec![5])), "(([5],), {})");
        assert_eq!(text(pool.call(&describe, ((5, 6),))), "(((5, 6),), {})");
        let options = HashMap::from([("depth", 3)]);
        assert_eq!(
            text(pool.call(&describe, keywords(("x",), options))),
            "(('x',), {'depth': 3})"
        );
        let person = Person {
            name: "Ada".into(),
            age: None,
        };
        let same: Person = pool.call(&f(IDENTITY), (&person,)).unwrap();
        assert_eq!(same, person);
        let big: u128 = pool.call(&f(IDENTITY), u128::MAX).unwrap();
        assert_eq!(big, u128::MAX);
        let nothing: () = pool.call(&f("def f(): pass"), ()).unwrap();
        assert_eq!(nothing, ());
    }
}

#[test]
fn ten_thousand_tasks_give_each_result_once_in_order() {
    let source = "
import threading
def f(x):
    return x, threading.get_native_id()
";
    for backend in rows(BACKENDS) {
        for n_workers in [1, 2, 5] {
            let pool = pool(backend, n_workers);
            let results: Vec<(u32, u64)> = pool
                .map(&f(source), 0..10_000u32)
                .collect::<Result<_, _>>()
                .unwrap();
            let inputs: Vec<u32> = results.iter().map(|(input, _)| *input).collect();
            assert_eq!(inputs, Vec::from_iter(0..10_000));
            let threads: HashSet<u64> = results.iter().map(|(_, thread)| *thread).collect();
            assert!((1..=n_workers).contains(&threads.len()), "{backend}");

            let unordered: Vec<(u32, u64)> = pool
                .map_unordered(&f(source), 0..10_000u32)
                .collect::<Result<_, _>>()
                .unwrap();
            let inputs: HashSet<u32> = unordered.iter().map(|(input, _)| *input).collect();
            assert_eq!((unordered.len(), inputs.len()), (10_000, 10_000));

            let tasks: Vec<Task<(u32, u64)>> = (0..2_000)
                .map(|x| pool.submit(&f(source), x).unwrap())
                .collect();
            for (input, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.wait().unwrap().0, input as u32);
            }
        }
    }
}

#[test]
#[cfg_attr(not(Py_3_13), ignore = "3.12: `_xxsubinterpreters` is refused")]
fn each_worker_has_an_interpreter_of_its_own_or_shares_the_main_one() {
    let id = f("
def f():
    try:
        import _interpreters as i
    except ImportError:
        import _xxsubinterpreters as i
    found = i.get_current()
    return int(found[0] if isinstance(found, tuple) else found)");
    for backend in rows(support::HERE) {
        let n_distinct = if backend == Backend::Thread { 1 } else { 3 };
        let ids: Vec<i64> = pool(backend, 3)
            .broadcast(&id, ())
            .unwrap()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let distinct: HashSet<i64> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), n_distinct, "{backend}: {ids:?}");
        assert_eq!(distinct.contains(&0), backend == Backend::Thread);
    }
}

/// Two tasks that each spin until they have seen the other: a proof of parallelism without a clock.
#[test]
fn interpreters_run_python_code_at_the_same_time_and_threads_of_one_gil_do_not() {
    // A GIL changes hands at the switch interval, if its holder does not release it. That of the main interpreter
    // is the process's, and no other test could interrupt a loop meanwhile.
    if alone("interpreters_run_python_code_at_the_same_time_and_threads_of_one_gil_do_not") {
        return;
    }
    let interval = f("
import sys
def f(seconds):
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    return before");
    let meet = f("
import mmap
def f(path, me, other, rounds):
    with open(path, 'r+b') as file, mmap.mmap(file.fileno(), 2) as seen:
        seen[me] = 1
        for _ in range(rounds):
            if seen[other]:
                return True
    return False");
    for backend in rows(support::HERE) {
        let meets = backend == support::PARALLEL;
        let pool = pool(backend, 2);
        let before: Vec<f64> = pool
            .broadcast(&interval, 100.0)
            .unwrap()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0, 0]).unwrap();
        let path = file.path().to_str().unwrap();
        // In an own-GIL interpreter, and on no GIL, both may spin as long as it takes the other to be
        // scheduled; on one GIL the first spins to its end before the second begins.
        let rounds = if meets { u64::MAX >> 1 } else { 300_000 };
        let one: Task<bool> = pool.submit(&meet, (path, 0, 1, rounds)).unwrap();
        let two: Task<bool> = pool.submit(&meet, (path, 1, 0, rounds)).unwrap();
        let both = (one.wait().unwrap(), two.wait().unwrap());
        assert_eq!(both.0 && both.1, meets, "{backend}: {both:?}");
        let _: Vec<owngil::Result<f64>> = pool.broadcast(&interval, before[0].min(0.005)).unwrap();
    }
}

#[test]
fn all_workers_are_used_at_once() {
    // No call returns before all have begun, however busy the machine is.
    let source = "
import os, threading, time
def f(path, n):
    with open(path, 'ab', 0) as file: file.write(b'.')
    end = time.monotonic() + 60
    while os.path.getsize(path) % n:
        if time.monotonic() > end: raise TimeoutError('somebody never came')
        time.sleep(0.001)
    return threading.get_native_id()";
    let folder = tempfile::tempdir().unwrap();
    for backend in rows(BACKENDS) {
        for n_workers in [2_usize, 5] {
            let pool = pool(backend, n_workers);
            let name = |round: usize| {
                let name = format!("{backend}-{n_workers}-{round}");
                folder.path().join(name).to_str().unwrap().to_owned()
            };
            let check = |threads: owngil::Result<HashSet<u64>>| {
                assert_eq!(threads.unwrap().len(), n_workers, "{backend}");
            };
            for round in 0..3 {
                let inputs = (0..n_workers).map(|_| (name(round), n_workers));
                check(pool.map(&f(source), inputs).collect());
                let tasks: Vec<Task<u64>> = (0..n_workers)
                    .map(|_| pool.submit(&f(source), (name(round), n_workers)).unwrap())
                    .collect();
                check(tasks.into_iter().map(Task::wait).collect());
            }
        }
    }
}

#[test]
fn exceptions_come_back_whole_and_the_pool_goes_on() {
    let raise = f("
import sys
class Odd(Exception):
    def __init__(self, a, b): super().__init__(a); self.b = b
    def __str__(self): return 'odd one'
def f(kind):
    if kind == 'odd':
        try:
            {}['missing']
        except KeyError as error:
            problem = Odd(1, 2); problem.add_note('a note'); raise problem from error
    if kind == 'exit': sys.exit(3)
    if kind == 'interrupt': raise KeyboardInterrupt
    if kind == 'memory': return [0] * (1 << 60)
    if kind == 'deep': return f(kind)
    return kind");
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let error = |kind: &str| match pool.call::<String, _>(&raise, kind) {
            Err(Error::Python(error)) => error,
            other => panic!("{kind}: {other:?}"),
        };
        let odd = error("odd");
        assert!(odd.type_name().ends_with(".Odd"), "{}", odd.type_name());
        assert_eq!(
            (odd.message(), odd.notes()),
            ("odd one", &["a note".to_owned()][..])
        );
        assert_eq!(odd.cause().unwrap().type_name(), "KeyError");
        // The source is shown, and no frame of owngil's.
        assert!(
            odd.traceback().contains("{}['missing']"),
            "{}",
            odd.traceback()
        );
        assert!(!odd.traceback().contains("owngil>"), "{}", odd.traceback());
        let frames: Vec<_> = odd
            .frames()
            .iter()
            .map(|at| (&*at.function, at.line))
            .collect();
        assert_eq!(frames, [("f", 11)], "{:?}", odd.frames());
        let source = odd.source().unwrap();
        assert_eq!(source.to_string(), "KeyError: 'missing'");
        assert!(source.source().is_none());
        let deep = error("deep");
        assert_eq!(deep.frames().len(), Stack::N_FRAMES_MAX);
        assert!(deep.frames().iter().all(|at| at.function == "f"));
        for (kind, expected) in [
            ("exit", ExceptionKind::SystemExit),
            ("interrupt", ExceptionKind::KeyboardInterrupt),
            ("memory", ExceptionKind::MemoryError),
            ("deep", ExceptionKind::RecursionError),
        ] {
            assert_eq!(error(kind).kind(), expected, "{kind}");
        }
        assert_eq!(error("exit").exit_status(), Some(3));
        assert_eq!(pool.call::<String, _>(&raise, "fine").unwrap(), "fine");
    }
}

#[test]
fn a_failing_input_fails_alone() {
    let function = f("def f(x):\n    return 10 // x");
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let results: Vec<_> = pool.map::<i64, _>(&function, -500..500).collect();
        assert_eq!(results.len(), 1000);
        for (input, result) in (-500..500).zip(results) {
            match result {
                Ok(value) => assert_eq!(value, (10.0 / input as f64).floor() as i64, "{input}"),
                Err(Error::Python(error)) => {
                    assert_eq!((input, error.type_name()), (0, "ZeroDivisionError"));
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn an_input_that_cannot_cross_is_an_error_in_its_place() {
    let deep = |n: usize| (0..n).fold(Value::None, |value, _| Value::List(vec![value]));
    let pool = pool(support::PARALLEL, 2);
    let inputs = [deep(1), deep(501), deep(2)];
    let results: Vec<_> = pool.map::<Value, _>(&f(IDENTITY), inputs).collect();
    assert_eq!(results[0], Ok(deep(1)));
    assert!(
        matches!(&results[1], Err(Error::Value(error)) if error.to_string().contains("500")),
        "{:?}",
        results[1]
    );
    assert_eq!(results[2], Ok(deep(2)));
}

#[test]
fn a_value_of_another_shape_is_an_error_with_its_place() {
    let pool = pool(support::PARALLEL, 1);
    let function = f("def f():\n    return [{'n': 1}, {'n': 'two'}]");
    #[derive(Debug, Deserialize)]
    struct Row {
        #[expect(dead_code, reason = "the error is what matters")]
        n: i64,
    }
    let error = pool.call::<Vec<Row>, _>(&function, ()).unwrap_err();
    assert!(error.to_string().starts_with("result[1][\"n\"]"), "{error}");
}

#[test]
fn a_map_is_lazy_and_bounded() {
    let n_taken = AtomicUsize::new(0);
    let inputs = (0..u64::MAX).inspect(|_| {
        n_taken.fetch_add(1, Ordering::Relaxed);
    });
    let pool = pool(support::PARALLEL, 2);
    let mut map = pool.map::<u64, _>(&f(IDENTITY), inputs);
    assert_eq!(
        n_taken.load(Ordering::Relaxed),
        0,
        "nothing before it is asked for"
    );
    for expected in 0..1000 {
        assert_eq!(map.next().unwrap().unwrap(), expected);
    }
    assert!(n_taken.load(Ordering::Relaxed) < 1_000_000);
    drop(map);
    // What was ahead is dropped with it; the pool is free again.
    assert_eq!(pool.call::<i32, _>(&f(IDENTITY), 1), Ok(1));
}

#[test]
fn a_cancelled_map_yields_what_had_begun_and_an_outcome_for_all_that_it_took() {
    for ordered in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (begun, go_on) = (folder.path().join("begun"), folder.path().join("go_on"));
        let wait = f("
import os, time
def f(begun, go_on):
    open(begun, 'w').close()
    while not os.path.exists(go_on): time.sleep(0.001)
    return 'done'
");
        let pool = pool(support::PARALLEL, 1);
        let paths = (begun.to_str().unwrap(), go_on.to_str().unwrap());
        let map = match ordered {
            true => pool.map::<String, _>(&wait, std::iter::repeat(paths)),
            false => pool.map_unordered(&wait, std::iter::repeat(paths)),
        };
        let canceller = map.canceller();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !begun.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                canceller.cancel();
                std::fs::write(&go_on, "").unwrap();
            });
            map.collect()
        });
        let (done, cancelled) = outcomes.split_at(1);
        assert_eq!(done, [Ok("done".to_owned())]);
        assert!(!cancelled.is_empty());
        for outcome in cancelled {
            assert_eq!(*outcome, Err(Error::cancelled(None)));
        }
        assert_eq!(pool.call::<i32, _>(&f(IDENTITY), 1), Ok(1));
    }
}

#[test]
fn a_map_over_a_channel_yields_while_the_channel_is_quiet() {
    let pool = pool(support::PARALLEL, 2);
    for ordered in [true, false] {
        let (inputs, channel) = crossbeam_channel::bounded(10);
        let mut map = pool.map_channel::<u32, u32>(&f(IDENTITY), channel, ordered);
        for input in 0..50 {
            inputs.send(input).unwrap();
            assert_eq!(map.next(), Some(Ok(input)));
        }
        drop(inputs);
        assert_eq!(map.next(), None);
    }
}

#[test]
fn many_threads_share_a_pool_and_its_small_queue() {
    let pool = Pool::builder().workers(2).queue_limit(1).build().unwrap();
    let function = f(IDENTITY);
    let sum: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u64)
            .map(|thread| {
                let (pool, function) = (&pool, &function);
                scope.spawn(move || -> u64 {
                    let base = thread * 1000;
                    let mapped: u64 = pool
                        .map::<u64, _>(function, base..base + 500)
                        .map(Result::unwrap)
                        .sum();
                    let called: u64 = (base + 500..base + 1000)
                        .map(|x| pool.call::<u64, _>(function, x).unwrap())
                        .sum();
                    mapped + called
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(sum, (0..8000).sum());
}

#[test]
fn a_wait_has_a_limit_and_the_task_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let pool = pool(support::PARALLEL, 1);
    let wait = f("
import os, time
def f(path):
    while not os.path.exists(path): time.sleep(0.001)
    return 7");
    let task: Task<i32> = pool.submit(&wait, gate.to_str().unwrap()).unwrap();
    assert_eq!(task.wait_timeout(Duration::from_millis(5)), None);
    assert!(!task.is_finished());
    std::fs::write(&gate, "").unwrap();
    assert_eq!(task.wait_timeout(Duration::from_secs(60)), Some(Ok(7)));
    assert_eq!(task.wait(), Ok(7));
}

#[test]
fn shutting_down_runs_what_is_queued_and_dropping_cancels_it() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let tasks: Vec<Task<u32>> = (0..100)
            .map(|x| pool.submit(&f(IDENTITY), x).unwrap())
            .collect();
        pool.shutdown();
        for (x, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.wait(), Ok(x as u32));
        }
        assert_eq!(pool.call::<u32, _>(&f(IDENTITY), 1), Err(Error::ShutDown));
        assert_eq!(
            pool.broadcast::<u32, _>(&f(IDENTITY), 1),
            Err(Error::ShutDown)
        );
        assert_eq!(pool.load(&f(IDENTITY)), Err(Error::ShutDown));
        // Inputs without end come to an end there.
        let all: Vec<_> = pool.map::<u32, _>(&f(IDENTITY), 0..).collect();
        assert!(all.iter().all(Result::is_err), "{all:?}");
        pool.shutdown();
        drop(pool);

        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let wait = f("
import os, time
def f(path):
    open(path + '.begun', 'w').close()
    while not os.path.exists(path): time.sleep(0.001)
    return 1");
        let pool = self::pool(backend, 1);
        let running: Task<u32> = pool.submit(&wait, gate.to_str().unwrap()).unwrap();
        while !gate.with_extension("begun").exists() {
            std::thread::yield_now();
        }
        let queued: Vec<Task<u32>> = (0..10)
            .map(|x| pool.submit(&f(IDENTITY), x).unwrap())
            .collect();
        std::thread::scope(|scope| {
            let dropper = scope.spawn(move || drop(pool));
            for task in queued {
                assert_eq!(task.wait(), Err(Error::cancelled(None)));
            }
            std::fs::write(&gate, "").unwrap();
            assert_eq!(running.wait(), Ok(1));
            dropper.join().unwrap();
        });
    }
}

#[test]
fn a_pool_may_be_dropped_on_any_thread_and_pools_may_live_side_by_side() {
    let (send, receive) = mpsc::channel();
    let pools: Vec<Pool> = (0..3).map(|_| pool(support::PARALLEL, 2)).collect();
    let threads = pool(Backend::Thread, 2);
    for pool in pools.iter().chain([&threads]) {
        assert_eq!(pool.call::<u32, _>(&f(IDENTITY), 1), Ok(1));
    }
    for pool in pools {
        send.send(pool).unwrap();
    }
    std::thread::spawn(move || receive.try_iter().for_each(drop))
        .join()
        .unwrap();
    assert_eq!(threads.call::<u32, _>(&f(IDENTITY), 2), Ok(2));
}

#[test]
fn a_payload_is_handed_on_unread() {
    let pool = pool(support::PARALLEL, 2);
    let make = f("import datetime, decimal\ndef f():\n    \
                  return {'when': datetime.datetime(2026, 1, 2), 'n': decimal.Decimal('1.5'), 'plain': [1, 2]}");
    let read = f("def f(x):\n    return x['when'].year, str(x['n']), x['plain']");
    let payload: Payload = pool.call(&make, ()).unwrap();
    assert!(payload.contains_opaque());
    let (year, n, plain): (u32, String, Vec<u8>) = pool.call(&read, (payload,)).unwrap();
    assert_eq!((year, n.as_str(), plain), (2026, "1.5", vec![1, 2]));
}

#[test]
fn a_result_may_come_as_the_plain_value_that_its_class_derives_from() {
    let count = f("import collections\ndef f(text): return collections.Counter(text)");
    for backend in rows(BACKENDS) {
        let plain = builder(backend, 1).plain_results(true);
        let pool = plain.build().unwrap();
        let counts: HashMap<String, u32> = pool.call(&count, "see").unwrap();
        assert_eq!(
            counts,
            HashMap::from([("s".to_owned(), 1), ("e".to_owned(), 2)]),
            "{backend}"
        );
        let pool = self::pool(backend, 1);
        assert!(pool.call::<HashMap<String, u32>, _>(&count, "see").is_err());
    }
}

#[test]
fn a_timed_map_tells_when_and_where_each_call_ran() {
    let sleep = f("
import time, owngil
def f(ms):
    time.sleep(ms / 1000)
    if ms == 7: 1 / 0
    return owngil.worker_id()");
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let began = SystemTime::now();
        let inputs = (0..10u64).chain(vec![0; 500]);
        for completed in pool.map::<usize, _>(&sleep, inputs).timed(true).completed() {
            let timing = completed.timing.unwrap();
            let ms = Some(completed.index).filter(|ms| *ms < 10).unwrap_or(0);
            assert!(timing.elapsed >= Duration::from_millis(ms) && timing.began >= began);
            match completed.result {
                Ok(worker) => assert_eq!(worker, timing.worker),
                Err(error) => assert!(ms == 7 && error.python().is_some()),
            }
        }
        let mut others = pool.map::<usize, _>(&sleep, [0]).completed();
        assert_eq!(others.next().unwrap().timing, None);
    }
}

#[test]
fn a_call_that_is_interrupted_or_lost_has_its_time_too() {
    let wait = f("
import os, time
def f(how):
    if how: os._exit(1)
    time.sleep(60)");
    for backend in rows(BACKENDS) {
        let limit = Duration::from_millis(50);
        let pool = builder(backend, 1).time_limit(limit).build().unwrap();
        let ways = [false, true];
        let ways = &ways[..if backend == Backend::Process { 2 } else { 1 }];
        for completed in pool.map::<(), _>(&wait, ways).timed(true).completed() {
            assert!(completed.result.is_err());
            let timing = completed.timing.unwrap();
            assert!(
                timing.elapsed >= limit || completed.index == 1,
                "{timing:?}"
            );
        }
    }
}

#[test]
fn a_chunk_that_is_given_goes_to_one_worker_as_a_whole() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let identity = f(IDENTITY);
        let map = pool.map_unordered::<usize, _>(&identity, 0..210);
        let mut workers = vec![None; 210];
        for completed in map.timed(true).chunk(20).completed() {
            let index = completed.index as usize;
            assert_eq!(completed.result.unwrap(), index);
            workers[index] = Some(completed.timing.unwrap().worker);
        }
        for chunk in workers.chunks(20) {
            assert!(
                chunk[0].is_some() && chunk.iter().all(|one| *one == chunk[0]),
                "{workers:?}"
            );
        }
        // What cannot be is the nearest that can.
        assert_eq!(pool.map::<usize, _>(&identity, 0..3).chunk(0).count(), 3);
        assert_eq!(
            pool.map::<usize, _>(&identity, 0..3)
                .chunk(usize::MAX)
                .count(),
            3
        );
    }
}
