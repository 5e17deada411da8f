//! FlatMap: the items of many calls, one call after the other.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ItemStream;
use super::window::Window;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::pool::Pool;

/// How many calls per worker may have begun or ended before their items are taken.
const N_AHEAD: usize = 4;

/// An iterator over the items of a function for many inputs. See [`Pool::flat_map`].
///
/// It is a handle to its pool: see [`Pool`](Pool#dropping).
#[must_use = "it is lazy: it calls nothing unless you take its items"]
pub struct FlatMap<I: Iterator, T> {
    pool: Pool,
    function: Function,
    /// `None` after their end.
    inputs: Option<I>,
    settings: Window,
    /// The calls that have begun or are queued, in order, and why one could not be submitted.
    streams: VecDeque<Result<ItemStream<T>>>,
}

impl<I: Iterator, T> FlatMap<I, T> {
    pub(in crate::pool) fn new(pool: &Pool, function: &Function, inputs: I) -> Self {
        FlatMap {
            pool: pool.clone(),
            function: *function,
            inputs: Some(inputs),
            settings: Window::default(),
            streams: VecDeque::new(),
        }
    }

    /// Sets how many items of each call may wait for you, like [`ItemStream::window`].
    pub fn window(mut self, n_items: usize) -> Self {
        self.settings.set_items(n_items);
        self
    }

    /// Sets how many bytes of each call's items may wait for you, like [`ItemStream::window_bytes`].
    pub fn window_bytes(mut self, n_bytes: usize) -> Self {
        self.settings.set_bytes(n_bytes);
        self
    }

    /// Sets how long each generator may compute one item, like [`ItemStream::item_limit`].
    pub fn item_limit(mut self, limit: Duration) -> Self {
        self.settings.item_limit = Some(limit);
        self
    }
}

impl<I, T> FlatMap<I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    /// Submits calls until each worker can have one.
    ///
    /// With one more, a later call could hold a worker that the first one needs, which are then both suspended or
    /// queued for ever. For the same reason, this waits for room in the queue only if there is no item to wait for.
    fn feed(&mut self) {
        let n_workers = self.pool.n_workers();
        while !self.is_waiting() && self.streams.len() < N_AHEAD * n_workers {
            let under_way = self.streams.iter().flatten();
            if under_way.filter(|stream| stream.is_under_way()).count() >= n_workers {
                return;
            }
            let Some(input) = self.inputs.as_mut().and_then(Iterator::next) else {
                self.inputs = None;
                return;
            };
            let mut stream = self.pool.stream(&self.function, input);
            stream.settings = self.settings;
            let started = stream.try_start();
            self.streams.push_back(started.map(|()| stream));
        }
    }

    /// Whether the last call waits for room in the queue, still.
    fn is_waiting(&mut self) -> bool {
        let Some(last) = self.streams.back_mut() else {
            return false;
        };
        if let Ok(stream) = last
            && let Err(error) = stream.try_start()
        {
            *last = Err(error);
        }
        last.as_ref().is_ok_and(ItemStream::is_waiting)
    }
}

impl<I, T> Iterator for FlatMap<I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if let Some(Ok(stream)) = self.streams.front_mut()
            && let Some(item) = stream.current.next_result()
        {
            return Some(item);
        }
        loop {
            self.feed();
            let item = match self.streams.front_mut()? {
                Ok(stream) => stream.next(),
                Err(error) => {
                    let error = error.clone();
                    self.streams.pop_front();
                    Some(Err(error))
                }
            };
            match item {
                None => {
                    self.streams.pop_front();
                }
                Some(Err(error @ (Error::Load(_) | Error::ShutDown))) => {
                    // The other calls would say the same.
                    self.streams.clear();
                    self.inputs = None;
                    return Some(Err(error));
                }
                item => return item,
            }
        }
    }
}

impl<I, T> FusedIterator for FlatMap<I, T>
where
    I: Iterator<Item: Serialize>,
    T: DeserializeOwned,
{
}

impl<I: Iterator, T> fmt::Debug for FlatMap<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatMap")
            .field("function", &self.function)
            .field("n_streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}
