//! Task: what was submitted, the handle that its submitter gets, and its outcome.
//!
//! Calls travel in batches of one function, arguments and results as bytes. Each batch carries a
//! [`Promise`], which is kept in every case: a batch that is dropped unrun, with a queue or by a
//! worker that panics, keeps it with an error.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::output::Output;
use crate::payload::{self, Encoding, Reader};
use crate::spin::spin;
use crate::wire::{self, Failure};

/// The tag of a failed call in a stream of results; no value starts with it.
const FAILED: u8 = 0xCD;

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
    /// Whatever became of the call instead of a value; see [`Error`].
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

/// Calls of one function, encoded one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    function: Function,
    calls: Bytes,
    n: u32,
    cancelled: Option<Arc<AtomicBool>>,
}

impl Batch {
    /// A batch without calls, which only loads its function.
    pub(crate) fn loading(function: &Function) -> Batch {
        Batch {
            function: *function,
            calls: Bytes::default(),
            n: 0,
            cancelled: None,
        }
    }

    /// A batch of one call.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for arguments that cannot cross.
    pub(crate) fn of_one<A: Serialize>(function: &Function, arguments: &A) -> Result<Batch> {
        thread_local! {
            static BUFFER: RefCell<Encoding> = RefCell::default();
        }
        // An argument's own Serialize may make a call.
        let mut buffer = BUFFER.take();
        payload::encode_call(arguments, &mut buffer)?;
        let calls = Bytes::take_from(&mut buffer);
        BUFFER.set(buffer);
        Ok(Batch {
            function: *function,
            calls,
            n: 1,
            cancelled: None,
        })
    }

    /// A batch of `n` calls that were encoded one after the other; `cancelled` says at any time that
    /// nobody wants them any more.
    pub(crate) fn of_many(
        function: &Function,
        calls: &mut Encoding,
        n: u32,
        cancelled: &Arc<AtomicBool>,
    ) -> Batch {
        let calls = Bytes::take_from(calls);
        Batch {
            function: *function,
            calls,
            n,
            cancelled: Some(Arc::clone(cancelled)),
        }
    }

    /// The number of calls; one without any loads its function.
    pub(crate) fn len(&self) -> u32 {
        self.n
    }

    pub(crate) fn function(&self) -> &Function {
        &self.function
    }

    /// A reader at the first call's arguments.
    pub(crate) fn calls(&self) -> Reader<'_> {
        self.calls.reader()
    }

    /// Whether nobody wants the outcomes any more.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Collects the ends of one batch's calls after another; its buffer serves them all.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    bytes: Encoding,
    n: u32,
    outputs: Vec<(u32, Output)>,
}

impl Collecting {
    /// Where the next value is to be appended, before [`end_call`](Collecting::end_call).
    #[inline]
    pub(crate) fn out(&mut self) -> &mut Encoding {
        &mut self.bytes
    }

    /// Sets memory aside for a batch: many short values are about as long as their arguments.
    #[inline]
    pub(crate) fn expect(&mut self, batch: &Batch) {
        self.bytes.reserve(batch.calls().remaining().min(64 << 10));
    }

    /// Ends one call, whose value was appended if it is `Ok`.
    #[inline]
    pub(crate) fn end_call(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.fail(&error);
        }
        self.n += 1;
    }

    /// Adds what the call that ended last has printed.
    #[cold]
    pub(crate) fn printed(&mut self, output: Output) {
        self.outputs.push((self.n - 1, output));
    }

    #[cold]
    fn fail(&mut self, error: &Error) {
        let record = wire::encode(&Failure::from(error)).or_else(|reason| {
            wire::encode(&Failure::Lost(format!(
                "its failure could not be told: {reason}"
            )))
        });
        payload::write_tagged(&mut self.bytes, FAILED, &record.unwrap_or_default());
    }

    /// The results so far; what comes next belongs to another batch.
    #[inline]
    pub(crate) fn finish(&mut self) -> Results {
        Results {
            bytes: Bytes::take_from(&mut self.bytes),
            n: std::mem::take(&mut self.n),
            outputs: std::mem::take(&mut self.outputs),
            elapsed: Duration::ZERO,
        }
    }
}

/// The ends of a batch's calls, in order: values, and records of failures, as one byte string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    bytes: Bytes,
    n: u32,
    /// What was printed, by the place of the call; calls that printed nothing are left out.
    outputs: Vec<(u32, Output)>,
    /// How long the calls took, where somebody wants to know.
    pub(crate) elapsed: Duration,
}

impl Results {
    /// `n` calls that all ended in the same way.
    pub(crate) fn all_failed(n: u32, error: &Error) -> Results {
        let mut collecting = Collecting::default();
        (0..n).for_each(|_| collecting.end_call(Err(error.clone())));
        collecting.finish()
    }

