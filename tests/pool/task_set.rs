//! Task sets: each task comes once, as it ends, and none is lost.

use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, select};
use owngil::{Backend, Completed, Error, Function, OutputPolicy, Pool, Task, TaskSet};

use super::futures::{HELD, NOTE, block_on, once, runtime};
use crate::support::{self, HERE, PARALLEL, builder, f, pool, rows, soon};

/// Longer than any test takes, so that a task that is lost fails a test instead of blocking it.
const LONG: Duration = Duration::from_secs(60);

/// A call that runs until a byte is written.
struct Held {
    task: Task<String>,
    release: PipeWriter,
}

impl Held {
    fn new(pool: &Pool) -> Held {
        let (held, release) = pipe().unwrap();
        // Never closed: a call that outlives its test would read from whatever gets its number next.
        let task = pool.submit(&f(HELD), held.into_raw_fd()).unwrap();
        Held { task, release }
    }
}

/// A set of `n` calls on as many workers, and what ends each.
fn held_set(pool: &Pool, n: usize) -> (TaskSet<String>, Vec<PipeWriter>) {
    let mut tasks = TaskSet::new();
    let held = (0..n).map(|_| Held::new(pool));
    let releases = held.map(|held| {
        tasks.push(held.task);
        held.release
    });
    let releases = releases.collect();
    (tasks, releases)
}

fn release(writer: &mut PipeWriter) {
    writer.write_all(b"x").unwrap();
}

/// Which task it is, if the call succeeded.
fn index(completed: Option<Completed<String>>) -> u64 {
    let completed = completed.expect("a task has ended");
    assert_eq!(completed.result, Ok("x".to_owned()));
    completed.index
}

#[test]
fn tasks_come_as_they_end_with_their_indices() {
    for backend in rows(HERE) {
        let pool = pool(backend, 4);
        let (mut tasks, mut releases) = held_set(&pool, 4);
        for number in [2, 0, 3, 1] {
            release(&mut releases[number]);
            assert_eq!(index(tasks.next_timeout(LONG)), number as u64);
        }
        assert!(tasks.is_empty());
        assert_eq!(tasks.next(), None);
    }
}

#[test]
fn indices_go_on_after_the_set_was_empty() {
    let pool = pool(PARALLEL, 1);
    let echo = f("def f(x): return x");
    let mut tasks = TaskSet::new();
    for number in 0..3_u64 {
        assert_eq!(tasks.push(pool.submit(&echo, number).unwrap()), number);
        let completed = tasks.next().unwrap();
        assert_eq!((completed.index, completed.result), (number, Ok(number)));
        assert_eq!(tasks.next(), None);
    }
}

#[test]
fn a_task_that_has_ended_before_is_taken_without_waiting() {
    let pool = pool(PARALLEL, 1);
    let mut tasks = TaskSet::new();
    assert_eq!(tasks.try_next(), None);
    let task: Task<u64> = pool.submit(&Function::at("math:factorial"), 5).unwrap();
    soon("the call has ended", || task.is_finished());
    tasks.push(task);
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks.try_next().unwrap().result, Ok(120));
    assert_eq!(tasks.len(), 0);
}

#[test]
fn a_wait_with_a_limit_ends_and_takes_nothing() {
    let pool = pool(PARALLEL, 1);
    let (mut tasks, mut releases) = held_set(&pool, 1);
    assert_eq!(tasks.try_next(), None);
    assert_eq!(tasks.next_timeout(Duration::ZERO), None);
    let limit = Duration::from_millis(30);
    let start = Instant::now();
    assert_eq!(tasks.next_timeout(limit), None);
    assert!(start.elapsed() >= limit);
    assert_eq!(tasks.len(), 1);
    release(&mut releases[0]);
    // A limit beyond what a clock can hold is none.
    assert_eq!(index(tasks.next_timeout(Duration::MAX)), 0);
    // An empty set has nothing to wait for.
    assert_eq!(tasks.next_timeout(Duration::MAX), None);
}

#[test]
fn a_task_that_was_waited_for_does_not_come_again() {
    let pool = pool(PARALLEL, 2);
    let (mut tasks, mut releases) = held_set(&pool, 2);
    releases.iter_mut().for_each(release);
    assert_eq!(index(tasks.wait(1)), 1);
    assert_eq!(tasks.wait(1), None);
    assert!(tasks.get(1).is_none());
    assert_eq!(index(tasks.next_timeout(LONG)), 0);
    assert_eq!(tasks.next(), None);
}

