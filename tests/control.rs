//! Deadlines, cancelling, and what becomes of workers whose call does not stop.
//!
//! A test that leaves such a call behind runs alone: it would take a core from the others for a minute.

mod support;

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use owngil::{Backend, Error, Function, OutputPolicy, Pool, Stack, Task};
use support::{BACKENDS, MEET, STUCK, alone, builder, f, rows, soon};

/// How much longer than it should anything may take on a busy machine.
const SLACK: Duration = Duration::from_secs(20);

const GRACE: Duration = Duration::from_millis(300);

/// A pool that interrupts soon, and waits a moment for what does not end.
fn pool(backend: Backend, n_workers: usize) -> Pool {
    let builder = builder(backend, n_workers).grace(GRACE);
    builder.build().unwrap()
}

/// The place where a call stood when it ended, which has a function `f` in it. A busy machine may take too
/// long to look; not each time.
fn seen_in_f(what: &str, mut outcome: impl FnMut() -> Error) {
    for _ in 0..10 {
        let outcome = outcome();
        if cfg!(Py_GIL_DISABLED) {
            // To look would stop all threads, and wait for those in C code.
            return assert!(outcome.stack().is_none());
        }
        if let Some(stack) = outcome.stack() {
            return assert!(stood_in(stack, "f"), "{what}: {stack}");
        }
    }
    panic!("{what}: no outcome has a stack");
}

fn stood_in(stack: &Stack, function: &str) -> bool {
    stack.frames.iter().any(|frame| frame.function == function)
}

#[test]
fn a_deadline_holds_whatever_the_code_does_and_the_pool_keeps_its_size() {
    if alone("a_deadline_holds_whatever_the_code_does_and_the_pool_keeps_its_size") {
        return;
    }
    let add = f("def f(x): return x + 1");
    for stuck in &STUCK {
        let pool = pool(support::PARALLEL, 2);
        pool.load(&add).unwrap();
        let function = f(stuck.source);
        pool.load(&function).unwrap();
        let limit = Duration::from_millis(100);
        let run = || {
            let start = Instant::now();
            let task = pool.task(&function).deadline(limit).submit::<()>().unwrap();
            let outcome = task.wait();
            let took = start.elapsed();
            assert!(took >= limit, "{}: {took:?}", stuck.name);
            assert!(took < limit + GRACE + SLACK, "{}: {took:?}", stuck.name);
            eprintln!(
                "{}: ended {:?} after the deadline",
                stuck.name,
                took - limit
            );
            match outcome {
                Err(error @ Error::TimedOut { .. }) => error,
                other => panic!("{}: {other:?}", stuck.name),
            }
        };
        if stuck.releases_gil {
            seen_in_f(stuck.name, run);
        } else {
            run();
        }
        // The pool has its size: two calls that wait for one another both run.
        let meet = f(MEET);
        let folder = tempfile::tempdir().unwrap();
        let place = (folder.path().to_str().unwrap(), 2);
        let tasks: Vec<Task<bool>> = (0..2).map(|_| pool.submit(&meet, place).unwrap()).collect();
        for task in tasks {
            assert_eq!(task.wait(), Ok(true), "{}", stuck.name);
        }
        let sum: u64 = pool.map::<u64, _>(&add, 0..1000).map(Result::unwrap).sum();
        assert_eq!(sum, 500_500, "{}", stuck.name);
    }
}

