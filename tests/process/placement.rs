//! Placement: what cannot run in an interpreter of its own is run in a process, by itself, once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{self, WORKER, f};
use owngil::{Backend, Error, Function, Moved, OutputPolicy, Pool, PoolBuilder, Task};

/// Loads a module of the standard library that refuses interpreters with their own GIL on every version.
const REFUSED: &str = "
import os, tracemalloc
def f(x): return x + 1, os.getpid()
";

const ACCEPTED: &str = "
import os
def f(x): return x + 1, os.getpid()
";

/// A pool of two workers, and what it says of functions that move.
fn auto(builder: PoolBuilder) -> (Pool, Arc<Mutex<Vec<Moved>>>) {
    let reports: Arc<Mutex<Vec<Moved>>> = Arc::default();
    let inside = Arc::clone(&reports);
    let builder = builder
        .backend(Backend::Auto)
        .on_move(move |moved| inside.lock().unwrap().push(moved.clone()));
    (
        builder.worker_program(WORKER).workers(2).build().unwrap(),
        reports,
    )
}

fn own_pid() -> u32 {
    std::process::id()
}

#[test]
fn a_function_that_cannot_be_loaded_moves_once_and_others_stay() {
    let (pool, reports) = auto(Pool::builder());
    let (refused, accepted) = (f(REFUSED), f(ACCEPTED));
    for (x, result) in (0..1000).zip(pool.map::<(u32, u32), _>(&refused, 0..1000_u32)) {
        let (value, pid) = result.unwrap();
        assert_eq!(value, x + 1);
        assert_ne!(pid, own_pid());
    }
    let (value, pid): (u32, u32) = pool.call(&accepted, 1).unwrap();
    assert_eq!((value, pid), (2, own_pid()));
    let moved = reports.lock().unwrap().clone();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved, pool.moved());
    assert_eq!(moved[0].function, refused);
    assert!(moved[0].reason.contains("extension module"), "{moved:?}");
}

#[test]
fn a_refused_call_moves_however_long_it_takes_to_end() {
    let (pool, reports) = auto(Pool::builder().grace(Duration::from_millis(50)));
    // No interrupt ends this wait.
    let slow = f("
import os, threading
def f():
    held = threading.Lock(); held.acquire()
    try: os.setpgid(0, os.getpgrp())
    except PermissionError: pass
    finally: held.acquire(timeout=1.5)
    return os.getpid()
");
    assert_ne!(pool.call::<u32, _>(&slow, ()).unwrap(), own_pid());
    assert_eq!(reports.lock().unwrap().len(), 1);
}

#[test]
fn every_way_to_give_work_finds_the_place() {
    let (pool, _) = auto(Pool::builder());
    let refused = f(REFUSED);
    pool.load(&refused).unwrap();
    assert_eq!(pool.moved().len(), 1);
    let value = |result: owngil::Result<(u32, u32)>| {
        let (value, pid) = result.unwrap();
        assert_ne!(pid, own_pid());
        value
    };
    assert_eq!(value(pool.call(&refused, 1)), 2);
    assert_eq!(value(pool.submit(&refused, 2).unwrap().wait()), 3);
    assert_eq!(value(pool.try_submit(&refused, 3).unwrap().wait()), 4);
    let all = pool.broadcast(&refused, 4).unwrap();
    assert_eq!(all.into_iter().map(value).collect::<Vec<_>>(), [5, 5]);
    let mut unordered: Vec<u32> = pool
        .map_unordered(&refused, 0..100_u32)
        .map(value)
        .collect();
    unordered.sort_unstable();
    assert_eq!(unordered, (1..101).collect::<Vec<u32>>());
}

#[test]
fn of_a_batch_only_the_calls_from_the_refused_one_on_are_made_again() {
    let lazy = f("
def f(x):
    print('begun', x)
    if x % 400 == 399:
        import tracemalloc
    print('done', x)
    return x
");
    for ordered in [true, false] {
        let (pool, reports) = auto(Pool::builder().output(OutputPolicy::Capture));
        let map = match ordered {
            true => pool.map::<u64, _>(&lazy, 0..2000_u64),
            false => pool.map_unordered(&lazy, 0..2000_u64),
        };
        let mut seen = HashSet::new();
        for (place, completed) in map.completed().enumerate() {
            let index = completed.index;
            assert!(!ordered || place as u64 == index);
            assert_eq!(completed.result, Ok(index));
            // Once, and not what the refused attempt printed.
            let text = String::from_utf8(completed.output.stdout).unwrap();
            assert_eq!(text, format!("begun {index}\ndone {index}\n"));
            assert!(seen.insert(index));
        }
        assert_eq!((seen.len(), reports.lock().unwrap().len()), (2000, 1));
    }
}

#[test]
fn the_first_attempt_of_a_call_that_moves_writes_nothing_later() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, _) = auto(Pool::builder());
    let function = f("
import os
opened = {}
def f(path):
    file = opened[path] = open(path, 'w')
    file.write('running, not finished yet')
    if os.fork() == 0: os._exit(0)
    os.wait()
    file.seek(0)
    file.truncate()
    file.write('done')
    file.flush()
");
    let paths: Vec<_> = (0..20).map(|n| folder.path().join(n.to_string())).collect();
    let inputs = paths.iter().map(|path| path.to_str().unwrap().to_owned());
    let done: Vec<owngil::Result<()>> = pool.map(&function, inputs).collect();
    pool.shutdown();
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    for path in paths {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "done");
    }
}

