//! Pool: workers, the queue before them, and the ways to give them work.
//!
//! All workers take from one bounded queue of batches. A single call is a batch of one; `map` makes
//! batches of a size that suits the calls (see `map::chunk`). `supervisor` has the workers, `watchdog` ends calls that
//! must not go on, and how a pool ends is in `shutdown`.

mod admission;
mod builder;
mod fallback;
mod handover;
mod map;
mod settings;
mod shared;
mod shutdown;
mod stacks;
mod stats;
mod stream;
mod submission;
mod supervisor;
mod task;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{IntoIter, Receiver};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::function::Function;
use crate::task::Task;
use crate::worker::Backend;

use fallback::FallbackPool;
use shared::Shared;

pub use builder::PoolBuilder;
pub use fallback::Moved;
pub(crate) use map::Window;
#[cfg(feature = "stream")]
pub use map::stream::{Iterated, MapStream};
pub use map::{Canceller, CompletedMap, Map};
pub use stacks::{Stacks, WorkerStacks};
pub use stats::{Percentiles, Stats, WorkerStats};
pub use stream::{FlatMap, ItemStream};
pub use submission::{Calling, Submission};
pub use task::TaskBuilder;

/// A set of workers that run Python functions in parallel.
///
/// On the default backend, each worker has an interpreter with its own GIL, so Python code runs on as many cores as
/// there are workers. A pool is `Send` and `Sync`, and a clone is another handle to the same pool.
///
/// # Arguments and values
///
/// Arguments are any serde type. A tuple gives positional arguments, [`keywords`](crate::keywords)
/// adds keyword arguments, `()` gives none, and anything else is one argument. Values come back as
/// any serde type, as [`Value`](crate::Value) if you do not know their shape, or as
/// [`Payload`](crate::Payload) to hand on unread.
///
/// # Dropping
///
/// A pool ends with its last handle. Handles are the pool and its clones, and what it has handed out to take
/// values from: a [`Map`], an [`ItemStream`], a [`FlatMap`], a `MapStream`, a [`Submission`], a [`Calling`]. A [`Task`]
/// is none.
///
/// Dropping the last handle cancels queued calls and interrupts running ones. It waits for them no longer than
/// [`PoolBuilder::grace`]; a worker that does not end by then is left behind.
/// To run all submitted calls first, use [`shutdown`](Pool::shutdown).
///
/// # In async code
///
/// A [`Task`] is a future. [`submit_async`](Pool::submit_async) and [`call_async`](Pool::call_async) wait for
/// room in the queue. None of them blocks its thread, and they work on any runtime. Starting a pool, shutting it down
/// and dropping it do block.
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
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    /// What the last handle drops.
    _owner: Arc<Owner>,
}

/// Ends the pool when it is dropped. Workers have no part in it.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.cancel_all();
    }
}

impl Pool {
    /// Starts a pool with one worker per core, each with its own interpreter.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] where CPython cannot be started.
    pub fn new() -> Result<Pool> {
        Pool::builder().build()
    }

    fn owning(shared: Arc<Shared>) -> Pool {
        let owner = Arc::new(Owner(Arc::clone(&shared)));
        Pool {
            shared,
            _owner: owner,
        }
    }

    /// Returns a builder, for a pool with other settings.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// The number of workers.
    pub fn n_workers(&self) -> usize {
        self.shared.settings.n_workers
    }

