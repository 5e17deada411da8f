//! Map: one call per input, lazily, over a bounded window.
//!
//! The thread that asks for values does all of it: it takes inputs into batches, hands those to the
//! workers, and reads their results. Ahead of what was asked for are at most a few batches per worker
//! in flight and, in an ordered map, a bounded number of results that came too early.

mod chunk;
mod reorder;
#[cfg(feature = "stream")]
pub(super) mod stream;
mod window;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, after, never, select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::function::Function;
use crate::payload;
use crate::pool::Pool;
use crate::task::{CancelTargetId, Completed, Items, Why};
pub(crate) use window::Window;

/// An iterator over the values of a function for many inputs. See [`Pool::map`].
///
/// It is a handle to its pool: see [`Pool`](Pool#dropping).
#[must_use = "a map is lazy: it calls nothing unless you take its values"]
pub struct Map<I: Iterator, T> {
    function: Function,
    inputs: Inputs<I>,
    window: Window,
    /// The results that are being yielded.
    current: Items,
    /// Whether a result showed that there is no use in waiting for others.
    hopeless: bool,
    of: PhantomData<fn() -> T>,
    /// After the window, whose end cancels its calls.
    _pool: Pool,
}

/// Cancels the rest of a map or a stream, from any thread. See [`Map::canceller`] and
/// [`ItemStream::canceller`](super::ItemStream::canceller).
#[derive(Clone, Debug)]
pub struct Canceller {
    cancelled: Arc<AtomicBool>,
    cancel_target: CancelTargetId,
}

impl Canceller {
    pub(super) fn new(cancelled: Arc<AtomicBool>, cancel_target: CancelTargetId) -> Canceller {
        Canceller {
            cancelled,
            cancel_target,
        }
    }

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

impl<I, T> Map<I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    pub(super) fn pulled(pool: &Pool, function: &Function, inputs: I, ordered: bool) -> Self {
        Map::new(pool, function, Inputs::Pulled(inputs), ordered)
    }

    pub(super) fn arriving(
        pool: &Pool,
        function: &Function,
        inputs: Receiver<I::Item>,
        ordered: bool,
    ) -> Self {
        Map::new(pool, function, Inputs::Arriving(inputs), ordered)
    }

    fn new(pool: &Pool, function: &Function, inputs: Inputs<I>, ordered: bool) -> Self {
        Map {
            function: *function,
            inputs,
            window: Window::new(pool, function, ordered),
            current: Items::default(),
            hopeless: false,
            of: PhantomData,
            _pool: pool.clone(),
        }
    }

    /// Returns a handle that ends this map early while you still read its values.
    pub fn canceller(&self) -> Canceller {
        self.window.canceller()
    }

    /// Ends the map after this time, counted from now.
    ///
    /// Then the map takes no more inputs and interrupts the calls that run. Each input that was taken and has no
    /// outcome yet gets [`Error::TimedOut`]. Short calls come back in batches, so one call that does not stop can keep
    /// the values of others from arriving in time. The map cannot interrupt an iterator of inputs that blocks.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.window.deadline = Instant::now().checked_add(limit);
        self
    }

    /// Whether to record when and where each call ran ([`Completed::timing`]), at the cost of one clock read per call.
    /// The default is `false`.
    pub fn timed(mut self, is_timed: bool) -> Self {
        self.window.is_timed = is_timed;
        self
    }

    /// Sends `n` calls per batch instead of sizing batches to about half a millisecond. A slow call then delays the
    /// others in its batch. `n` is clamped to 1 to 2048; batches are smaller where arguments are large, or where each
    /// call has a time limit.
    pub fn chunk(mut self, n: usize) -> Self {
        self.window.fix_chunk(n);
        self
    }

    /// Yields the index of the input and the call's output along with each value.
    pub fn completed(self) -> CompletedMap<I, T> {
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
            self.window.look();
            self.feed();
            if let Some(items) = self.window.take_ready() {
                self.current = items;
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
        if self.window.is_hopeless(error) {
            self.hopeless = true;
            self.current = Items::default();
        }
    }

    /// Hands batches to the workers until they have enough, or no input is there.
    fn feed(&mut self) {
        while self.window.has_room() && !self.window.is_closed {
            match self.inputs.pull() {
                Input::Some(input) => self.take(&input),
                Input::NotYet => {
                    self.window.close_batch(|| self.inputs.left());
                    return;
                }
                Input::End => self.window.is_closed = true,
            }
        }
        if self.window.is_closed && self.window.has_room() {
            self.window.close_batch(|| self.inputs.left());
        }
    }

    #[inline]
    fn take(&mut self, input: &I::Item) {
        let inputs = &self.inputs;
        self.window
            .take(|| inputs.left(), |calls| payload::encode_call(input, calls));
    }

    /// Waits for results, or for an input that the workers could begin with; `false` at the end.
    fn wait(&mut self) -> bool {
        match &self.inputs {
            Inputs::Arriving(inputs) if !self.window.is_closed && self.window.has_room() => {
                let left = self.window.left();
                let came = select! {
                    recv(self.window.arriving) -> result => result.ok(),
                    recv(inputs) -> input => {
                        match input {
                            Ok(input) => self.take(&input),
                            Err(_) => self.window.is_closed = true,
                        }
                        return true;
                    }
                    recv(left.map_or_else(never, after)) -> _ => None,
                };
                self.window.waited(came);
            }
            _ if self.window.is_empty() => return !self.window.is_done(),
            _ => self.window.wait_within(None),
        }
        true
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

impl<I, T> Iterator for Map<I, T>
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

impl<I: Iterator, T> fmt::Debug for Map<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("function", &self.function)
            .field("n_taken", &self.window.n_taken())
            .field("n_in_flight", &self.window.n_in_flight())
            .finish_non_exhaustive()
    }
}

/// An iterator over the completed calls for many inputs. See [`Map::completed`].
#[derive(Debug)]
#[must_use = "a map is lazy: it calls nothing unless you take its values"]
pub struct CompletedMap<I: Iterator, T>(Map<I, T>);

impl<I, T> Iterator for CompletedMap<I, T>
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
