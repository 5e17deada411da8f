//! Window: the batches of a map that are out, and the one that is being filled.
//!
//! It hands batches to the workers and puts their results in order; where inputs come from, and when results are asked
//! for, is its user's business. In flight are at most a few batches per worker and, in an ordered map, a bounded number of
//! results that came too early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::Canceller;
use super::chunk::{BYTES_MAX, Chunk, N_MAX};
use super::reorder::ReorderBuffer;
use crate::bell::Bell;
use crate::bytes::Bytes;
use crate::error::Error;
use crate::function::Function;
use crate::payload::{CrossingError, Encoding};
use crate::pool::watchdog::PATIENCE;
use crate::pool::{Pool, Shared};
use crate::task::{Batch, Collector, Items, Job, Recipient, Results, Why};

/// Batches in flight for each worker: enough to keep it busy while this thread does not run.
const IN_FLIGHT_PER_WORKER: usize = 8;

/// Results that may wait for an earlier one: as many, and as many bytes of them.
const N_EARLY_MAX: usize = 1 << 17;
const EARLY_BYTES_MAX: usize = 64 << 20;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Window {
    shared: Arc<Shared>,
    function: Function,
    /// Whether no more inputs are taken.
    pub(crate) is_closed: bool,
    chunk: Chunk,
    /// The batch that is being filled: its calls, how many, and how many it should hold.
    calls: Encoding,
    n_calls: u32,
    n_wanted: u32,
    /// Filled, and refused by a full queue.
    waiting: Option<Job>,
    /// The index of the next input that goes into a batch.
    n_taken: u64,
    n_in_flight: usize,
    /// Results come with the index of their batch's first call.
    collector: Collector,
    pub(super) arriving: Receiver<(u64, Results)>,
    /// The batches that are out, and the results that have come.
    reorder: ReorderBuffer,
    cancelled: Arc<AtomicBool>,
    pub(super) is_timed: bool,
    /// How many calls a batch has, where that is not found out.
    n_fixed: Option<u32>,
    /// When it ends, whatever is left to do.
    pub(super) deadline: Option<Instant>,
    /// The deadline has passed, and interrupted calls may tell until then where they stood.
    over: Option<Instant>,
}

impl Window {
    pub(crate) fn new(pool: &Pool, function: &Function, ordered: bool) -> Window {
        let (collector, arriving) = Collector::new();
        let shared = Arc::clone(&pool.shared);
        if shared.settings.time_limit.is_some() {
            shared.start_watchdog();
        }
        Window {
            function: *function,
            is_closed: false,
            chunk: Chunk::new(shared.settings.n_workers),
            shared,
            calls: Encoding::default(),
            n_calls: 0,
            n_wanted: 1,
            waiting: None,
            n_taken: 0,
            n_in_flight: 0,
            collector,
            arriving,
            reorder: ReorderBuffer::new(ordered),
            cancelled: Arc::default(),
            is_timed: false,
            n_fixed: None,
            deadline: None,
            over: None,
        }
    }

    /// How many inputs were taken.
    pub(crate) fn n_taken(&self) -> u64 {
        self.n_taken + u64::from(self.n_calls)
    }

    pub(super) fn n_in_flight(&self) -> usize {
        self.n_in_flight
    }

