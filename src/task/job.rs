//! Job: a batch of calls on its way to a worker, and the promise of its results.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Collector, ItemBuffer, Results, Slot};
use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::payload::{self, Encoding, Reader};

/// Calls of one function, encoded one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    function: Function,
    calls: Bytes,
    n: u32,
    cancelled: Option<Arc<AtomicBool>>,
    /// How many calls there were before these, in the batch that these are the rest of.
    n_skipped: u32,
    /// Whether to record when and where each call runs.
    is_timed: bool,
    /// Whether what the call returns is iterated over, and its items are sent one by one.
    is_stream: bool,
    /// How long it may run, in nanoseconds: with all of this a job has two cache lines in the queue.
    limit: Option<NonZeroU64>,
}

impl Batch {
    /// A batch without calls, which only loads its function.
    pub(crate) fn loading(function: &Function) -> Batch {
        Batch {
            function: *function,
            calls: Bytes::default(),
            n: 0,
            cancelled: None,
            n_skipped: 0,
            is_timed: false,
            is_stream: false,
            limit: None,
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
            n_skipped: 0,
            is_timed: false,
            is_stream: false,
            limit: None,
        })
    }

    /// A batch of `n` calls that were encoded one after the other; `cancelled` says at any time that
    /// their outcomes are no longer wanted.
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
            n_skipped: 0,
            is_timed: false,
            is_stream: false,
            limit: None,
        }
    }

    /// A batch of calls that another process has encoded; `cancelled` is for this one alone.
    pub(crate) fn of_encoded(
        function: &Function,
        calls: Bytes,
        n: u32,
        cancelled: Option<Arc<AtomicBool>>,
    ) -> Batch {
        Batch {
            function: *function,
            calls,
            n,
            cancelled,
            n_skipped: 0,
            is_timed: false,
            is_stream: false,
            limit: None,
        }
    }

    /// The arguments, encoded.
    pub(crate) fn encoded(&self) -> &Bytes {
        &self.calls
    }

    /// The calls after the first `n`, if there are any.
    pub(crate) fn after(&self, n: u32) -> Option<Batch> {
        let left = self.n.checked_sub(n).filter(|left| *left > 0)?;
        let mut reader = self.calls();
        for _ in 0..n {
            payload::skip_call(&mut reader).ok()?;
        }
        let rest = self.calls.get(reader.position()..)?.to_vec();
        let calls = Bytes::of(rest, self.calls.buffers().to_vec());
        Some(Batch {
            calls,
            n: left,
            n_skipped: self.n_skipped + n,
            ..self.clone()
        })
    }

    /// Sets how long it may run.
    pub(crate) fn with_limit(mut self, limit: Option<Duration>) -> Batch {
        let nanoseconds = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.limit =
            limit.map(|limit| NonZeroU64::new(nanoseconds(limit)).unwrap_or(NonZeroU64::MIN));
        self
    }

    /// Records when and where each call runs.
    pub(crate) fn timed(mut self, is_timed: bool) -> Batch {
        self.is_timed = is_timed;
        self
    }

    /// Whether to record when and where each call runs.
    pub(crate) fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Gives it a flag that says that its outcomes are no longer wanted.
    pub(crate) fn with_cancelled(mut self, cancelled: Option<Arc<AtomicBool>>) -> Batch {
        self.cancelled = cancelled;
        self
    }

    /// Has what the call returns iterated over.
    pub(crate) fn streaming(mut self, is_stream: bool) -> Batch {
        self.is_stream = is_stream;
        self
    }

    /// Whether what the call returns is iterated over, and its items are sent one by one.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// How many calls there were before these.
    pub(crate) fn n_skipped(&self) -> u32 {
        self.n_skipped
    }

    /// How long it may run.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.limit.map(|limit| Duration::from_nanos(limit.get()))
    }

    /// The flag that says that its outcomes are no longer wanted, if it has one.
    pub(crate) fn cancelled(&self) -> Option<&Arc<AtomicBool>> {
        self.cancelled.as_ref()
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

    /// What is left after `n` calls, whose arguments end there.
    pub(crate) fn rest(mut self, n: u32, end: usize) -> Batch {
        self.calls = self.calls.after(end);
        self.n -= n;
        self.n_skipped += n;
        self
    }

    /// Whether its outcomes are no longer wanted.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
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
                submitted: Stamp::at(Instant::now()),
            },
        }
    }
}

impl Job {
    /// Ends all of its calls with this error.
    pub(crate) fn fail(self, error: &Error) {
        let results = Results::all_failed(self.batch.len().max(1), error);
        self.promise.keep(results);
    }
}

/// Who gets a batch's results.
pub(crate) enum Recipient {
    /// A task's handle.
    Task(Arc<Slot>),
    /// A collector of several batches, which knows each by the index of its first call.
    Collector(u64, Collector),
    /// Another process. The thread that keeps the promise reports to it.
    Elsewhere(Box<ElsewhereJob>),
    /// A recipient that gets these results, and then those of the job.
    After(Box<(Results, Promise)>),
}

