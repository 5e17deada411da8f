//! Awaiting calls: no thread is blocked, dropping cancels, and every wait ends.

use std::future::Future;
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::support::{self, DEAF, HERE, f, rows};
use owngil::{Error, Function, Pool, Task};
use tokio::task::JoinSet;

/// Holds up calls of `HELD` until it releases them, or is dropped.
struct Gate {
    /// What they read from. Never closed: a call that is left behind would read from whatever got its number
    /// next.
    fd: i32,
    writer: PipeWriter,
}

pub(super) const HELD: &str = "import os\ndef f(fd): return os.read(fd, 1).decode()";

impl Gate {
    fn new() -> Gate {
        let (held, writer) = pipe().unwrap();
        let fd = held.into_raw_fd();
        Gate { fd, writer }
    }

    fn release(&mut self, n_calls: usize) {
        self.writer.write_all(&b"x".repeat(n_calls)).unwrap();
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A pool of one worker that is held up, with a full queue of `n_queued` calls that wait for the same.
fn full_pool(n_queued: usize, gate: &Gate) -> (Pool, Vec<Task<String>>) {
    let builder = Pool::builder().workers(1).queue_limit(n_queued);
    let pool = builder.grace(Duration::from_millis(300)).build().unwrap();
    let held = f(HELD);
    let mut tasks = vec![pool.submit(&held, gate.fd).unwrap()];
    while pool.stacks().workers[0].running.is_none() {
        thread::yield_now();
    }
    tasks.extend((0..n_queued).map(|_| pool.submit(&held, gate.fd).unwrap()));
    let refused = pool.try_submit::<String, _>(&held, gate.fd);
    assert_eq!(refused.err(), Some(Error::QueueFull));
    (pool, tasks)
}

/// What runs until it is interrupted, and notes on a descriptor that it was; or after a minute, that it
/// was not. The loop is a function of its own: 3.13 does not see that `while …: pass` is inside a `try`.
pub(super) const NOTE: &str = "
import os, time
def spin():
    until = time.monotonic() + 60
    while time.monotonic() < until: pass
def f(fd):
    try:
        os.write(fd, b'b')
        spin()
        os.write(fd, b'n')
    except KeyboardInterrupt:
        os.write(fd, b'i')
        raise
";

/// Polls it once.
pub(super) async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(pin!(&mut *future).poll(context))).await
}

#[test]
fn the_runtime_goes_on_while_a_call_is_awaited() {
    for backend in rows(HERE) {
        let pool = support::pool(backend, 1);
        let mut gate = Gate::new();
        runtime().block_on(async {
            let fd = gate.fd;
            // It ends only after the ticks, which nothing makes but this one thread.
            let ticks = async {
                for _ in 0..50 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                gate.release(1);
            };
            let held = f(HELD);
            let (value, ()) = tokio::join!(pool.call_async::<String, _>(&held, fd), ticks);
            assert_eq!(value.unwrap(), "x", "{backend}");
        });
    }
}

#[test]
fn a_future_that_loses_a_race_is_cancelled() {
    for backend in rows(HERE) {
        let pool = support::pool(backend, 1);
        let (mut noted, notes) = pipe().unwrap();
        let noted = runtime().block_on(async {
            let began = tokio::task::spawn_blocking(move || {
                noted.read_exact(&mut [0]).unwrap();
                noted
            });
            tokio::select! {
                outcome = pool.call_async::<(), _>(&f(NOTE), notes.as_raw_fd()) => {
                    panic!("{outcome:?}")
                }
                noted = began => noted.unwrap(),
            }
        });
        assert_eq!(pool.call::<i32, _>(&f("def f(x): return x"), 3), Ok(3));
        drop(notes);
        assert_eq!(std::io::read_to_string(noted).unwrap(), "i", "{backend}");
    }
}

#[test]
fn ten_thousand_are_awaited_at_once_over_a_short_queue() {
    let pool = Pool::builder().workers(2).queue_limit(8).build().unwrap();
    let double = f("def f(x): return 2 * x");
    let sum: u64 = runtime().block_on(async {
        let mut all = JoinSet::new();
        for number in 0..10_000_u64 {
            let pool = pool.clone();
            all.spawn(async move { pool.call_async::<u64, _>(&double, number).await });
        }
        let values = all.join_all().await;
        values.into_iter().map(Result::unwrap).sum()
    });
    assert_eq!(sum, 2 * 10_000 * 9_999 / 2);
}

