//! Task: what was submitted, the handle that its submitter gets, and its outcome.
//!
//! Calls travel in batches of one function, arguments and results as bytes. Each batch carries a
//! [`Promise`](job::Promise), which is kept in every case: a batch that is dropped unrun, with a queue
//! or by a worker that panics, keeps it with an error.

mod cancel;
mod collector;
mod item_buffer;
mod job;
mod results;
mod set;
mod slot;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::output::Output;

pub(crate) use cancel::{CancelTarget, CancelTargetId, Why};
pub(crate) use collector::Collector;
pub(crate) use item_buffer::{Capacity, ItemBuffer};
pub(crate) use job::{Batch, ElsewhereJob, Job, Promise, Recipient};
pub(crate) use results::{Collecting, Items, Results};
pub use set::TaskSet;
pub(crate) use slot::Slot;

/// A call that was submitted to a pool.
///
/// Wait for it on a thread ([`wait`](Task::wait)), or `.await` it on any async runtime. It is a future, and
/// awaiting it occupies no thread.
///
/// Dropping a task before it has its outcome cancels the call, as [`cancel`](Task::cancel) does. To let the call
/// run, use [`detach`](Task::detach).
///
/// ```
/// use owngil::{Function, Pool, Task};
///
/// let pool = Pool::new()?;
/// let task: Task<u64> = pool.submit(&Function::at("math:factorial"), 20)?;
/// assert_eq!(task.wait()?, 2_432_902_008_176_640_000);
/// # Ok::<(), owngil::Error>(())
/// ```
#[must_use = "a task that is dropped is cancelled; `detach` lets it run"]
pub struct Task<T> {
    slot: Arc<Slot>,
    is_detached: bool,
    value: PhantomData<fn() -> T>,
}

/// How a call ended, and what it printed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Completed<T> {
    /// The position of the call's input among the inputs, or of the task in its [`TaskSet`], counted from 0. For a
    /// task alone, the number that [`TaskBuilder::index`](crate::TaskBuilder::index) gave it, or one of its own.
    pub index: u64,
    /// The value, or why there is none.
    pub result: Result<T>,
    /// What the call printed, under [`OutputPolicy::Capture`](crate::OutputPolicy::Capture).
    pub output: Output,
    /// When and where the call ran, if you asked for it with [`Map::timed`](crate::Map::timed) or
    /// [`TaskBuilder::timed`](crate::TaskBuilder::timed). `None` if the call did not run, or if this is not known.
    pub timing: Option<Timing>,
}

/// When and where a call ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The worker's number, as `owngil.worker_id()` gives it.
    pub worker: usize,
    /// When the call began.
    pub began: SystemTime,
    /// How long the call took, including the crossing of its arguments and its value.
    pub elapsed: Duration,
}

impl<T> Task<T> {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Task {
            slot,
            is_detached: false,
            value: PhantomData,
        }
    }

    /// Where the outcome will be.
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Returns whether the call has its outcome.
    pub fn is_finished(&self) -> bool {
        self.slot.results().is_some()
    }

    /// Drops the call if it is queued, and raises `KeyboardInterrupt` in it if it runs. Returns at once.
    ///
    /// The outcome becomes [`Error::Cancelled`](crate::Error::Cancelled), with the place where the call stood, unless
    /// the call ends first. It arrives within a tenth of a second, whatever the code does. For what happens to
    /// a worker whose call does not stop, see [`PoolBuilder::grace`](crate::PoolBuilder::grace).
    pub fn cancel(&self) {
        if !self.is_finished() {
            self.slot.cancel_target().cancel(&self.slot);
        }
    }

    /// Lets the call run, and discards its outcome.
    pub fn detach(mut self) {
        self.is_detached = true;
    }
}

impl<T: DeserializeOwned> Task<T> {
    /// Waits for the outcome.
    ///
    /// # Errors
    ///
    /// Whatever became of the call instead of a value; see [`Error`](crate::Error).
    pub fn wait(self) -> Result<T> {
        self.slot.wait().only_result()
    }

    /// Waits for the outcome, and returns it with what the call printed.
    pub fn wait_completed(self) -> Completed<T> {
        let results = self.slot.wait();
        Completed {
            index: self.slot.index(),
            result: results.only_result(),
            output: results.only_output(),
            timing: results.only_timing(),
        }
    }

    /// Waits at most `limit` for the outcome. Returns `None` if it has not arrived by then; the call goes on.
    ///
    /// # Errors
    ///
    /// As [`wait`](Task::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Option<Result<T>> {
        let results = self.slot.wait_until(Instant::now().checked_add(limit));
        results.map(Results::only_result)
    }
}

impl<T: DeserializeOwned> Future for Task<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match self.slot.poll(context.waker()) {
            Some(results) => Poll::Ready(results.only_result()),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.is_detached {
            self.cancel();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("finished", &self.is_finished())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::function::Function;
    use crate::payload::{self, Encoding, Payload};

    fn job(n: u32, recipient: Recipient) -> Job {
        let mut calls = Encoding::default();
        (0..n).for_each(|number| payload::encode_call(&(number,), &mut calls).unwrap());
        let cancelled = Arc::default();
        let batch = Batch::of_many(&Function::at("m:f"), &mut calls, n, &cancelled);
        Job::new(batch, recipient)
    }

    fn some_results() -> Results {
        let mut collecting = Collecting::default();
        collecting
            .out()
            .extend_from_slice(Payload::new(&7).unwrap().as_bytes());
        collecting.end_call(Ok(()));
        collecting.end_call(Err(Error::cancelled(None)));
        collecting.printed(Output {
            stdout: b"hello".to_vec(),
            stderr: Vec::new(),
        });
        collecting
            .out()
            .extend_from_slice(Payload::new("x").unwrap().as_bytes());
        collecting.end_call(Ok(()));
        collecting.finish()
    }

    #[test]
    fn results_are_read_in_order_with_their_failures_and_outputs() {
        let mut items = some_results().into_items(10);
        let first = items.next_item::<i32>().unwrap();
        assert_eq!(
            (first.index, first.result, first.output.is_empty()),
            (10, Ok(7), true)
        );
        let second = items.next_item::<i32>().unwrap();
        assert_eq!(
            (second.result, second.output.stdout),
            (Err(Error::cancelled(None)), b"hello".into())
        );
        // A value of the wrong shape is an error of its own and hides nothing after it.
        assert!(matches!(
            items.next_item::<i32>().unwrap().result,
            Err(Error::Value(_))
        ));
        assert!(items.next_item::<i32>().is_none());
    }

    #[test]
    fn a_job_that_is_dropped_keeps_its_promise() {
        let slot = Arc::new(Slot::default());
        let task: Task<i32> = Task::new(Arc::clone(&slot));
        assert!(!task.is_finished());
        assert!(task.wait_timeout(Duration::ZERO).is_none());
        drop(job(1, Recipient::Task(slot)));
        assert_eq!(task.wait(), Err(Error::cancelled(None)));

        let (collector, receiver) = Collector::new();
        drop(job(3, Recipient::Collector(5, collector)));
        let (number, results) = receiver.recv().unwrap();
        assert_eq!((number, results.len()), (5, 3));
    }

    #[test]
    fn a_worker_that_panics_keeps_the_promise_too() {
        let slot = Arc::new(Slot::default());
        let task: Task<i32> = Task::new(Arc::clone(&slot));
        let job = job(1, Recipient::Task(slot));
        let worker = std::thread::spawn(move || {
            let _job = job;
            panic!("a bug");
        });
        assert!(worker.join().is_err());
        assert!(matches!(task.wait(), Err(Error::WorkerLost(_))));
    }
}