    /// The error of a batch whose values do not matter, or that only loaded its function.
    pub(crate) fn only_failure(self) -> Result<()> {
        let mut reader = self.bytes.reader();
        match reader.peek() {
            Ok(FAILED) => Err(failure(&mut reader)),
            _ => Ok(()),
        }
    }

    /// The end of a batch of one call.
    fn only_result<T: DeserializeOwned>(&self) -> Result<T> {
        debug_assert_eq!(self.n, 1, "a task is a batch of one call");
        read_result(&mut self.bytes.reader())
    }

    fn only_output(&self) -> Output {
        let printed = self.outputs.first().map(|(_, output)| output.clone());
        printed.unwrap_or_default()
    }

    /// How much memory they hold, in values and in what was printed.
    pub(crate) fn n_bytes(&self) -> usize {
        let printed = self.outputs.iter().map(|(_, output)| output.n_bytes());
        self.bytes.n_bytes() + printed.sum::<usize>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.n
    }

    /// Reads the results; `first` is the index of the first.
    pub(crate) fn into_items(self, first: u64) -> Items {
        Items {
            bytes: self.bytes,
            position: 0,
            at: 0,
            n: self.n,
            first,
            outputs: self.outputs.into_iter(),
        }
    }
}

/// Reads results one by one.
#[derive(Debug, Default)]
pub(crate) struct Items {
    bytes: Bytes,
    position: usize,
    at: u32,
    n: u32,
    first: u64,
    outputs: std::vec::IntoIter<(u32, Output)>,
}

impl Items {
    /// The next call's end without what it printed; `None` after the last.
    #[inline]
    pub(crate) fn next_result<T: DeserializeOwned>(&mut self) -> Option<Result<T>> {
        if self.at == self.n {
            return None;
        }
        let mut reader = self.bytes.reader();
        reader.seek(self.position);
        let result = read_result(&mut reader);
        self.position = reader.position();
        self.at += 1;
        Some(result)
    }

    /// The next call's end; `None` after the last.
    pub(crate) fn next_item<T: DeserializeOwned>(&mut self) -> Option<Completed<T>> {
        let at = self.at;
        let result = self.next_result()?;
        // Outputs of calls that `next_result` alone has passed are passed here.
        let output = loop {
            match self.outputs.as_slice().first() {
                Some((place, _)) if *place <= at => {
                    let (place, output) = self.outputs.next()?;
                    if place == at {
                        break output;
                    }
                }
                _ => break Output::default(),
            }
        };
        Some(Completed {
            index: self.first + u64::from(at),
            result,
            output,
        })
    }
}

#[inline]
fn read_result<T: DeserializeOwned>(reader: &mut Reader<'_>) -> Result<T> {
    match reader.peek() {
        Ok(FAILED) => Err(failure(reader)),
        _ => payload::decode_value(reader).map_err(|error| Error::Value(error.root("result"))),
    }
}

#[cold]
fn failure(reader: &mut Reader<'_>) -> Error {
    let record = reader.u8().and_then(|_| reader.block());
    match record.map(wire::decode::<Failure>) {
        Ok(Ok(failure)) => failure.into(),
        Ok(Err(reason)) => Error::WorkerLost(format!("its failure was unreadable: {reason}")),
        Err(error) => Error::Value(error),
    }
}

/// A batch on its way to a worker.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) promise: Promise,
}

impl Job {
    pub(crate) fn new(batch: Batch, receiver: Recipient) -> Job {
        let n = batch.len();
        Job {
            batch,
            promise: Promise {
                recipient: Some(receiver),
                n,
            },
        }
    }
}

/// Who gets a batch's results.
pub(crate) enum Recipient {
    /// A task's handle.
    Task(Arc<Slot>),
    /// Somebody who collects several batches, and tells them apart by a number.
    Collector(u64, Sender<(u64, Results)>),
}

/// The duty to tell a batch's results, once.
pub(crate) struct Promise {
    recipient: Option<Recipient>,
    n: u32,
}

impl Promise {
    #[inline]
    pub(crate) fn keep(mut self, results: Results) {
        self.tell(results);
    }

    /// Whether somebody wants to know how long the batch takes.
    #[inline]
    pub(crate) fn wants_time(&self) -> bool {
        matches!(self.recipient, Some(Recipient::Collector(..)))
    }

    fn tell(&mut self, results: Results) {
        match self.recipient.take() {
            Some(Recipient::Task(slot)) => slot.put(results),
            // A collector that went away has no more use for results.
            Some(Recipient::Collector(number, sender)) => drop(sender.send((number, results))),
            None => {}
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.recipient.is_some() {
            let error = match std::thread::panicking() {
                true => Error::WorkerLost("it panicked".to_owned()),
                false => Error::Cancelled,
            };
            self.tell(Results::all_failed(self.n, &error));
        }
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("kept", &self.recipient.is_none())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

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