#[test]
fn a_time_limit_counts_from_the_begin_of_the_call() {
    let limit = Duration::from_millis(500);
    let builder = Pool::builder().workers(1).time_limit(limit);
    let pool = builder.build().unwrap();
    let spin = f("
import time
def f(x):
    until = time.monotonic() + x
    while time.monotonic() < until: pass
    return x");
    // Together they take longer than the limit.
    let tasks: Vec<Task<f64>> = (0..6).map(|_| pool.submit(&spin, 0.15).unwrap()).collect();
    for task in tasks {
        assert_eq!(task.wait(), Ok(0.15));
    }
    seen_in_f("late", || {
        let late = pool.submit::<f64, _>(&spin, 60.0).unwrap();
        let after = pool.submit::<f64, _>(&spin, 0.0).unwrap();
        assert_eq!(after.wait(), Ok(0.0));
        late.wait().unwrap_err()
    });
    // In a map, for each call.
    let inputs = [0.0, 60.0, 0.01, 60.0, 0.02];
    let results: Vec<_> = pool.map::<f64, _>(&spin, inputs).collect();
    for (input, result) in inputs.iter().zip(results) {
        match result {
            Ok(value) => assert_eq!(value, *input),
            Err(Error::TimedOut { .. }) => assert_eq!(*input, 60.0),
            other => panic!("{input}: {other:?}"),
        }
    }
}

#[test]
fn a_time_limit_counts_from_the_end_of_loading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow_to_load.py");
    let source = "
import time
time.sleep(0.8)
def f(x):
    until = time.monotonic() + x
    while time.monotonic() < until: pass
    return x
";
    std::fs::write(&path, source).unwrap();
    let function = Function::file(&path, "f");
    for backend in rows(BACKENDS) {
        let limit = Duration::from_millis(400);
        let pool = builder(backend, 1).time_limit(limit).build().unwrap();
        assert_eq!(pool.call(&function, 0.0), Ok(0.0), "{backend}");
        let late = pool.call::<f64, _>(&function, 60.0).unwrap_err();
        assert!(matches!(late, Error::TimedOut { .. }), "{late:?}");
    }
}

#[test]
fn a_task_can_be_cancelled_at_any_time() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let spin = f("def f():\n    while True: pass");
        let add = f("def f(x): return x + 1");
        let running: Task<()> = pool.submit(&spin, ()).unwrap();
        let queued: Task<i32> = pool.submit(&add, 1).unwrap();
        let wanted: Task<i32> = pool.submit(&add, 2).unwrap();
        while pool.stacks().workers[0].running.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        queued.cancel();
        assert_eq!(queued.wait(), Err(Error::cancelled(None)), "{backend}");
        running.cancel();
        assert!(
            matches!(running.wait(), Err(Error::Cancelled { .. })),
            "{backend}"
        );
        assert_eq!(wanted.wait(), Ok(3), "{backend}");
        seen_in_f("cancelled", || {
            let running: Task<()> = pool.submit(&spin, ()).unwrap();
            while pool.stacks().workers[0].running.is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            running.cancel();
            running.wait().unwrap_err()
        });
        // Dropped, it is cancelled; detached, it runs.
        drop(pool.submit::<(), _>(&spin, ()).unwrap());
        let note = f("import sys\ndef f(x):\n    sys.noted = x");
        pool.submit::<(), _>(&note, 7).unwrap().detach();
        let noted: i32 = pool
            .call(&f("import sys\ndef f(): return sys.noted"), ())
            .unwrap();
        assert_eq!(noted, 7, "{backend}");
    }
}

#[test]
fn a_map_that_is_dropped_frees_its_workers() {
    let pool = pool(support::PARALLEL, 2);
    let spin = f("def f(x):\n    while x: pass\n    return x");
    for ordered in [true, false] {
        let inputs = [0, 1, 1, 1, 1, 1];
        let mut map = match ordered {
            true => pool.map::<i32, _>(&spin, inputs),
            false => pool.map_unordered::<i32, _>(&spin, inputs),
        };
        assert_eq!(map.next(), Some(Ok(0)));
        drop(map);
        let sum: i32 = pool
            .map::<i32, _>(&spin, [0; 100])
            .map(Result::unwrap)
            .sum();
        assert_eq!(sum, 0);
    }
}

#[test]
fn a_map_ends_at_its_deadline_with_an_outcome_for_each_input() {
    let pool = pool(support::PARALLEL, 2);
    let source = "
import time
def f(x):
    if x > 20: time.sleep(60)
    return x";
    let start = Instant::now();
    let map = pool.map::<u64, _>(&f(source), 0..1_000_000);
    let results: Vec<_> = map.deadline(Duration::from_millis(400)).collect();
    assert!(start.elapsed() < Duration::from_millis(400) + SLACK);
    for (index, result) in results.iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(*value, index as u64),
            Err(Error::TimedOut { .. }) => {}
            other => panic!("{index}: {other:?}"),
        }
    }
    // Calls in the batch of one that did not stop end with it.
    let n_values = results.iter().filter(|result| result.is_ok()).count();
    assert!(n_values > 0 && n_values <= 21, "{n_values} values");
    assert!(results[n_values..].iter().all(Result::is_err));
    // The pool goes on.
    assert_eq!(pool.call(&f("def f(x): return x"), 5), Ok(5));
}

