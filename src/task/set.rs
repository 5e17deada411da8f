//! TaskSet: many tasks, taken as they end.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde::de::DeserializeOwned;

use super::{Completed, Task};

/// A set of tasks that yields each one as it ends.
///
/// Use it to schedule calls yourself: submit tasks, take whichever ends first, and submit more. Each task gets an
/// index, counted from 0 in the order in which you add them. [`Completed::index`] returns it with the outcome.
///
/// The set is an iterator that blocks until a task ends. You can also wait for a limited time
/// ([`next_timeout`](TaskSet::next_timeout)), in async code ([`next_async`](TaskSet::next_async)), or for tasks and
/// other channels at once ([`ended`](TaskSet::ended)).
///
/// Dropping the set cancels its tasks.
///
/// ```
/// use owngil::{Function, Pool, TaskSet};
///
/// let pool = Pool::new()?;
/// let halve = Function::source("def halve(n): return n // 2", "halve");
/// let mut tasks = TaskSet::new();
/// for n in [5, 12] {
///     tasks.push(pool.submit(&halve, n)?);
/// }
/// let mut n_calls = 0;
/// while let Some(completed) = tasks.next() {
///     n_calls += 1;
///     let half: u64 = completed.result?;
///     if half > 0 {
///         tasks.push(pool.submit(&halve, half)?);
///     }
/// }
/// assert_eq!(n_calls, 3 + 4);
/// # Ok::<(), owngil::Error>(())
/// ```
#[must_use = "a set that is dropped cancels its tasks"]
pub struct TaskSet<T> {
    tasks: BTreeMap<u64, Task<T>>,
    n_pushed: u64,
    ends: Arc<Ends>,
    /// The indices of tasks that have ended. One may arrive twice, or after its task was taken.
    ended: Receiver<u64>,
}

impl<T> Drop for TaskSet<T> {
    /// Cancels the newest first, as [`cancel`](TaskSet::cancel) does.
    fn drop(&mut self) {
        while self.tasks.pop_last().is_some() {}
    }
}

/// Where the tasks of a set report that they have ended.
struct Ends {
    sender: Sender<u64>,
    /// Of the future that waits for the next end.
    waker: Mutex<Option<Waker>>,
}