    /// Where the pool's tasks run.
    pub fn backend(&self) -> Backend {
        self.shared.settings.worker.backend
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

    /// Submits a call, and returns a task to wait for. Blocks while the queue is full.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for arguments that cannot cross, [`Error::ShutDown`]; [`Error::WorkerLost`] when
    /// no worker is left. What becomes of the call itself, a function that cannot be loaded included,
    /// is the task's outcome.
    pub fn submit<T, A>(&self, function: &Function, arguments: A) -> Result<Task<T>>
    where
        A: Serialize,
    {
        self.task(function).args(arguments).submit()
    }

    /// Like [`submit`](Pool::submit), but does not wait for room in the queue.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], and those of [`submit`](Pool::submit).
    pub fn try_submit<T, A>(&self, function: &Function, arguments: A) -> Result<Task<T>>
    where
        A: Serialize,
    {
        self.task(function).args(arguments).try_submit()
    }

    /// Like [`submit`](Pool::submit), but waits at most `limit` for room in the queue.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], and those of [`submit`](Pool::submit).
    pub fn submit_timeout<T, A>(
        &self,
        function: &Function,
        arguments: A,
        limit: Duration,
    ) -> Result<Task<T>>
    where
        A: Serialize,
    {
        self.task(function).args(arguments).submit_timeout(limit)
    }

    /// Like [`submit`](Pool::submit), for async code: waits for room in the queue without blocking a thread, on any
    /// runtime.
    ///
    /// The arguments are encoded at once. The call is submitted when the future is polled.
    pub fn submit_async<T, A>(&self, function: &Function, arguments: A) -> Submission<T>
    where
        A: Serialize,
    {
        self.task(function).args(arguments).submit_async()
    }

    /// Like [`call`](Pool::call), for async code: waits for room in the queue, and for the value, without
    /// blocking a thread, on any runtime. Dropping the future cancels the call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> owngil::Result<()> {
    /// use owngil::{Function, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let gcd = Function::at("math:gcd");
    /// let value: u64 = pool.call_async(&gcd, (12, 18)).await?;
    /// assert_eq!(value, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_async<T, A>(&self, function: &Function, arguments: A) -> Calling<T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        Calling::new(self.submit_async(function, arguments))
    }

