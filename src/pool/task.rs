//! TaskBuilder: a call with settings of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Pool;
use super::shared::Shared;
use super::stream::ItemStream;
use super::submission::{Prepared, Submission};
use crate::error::{Error, Result};
use crate::function::Function;
use crate::task::{Batch, ItemBuffer, Job, Recipient, Slot, Task};

/// A call with its own settings, ready to be submitted. See [`Pool::task`].
///
/// ```
/// use std::time::Duration;
/// use owngil::{Error, Function, Pool};
///
/// let pool = Pool::new()?;
/// let spin = Function::source("def spin():\n    while True:\n        pass", "spin");
/// let task = pool.task(&spin).deadline(Duration::from_millis(50)).submit::<()>()?;
/// let Err(Error::TimedOut { stack: Some(stack), .. }) = task.wait() else { panic!() };
/// assert_eq!(stack.frames[0].function, "spin"); // where it stood
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it is submitted by `submit`"]
pub struct TaskBuilder<'p, A> {
    pool: &'p Pool,
    function: Function,
    arguments: A,
    deadline: Option<Duration>,
    time_limit: Option<Duration>,
    index: Option<u64>,
    worker: Option<usize>,
    is_timed: bool,
}

impl<'p> TaskBuilder<'p, ()> {
    pub(super) fn new(pool: &'p Pool, function: &Function) -> Self {
        let settings = &pool.shared.settings;
        TaskBuilder {
            pool,
            function: *function,
            arguments: (),
            deadline: settings.deadline,
            time_limit: settings.time_limit,
            index: None,
            worker: None,
            is_timed: false,
        }
    }
}

impl<'p, A> TaskBuilder<'p, A> {
    /// Sets the arguments. A tuple gives positional ones; see [`Pool`](super::Pool#arguments-and-values).
    pub fn args<B>(self, arguments: B) -> TaskBuilder<'p, B> {
        TaskBuilder {
            pool: self.pool,
            function: self.function,
            arguments,
            deadline: self.deadline,
            time_limit: self.time_limit,
            index: self.index,
            worker: self.worker,
            is_timed: self.is_timed,
        }
    }

    /// Sets how soon after its submission the call must have its outcome. The time in the queue counts.
    ///
    /// After that the outcome is [`Error::TimedOut`], whatever the code does: a queued call does not run, and a running
    /// one is interrupted. The default is the pool's deadline.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Sets how long the call may run, not counting the time in the queue, nor the imports of its function and arguments
    /// (see `docs/control.md`). Otherwise like [`deadline`](TaskBuilder::deadline). The default is the pool's time
    /// limit.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets the index that an [`OutputSink`](crate::OutputSink) sees as [`Speaker::index`](crate::Speaker::index). The
    /// default is a unique number.
    pub fn index(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    /// Gives the call to the worker of that number, counted from 0, and to no other: for calls that need what an earlier
    /// call left in `owngil.state`.
    ///
    /// The worker makes it before any call that waits in the pool's queue, and such calls have no share in
    /// [`PoolBuilder::queue_limit`](super::PoolBuilder::queue_limit). They wait while the worker is busy, even if
    /// others are not. If the worker is replaced, the one in its place makes the call. On the backend
    /// [`Auto`](super::Backend::Auto), a call that moves while it runs goes to any of the worker processes.
    ///
    /// Submitting to a worker that the pool does not have is an [`Error::Config`].
    pub fn on_worker(mut self, number: usize) -> Self {
        self.worker = Some(number);
        self
    }

    /// Whether to record when and where the call ran: [`Completed::timing`](crate::Completed::timing). The default is
    /// `false`.
    pub fn timed(mut self, is_timed: bool) -> Self {
        self.is_timed = is_timed;
        self
    }
}

impl<'p, A: Serialize> TaskBuilder<'p, A> {
    /// Submits the call. Blocks while the queue is full, until the deadline if there is one. If the deadline passes
    /// first, the returned task already has its outcome.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`].
    pub fn submit<T>(self) -> Result<Task<T>> {
        self.made()?.submit()
    }

    /// Submits the call, unless the queue is full.
    ///
    /// # Errors
    ///
    /// As [`Pool::try_submit`].
    pub fn try_submit<T>(self) -> Result<Task<T>> {
        let made = self.made()?;
        if let Some(worker) = made.worker {
            return made.order(worker);
        }
        match made.home.try_enqueue(made.job)? {
            None => Ok(expect(&made.home, made.slot, made.deadline)),
            Some(_) => Err(Error::QueueFull),
        }
    }

    /// Submits the call. Waits at most `limit` for room in the queue.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit_timeout`].
    pub fn submit_timeout<T>(self, limit: Duration) -> Result<Task<T>> {
        let made = self.made()?;
        if let Some(worker) = made.worker {
            return made.order(worker);
        }
        let until = Instant::now().checked_add(limit);
        match made.home.enqueue(made.job, until)? {
            None => Ok(expect(&made.home, made.slot, made.deadline)),
            Some(_) => Err(Error::QueueFull),
        }
    }