#[test]
fn a_submission_waits_for_room_in_its_turn() {
    let mut gate = Gate::new();
    let (pool, tasks) = full_pool(2, &gate);
    let echo = f("
seen = []
def f(x):
    seen.append(x)
    return list(seen)");
    runtime().block_on(async {
        let mut first = pool.submit_async::<Vec<i32>, _>(&echo, 1);
        let mut gone = pool.submit_async::<Vec<i32>, _>(&echo, 2);
        let mut third = pool.submit_async::<Vec<i32>, _>(&echo, 3);
        for submission in [&mut first, &mut gone, &mut third] {
            assert!(once(submission).await.is_pending());
        }
        drop(gone);
        // A deadline holds before the queue too.
        let late = pool.task(&echo).args(4).deadline(Duration::from_millis(30));
        let late: Task<()> = late.submit_async().await.unwrap();
        assert_eq!(late.await, Err(Error::timed_out(None)));
        // An argument that cannot cross is an error at once, without room in the queue.
        let wrong = pool.submit_async::<(), _>(&echo, owngil::keywords((), &1));
        assert!(matches!(wrong.await, Err(Error::Value(_))));
        gate.release(tasks.len());
        let one = async { first.await.unwrap().await.unwrap() };
        let three = async { third.await.unwrap().await.unwrap() };
        let (one, three) = tokio::join!(biased; one, three);
        assert_eq!((one, three), (vec![1], vec![1, 3]));
        for task in tasks {
            assert_eq!(task.await.unwrap(), "x");
        }
    });
}

#[test]
fn waits_for_room_fail_when_the_pool_ends() {
    type End = fn(&Pool);
    let ends: [(&str, End); 2] = [("cancel", Pool::cancel), ("shutdown", Pool::shutdown)];
    for (name, end) in ends {
        let mut gate = Gate::new();
        let (pool, tasks) = full_pool(1, &gate);
        let nothing = f("def f(): pass");
        let mut waiting: Vec<_> = (0..100)
            .map(|_| pool.submit_async::<(), _>(&nothing, ()))
            .collect();
        for submission in &mut waiting {
            assert!(block_on(once(submission)).is_pending());
        }
        thread::scope(|scope| {
            let ending = scope.spawn(|| end(&pool));
            // While the calls before them are still held up, where those are to be run.
            for submission in waiting {
                let refused = block_on(submission).err();
                assert_eq!(refused, Some(Error::ShutDown), "{name}");
            }
            if name == "shutdown" {
                gate.release(tasks.len());
            }
            ending.join().unwrap();
        });
        for task in tasks {
            match (name, block_on(task)) {
                ("cancel", Err(Error::Cancelled { .. })) | ("shutdown", Ok(_)) => {}
                (_, outcome) => panic!("{name}: {outcome:?}"),
            }
        }
        let late = block_on(pool.submit_async::<(), _>(&nothing, ()));
        assert_eq!(late.err(), Some(Error::ShutDown), "{name}");
    }
}

#[test]
fn waits_for_room_fail_when_no_worker_is_left() {
    let gate = Gate::new();
    let builder = Pool::builder().workers(1).queue_limit(1).lost_limit(0);
    let pool = builder.grace(Duration::from_millis(50)).build().unwrap();
    let deaf = f(DEAF);
    let running: Task<()> = pool.submit(&deaf, gate.fd).unwrap();
    while pool.stacks().workers[0].running.is_none() {
        thread::yield_now();
    }
    let queued: Task<()> = pool.submit(&deaf, gate.fd).unwrap();
    let mut waiting = pool.submit_async::<(), _>(&deaf, gate.fd);
    assert!(block_on(once(&mut waiting)).is_pending());
    running.cancel();
    assert!(matches!(block_on(running), Err(Error::Cancelled { .. })));
    assert!(matches!(block_on(waiting), Err(Error::WorkerLost(_))));
    assert!(matches!(block_on(queued), Err(Error::WorkerLost(_))));
    // The worker ends with its call.
    drop(gate);
}

/// The smallest runtime that there can be: this thread, asleep until it is woken.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn any_runtime_will_do() {
    let pool = support::pool(support::PARALLEL, 1);
    let factorial = Function::at("math:factorial");
    block_on(async {
        let task: Task<u64> = pool.submit_async(&factorial, 10).await.unwrap();
        assert_eq!(task.await, Ok(3_628_800));
        let failed = pool.call_async::<u64, _>(&factorial, -1).await;
        let error = failed.unwrap_err();
        assert_eq!(error.python().unwrap().type_name(), "ValueError");
    });
}

