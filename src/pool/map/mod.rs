//! Map: one call per input, lazily, over a bounded window.
//!
//! The thread that asks for values does all of it: it takes inputs into batches, hands those to the
//! workers, and reads their results. Ahead of what was asked for are at most a few batches per worker
//! in flight and, in an ordered map, a bounded number of results that came too early.

mod chunk;
mod reorder;
#[cfg(feature = "stream")]
pub(super) mod stream;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, after, never, select, unbounded};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::function::Function;
use crate::payload::{self, Encoding};
use crate::pool::Pool;
use crate::pool::watchdog::PATIENCE;
use crate::task::{Batch, CancelTargetId, Completed, Items, Job, Recipient, Results, Why};
use chunk::{BYTES_MAX, Chunk, N_MAX};
use reorder::ReorderBuffer;

/// Batches in flight for each worker: enough to keep it busy while this thread does not run.
const IN_FLIGHT_PER_WORKER: usize = 8;

/// Results that may wait for an earlier one: as many, and as many bytes of them.
const N_EARLY_MAX: usize = 1 << 17;
const EARLY_BYTES_MAX: usize = 64 << 20;

/// An iterator over the values of a function for many inputs. See [`Pool::map`].
pub struct Map<'p, I: Iterator, T> {
    pool: &'p Pool,
    function: Function,
    inputs: Inputs<I>,
    /// Whether the inputs have come to their end.
    exhausted: bool,
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
    collector: Sender<(u64, Results)>,
    arriving: Receiver<(u64, Results)>,
    /// The batches that are out, and the results that have come.
    reorder: ReorderBuffer,
    /// The results that are being yielded.
    current: Items,
    /// Whether a result showed that there is no use in waiting for others.
    hopeless: bool,
    cancelled: Arc<AtomicBool>,
    is_timed: bool,
    /// How many calls a batch has, where that is not found out.
    n_fixed: Option<u32>,
    /// When it ends, whatever is left to do.
    deadline: Option<Instant>,
    /// The deadline has passed, and interrupted calls may tell until then where they stood.
    over: Option<Instant>,
    value: PhantomData<fn() -> T>,
}

/// Cancels the rest of a map, from any thread. See [`Map::canceller`].
#[derive(Clone, Debug)]
pub struct Canceller {
    cancelled: Arc<AtomicBool>,
    cancel_target: CancelTargetId,
}

impl Canceller {
    /// Cancels the calls that have not begun, and takes no more inputs.
    ///
    /// The map still yields an outcome for each input that it took, and then ends. Calls that had begun yield their
    /// values, the others [`Error::Cancelled`]. A map that waits for its channel of inputs notices the cancellation
    /// with the next input, or at the channel's end.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Like [`cancel`](Canceller::cancel), but also interrupts calls that have begun, as
    /// [`Task::cancel`](crate::Task::cancel) does. Short calls end by themselves.
    pub fn interrupt(&self) {
        self.cancel();
        self.cancel_target
            .interrupt(&self.cancelled, Why::Cancelled);
    }
}

/// Where inputs come from.
enum Inputs<I: Iterator> {
    /// They are asked for.
    Pulled(I),
    /// They come when they come.
    Arriving(Receiver<I::Item>),
}

/// What asking for an input gave.
enum Input<A> {
    Some(A),
    NotYet,
    End,
}

