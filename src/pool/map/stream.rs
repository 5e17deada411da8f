//! Stream: a map whose values are awaited.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::function::Function;
use crate::pool::{Pool, Submission};
use crate::task::Task;

/// Calls in flight for each worker: enough to keep it busy while the runtime does something else.
const IN_FLIGHT_PER_WORKER: usize = 8;

/// A stream of the values of a function for many inputs. See [`Pool::map_async`].
///
/// Dropping it cancels the calls that have no outcome yet. It is a handle to its pool: see [`Pool`](Pool#dropping).
#[must_use = "it calls nothing unless it is polled"]
pub struct MapStream<S, T> {
    pool: Pool,
    function: Function,
    /// `None` after their end.
    inputs: Option<Pin<Box<S>>>,
    /// The call of the last input, while it waits for room in the queue.
    submission: Option<Submission<T>>,
    /// The calls before it, in order; or why one could not be submitted.
    tasks: VecDeque<Result<Task<T>>>,
}

impl<S, T> MapStream<S, T>
where
    S: Stream<Item: Serialize>,
    T: DeserializeOwned,
{
    pub(crate) fn new(pool: &Pool, function: &Function, inputs: S) -> Self {
        MapStream {
            pool: pool.clone(),
            function: *function,
            inputs: Some(Box::pin(inputs)),
            submission: None,
            tasks: VecDeque::new(),
        }
    }

    /// Submits calls until enough are in flight, or there is something to wait for.
    fn feed(&mut self, context: &mut Context<'_>) {
        while self.tasks.len() < IN_FLIGHT_PER_WORKER * self.pool.n_workers() {
            let submission = match (&mut self.submission, &mut self.inputs) {
                (Some(submission), _) => submission,
                (None, Some(inputs)) => match inputs.as_mut().poll_next(context) {
                    Poll::Ready(Some(input)) => {
                        let submission = self.pool.submit_async(&self.function, input);
                        self.submission.insert(submission)
                    }
                    Poll::Ready(None) => {
                        self.inputs = None;
                        return;
                    }
                    Poll::Pending => return,
                },
                (None, None) => return,
            };
            let Poll::Ready(submitted) = pin!(submission).poll(context) else {
                return;
            };
            self.submission = None;
            if matches!(submitted, Err(Error::ShutDown | Error::WorkerLost(_))) {
                // So would be what became of the others.
                self.inputs = None;
            }
            self.tasks.push_back(submitted);
        }
    }
}

impl<S, T> Stream for MapStream<S, T>
where
    S: Stream<Item: Serialize>,
    T: DeserializeOwned,
{
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.feed(context);
        let is_at_end = self.inputs.is_none() && self.submission.is_none();
        let result = match self.tasks.front_mut() {
            Some(Ok(task)) => match pin!(task).poll(context) {
                Poll::Ready(result) => result,
                Poll::Pending => return Poll::Pending,
            },
            Some(Err(error)) => Err(error.clone()),
            None if is_at_end => return Poll::Ready(None),
            None => return Poll::Pending,
        };
        self.tasks.pop_front();
        if let Err(Error::Load(_)) = result {
            // The other calls would say the same.
            self.inputs = None;
            self.submission = None;
            self.tasks.clear();
        }
        Poll::Ready(Some(result))
    }
}

impl<S, T> fmt::Debug for MapStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapStream")
            .field("function", &self.function)
            .field("n_in_flight", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

/// An iterator's items as a stream that is always ready.
#[derive(Clone, Debug)]
pub struct Iterated<I>(I);

impl<I> Iterated<I> {
    pub(crate) fn new(items: I) -> Self {
        Iterated(items)
    }
}

// The iterator itself is never pinned.
impl<I> Unpin for Iterated<I> {}

impl<I: Iterator> Stream for Iterated<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