/// How another process knows a job.
#[derive(Debug)]
pub(crate) struct ElsewhereJob {
    pub(crate) number: u64,
    /// The index of its first call.
    pub(crate) first: u64,
    /// Where the items of a stream wait until they are sent there.
    pub(crate) items: Option<Arc<ItemBuffer>>,
}

/// The duty to tell a batch's results, once.
pub(crate) struct Promise {
    recipient: Option<Recipient>,
    n: u32,
    submitted: Stamp,
}

/// A moment, in microseconds from the first one on, which wrap around after 71 minutes.
///
/// It is small: with it a job still has two cache lines in the queue, with an `Instant` it has three, which
/// costs as much as looking at the clock.
#[derive(Clone, Copy, Debug)]
struct Stamp(u32);

impl Stamp {
    #[inline]
    fn at(moment: Instant) -> Stamp {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let first = *FIRST.get_or_init(|| moment);
        let since = moment.saturating_duration_since(first);
        let seconds = since.as_secs() as u32;
        Stamp(
            seconds
                .wrapping_mul(1_000_000)
                .wrapping_add(since.subsec_micros()),
        )
    }

    #[inline]
    fn until(self, moment: Instant) -> Duration {
        let passed = Stamp::at(moment).0.wrapping_sub(self.0);
        Duration::from_micros(passed.into())
    }
}

impl Promise {
    /// How long ago its job was submitted, up to 71 minutes.
    #[inline]
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.submitted.until(now)
    }

    /// A promise for the rest of the calls, after these results of the first ones.
    pub(crate) fn after(self, first: Results) -> Promise {
        Promise {
            n: self.n.saturating_sub(first.len()),
            submitted: self.submitted,
            recipient: Some(Recipient::After(Box::new((first, self)))),
        }
    }

    /// How many calls it is for.
    pub(crate) fn len(&self) -> u32 {
        self.n
    }

    /// The index of the batch's first call, by which a sink of output knows it.
    pub(crate) fn index(&self) -> u64 {
        match &self.recipient {
            Some(Recipient::Task(slot)) => slot.index(),
            Some(Recipient::After(first)) => first.1.index(),
            Some(Recipient::Elsewhere(job)) => job.first,
            _ => self.number(),
        }
    }

    /// When the outcome must be there. A batch of a map has no deadline of its own.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.recipient {
            Some(Recipient::Task(slot)) => slot.deadline(),
            Some(Recipient::After(first)) => first.1.deadline(),
            _ => None,
        }
    }

    /// Where the items of a stream wait.
    pub(crate) fn items(&self) -> Option<&Arc<ItemBuffer>> {
        match self.recipient.as_ref()? {
            Recipient::Task(slot) => slot.items(),
            Recipient::After(first) => first.1.items(),
            Recipient::Elsewhere(job) => job.items.as_ref(),
            Recipient::Collector(..) => None,
        }
    }

    /// Tells it from others: of a task, which has it as long as it lives; of a batch, the index of its
    /// first call in its map.
    pub(crate) fn number(&self) -> u64 {
        match &self.recipient {
            Some(Recipient::Task(slot)) => slot.number(),
            Some(Recipient::Collector(number, _)) => *number,
            Some(Recipient::Elsewhere(job)) => job.number,
            Some(Recipient::After(first)) => first.1.number(),
            None => 0,
        }
    }

    /// Tells the results of the first of its calls; those of the others are still owed.
    ///
    /// A task has one call, so none of a task's is ever reported alone.
    pub(crate) fn keep_part(&mut self, results: Results) {
        if results.len() == 0 {
            return;
        }
        debug_assert!(results.len() < self.n, "`keep` reports the last results");
        self.n -= results.len();
        if let Some(Recipient::Collector(number, collector)) = &self.recipient {
            collector.put(*number, results);
        }
    }

    /// Whether it is the duty to tell the outcome of that task.
    pub(crate) fn is_for(&self, slot: &Arc<Slot>) -> bool {
        matches!(&self.recipient, Some(Recipient::Task(own)) if Arc::ptr_eq(own, slot))
    }

    /// Whether the outcome has not been reported yet, as far as can be seen from here.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        match &self.recipient {
            Some(Recipient::Task(slot)) => slot.results().is_none(),
            Some(Recipient::After(first)) => first.1.is_open(),
            Some(_) => true,
            None => false,
        }
    }

    /// Puts the results down, unless the task has some. Returns whether it had none.
    #[inline]
    pub(crate) fn keep(mut self, results: Results) -> bool {
        self.tell(results)
    }

    fn tell(&mut self, results: Results) -> bool {
        match self.recipient.take() {
            Some(Recipient::Task(slot)) => slot.put(results),
            Some(Recipient::Collector(number, collector)) => {
                collector.put(number, results);
                true
            }
            Some(Recipient::After(first)) => {
                let (first, promise) = *first;
                promise.keep(first.followed_by(results))
            }
            Some(Recipient::Elsewhere(_)) | None => true,
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.recipient.is_some() {
            let error = match std::thread::panicking() {
                true => Error::lost("it panicked"),
                false => Error::cancelled(None),
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