#[test]
fn a_canceller_interrupts_what_runs() {
    let pool = pool(support::PARALLEL, 2);
    let (inputs, received) = crossbeam_channel::unbounded();
    (0..10).for_each(|input| inputs.send(input).unwrap());
    drop(inputs);
    let spin = f("def f(x):\n    while x: pass\n    return x");
    let map = pool.map_channel::<i32, _>(&spin, received, false);
    let canceller = map.canceller();
    let pause = Duration::from_millis(100);
    let asker = std::thread::spawn(move || {
        std::thread::sleep(pause);
        canceller.interrupt();
    });
    let outcomes: Vec<_> = map.collect();
    asker.join().unwrap();
    assert_eq!(outcomes[0], Ok(0));
    let is_cancelled =
        |outcome: &Result<i32, Error>| matches!(outcome, Err(Error::Cancelled { .. }));
    assert!(outcomes[1..].iter().all(is_cancelled), "{outcomes:?}");
}

/// Interrupts at random moments among short tasks: each ends the one that it is meant for.
#[test]
fn no_interrupt_reaches_another_task() {
    let pool = pool(support::PARALLEL, 2);
    // Says in its value that it was interrupted, if somebody dared.
    let source = "
def f(x, n):
    try:
        total = 0
        for i in range(n): total += i
        return x
    except BaseException as error:
        return -1";
    let function = f(source);
    let mut random = 1_u64;
    let mut next = move || {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        random >> 33
    };
    let (mut n_cancelled, mut n_values) = (0, 0);
    let mut tasks: Vec<(i64, bool, Task<i64>)> = Vec::new();
    let check =
        |tasks: &mut Vec<(i64, bool, Task<i64>)>, n_cancelled: &mut u32, n_values: &mut u32| {
            for (x, cancelled, task) in tasks.drain(..) {
                match task.wait() {
                    Ok(value) => {
                        *n_values += 1;
                        assert!(
                            value == x || cancelled && value == -1,
                            "task {x} gave {value}"
                        );
                    }
                    Err(Error::Cancelled { .. }) if cancelled => *n_cancelled += 1,
                    other => panic!("task {x}, cancelled: {cancelled}: {other:?}"),
                }
            }
        };
    let mut n_asked = 0;
    for x in 0..8000 {
        let n = next() % 40_000;
        let task = pool.submit(&function, (x, n)).unwrap();
        let cancelled = next() % 4 == 0;
        tasks.push((x, cancelled, task));
        if tasks.len() == 32 {
            for (_, _, task) in tasks.iter().filter(|(_, cancelled, _)| *cancelled) {
                let until = Instant::now() + Duration::from_micros(next() % 300);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                n_asked += u32::from(!task.is_finished());
                task.cancel();
            }
            check(&mut tasks, &mut n_cancelled, &mut n_values);
        }
    }
    check(&mut tasks, &mut n_cancelled, &mut n_values);
    eprintln!("{n_asked} interrupts, {n_cancelled} tasks cancelled, {n_values} values");
    assert!(n_asked >= 1000, "only {n_asked} interrupts");
    assert_eq!(n_cancelled + n_values, 8000);
    assert!(n_cancelled > 0);
}

