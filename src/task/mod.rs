//! Task: what was submitted, the handle that its submitter gets, and its outcome.
//!
//! Calls travel in batches of one function, arguments and results as bytes. Each batch carries a
//! [`Promise`](job::Promise), which is kept in every case: a batch that is dropped unrun, with a queue
//! or by a worker that panics, keeps it with an error.

mod job;
mod results;

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::output::Output;
use crate::spin::spin;

pub(crate) use job::{Batch, Job, Recipient};
pub(crate) use results::{Collecting, Items, Results};

/// One call that has been submitted to a pool.
///
/// Dropping it lets the call run and drops its outcome.
#[must_use = "a task's outcome, errors included, is lost unless it is waited for"]
pub struct Task<T> {
    slot: Arc<Slot>,
    value: PhantomData<fn() -> T>,
}

/// How a call ended, and what it printed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Completed<T> {
    /// The place of the call's input among the inputs, from 0.
    pub index: u64,
    /// The value, or why there is none.
    pub result: Result<T>,
    /// What the call printed, under [`OutputPolicy::Capture`](crate::OutputPolicy::Capture).
    pub output: Output,
}

impl<T: DeserializeOwned> Task<T> {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Task {
            slot,
            value: PhantomData,
        }
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    ///
    /// Whatever became of the call instead of a value; see [`Error`](crate::Error).
    pub fn wait(self) -> Result<T> {
        self.wait_results().only_result()
    }

    /// Waits for the outcome, and gives what the call printed with it.
    pub fn wait_completed(self) -> Completed<T> {
        let results = self.wait_results();
        Completed {
            index: 0,
            result: results.only_result(),
            output: results.only_output(),
        }
    }

    /// Waits for the outcome, but no longer than this; `None` if it has not come. The call goes on.
    ///
    /// # Errors
    ///
    /// As [`wait`](Task::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Option<Result<T>> {
        let results = self.slot.wait_until(Instant::now().checked_add(limit));
        results.map(Results::only_result)
    }

    /// Whether the outcome is there.
    pub fn is_finished(&self) -> bool {
        self.slot.results.get().is_some()
    }

    fn wait_results(&self) -> &Results {
        self.slot.wait_until(None).expect("the wait had no limit")
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("finished", &self.slot.results.get().is_some())
            .finish()
    }
}

/// Where the outcome of one task is put down and waited for.
#[derive(Default)]
pub(crate) struct Slot {
    results: OnceLock<Results>,
    /// Whether somebody sleeps until they come; waking costs a system call.
    is_awaited: AtomicBool,
    sleep: Mutex<()>,
    arrived: Condvar,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn put(&self, results: Results) {
        // A promise is kept once.
        let _ = self.results.set(results);
        // Both sides write before they look, so at least one of them sees the other.
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // Whoever looked before the results came sleeps by the time that the lock is had.
        drop(self.lock());
        self.arrived.notify_all();
    }

    /// The results, waited for until then; without a deadline they come.
    fn wait_until(&self, deadline: Option<Instant>) -> Option<&Results> {
        if deadline.is_none_or(|deadline| deadline > Instant::now())
            && let Some(results) = spin(|| self.results.get())
        {
            return Some(results);
        }
        self.is_awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut sleep = self.lock();
        loop {
            if let Some(results) = self.results.get() {
                return Some(results);
            }
            sleep = match deadline {
                None => self
                    .arrived
                    .wait(sleep)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.arrived.wait_timeout(sleep, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
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
        collecting.end_call(Err(Error::Cancelled));
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
            (Err(Error::Cancelled), b"hello".into())
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
        assert_eq!(task.wait(), Err(Error::Cancelled));

        let (sender, receiver) = crossbeam_channel::unbounded();
        drop(job(3, Recipient::Collector(5, sender)));
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