#[test]
fn tasks_and_another_channel_are_waited_for_at_once() {
    let pool = pool(PARALLEL, 2);
    let (mut tasks, mut releases) = held_set(&pool, 2);
    let (sender, receiver) = bounded(1);
    let mut events = Vec::new();
    let mut wait = |tasks: &mut TaskSet<String>| {
        select! {
            recv(tasks.ended()) -> number => {
                events.push(number.unwrap());
                tasks.wait(number.unwrap())
            }
            recv(receiver) -> number => {
                events.push(number.unwrap());
                None
            }
            default(LONG) => panic!("nothing happened"),
        }
    };
    sender.send(100).unwrap();
    assert_eq!(wait(&mut tasks), None);
    release(&mut releases[1]);
    assert_eq!(index(wait(&mut tasks)), 1);
    sender.send(101).unwrap();
    assert_eq!(wait(&mut tasks), None);
    // What the channel has not yielded comes by other ways.
    release(&mut releases[0]);
    assert_eq!(index(tasks.next_timeout(LONG)), 0);
    assert_eq!(events, [100, 1, 101]);
}

#[test]
fn one_task_is_cancelled_and_the_others_go_on() {
    let pool = pool(PARALLEL, 2);
    let (mut tasks, mut releases) = held_set(&pool, 2);
    tasks.get(0).unwrap().cancel();
    let cancelled = tasks.next_timeout(LONG).unwrap();
    assert_eq!(cancelled.index, 0);
    assert!(matches!(cancelled.result, Err(Error::Cancelled { .. })));
    release(&mut releases[1]);
    assert_eq!(index(tasks.next_timeout(LONG)), 1);
}

#[test]
fn all_tasks_are_cancelled_and_their_outcomes_come() {
    let pool = pool(PARALLEL, 1);
    // One runs and the others are queued.
    let (mut tasks, _releases) = held_set(&pool, 5);
    tasks.cancel();
    let mut indices: Vec<_> = (0..5)
        .map(|_| {
            let completed = tasks.next_timeout(LONG).unwrap();
            assert!(matches!(completed.result, Err(Error::Cancelled { .. })));
            completed.index
        })
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, [0, 1, 2, 3, 4]);
}

/// A set on one worker that writes to `notes`: its first call has begun, and the others wait behind it.
fn noting_set(pool: &Pool, notes: &PipeWriter, noted: &mut impl Read) -> TaskSet<()> {
    let mut tasks = TaskSet::new();
    for _ in 0..5 {
        tasks.push(pool.submit(&f(NOTE), notes.as_raw_fd()).unwrap());
    }
    noted.read_exact(&mut [0]).unwrap();
    tasks
}

#[test]
fn dropping_a_set_half_way_cancels_the_rest() {
    let pool = pool(PARALLEL, 1);
    let (mut noted, notes) = pipe().unwrap();
    let mut tasks = noting_set(&pool, &notes, &mut noted);
    tasks.get(0).unwrap().cancel();
    assert_eq!(tasks.next_timeout(LONG).unwrap().index, 0);
    noted.read_exact(&mut [0; 2]).unwrap();
    drop(tasks);
    assert_eq!(pool.call::<i32, _>(&f("def f(x): return x"), 3), Ok(3));
    drop(notes);
    // The second was interrupted; those behind it have not begun.
    assert_eq!(std::io::read_to_string(noted).unwrap(), "i");
}

#[test]
fn detached_tasks_run_without_their_set() {
    let pool = pool(PARALLEL, 1);
    let (noted, notes) = pipe().unwrap();
    let write = f("import os\ndef f(fd): os.write(fd, b'w')");
    let mut tasks: TaskSet<()> = TaskSet::new();
    for _ in 0..5 {
        tasks.push(pool.submit(&write, notes.as_raw_fd()).unwrap());
    }
    tasks.detach();
    pool.shutdown();
    drop(notes);
    assert_eq!(std::io::read_to_string(noted).unwrap(), "wwwww");
}

#[test]
fn a_failure_has_the_index_of_its_task() {
    let pool = pool(PARALLEL, 2);
    let reciprocal = f("def f(x): return 1 // x if x < 3 else 'three'");
    let mut tasks = TaskSet::new();
    for number in 0..4 {
        tasks.push(pool.submit::<i32, _>(&reciprocal, number).unwrap());
    }
    let mut all: Vec<_> = tasks.collect();
    all.sort_by_key(|completed| completed.index);
    let error = all[0].result.clone().unwrap_err();
    assert_eq!(error.python().unwrap().type_name(), "ZeroDivisionError");
    assert_eq!((&all[1].result, &all[2].result), (&Ok(1), &Ok(0)));
    assert!(matches!(all[3].result, Err(Error::Value(_))));
}

#[test]
fn a_lost_worker_ends_its_own_task() {
    let pool = pool(Backend::Process, 2);
    let exit = f("import os\ndef f(x):\n    if x == 1: os.kill(os.getpid(), 9)\n    return x");
    let mut tasks = TaskSet::new();
    for number in 0..3 {
        tasks.push(pool.submit::<u64, _>(&exit, number).unwrap());
    }
    let mut n_taken = 0;
    for completed in tasks {
        match (completed.index, completed.result) {
            (1, Err(Error::WorkerLost(_))) => {}
            (1, result) => panic!("{result:?}"),
            (index, result) => assert_eq!(result, Ok(index)),
        }
        n_taken += 1;
    }
    assert_eq!(n_taken, 3);
}