#[test]
fn a_worker_that_is_set_aside_and_comes_back_is_not_counted_as_lost() {
    let builder = Pool::builder()
        .workers(1)
        .lost_limit(1)
        .grace(Duration::from_millis(50));
    let pool = builder.build().unwrap();
    // On 3.15 the interrupt ends a plain sleep.
    let sleep = f("import time
def f():
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        try:
            time.sleep(0.4)
        except KeyboardInterrupt:
            pass");
    let add = f("def f(x): return x + 1");
    for round in 0..3 {
        let limit = Duration::from_millis(20);
        let task = pool.task(&sleep).deadline(limit).submit::<()>().unwrap();
        assert!(
            matches!(task.wait(), Err(Error::TimedOut { .. })),
            "round {round}"
        );
        assert_eq!(pool.call(&add, 1), Ok(2), "round {round}");
        soon("back", || pool.stats().n_lost == 0);
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: C code that cannot be stopped holds up all threads"
)]
fn a_pool_without_workers_says_so() {
    if alone("a_pool_without_workers_says_so") {
        return;
    }
    let builder = Pool::builder()
        .workers(1)
        .lost_limit(1)
        .grace(Duration::from_millis(50));
    let pool = builder.build().unwrap();
    let stuck = f("def f(): sum(range(3 * 10**9))");
    let limit = Duration::from_millis(20);
    for _ in 0..2 {
        let task = pool.task(&stuck).time_limit(limit).submit::<()>().unwrap();
        assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
    }
    let add = f("def f(x): return x + 1");
    // Queued before or submitted after: both end with the error.
    let outcome = pool.submit::<i32, _>(&add, 1).and_then(Task::wait);
    let Err(Error::WorkerLost(lost)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(lost.reason.contains("no worker is left"), "{lost}");
    let again = pool.submit::<i32, _>(&add, 1).err();
    assert!(matches!(again, Some(Error::WorkerLost(_))), "{again:?}");
}

#[test]
fn what_a_stuck_task_printed_is_not_lost() {
    if alone("what_a_stuck_task_printed_is_not_lost") {
        return;
    }
    let source = "
def f():
    print('before')
    while True:
        try:
            while True: pass
        except BaseException: pass";
    let kept = Pool::builder()
        .workers(1)
        .grace(GRACE)
        .output(OutputPolicy::Capture);
    let pool = kept.build().unwrap();
    let limit = Duration::from_millis(300);
    let task = pool
        .task(&f(source))
        .time_limit(limit)
        .submit::<()>()
        .unwrap();
    let completed = task.wait_completed();
    assert!(matches!(completed.result, Err(Error::TimedOut { .. })));
    assert_eq!(completed.output.stdout, b"before\n");
    let printed = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&printed);
    let sink =
        move |_: owngil::OutputStream, text: &[u8]| inside.lock().unwrap().extend_from_slice(text);
    let sinking = Pool::builder().workers(1).grace(GRACE);
    let pool = sinking
        .output(OutputPolicy::Sink(Arc::new(sink)))
        .build()
        .unwrap();
    let task = pool
        .task(&f(source))
        .time_limit(limit)
        .submit::<()>()
        .unwrap();
    assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
    // On a busy machine the outcome may come first.
    soon("printed", || *printed.lock().unwrap() == b"before\n");
}

#[test]
fn a_load_that_hangs_is_ended_and_can_be_tried_again() {
    let pool = pool(support::PARALLEL, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow_to_import.py");
    std::fs::write(&path, "while True: pass\ndef g(): return 1\n").unwrap();
    let function = Function::file(&path, "g");
    let limit = Duration::from_millis(100);
    let task = pool
        .task(&function)
        .deadline(limit)
        .submit::<i32>()
        .unwrap();
    assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
    std::fs::write(&path, "def g(): return 1\n").unwrap();
    assert_eq!(pool.call(&function, ()), Ok(1));
}

#[test]
fn dropping_a_pool_interrupts_what_runs() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let spin = f("def f():\n    while True: pass");
        let tasks: Vec<Task<()>> = (0..3).map(|_| pool.submit(&spin, ()).unwrap()).collect();
        let start = Instant::now();
        drop(pool);
        assert!(start.elapsed() < 2 * GRACE + SLACK);
        for task in tasks {
            assert!(
                matches!(task.wait(), Err(Error::Cancelled { .. })),
                "{backend}"
            );
        }
    }
}