impl<'p, I, T> Map<'p, I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    pub(super) fn pulled(pool: &'p Pool, function: &Function, inputs: I, ordered: bool) -> Self {
        Map::new(pool, function, Inputs::Pulled(inputs), ordered)
    }

    pub(super) fn arriving(
        pool: &'p Pool,
        function: &Function,
        inputs: Receiver<I::Item>,
        ordered: bool,
    ) -> Self {
        Map::new(pool, function, Inputs::Arriving(inputs), ordered)
    }

    fn new(pool: &'p Pool, function: &Function, inputs: Inputs<I>, ordered: bool) -> Self {
        let (collector, arriving) = unbounded();
        let cancelled = Arc::new(AtomicBool::new(false));
        if pool.shared.settings.time_limit.is_some() {
            pool.shared.start_watchdog();
        }
        Map {
            pool,
            function: *function,
            inputs,
            exhausted: false,
            chunk: Chunk::new(pool.n_workers()),
            calls: Encoding::default(),
            n_calls: 0,
            n_wanted: 1,
            waiting: None,
            n_taken: 0,
            n_in_flight: 0,
            collector,
            arriving,
            reorder: ReorderBuffer::new(ordered),
            current: Items::default(),
            hopeless: false,
            cancelled,
            is_timed: false,
            n_fixed: None,
            deadline: None,
            over: None,
            value: PhantomData,
        }
    }

    /// Returns a handle that ends this map early while you still read its values.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            cancelled: Arc::clone(&self.cancelled),
            cancel_target: self.pool.shared.cancel_target,
        }
    }

    /// Ends the map after this time, counted from now.
    ///
    /// Then the map takes no more inputs and interrupts the calls that run. Each input that was taken and has no
    /// outcome yet gets [`Error::TimedOut`]. Short calls come back in batches, so one call that does not stop can keep
    /// the values of others from arriving in time. The map cannot interrupt an iterator of inputs that blocks.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Instant::now().checked_add(limit);
        self
    }

    /// Records when and where each call ran ([`Completed::timing`]), at the cost of one clock read per call.
    pub fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// Sends `n` calls per batch instead of sizing batches to about half a millisecond. A slow call then delays the
    /// others in its batch. `n` is clamped to 1 to 2048; batches are smaller where arguments are large, or where each
    /// call has a time limit.
    pub fn chunk(mut self, n: usize) -> Self {
        let n = u32::try_from(n).unwrap_or(N_MAX).clamp(1, N_MAX);
        self.n_fixed = Some(n);
        if self.pool.shared.settings.time_limit.is_none() {
            self.n_wanted = n;
        }
        self
    }

    /// Yields the index of the input and the call's output along with each value.
    pub fn completed(self) -> CompletedMap<'p, I, T> {
        CompletedMap(self)
    }

    /// The next call's end, as `read` takes it from the results that have come.
    #[inline]
    fn next_with<R>(
        &mut self,
        read: impl Fn(&mut Items) -> Option<R>,
        result: impl Fn(&R) -> &Result<T>,
    ) -> Option<R> {
        loop {
            if let Some(item) = read(&mut self.current) {
                if let Err(error) = result(&item) {
                    self.stop_if_hopeless(error);
                }
                return Some(item);
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Gives the workers what they can take, and gets the next results; `false` at the end.
    ///
    /// Apart, so that what is done for each result stays small.
    #[inline(never)]
    fn advance(&mut self) -> bool {
        self.current = Items::default();
        while !self.hopeless {
            if self.over.is_none() && self.deadline.is_some_and(|at| at <= Instant::now()) {
                self.time_is_up();
            }
            self.exhausted |= self.cancelled.load(Ordering::Relaxed);
            self.feed();
            if let Some(items) = self.take_ready() {
                self.current = items.late(self.over.is_some());
                return true;
            }
            if !self.wait() {
                return false;
            }
        }
        false
    }

    /// A function that one worker cannot load, none can: the other calls would say the same.
    #[cold]
    fn stop_if_hopeless(&mut self, error: &Error) {
        if matches!(error, Error::Load(_) | Error::ShutDown) {
            self.cancelled.store(true, Ordering::Relaxed);
            self.hopeless = true;
            self.current = Items::default();
        }
    }

    /// The next results to be yielded, if they have come.
    fn take_ready(&mut self) -> Option<Items> {
        while let Ok((first, results)) = self.arriving.try_recv() {
            self.arrived(first, results);
        }
        self.reorder.take()
    }

    fn arrived(&mut self, first: u64, results: Results) {
        self.chunk.learn(results.len(), results.elapsed());
        let is_whole = self.reorder.arrived(first, results);
        self.n_in_flight -= usize::from(is_whole);
    }

    /// Whether another batch may be handed to the workers.
    fn has_room(&self) -> bool {
        self.waiting.is_none()
            && self.n_in_flight < IN_FLIGHT_PER_WORKER * self.pool.n_workers()
            && self.reorder.n_results() < N_EARLY_MAX
            && self.reorder.n_bytes() < EARLY_BYTES_MAX
    }

    /// Hands batches to the workers until they have enough, or no input is there.
    fn feed(&mut self) {
        if let Some(job) = self.waiting.take() {
            self.send(job);
        }
        while self.has_room() && !self.exhausted {
            match self.inputs.pull() {
                Input::Some(input) => self.take(&input),
                Input::NotYet => {
                    self.close_batch();
                    return;
                }
                Input::End => self.exhausted = true,
            }
        }
        if self.exhausted && self.waiting.is_none() {
            self.close_batch();
        }
    }

    #[inline]
    fn take(&mut self, input: &I::Item) {
        let calls = &mut self.calls;
        let encode = || payload::encode_call(input, calls);
        if let Err(error) = self.pool.shared.encoding(encode) {
            // It has its place among the results, which is after the batch so far.
            self.close_batch();
            self.reorder.push(self.n_taken, 1);
            let failed = Results::all_failed(1, &error.into());
            self.reorder.arrived(self.n_taken, failed);
            self.n_taken += 1;
            return;
        }
        self.n_calls += 1;
        if self.n_calls >= self.n_wanted || self.calls.n_bytes() >= BYTES_MAX {
            self.close_batch();
        }
    }

    /// Sends off the batch that is being filled, if there is anything in it.
    fn close_batch(&mut self) {
        let n = std::mem::take(&mut self.n_calls);
        if n > 0 {
            let batch = Batch::of_many(&self.function, &mut self.calls, n, &self.cancelled)
                .timed(self.is_timed)
                .with_limit(self.pool.shared.settings.time_limit);
            self.reorder.push(self.n_taken, n);
            let recipient = Recipient::Collector(self.n_taken, self.collector.clone());
            self.n_taken += u64::from(n);
            self.send(Job::new(batch, recipient));
        }
        self.n_wanted = match self.pool.shared.settings.time_limit {
            None => {
                let fixed = self.n_fixed;
                fixed.unwrap_or_else(|| self.chunk.size(self.inputs.left()))
            }
            // It holds for each call.
            Some(_) => 1,
        };
    }

    fn send(&mut self, job: Job) {
        // Every job reports its results, even one that no worker takes.
        self.n_in_flight += 1;
        let home = self.pool.shared.home(&self.function);
        let sent = home.and_then(|home| match home.try_enqueue(job)? {
            None => Ok(()),
            Some(job) if self.n_in_flight > 1 => {
                self.n_in_flight -= 1;
                self.waiting = Some(job);
                Ok(())
            }
            Some(job) => home.enqueue(job, None).map(drop),
        });
        // A pool that is shut down takes no more: there is no use in asking for inputs.
        self.exhausted |= sent.is_err();
    }

    /// Waits for results, or for an input that the workers could begin with; `false` at the end.
    fn wait(&mut self) -> bool {
        let arriving = &self.arriving;
        let until = self.over.or(self.deadline);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let result = match &self.inputs {
            Inputs::Arriving(inputs) if !self.exhausted && self.has_room() => select! {
                recv(arriving) -> result => result.ok(),
                recv(inputs) -> input => {
                    match input {
                        Ok(input) => self.take(&input),
                        Err(_) => self.exhausted = true,
                    }
                    return true;
                }
                recv(left.map_or_else(never, after)) -> _ => None,
            },
            _ if self.n_in_flight == 0 => return !self.exhausted || self.waiting.is_some(),
            _ => match left {
                None => arriving.recv().ok(),
                Some(left) => arriving.recv_timeout(left).ok(),
            },
        };
        match (result, self.over) {
            (Some((first, results)), _) => self.arrived(first, results),
            (None, Some(over)) if over <= Instant::now() => self.give_up(),
            (None, _) => {}
        }
        true
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
        self.pool
            .shared
            .cancel_target
            .interrupt(&self.cancelled, Why::TimedOut);
    }

    /// Waits no longer for what does not stop.
    #[cold]
    fn give_up(&mut self) {
        let (collector, arriving) = unbounded();
        (self.collector, self.arriving) = (collector, arriving);
        self.n_in_flight = 0;
        self.reorder.give_up(&Error::TimedOut(None));
    }
}

impl<I: Iterator> Inputs<I> {
    fn pull(&mut self) -> Input<I::Item> {
        match self {
            Inputs::Pulled(inputs) => inputs.next().map_or(Input::End, Input::Some),
            Inputs::Arriving(inputs) => match inputs.try_recv() {
                Ok(input) => Input::Some(input),
                Err(TryRecvError::Empty) => Input::NotYet,
                Err(TryRecvError::Disconnected) => Input::End,
            },
        }
    }

    /// How many inputs are left, where that is known.
    fn left(&self) -> Option<usize> {
        match self {
            Inputs::Pulled(inputs) => match inputs.size_hint() {
                (low, Some(high)) if low == high => Some(low),
                _ => None,
            },
            Inputs::Arriving(_) => None,
        }
    }
}

impl<I, T> Iterator for Map<'_, I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        self.next_with(Items::next_result, |result| result)
    }
}

impl<I: Iterator, T> Drop for Map<'_, I, T> {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if self.n_in_flight > 0 {
            let cancel_target = self.pool.shared.cancel_target;
            cancel_target.interrupt(&self.cancelled, Why::Cancelled);
        }
    }
}

impl<I: Iterator, T> fmt::Debug for Map<'_, I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("function", &self.function)
            .field("n_taken", &self.n_taken)
            .field("n_in_flight", &self.n_in_flight)
            .finish_non_exhaustive()
    }
}

/// An iterator over the completed calls for many inputs. See [`Map::completed`].
#[derive(Debug)]
pub struct CompletedMap<'p, I: Iterator, T>(Map<'p, I, T>);

impl<I, T> Iterator for CompletedMap<'_, I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    type Item = Completed<T>;

    fn next(&mut self) -> Option<Completed<T>> {
        self.0
            .next_with(Items::next_item, |completed| &completed.result)
    }
}