    /// Prepares a call with its own settings, such as a deadline or a time limit.
    pub fn task(&self, function: &Function) -> TaskBuilder<'_, ()> {
        TaskBuilder::new(self, function)
    }

    /// Calls a function once for each input, in parallel, and yields the values in the order of the inputs.
    ///
    /// A map is lazy. It takes inputs and makes calls as you ask for values, and a bounded distance ahead, so
    /// endless inputs work and memory use stays bounded. A call that fails yields its error, and the others go on. Only
    /// a function that cannot be loaded ends the map. Dropping the iterator cancels the calls that have not begun.
    ///
    /// Finished values wait while the map waits for an input. If inputs arrive slowly, use
    /// [`map_channel`](Pool::map_channel).
    pub fn map<T, I>(&self, function: &Function, inputs: I) -> Map<I::IntoIter, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        Map::pulled(self, function, inputs.into_iter(), true)
    }

    /// Like [`map`](Pool::map), but yields each value as soon as it arrives.
    ///
    /// To know the input that a value belongs to, use [`Map::completed`].
    pub fn map_unordered<T, I>(&self, function: &Function, inputs: I) -> Map<I::IntoIter, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        Map::pulled(self, function, inputs.into_iter(), false)
    }

    /// Like [`map`](Pool::map), for inputs that arrive over a channel. Values are yielded even while the channel is
    /// quiet. The map ends when all senders of the channel are gone.
    pub fn map_channel<T, A>(
        &self,
        function: &Function,
        inputs: Receiver<A>,
        ordered: bool,
    ) -> Map<IntoIter<A>, T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        Map::arriving(self, function, inputs, ordered)
    }

    /// Like [`map`](Pool::map), for async code: a stream of the values, in the order of the inputs.
    ///
    /// At most a few calls per worker are in flight, and as many values wait. Each input travels alone, so very
    /// short calls are faster in a `map` on its own thread, which sends them in batches. The pool's deadline for tasks
    /// applies to each call. A call that fails yields its error, and the others go on; a function that cannot be loaded
    /// ends the stream.
    #[cfg(feature = "stream")]
    pub fn map_async<T, I>(
        &self,
        function: &Function,
        inputs: I,
    ) -> MapStream<Iterated<I::IntoIter>, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        self.map_stream(function, Iterated::new(inputs.into_iter()))
    }

    /// Like [`map_async`](Pool::map_async), for inputs that are a stream. Values are yielded even while the stream
    /// of inputs is quiet.
    #[cfg(feature = "stream")]
    pub fn map_stream<T, S>(&self, function: &Function, inputs: S) -> MapStream<S, T>
    where
        T: DeserializeOwned,
        S: futures_core::Stream<Item: Serialize>,
    {
        MapStream::new(self, function, inputs)
    }

    /// Calls a function and iterates over what it returns: each item comes when it is yielded.
    ///
    /// The function is a generator, an asynchronous generator, or returns any other iterable. It stays on its worker
    /// until it ends: when the items that you have not taken fill the [`window`](ItemStream::window), it is suspended,
    /// and its worker waits. An exception ends the stream as its last item. Dropping the stream closes the generator. See
    /// [`ItemStream`].
    ///
    /// A stream is lazy: the call is submitted when you ask for the first item. To set a deadline, use
    /// [`task`](Pool::task) and [`TaskBuilder::stream`].
    ///
    /// ```
    /// use owngil::{Function, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let countdown = Function::source("def countdown(n):\n    while n:\n        yield n\n        n -= 1", "countdown");
    /// let items: owngil::Result<Vec<u32>> = pool.stream(&countdown, 3).collect();
    /// assert_eq!(items?, [3, 2, 1]);
    /// # Ok::<(), owngil::Error>(())
    /// ```
    pub fn stream<T, A>(&self, function: &Function, arguments: A) -> ItemStream<T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        self.task(function).args(arguments).stream()
    }

    /// Calls a function once for each input, in parallel, and yields the items of what each call returns, in the order
    /// of the inputs; see [`stream`](Pool::stream).
    ///
    /// As many calls run at once as the pool has workers, and each has a window of its own. Up to four per worker may have
    /// ended before you come to their items. So memory use stays bounded.
    /// A call that fails yields its error after its items, and the others go on. Only a function that cannot be loaded
    /// ends it. Dropping the iterator closes the generators that have begun.
    ///
    /// It has all workers of the pool until it ends. So do not wait for another call on the same pool while you read it:
    /// once the windows are full, the workers wait for you, and the call for a worker. Use a second pool, or collect the
    /// items first. Inputs are taken ahead of the items that you read, so they must not depend on these.
    ///
    /// ```
    /// use owngil::{Function, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let digits = Function::source("def digits(n):\n    yield from map(int, str(n))", "digits");
    /// let all: owngil::Result<Vec<u32>> = pool.flat_map(&digits, [12, 345]).collect();
    /// assert_eq!(all?, [1, 2, 3, 4, 5]);
    /// # Ok::<(), owngil::Error>(())
    /// ```
    pub fn flat_map<T, I>(&self, function: &Function, inputs: I) -> FlatMap<I::IntoIter, T>
    where
        T: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        FlatMap::new(self, function, inputs.into_iter())
    }

    /// Calls a function once on every worker, and waits for all of them. Returns one result per worker, in order.
    ///
    /// A busy worker makes the call after its current job. The pool's deadline and time limit apply to each call.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for arguments that cannot cross, [`Error::ShutDown`].
    pub fn broadcast<T, A>(&self, function: &Function, arguments: A) -> Result<Vec<Result<T>>>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        let call = self.task(function).args(&arguments);
        let workers = 0..self.n_workers();
        let tasks: Result<Vec<Task<T>>> = workers.map(|index| call.order(index)).collect();
        Ok(tasks?.into_iter().map(Task::wait).collect())
    }

    /// Loads a function on every worker, so that the first calls do not have to.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] with what is wrong: a file or a name that is not there, a syntax error, an
    /// import that raises. [`Error::ShutDown`].
    pub fn load(&self, function: &Function) -> Result<()> {
        match self.shared.home(function)?.load(function) {
            Err(error) if self.shared.move_unloaded(function, &error) => {
                self.shared.home(function)?.load(function)
            }
            loaded => loaded,
        }
    }

    /// Returns the functions that moved from interpreters to processes, and the reasons, in the order in which the
    /// functions were made. Empty unless the backend is [`Backend::Auto`].
    pub fn moved(&self) -> Vec<Moved> {
        let fallback = self.shared.fallback.as_ref();
        fallback.map_or_else(Vec::new, FallbackPool::moved)
    }
}