#[test]
fn a_full_queue_is_another_error_than_a_closed_pool() {
    let pool = Pool::builder().workers(1).queue_limit(1).build().unwrap();
    let sleep = f("import time\ndef f(x): time.sleep(x)");
    let running: Task<()> = pool.submit(&sleep, 0.5).unwrap();
    while pool.stacks().workers[0].running.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let queued: Task<()> = pool.submit(&sleep, 0).unwrap();
    let refused = pool.try_submit::<(), _>(&sleep, 0).map(drop);
    assert_eq!(refused, Err(Error::QueueFull));
    let refused = pool
        .submit_timeout::<(), _>(&sleep, 0, Duration::from_millis(10))
        .map(drop);
    assert_eq!(refused, Err(Error::QueueFull));
    let later: Task<()> = pool.submit_timeout(&sleep, 0, SLACK).unwrap();
    for task in [running, queued, later] {
        assert_eq!(task.wait(), Ok(()));
    }
    pool.shutdown();
    let refused = pool.try_submit::<(), _>(&sleep, 0).map(drop);
    assert_eq!(refused, Err(Error::ShutDown));
}

#[test]
fn a_deadline_holds_for_the_wait_for_room_too() {
    let pool = Pool::builder().workers(1).queue_limit(1).build().unwrap();
    let (held, release) = std::io::pipe().unwrap();
    let read = f("import os\ndef f(fd): os.read(fd, 1)");
    let running: Task<()> = pool.submit(&read, held.as_raw_fd()).unwrap();
    while pool.stacks().workers[0].running.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let nothing = f("def f(): pass");
    let queued: Task<()> = pool.submit(&nothing, ()).unwrap();
    let limit = Duration::from_millis(20);
    let late = pool.task(&nothing).deadline(limit).submit::<()>().unwrap();
    assert_eq!(late.wait(), Err(Error::timed_out(None)));
    assert_eq!(pool.stats().queue_len, 1);
    drop(release);
    assert_eq!((running.wait(), queued.wait()), (Ok(()), Ok(())));
}

#[test]
fn a_pools_deadline_holds_for_calls_on_every_worker() {
    let builder = Pool::builder().workers(2).grace(GRACE);
    let pool = builder
        .deadline(Duration::from_millis(100))
        .build()
        .unwrap();
    let source = "import owngil\ndef f():\n    while owngil.worker_id(): pass";
    let ends = pool.broadcast::<(), _>(&f(source), ()).unwrap();
    assert_eq!(ends[0], Ok(()));
    assert!(matches!(ends[1], Err(Error::TimedOut { .. })), "{ends:?}");
}

#[test]
fn an_import_that_was_interrupted_is_made_again_from_its_beginning() {
    // On threads all workers share the interpreter.
    for backend in rows(BACKENDS).filter(|backend| *backend != Backend::Thread) {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        // A package that can be begun once, as many with extension modules.
        std::fs::create_dir(folder.path().join("halfway")).unwrap();
        write("halfway/registry.py", "names = []");
        write(
            "halfway/__init__.py",
            "
from halfway import registry
assert not registry.names, 'begun twice'
registry.names.append('x')
import os, time
seen = os.path.join(os.path.dirname(__file__), 'seen')
if not os.path.exists(seen):
    open(seen, 'w').close()
    while True: time.sleep(0.01)
",
        );
        write(
            "inside.py",
            "def f():\n    import halfway\n    return len(halfway.registry.names)",
        );
        write(
            "above.py",
            "import halfway\ndef f(): return len(halfway.registry.names)",
        );
        let seen = folder.path().join("halfway/seen");
        for file in ["inside.py", "above.py"] {
            let pool = pool(backend, 1);
            let function = Function::file(folder.path().join(file), "f");
            let task = pool.task(&function).submit::<u64>().unwrap();
            while !seen.exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            task.cancel();
            let outcome = task.wait();
            assert!(
                matches!(outcome, Err(Error::Cancelled { .. })),
                "{file}: {outcome:?}"
            );
            assert_eq!(pool.call::<u64, _>(&function, ()), Ok(1), "{file}");
            std::fs::remove_file(&seen).unwrap();
        }
    }
}