    /// A handle that ends it early.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller::new(Arc::clone(&self.cancelled), self.shared.cancel_target)
    }

    /// Sends `n` calls per batch.
    pub(crate) fn fix_chunk(&mut self, n: usize) {
        let n = u32::try_from(n).unwrap_or(N_MAX).clamp(1, N_MAX);
        self.n_fixed = Some(n);
        if self.shared.settings.time_limit.is_none() {
            self.n_wanted = n;
        }
    }

    /// Looks at the clock, and whether it was cancelled.
    pub(crate) fn look(&mut self) {
        if self.over.is_none() && self.deadline.is_some_and(|at| at <= Instant::now()) {
            self.time_is_up();
        }
        self.is_closed |= self.cancelled.load(Ordering::Relaxed);
        if let Some(job) = self.waiting.take() {
            self.send(job);
        }
    }

    /// Whether another input may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.is_none()
            && self.n_in_flight < IN_FLIGHT_PER_WORKER * self.shared.settings.n_workers
            && self.reorder.n_results() < N_EARLY_MAX
            && self.reorder.n_bytes() < EARLY_BYTES_MAX
    }

    /// Takes an input, whose call `encode` appends; `left` gives how many are left after it, where that is known.
    #[inline]
    pub(crate) fn take(
        &mut self,
        left: impl FnOnce() -> Option<usize>,
        encode: impl FnOnce(&mut Encoding) -> Result<(), CrossingError>,
    ) {
        let calls = &mut self.calls;
        if let Err(error) = self.shared.encoding(|| encode(calls)) {
            // It has its place among the results, which is after the batch so far.
            self.close_batch(left);
            self.reorder.push(self.n_taken, 1);
            let failed = Results::all_failed(1, &error.into());
            self.reorder.arrived(self.n_taken, failed);
            self.n_taken += 1;
            return;
        }
        self.n_calls += 1;
        if self.n_calls >= self.n_wanted || self.calls.n_bytes() >= BYTES_MAX {
            self.close_batch(left);
        }
    }

    /// Takes an input whose call was encoded before, with `n_left` after it.
    pub(crate) fn take_encoded(&mut self, call: Result<Bytes, CrossingError>, n_left: usize) {
        let has_buffers = call.as_ref().is_ok_and(|call| !call.buffers().is_empty());
        if has_buffers {
            // They are numbered in each batch from 0 on.
            self.close_batch(|| Some(n_left));
        }
        self.take(
            || Some(n_left),
            |calls| {
                let call = call?;
                match has_buffers {
                    true => *calls = Encoding::of(call.to_vec(), call.buffers().to_vec()),
                    false => calls.extend_from_slice(&call),
                }
                Ok(())
            },
        );
        if has_buffers {
            self.close_batch(|| Some(n_left));
        }
    }

    /// Whether results have come that were not taken.
    pub(crate) fn has_arrived(&self) -> bool {
        !self.arriving.is_empty()
    }

    /// Sends off the batch that is being filled, if there is anything in it.
    pub(crate) fn close_batch(&mut self, left: impl FnOnce() -> Option<usize>) {
        let n = std::mem::take(&mut self.n_calls);
        if n > 0 {
            let batch = Batch::of_many(&self.function, &mut self.calls, n, &self.cancelled)
                .timed(self.is_timed)
                .with_limit(self.shared.settings.time_limit);
            self.reorder.push(self.n_taken, n);
            let recipient = Recipient::Collector(self.n_taken, self.collector.clone());
            self.n_taken += u64::from(n);
            self.send(Job::new(batch, recipient));
        }
        self.n_wanted = match self.shared.settings.time_limit {
            None => self.n_fixed.unwrap_or_else(|| self.chunk.size(left())),
            // It holds for each call.
            Some(_) => 1,
        };
    }

    fn send(&mut self, job: Job) {
        // Every job reports its results, even one that no worker takes.
        self.n_in_flight += 1;
        let home = self.shared.home(&self.function);
        let sent = home.and_then(|home| match home.try_enqueue(job)? {
            None => Ok(None),
            Some(job) if self.n_in_flight > 1 => Ok(Some(job)),
            Some(job) => home.enqueue(job, None),
        });
        match sent {
            Ok(None) => {}
            Ok(Some(job)) => {
                self.n_in_flight -= 1;
                self.waiting = Some(job);
            }
            // A pool that is shut down takes no more: there is no use in asking for inputs.
            Err(_) => self.is_closed = true,
        }
    }

    /// The next results to be yielded, if they have come.
    pub(crate) fn take_ready(&mut self) -> Option<Items> {
        while let Ok((first, results)) = self.arriving.try_recv() {
            self.arrived(first, results);
        }
        let is_late = self.over.is_some();
        self.reorder.take().map(|items| items.late(is_late))
    }

    pub(super) fn arrived(&mut self, first: u64, results: Results) {
        self.chunk.learn(results.len(), results.elapsed());
        let is_whole = self.reorder.arrived(first, results);
        self.n_in_flight -= usize::from(is_whole);
    }

    /// Whether nothing is out that results could come from.
    pub(crate) fn is_empty(&self) -> bool {
        self.n_in_flight == 0
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.is_empty() && self.is_closed && self.waiting.is_none()
    }

    /// How long it may wait.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = self.over.or(self.deadline);
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Has results ring that bell when they arrive. For before there are any.
    pub(crate) fn set_bell(&mut self, bell: Arc<Bell>) {
        (self.collector, self.arriving) = Collector::with_bell(Some(bell));
    }

    /// Waits for results, but no longer than this.
    pub(crate) fn wait_within(&mut self, limit: Option<Duration>) {
        let left = [limit, self.left()].into_iter().flatten().min();
        let came = match left {
            None => self.arriving.recv().ok(),
            // The other call would let other threads run first.
            Some(Duration::ZERO) => self.arriving.try_recv().ok(),
            Some(left) => self.arriving.recv_timeout(left).ok(),
        };
        self.waited(came);
    }

    /// What waiting gave.
    pub(super) fn waited(&mut self, came: Option<(u64, Results)>) {
        match (came, self.over) {
            (Some((first, results)), _) => self.arrived(first, results),
            (None, Some(over)) if over <= Instant::now() => self.give_up(),
            (None, _) => {}
        }
    }

    /// A function that one worker cannot load, none can: there is no use in waiting for the other calls.
    #[cold]
    pub(crate) fn is_hopeless(&mut self, error: &Error) -> bool {
        let is_hopeless = matches!(error, Error::Load(_) | Error::ShutDown);
        if is_hopeless {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        is_hopeless
    }

    /// Takes no more inputs, and has what runs interrupted.
    #[cold]
    fn time_is_up(&mut self) {
        self.over = Instant::now().checked_add(2 * PATIENCE);
        self.cancelled.store(true, Ordering::Relaxed);
        if let Some(job) = self.waiting.take() {
            // It tells its results, as all do.
            self.n_in_flight += 1;
            drop(job);
        }
        self.shared
            .cancel_target
            .interrupt(&self.cancelled, Why::TimedOut);
    }

    /// Waits no longer for what does not stop.
    #[cold]
    fn give_up(&mut self) {
        (self.collector, self.arriving) = self.collector.another();
        self.n_in_flight = 0;
        self.reorder.give_up(&Error::timed_out(None));
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if self.n_in_flight > 0 {
            let cancel_target = self.shared.cancel_target;
            cancel_target.interrupt(&self.cancelled, Why::Cancelled);
        }
    }
}