#[test]
fn asyncio_stays_in_interpreters() {
    let (pool, _) = auto(Pool::builder());
    let function = f("
import asyncio, os
async def main():
    await asyncio.sleep(0)
    return os.getpid()
def f(): return asyncio.run(main())
");
    for _ in 0..3 {
        assert_eq!(pool.call::<u32, _>(&function, ()), Ok(own_pid()));
    }
    assert_eq!(pool.moved(), []);
}

#[test]
fn what_changes_the_process_as_a_whole_moves() {
    for call in [
        "os.setuid(os.getuid())",
        "os.setresgid(-1, -1, -1)",
        "os.setpgid(0, os.getpgrp())",
        "os.chroot('/')",
    ] {
        let (pool, _) = auto(Pool::builder());
        let source = format!(
            "
import os
def f():
    try: {call}
    except PermissionError: pass
    return os.getpid()
"
        );
        assert_ne!(
            pool.call::<u32, _>(&f(&source), ()),
            Ok(own_pid()),
            "{call}"
        );
        assert_eq!(pool.moved().len(), 1, "{call}");
    }
    // Of a child it is refused nowhere.
    let (pool, _) = auto(Pool::builder());
    let child = f("
import os
def f():
    pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'sleep 0.1'], os.environ)
    try: os.setpgid(pid, pid)
    except PermissionError: pass  # It runs another program already.
    os.waitpid(pid, 0)
    return os.getpid()
");
    assert_eq!(pool.call::<u32, _>(&child, ()), Ok(own_pid()));
}

