//! Stream: the items of one call, as an iterator and in async code.

mod flat_map;
mod window;

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::submission::{Prepared, Submission};
use super::task::Draft;
use super::{Canceller, Pool};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::task::{ItemBuffer, Items, Task};
use window::Window;

pub use flat_map::FlatMap;

/// The items of what a call returns, each as it is yielded. See [`Pool::stream`].
///
/// It is an iterator that blocks until an item comes. In async code, use [`next_async`](ItemStream::next_async), or
/// with the feature `stream` the trait `futures_core::Stream`.
///
/// # The end
///
/// A stream ends after the last item, or after an error, which is its last item: an exception of the generator, a
/// deadline, a lost worker. Items that were yielded before come first; a worker process that dies may take its last ones
/// with it. An item that cannot become a `T` is an error that does not end the stream.
///
/// Dropping the stream closes the generator: `GeneratorExit` is raised where it has yielded, and its `finally` blocks
/// run on its worker. If it has not ended within [`PoolBuilder::grace`](crate::PoolBuilder::grace), because it computes
/// or because it yields again, it is interrupted like a cancelled call. A stream that was not asked for an item has
/// nothing to close.
///
/// It is a handle to its pool: see [`Pool`](Pool#dropping).
///
/// # Workers
///
/// A stream has a worker for itself from its beginning to its end, also while it is suspended. So a pool runs as many
/// streams at once as it has workers; others wait in the queue, like any other call. If you read two streams in turn,
/// each needs a worker: on a pool with only one, the second would wait for the first, which waits for you. Set a deadline
/// if you cannot tell, or collect the first one before you ask for the second.
#[must_use = "a stream is lazy: it calls nothing unless you take its items"]
pub struct ItemStream<T> {
    stage: Stage,
    settings: Window,
    cancelled: Arc<AtomicBool>,
    /// The items that are being yielded.
    current: Items,
    of: PhantomData<fn() -> T>,
    pool: Pool,
}

/// How far a stream has come.
enum Stage {
    /// It was not asked for an item.
    New(Result<Draft>),
    /// It waits for room in the queue.
    Submitted(Submission<()>, Arc<ItemBuffer>),
    Running(Task<()>, Arc<ItemBuffer>),
    Ended,
}

impl<T> ItemStream<T> {
    pub(super) fn new(pool: &Pool, draft: Result<Draft>) -> Self {
        ItemStream {
            stage: Stage::New(draft),
            settings: Window::default(),
            cancelled: Arc::default(),
            current: Items::default(),
            of: PhantomData,
            pool: pool.clone(),
        }
    }

    /// Sets how many items may wait for you: when that many do, the generator is suspended where it yields the next. The
    /// default is 1024, the least is 1.
    ///
    /// From a worker process, up to as many again are on their way.
    pub fn window(mut self, n_items: usize) -> Self {
        self.settings.set_items(n_items);
        self
    }

    /// Sets how many bytes of encoded items may wait for you. The default is 8 MiB. An item that is larger waits alone.
    pub fn window_bytes(mut self, n_bytes: usize) -> Self {
        self.settings.set_bytes(n_bytes);
        self
    }

    /// Sets how long the generator may compute one item. The time that it is suspended does not count, nor do the
    /// imports before the first. An item that takes longer ends the stream with [`Error::TimedOut`], and the generator
    /// is interrupted.
    pub fn item_limit(mut self, limit: Duration) -> Self {
        self.settings.item_limit = Some(limit);
        self
    }

    /// Submits the call now, and not only when you ask for the first item. Blocks while the queue is full.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`]; the stream has then ended.
    pub fn start(&mut self) -> Result<()> {
        self.stage = match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::New(draft) => {
                let (prepared, items) = self.prepared(draft);
                Stage::Running(prepared?.submit()?, items)
            }
            Stage::Submitted(submission, items) => Stage::Running(submission.wait()?, items),
            other => other,
        };
        Ok(())
    }

    /// Submits the call if there is room in the queue, without waiting for any.
    fn try_start(&mut self) -> Result<()> {
        let (submission, items) = match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::New(draft) => {
                let (prepared, items) = self.prepared(draft);
                (Submission::new(&self.pool, prepared), items)
            }
            Stage::Submitted(submission, items) => (submission, items),
            other => {
                self.stage = other;
                return Ok(());
            }
        };
        self.stage = match submission.try_submit()? {
            Ok(task) => Stage::Running(task, items),
            Err(submission) => Stage::Submitted(submission, items),
        };
        Ok(())
    }

    /// Whether it waits for room in the queue.
    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Submitted(..))
    }

    /// Whether its call has not ended, so that it has a worker or needs one.
    fn is_under_way(&self) -> bool {
        match &self.stage {
            Stage::Running(task, _) => !task.is_finished(),
            Stage::New(_) | Stage::Submitted(..) => true,
            Stage::Ended => false,
        }
    }

    /// Returns a handle that ends this stream from any thread: [`Canceller::interrupt`] interrupts the generator, and
    /// the stream ends with [`Error::Cancelled`] after the items that were yielded. [`Canceller::cancel`] does so only
    /// if the call has not begun.
    pub fn canceller(&self) -> Canceller {
        let cancelled = Arc::clone(&self.cancelled);
        Canceller::new(cancelled, self.pool.shared.cancel_target)
    }

    /// The call, and where its items will be.
    fn prepared(&self, draft: Result<Draft>) -> (Result<Prepared>, Arc<ItemBuffer>) {
        let items = Arc::new(ItemBuffer::new(
            self.settings.capacity,
            self.settings.item_limit,
        ));
        let streaming = |draft: Draft| {
            let draft = draft.streaming(Arc::clone(&items), Arc::clone(&self.cancelled));
            draft.prepared()
        };
        (draft.map(streaming), items)
    }
}