impl Ends {
    fn report(&self, index: u64) {
        // The set may be gone.
        let _ = self.sender.send(index);
        // Woken without the lock, since a waker may poll at once.
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of one task.
struct EndWaker {
    index: u64,
    ends: Arc<Ends>,
}

impl Wake for EndWaker {
    fn wake(self: Arc<Self>) {
        self.ends.report(self.index);
    }
}

impl<T> TaskSet<T> {
    /// Creates an empty set.
    pub fn new() -> Self {
        let (sender, ended) = unbounded();
        let waker = Mutex::default();
        TaskSet {
            tasks: BTreeMap::new(),
            n_pushed: 0,
            ends: Arc::new(Ends { sender, waker }),
            ended,
        }
    }

    /// Adds a task, of any pool, and returns its index: how many tasks were added before it.
    pub fn push(&mut self, task: Task<T>) -> u64 {
        let index = self.n_pushed;
        self.n_pushed += 1;
        let ends = Arc::clone(&self.ends);
        let waker = Waker::from(Arc::new(EndWaker { index, ends }));
        // A task that ends meanwhile may report twice, but never not at all.
        if task.slot.poll(&waker).is_some() {
            self.ends.report(index);
        }
        self.tasks.insert(index, task);
        index
    }

    /// Returns a task that has not been taken yet, for instance to cancel it.
    pub fn get(&self, index: u64) -> Option<&Task<T>> {
        self.tasks.get(&index)
    }

    /// Returns how many tasks have not been taken yet.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns whether all tasks have been taken.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Cancels all tasks, as [`Task::cancel`] does, the newest first: none begins because an older one has ended. They stay
    /// in the set until you take their outcomes.
    pub fn cancel(&self) {
        self.tasks.values().rev().for_each(Task::cancel);
    }

    /// Lets all calls run, and discards their outcomes.
    pub fn detach(mut self) {
        std::mem::take(&mut self.tasks)
            .into_values()
            .for_each(Task::detach);
    }

    /// Returns the channel that yields the index of each task that ends, to wait for tasks and other channels at once.
    ///
    /// Pass each index that you receive to [`wait`](TaskSet::wait), which then returns at once. No other method yields
    /// that task. An index may arrive twice, or after its task was taken; `wait` then returns `None`.
    ///
    /// ```
    /// use crossbeam_channel::{after, select};
    /// use owngil::{Function, Pool, TaskSet};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new()?;
    /// let mut tasks = TaskSet::new();
    /// tasks.push(pool.submit(&Function::at("math:factorial"), 5)?);
    /// let timer = after(Duration::from_secs(60));
    /// while !tasks.is_empty() {
    ///     select! {
    ///         recv(tasks.ended()) -> index => {
    ///             if let Some(completed) = index.ok().and_then(|index| tasks.wait(index)) {
    ///                 let value: u64 = completed.result?;
    ///                 assert_eq!(value, 120);
    ///             }
    ///         }
    ///         recv(timer) -> _ => tasks.cancel(),
    ///     }
    /// }
    /// # Ok::<(), owngil::Error>(())
    /// ```
    pub fn ended(&self) -> &Receiver<u64> {
        &self.ended
    }
}

impl<T: DeserializeOwned> TaskSet<T> {
    /// Waits for this task to end, and takes it. Returns `None` if it was taken before.
    pub fn wait(&mut self, index: u64) -> Option<Completed<T>> {
        let task = self.tasks.remove(&index)?;
        Some(Completed {
            index,
            ..task.wait_completed()
        })
    }

    /// Takes a task that has ended. Returns `None` if there is none.
    pub fn try_next(&mut self) -> Option<Completed<T>> {
        while let Ok(index) = self.ended.try_recv() {
            if let Some(completed) = self.wait(index) {
                return Some(completed);
            }
        }
        None
    }

    /// Waits at most `limit` for a task to end, and takes it. Returns `None` if none has ended by then, or if the set
    /// is empty.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Completed<T>> {
        self.next_until(Instant::now().checked_add(limit))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Completed<T>> {
        while !self.is_empty() {
            let index = match deadline {
                Some(deadline) => self.ended.recv_deadline(deadline).ok()?,
                None => self.ended.recv().ok()?,
            };
            if let Some(completed) = self.wait(index) {
                return Some(completed);
            }
        }
        None
    }

    /// Waits for a task to end, and takes it, without blocking a thread, on any async runtime. Returns `None` if the
    /// set is empty.
    ///
    /// You can drop the future at any time: a task that has ended stays in the set until you take it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> owngil::Result<()> {
    /// use owngil::{Function, Pool, TaskSet};
    ///
    /// let pool = Pool::new()?;
    /// let factorial = Function::at("math:factorial");
    /// let mut tasks = TaskSet::new();
    /// for n in [3, 4] {
    ///     tasks.push(pool.submit_async(&factorial, n).await?);
    /// }
    /// let mut sum = 0;
    /// while let Some(completed) = tasks.next_async().await {
    ///     let value: u64 = completed.result?;
    ///     sum += value;
    /// }
    /// assert_eq!(sum, 6 + 24);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_async(&mut self) -> Option<Completed<T>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Completed<T>>> {
        // Set before looking, so that each end is either seen here or wakes the future.
        *self.ends.lock() = Some(context.waker().clone());
        match self.try_next() {
            None if !self.is_empty() => Poll::Pending,
            next => Poll::Ready(next),
        }
    }
}

impl<T: DeserializeOwned> Iterator for TaskSet<T> {
    type Item = Completed<T>;

    /// Waits for a task to end, and takes it. Returns `None` if the set is empty, until you add another task.
    fn next(&mut self) -> Option<Completed<T>> {
        self.next_until(None)
    }
}

impl<T> Default for TaskSet<T> {
    fn default() -> Self {
        TaskSet::new()
    }
}

impl<T> fmt::Debug for TaskSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