#[test]
fn what_processes_allow_moves_too_and_other_failures_do_not() {
    let (pool, _) = auto(Pool::builder());
    let fork = f("
import os
def f():
    if os.fork() == 0: os._exit(3)
    return [os.waitstatus_to_exitcode(os.wait()[1])]
");
    assert_eq!(pool.call::<Vec<i32>, _>(&fork, ()), Ok(vec![3]));
    assert_eq!(pool.moved().len(), 1);
    // Also where the code could do without.
    for body in [
        "try: pid = os.fork()\n    except Exception: return [0]\n    pid or os._exit(3)\n    return [os.waitstatus_to_exitcode(os.wait()[1])]",
        "try: pid, fd = os.forkpty()\n    except Exception: return [0]\n    pid or os._exit(3)\n    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]",
        "try: return [subprocess.run(['sh', '-c', 'exit 3'], preexec_fn=os.getpid).returncode]\n    except Exception: return [0]",
        "try:\n        with multiprocessing.get_context('fork').Pool(1) as pool: return pool.map(abs, [-3])\n    except Exception: return [0]",
    ] {
        let (pool, _) = auto(Pool::builder());
        let source = format!(
            "
import multiprocessing, os, subprocess
def f():
    {body}
"
        );
        assert_eq!(
            pool.call::<Vec<i32>, _>(&f(&source), ()),
            Ok(vec![3]),
            "{body}"
        );
        assert_eq!(pool.moved().len(), 1, "{body}");
    }
    let broken = f("def f(): import no_such_module");
    assert!(pool.call::<(), _>(&broken, ()).is_err());
    let absent = Function::at("no_such_module:f");
    assert!(matches!(
        pool.call::<(), _>(&absent, ()),
        Err(Error::Load(_))
    ));
    assert_eq!(pool.moved().len(), 1);
}

#[test]
fn an_initializer_that_is_refused_makes_it_a_pool_of_processes() {
    let init = f("def f(): import tracemalloc");
    let (pool, _) = auto(Pool::builder().initializer(&init, ()));
    assert_eq!(pool.backend(), Backend::Process);
    let (_, pid): (u32, u32) = pool.call(&f(ACCEPTED), 1).unwrap();
    assert_ne!(pid, own_pid());
}

#[test]
fn a_worker_that_starts_later_and_whose_initializer_is_refused_moves_its_calls() {
    let init = f("def f(): import tracemalloc");
    let (pool, _) = auto(Pool::builder().lazy(true).initializer(&init, ()));
    for x in 0..3 {
        let (value, pid): (u32, u32) = pool.call(&f(ACCEPTED), x).unwrap();
        assert_eq!(value, x + 1);
        assert_ne!(pid, own_pid());
    }
    let [moved] = &pool.moved()[..] else {
        panic!("{:?}", pool.moved())
    };
    assert!(moved.reason.contains("tracemalloc"), "{moved:?}");
    let results: Vec<(u32, u32)> = pool
        .map(&f(ACCEPTED), 0..100_u32)
        .map(Result::unwrap)
        .collect();
    assert!(results.iter().all(|(_, pid)| *pid != own_pid()));
    pool.shutdown();
}

#[test]
fn deadlines_and_cancelling_reach_a_call_that_moved() {
    let (pool, _) = auto(Pool::builder().grace(Duration::from_millis(100)));
    let stuck = f("
def f():
    import time, tracemalloc
    while True: time.sleep(0.001)
");
    let cancelled: Task<()> = pool.submit(&stuck, ()).unwrap();
    let is_busy = || pool.stats().workers.iter().skip(2).any(|of| of.is_busy);
    while !is_busy() {
        std::thread::yield_now();
    }
    cancelled.cancel();
    assert!(matches!(cancelled.wait(), Err(Error::Cancelled { .. })));
    let limit = Duration::from_secs(1);
    let task: Task<()> = pool.task(&stuck).deadline(limit).submit().unwrap();
    assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
    // Both processes serve.
    let again: Vec<owngil::Result<(u32, u32)>> = pool.broadcast(&f(REFUSED), 1).unwrap();
    assert!(again.iter().all(Result::is_ok), "{again:?}");
}

#[test]
fn a_pool_that_drains_runs_what_moves_meanwhile() {
    let (pool, _) = auto(Pool::builder());
    let refused = f(REFUSED);
    let tasks: Vec<Task<(u32, u32)>> = (0..20).map(|x| pool.submit(&refused, x).unwrap()).collect();
    pool.shutdown();
    for (x, task) in (0..).zip(tasks) {
        assert_eq!(task.wait().unwrap().0, x + 1);
    }
    assert_eq!(
        pool.call::<(u32, u32), _>(&refused, 1),
        Err(Error::ShutDown)
    );
}

#[test]
fn a_pool_that_is_dropped_tells_every_outcome() {
    let (pool, _) = auto(Pool::builder());
    let refused = f(REFUSED);
    let tasks: Vec<Task<(u32, u32)>> = (0..200)
        .map(|x| pool.submit(&refused, x).unwrap())
        .collect();
    drop(pool);
    for task in tasks {
        match task.wait() {
            Ok(_) | Err(Error::Cancelled { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn numbers_and_stacks_show_both_kinds_of_workers() {
    let (pool, _) = auto(Pool::builder());
    let of = |backend| {
        pool.stats()
            .workers
            .iter()
            .filter(|of| of.backend == backend)
            .count()
    };
    assert_eq!((of(Backend::Interpreter), of(Backend::Process)), (2, 0));
    pool.call::<(u32, u32), _>(&f(REFUSED), 1).unwrap();
    assert_eq!((of(Backend::Interpreter), of(Backend::Process)), (2, 2));
    assert_eq!(pool.stacks().workers.len(), 4);
    let n_tasks: u64 = pool.stats().workers.iter().map(|of| of.n_tasks).sum();
    assert_eq!(n_tasks, 1);
}

#[test]
fn other_backends_move_nothing() {
    let pool = support::pool(support::PARALLEL, 1);
    let error = pool.call::<(u32, u32), _>(&f(REFUSED), 1).unwrap_err();
    assert!(
        error.hint().is_some_and(|hint| hint.contains("auto")),
        "{error}"
    );
    assert!(pool.moved().is_empty());
}