impl<T: DeserializeOwned> ItemStream<T> {
    /// Waits for the next item in async code, on any runtime, without blocking a thread. Returns `None` after the last.
    ///
    /// Dropping the future loses no item.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> owngil::Result<()> {
    /// use owngil::{Function, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let mut primes = pool.stream::<u32, _>(&Function::source("def primes(): yield from (2, 3, 5)", "primes"), ());
    /// let mut sum = 0;
    /// while let Some(prime) = primes.next_async().await {
    ///     sum += prime?;
    /// }
    /// assert_eq!(sum, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_async(&mut self) -> impl Future<Output = Option<Result<T>>> + Send {
        poll_fn(|context| self.poll_item(context))
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(item) = self.current.next_result() {
                return Poll::Ready(Some(item));
            }
            self.stage = match mem::replace(&mut self.stage, Stage::Ended) {
                Stage::New(draft) => {
                    let (prepared, items) = self.prepared(draft);
                    Stage::Submitted(Submission::new(&self.pool, prepared), items)
                }
                Stage::Submitted(mut submission, items) => {
                    match pin!(&mut submission).poll(context) {
                        Poll::Ready(Ok(task)) => Stage::Running(task, items),
                        Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                        Poll::Pending => {
                            self.stage = Stage::Submitted(submission, items);
                            return Poll::Pending;
                        }
                    }
                }
                Stage::Running(task, items) => match items.poll_take(context.waker()) {
                    Poll::Ready(Some(results)) => {
                        self.current = results.into_items(0);
                        Stage::Running(task, items)
                    }
                    Poll::Ready(None) => return Poll::Ready(last(task)),
                    Poll::Pending => {
                        self.stage = Stage::Running(task, items);
                        return Poll::Pending;
                    }
                },
                Stage::Ended => return Poll::Ready(None),
            };
        }
    }
}

/// What comes after the last item of a stream: why it has ended, unless the generator has returned.
fn last<T>(task: Task<()>) -> Option<Result<T>> {
    task.wait().err().map(Err)
}

impl<T: DeserializeOwned> Iterator for ItemStream<T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(item) = self.current.next_result() {
                return Some(item);
            }
            if let Err(error) = self.start() {
                return Some(Err(error));
            }
            let Stage::Running(_, items) = &self.stage else {
                return None;
            };
            match items.take() {
                Some(results) => self.current = results.into_items(0),
                None => match mem::replace(&mut self.stage, Stage::Ended) {
                    Stage::Running(task, _) => return last(task),
                    _ => return None,
                },
            }
        }
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for ItemStream<T> {}

#[cfg(feature = "stream")]
impl<T: DeserializeOwned> futures_core::Stream for ItemStream<T> {
    type Item = Result<T>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T>>> {
        self.poll_item(context)
    }
}

impl<T> Drop for ItemStream<T> {
    fn drop(&mut self) {
        if let Stage::Running(task, items) = mem::replace(&mut self.stage, Stage::Ended)
            && !task.is_finished()
        {
            if !items.has_begun() {
                // The worker that takes it sees the flag. If one has just taken it, dropping the task interrupts it.
                self.cancelled.store(true, Ordering::Relaxed);
                return;
            }
            items.close();
            let shared = &self.pool.shared;
            if let Some(end) = Instant::now().checked_add(shared.settings.grace) {
                shared.expect_by(end, task.slot());
            }
            task.detach();
        }
    }
}

impl<T> fmt::Debug for ItemStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::New(_) => "new",
            Stage::Submitted(..) => "submitted",
            Stage::Running(..) => "running",
            Stage::Ended => "ended",
        };
        f.debug_struct("ItemStream")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
