//! Pool: workers, the queue before them, and the ways to give them work.
//!
//! All workers take from one bounded queue of batches. A single call is a batch of one; `map` makes
//! batches of a size that suits the calls (see `chunk`). How a pool ends is in `shutdown`.

mod builder;
mod chunk;
mod line;
mod map;
mod shutdown;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{IntoIter, Receiver, Sender};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::function::Function;
use crate::task::{Batch, Job, Recipient, Slot, Task};
use crate::worker::{Backend, Order, Queue};

pub use builder::PoolBuilder;
pub use map::{Canceller, CompletedMap, Map};

/// A set of workers that run Python functions in parallel.
///
/// Each worker has an interpreter with its own GIL (on the default backend), so Python code runs on
/// as many cores as there are workers. A pool is `Send` and `Sync`: share it by reference or in an
/// `Arc`.
///
/// # Arguments and values
///
/// Arguments are any serde type: a tuple gives positional arguments, [`keywords`](crate::keywords)
/// adds keyword arguments, `()` gives none, and anything else is one argument. Values come back as
/// any serde type, as [`Value`](crate::Value) for a shape that is not known, or as
/// [`Payload`](crate::Payload) to hand on unread.
///
/// # Dropping
///
/// Dropping a pool cancels what is queued and waits for what runs, no longer than
/// [`PoolBuilder::grace`]; a worker that does not end by then is left behind.
/// [`shutdown`](Pool::shutdown) runs what is queued first.
///
/// ```
/// use owngil::{Function, Pool};
///
/// let pool = Pool::new()?;
/// let power = Function::at("math:pow");
/// let one: f64 = pool.call(&power, (2, 10))?;
/// assert_eq!(one, 1024.0);
/// let many: owngil::Result<Vec<f64>> = pool.map(&power, (0..4).map(|n| (n, 2))).collect();
/// assert_eq!(many?, [0.0, 1.0, 4.0, 9.0]);
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    queue: Arc<Queue>,
    workers: Vec<Handle>,
    /// Held for reading while a job is put into the queue.
    closed: RwLock<bool>,
    backend: Backend,
    grace: Duration,
}

/// A pool's hold on one of its workers.
#[derive(Debug)]
struct Handle {
    orders: Sender<Order>,
    /// To be woken for an order.
    thread: Thread,
    /// For taking back what a worker that is left behind will never take.
    untaken: Receiver<Order>,
    /// Disconnected once the worker runs no more calls.
    served: Receiver<()>,
    /// Disconnected once its interpreter has ended too.
    ended: Receiver<()>,
}

impl Handle {
    fn give(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| Error::ShutDown)?;
        self.thread.unpark();
        Ok(())
    }
}

impl Pool {
    /// A pool with one worker per core, each with an interpreter of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] where CPython cannot be started.
    pub fn new() -> Result<Pool> {
        Pool::builder().build()
    }

    /// A builder, for a pool that is not the default one.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// The number of workers.
    pub fn n_workers(&self) -> usize {
        self.workers.len()
    }

    /// Where its tasks run.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Calls a function and waits for its value.
    ///
    /// # Errors
    ///
    /// Whatever became of the call instead of a value; see [`Error`].
    pub fn call<T, A>(&self, function: &Function, arguments: A) -> Result<T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        self.submit(function, arguments)?.wait()
    }

    /// Submits a call, to be waited for later. Waits while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for arguments that cannot cross, [`Error::ShutDown`]. What becomes of the
    /// call itself, a function that cannot be loaded included, is the task's outcome.
    pub fn submit<T, A>(&self, function: &Function, arguments: A) -> Result<Task<T>>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        let batch = Batch::of_one(function, &arguments)?;
        let slot = Arc::new(Slot::default());
        self.enqueue(Job::new(batch, Recipient::Task(Arc::clone(&slot))))?;
        Ok(Task::new(slot))
    }

    /// Calls a function once for each input, in parallel; yields the values in the inputs' order.
    ///
    /// Lazy: inputs are taken, and calls made, as far as the values are asked for and a bounded
    /// distance ahead, so that inputs without end work and memory does not grow. A call that fails
    /// yields its error, and the others go on; only a function that cannot be loaded ends it all.
    /// Dropping the iterator cancels the calls that have not begun.
    ///
    /// While an input is waited for, finished values wait too; for inputs that come slowly there is
    /// [`map_channel`](Pool::map_channel).
    pub fn map<T, I>(&self, function: &Function, inputs: I) -> Map<'_, I::IntoIter, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        Map::pulled(self, function, inputs.into_iter(), true)
    }

    /// As [`map`](Pool::map), but yields each value as soon as it is there.
    ///
    /// [`Map::completed`] tells which input it belongs to.
    pub fn map_unordered<T, I>(&self, function: &Function, inputs: I) -> Map<'_, I::IntoIter, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        Map::pulled(self, function, inputs.into_iter(), false)
    }

    /// As [`map`](Pool::map), for inputs that arrive over a channel: values are yielded while it is
    /// quiet. It ends when the channel's senders are gone.
    pub fn map_channel<T, A>(
        &self,
        function: &Function,
        inputs: Receiver<A>,
        ordered: bool,
    ) -> Map<'_, IntoIter<A>, T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        Map::arriving(self, function, inputs, ordered)
    }

    /// Calls a function once on every worker, and waits for all; one result per worker, in order.
    ///
    /// A busy worker makes the call when it has finished what it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for arguments that cannot cross, [`Error::ShutDown`].
    pub fn broadcast<T, A>(&self, function: &Function, arguments: A) -> Result<Vec<Result<T>>>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        let tasks: Result<Vec<Task<T>>> = self
            .workers
            .iter()
            .map(|worker| {
                let batch = Batch::of_one(function, &arguments)?;
                let slot = Arc::new(Slot::default());
                self.order(worker, Job::new(batch, Recipient::Task(Arc::clone(&slot))))?;
                Ok(Task::new(slot))
            })
            .collect();
        Ok(tasks?.into_iter().map(Task::wait).collect())
    }

    /// Loads a function on every worker, so that the first calls need not.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] with what is wrong: a file or a name that is not there, a syntax error, an
    /// import that raises. [`Error::ShutDown`].
    pub fn load(&self, function: &Function) -> Result<()> {
        let (collector, loaded) = crossbeam_channel::unbounded();
        for worker in &self.workers {
            let recipient = Recipient::Collector(0, collector.clone());
            self.order(worker, Job::new(Batch::loading(function), recipient))?;
        }
        drop(collector);
        loaded
            .into_iter()
            .try_for_each(|(_, results)| results.only_failure())
    }

    /// Gives a job to one worker, before what is queued.
    fn order(&self, worker: &Handle, job: Job) -> Result<()> {
        let _open = self.open()?;
        worker.give(Order::Run(job))
    }

    /// Puts a job into the queue; waits while that is full.
    fn enqueue(&self, mut job: Job) -> Result<()> {
        while let Some(refused) = self.try_enqueue(job)? {
            job = refused;
            // Not under the lock, which whoever closes the pool needs; and not for long, to see
            // whether it was closed meanwhile.
            self.queue.wait_for_room(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Puts a job into the queue, or gives it back where that is full.
    fn try_enqueue(&self, job: Job) -> Result<Option<Job>> {
        let _open = self.open()?;
        Ok(self.queue.push(job).err())
    }

    /// Keeps the pool open for as long as the guard is held.
    fn open(&self) -> Result<RwLockReadGuard<'_, bool>> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            Err(Error::ShutDown)
        } else {
            Ok(closed)
        }
    }
}