#[test]
fn tasks_of_a_pool_that_ends_come_with_an_error() {
    let pool = pool(PARALLEL, 1);
    let (mut tasks, _releases) = held_set(&pool, 3);
    drop(pool);
    for _ in 0..3 {
        let completed = tasks.next_timeout(LONG).unwrap();
        assert!(matches!(completed.result, Err(Error::Cancelled { .. })));
    }
    assert_eq!(tasks.next(), None);
}

#[test]
fn tasks_of_two_pools_share_a_set_and_bring_their_output() {
    let print = f("def f(x): print(x)");
    let pools = [1, 2].map(|n_workers| {
        let builder = builder(PARALLEL, n_workers).output(OutputPolicy::Capture);
        builder.build().unwrap()
    });
    let mut tasks: TaskSet<()> = TaskSet::new();
    for number in 0..10 {
        tasks.push(pools[number % 2].submit(&print, number).unwrap());
    }
    let mut n_taken = 0;
    for completed in tasks {
        let printed = format!("{}\n", completed.index);
        assert_eq!(completed.output.stdout, printed.into_bytes());
        n_taken += 1;
    }
    assert_eq!(n_taken, 10);
}

#[test]
fn a_set_moves_to_another_thread() {
    let pool = pool(PARALLEL, 1);
    let (mut tasks, mut releases) = held_set(&pool, 1);
    let taking = thread::spawn(move || index(tasks.next()));
    release(&mut releases[0]);
    assert_eq!(taking.join().unwrap(), 0);
}

#[test]
fn awaited_tasks_come_as_they_end() {
    let pool = pool(PARALLEL, 3);
    let (mut tasks, mut releases) = held_set(&pool, 3);
    block_on(async {
        for number in [1, 2, 0] {
            let mut next = Box::pin(tasks.next_async());
            assert!(once(&mut next).await.is_pending());
            release(&mut releases[number]);
            assert_eq!(index(next.await), number as u64);
        }
        assert_eq!(tasks.next_async().await, None);
    });
}

#[test]
fn a_future_that_loses_a_race_loses_no_task() {
    let pool = pool(PARALLEL, 1);
    let (mut tasks, mut releases) = held_set(&pool, 1);
    runtime().block_on(async {
        tokio::select! {
            completed = tasks.next_async() => panic!("{completed:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        assert_eq!(tasks.len(), 1);
        release(&mut releases[0]);
        soon("the call has ended", || tasks.get(0).unwrap().is_finished());
        assert_eq!(index(tasks.next_async().await), 0);
    });
}

#[test]
fn a_future_that_moves_to_another_runtime_is_woken_there() {
    let pool = pool(PARALLEL, 1);
    let (mut tasks, mut releases) = held_set(&pool, 1);
    let mut next = Box::pin(tasks.next_async());
    thread::scope(|scope| {
        scope.spawn(|| assert!(block_on(once(&mut next)).is_pending()));
    });
    runtime().block_on(async {
        assert!(once(&mut next).await.is_pending());
        release(&mut releases[0]);
        let completed = tokio::time::timeout(LONG, next).await;
        assert_eq!(index(completed.expect("the future was woken")), 0);
    });
}

/// Adds tasks until so many are under way or all were added.
fn refill(tasks: &mut TaskSet<u64>, pool: &Pool, numbers: &mut std::ops::Range<u64>, n: usize) {
    let echo = f("def f(x): return x");
    while tasks.len() < n
        && let Some(number) = numbers.next()
    {
        assert_eq!(tasks.push(pool.submit(&echo, number).unwrap()), number);
    }
}

#[test]
fn no_end_of_many_tiny_tasks_is_lost() {
    let n = 20_000 * u64::from(support::scale());
    // With one under way each end must wake the thread; with many, ends come while tasks are added.
    for n_under_way in rows([1, 3, 100]) {
        let pool = pool(PARALLEL, 2);
        let mut tasks = TaskSet::new();
        let mut numbers = 0..n;
        let mut seen = vec![false; n as usize];
        loop {
            refill(&mut tasks, &pool, &mut numbers, n_under_way);
            if tasks.is_empty() {
                break;
            }
            let completed = tasks.next_timeout(LONG).expect("an end was lost");
            assert_eq!(completed.result, Ok(completed.index));
            assert!(!std::mem::replace(
                &mut seen[completed.index as usize],
                true
            ));
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}

#[test]
fn no_end_of_many_tiny_tasks_is_lost_by_futures() {
    let n = 20_000 * u64::from(support::scale());
    for n_under_way in rows([1, 3, 100]) {
        let pool = pool(PARALLEL, 2);
        let sum = runtime().block_on(async {
            let mut tasks = TaskSet::new();
            let mut numbers = 0..n;
            let mut sum = 0;
            loop {
                refill(&mut tasks, &pool, &mut numbers, n_under_way);
                let next = tokio::time::timeout(LONG, tasks.next_async());
                match next.await.expect("an end was lost") {
                    Some(completed) => sum += completed.result.unwrap(),
                    None => return sum,
                }
            }
        });
        assert_eq!(sum, n * (n - 1) / 2);
    }
}