    /// Submits the call when there is room in the queue, without blocking the thread; see [`Submission`].
    pub fn submit_async<T>(self) -> Submission<T> {
        Submission::new(self.pool, self.made())
    }

    /// Iterates over what the call returns, with this builder's settings; see [`Pool::stream`]. A deadline counts from
    /// now on, and a time limit from when the call begins. Both hold for the whole, the time that the items wait for you
    /// included.
    pub fn stream<T>(self) -> ItemStream<T> {
        ItemStream::new(self.pool, self.draft(self.index))
    }

    /// Gives the call to one worker, whose number is its index.
    pub(super) fn order<T>(&self, worker: usize) -> Result<Task<T>> {
        self.made_for(Some(worker as u64))?.order(worker)
    }

    fn made(&self) -> Result<Prepared> {
        self.made_for(self.index)
    }

    fn made_for(&self, index: Option<u64>) -> Result<Prepared> {
        Ok(self.draft(index)?.prepared())
    }

    fn draft(&self, index: Option<u64>) -> Result<Draft> {
        let home = Arc::clone(self.pool.shared.home(&self.function)?);
        let encode = || Batch::of_one(&self.function, &self.arguments);
        let batch = home.encoding(encode)?;
        let deadline = self
            .deadline
            .and_then(|limit| Instant::now().checked_add(limit));
        Ok(Draft {
            home,
            worker: self.worker,
            batch: batch.with_limit(self.time_limit).timed(self.is_timed),
            items: None,
            index,
            deadline,
        })
    }
}

/// A call whose arguments are encoded.
#[derive(Debug)]
pub(super) struct Draft {
    home: Arc<Shared>,
    worker: Option<usize>,
    batch: Batch,
    /// Where the items go, if it is a stream.
    items: Option<Arc<ItemBuffer>>,
    index: Option<u64>,
    deadline: Option<Instant>,
}

impl Draft {
    /// Has the items of what the call returns go there, until `cancelled` says that they are no longer wanted.
    pub(super) fn streaming(self, items: Arc<ItemBuffer>, cancelled: Arc<AtomicBool>) -> Draft {
        let batch = self.batch.with_cancelled(Some(cancelled));
        Draft {
            batch: batch.streaming(true),
            items: Some(items),
            ..self
        }
    }

    /// The call's batch and its slot.
    pub(super) fn prepared(self) -> Prepared {
        let Draft {
            home, batch, items, ..
        } = self;
        let item_limit = items.as_ref().and_then(|items| items.item_limit());
        if batch.limit().is_some() || item_limit.is_some() {
            home.start_watchdog();
        }
        let slot = Slot::new(home.cancel_target, self.index, self.deadline);
        let slot = Arc::new(match items {
            None => slot,
            Some(items) => slot.with_items(items),
        });
        let recipient = Recipient::Task(Arc::clone(&slot));
        Prepared {
            home,
            worker: self.worker,
            job: Job::new(batch, recipient),
            slot,
            deadline: self.deadline,
        }
    }
}

impl Prepared {
    /// Submits the call. Blocks while the queue is full, until the deadline if there is one.
    pub(super) fn submit<T>(self) -> Result<Task<T>> {
        if let Some(worker) = self.worker {
            return self.order(worker);
        }
        if let Some(late) = self.home.enqueue(self.job, self.deadline)? {
            late.fail(&Error::timed_out(None));
            return Ok(Task::new(self.slot));
        }
        Ok(expect(&self.home, self.slot, self.deadline))
    }

    /// Submits the call if there is room in the queue; gives itself back if there is none.
    pub(super) fn try_submit<T>(self) -> Result<std::result::Result<Task<T>, Self>> {
        if let Some(worker) = self.worker {
            return self.order(worker).map(Ok);
        }
        let Prepared {
            home,
            worker,
            job,
            slot,
            deadline,
        } = self;
        Ok(match home.try_enqueue(job)? {
            None => Ok(expect(&home, slot, deadline)),
            Some(job) => Err(Prepared {
                home,
                worker,
                job,
                slot,
                deadline,
            }),
        })
    }

    /// Gives the call to one worker, before what is queued.
    pub(super) fn order<T>(self, worker: usize) -> Result<Task<T>> {
        let n_workers = self.home.settings.n_workers;
        if worker >= n_workers {
            return Err(Error::config(format!(
                "there is no worker {worker} in a pool of {n_workers}"
            )));
        }
        self.home.start_workers(n_workers, None)?;
        self.home.order(worker, self.job)?;
        Ok(expect(&self.home, self.slot, self.deadline))
    }
}

fn expect<T>(home: &Arc<Shared>, slot: Arc<Slot>, deadline: Option<Instant>) -> Task<T> {
    if let Some(deadline) = deadline {
        home.expect_by(deadline, &slot);
    }
    Task::new(slot)
}