#[cfg(feature = "stream")]
pub(super) mod stream {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_core::Stream;
    use tokio::sync::mpsc;

    use super::*;

    async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
        poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
    }

    pub(crate) async fn all<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
        let mut items = Vec::new();
        while let Some(item) = next(&mut stream).await {
            items.push(item);
        }
        items
    }

    /// What comes over a channel.
    struct Incoming(mpsc::UnboundedReceiver<i32>);

    impl Stream for Incoming {
        type Item = i32;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<i32>> {
            self.0.poll_recv(context)
        }
    }

    #[test]
    fn values_come_in_order_and_inputs_are_taken_as_they_are_needed() {
        let pool = Pool::builder().workers(2).queue_limit(3).build().unwrap();
        let late = f("
import time
def f(x):
    time.sleep((x % 3) / 1000)
    return -x");
        runtime().block_on(async {
            let n_taken = Cell::new(0);
            let inputs = (0..).inspect(|_| n_taken.set(n_taken.get() + 1));
            let mut values = pool.map_async::<i32, _>(&late, inputs);
            for expected in 0..300 {
                assert_eq!(next(&mut values).await, Some(Ok(-expected)));
                assert!(n_taken.get() <= expected + 1 + 8 * 2, "{}", n_taken.get());
            }
        });
    }

    #[test]
    fn a_failure_has_its_place_and_one_to_load_ends_it() {
        let pool = support::pool(support::PARALLEL, 2);
        runtime().block_on(async {
            let reciprocal = f("def f(x): return 1 // x");
            let mut results = all(pool.map_async::<i32, _>(&reciprocal, [1, 0, -1])).await;
            assert_eq!((&results[0], &results[2]), (&Ok(1), &Ok(-1)));
            let error = results.remove(1).unwrap_err();
            assert_eq!(error.python().unwrap().type_name(), "ZeroDivisionError");
            let missing = Function::at("math:missing");
            let results = all(pool.map_async::<i32, _>(&missing, 0..100)).await;
            assert!(matches!(results[..], [Err(Error::Load(_))]), "{results:?}");
            pool.shutdown();
            let results = all(pool.map_async::<i32, _>(&reciprocal, 1..100)).await;
            assert_eq!(results, [Err(Error::ShutDown)]);
        });
    }

    #[test]
    fn inputs_may_come_slowly() {
        let pool = support::pool(support::PARALLEL, 2);
        runtime().block_on(async {
            let (inputs, incoming) = mpsc::unbounded_channel();
            let double = f("def f(x): return 2 * x");
            let mut values = pool.map_stream::<i32, _>(&double, Incoming(incoming));
            for number in 0..20 {
                // The value comes though no further input does.
                inputs.send(number).unwrap();
                assert_eq!(next(&mut values).await, Some(Ok(2 * number)));
            }
            drop(inputs);
            assert_eq!(next(&mut values).await, None);
        });
    }

    #[test]
    fn dropping_it_cancels_what_it_began() {
        let pool = support::pool(support::PARALLEL, 1);
        let (mut noted, notes) = pipe().unwrap();
        let fds = std::iter::repeat_n(notes.as_raw_fd(), 5);
        let mut values = pool.map_async::<(), _>(&f(NOTE), fds);
        assert!(block_on(once(&mut pin!(next(&mut values)))).is_pending());
        noted.read_exact(&mut [0]).unwrap();
        drop(values);
        assert_eq!(pool.call::<i32, _>(&f("def f(x): return x"), 3), Ok(3));
        drop(notes);
        // One was interrupted; those behind it have not begun.
        assert_eq!(std::io::read_to_string(noted).unwrap(), "i");
    }
}
