//! PoolBuilder: the settings of a pool, and its start.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;
use serde::Serialize;

use super::crew::Crew;
use super::gate::Gate;
use super::settings::Settings;
use super::watch::Watch;
use super::{Pool, Shared};
use crate::error::{Error, Result};
use crate::extensions::Extensions;
use crate::function::Function;
use crate::interpreter::MemorySetting;
use crate::output::OutputPolicy;
use crate::runtime;
use crate::task::{Batch, Desk, DeskNumber};
use crate::worker::{Backend, Queue};

/// The least limit to the memory of a worker.
const MEMORY_LIMIT_MIN: usize = 8 << 20;

/// The settings of a pool. Each has a default that suits most.
#[derive(Debug)]
pub struct PoolBuilder {
    n_workers: Option<usize>,
    backend: Backend,
    queue_limit: usize,
    output: OutputPolicy,
    grace: Duration,
    deadline: Option<Duration>,
    time_limit: Option<Duration>,
    lost_limit: usize,
    memory: MemorySetting,
    extensions: Extensions,
    max_tasks_per_worker: Option<u64>,
    initializer: Option<Result<Batch>>,
    exit_hook: Option<Result<Batch>>,
    is_lazy: bool,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        PoolBuilder {
            n_workers: None,
            backend: Backend::default(),
            queue_limit: 1024,
            output: OutputPolicy::default(),
            grace: Duration::from_secs(2),
            deadline: None,
            time_limit: None,
            lost_limit: 32,
            memory: MemorySetting::NotCounted,
            extensions: Extensions::default(),
            max_tasks_per_worker: None,
            initializer: None,
            exit_hook: None,
            is_lazy: false,
        }
    }
}

impl PoolBuilder {
    /// The number of workers; by default one per core that this process may use.
    pub fn workers(mut self, n: usize) -> Self {
        self.n_workers = Some(n);
        self
    }

    /// Where tasks run; by default in interpreters with their own GIL.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// How many submitted calls may wait in the queue before `submit` waits; by default 1024.
    pub fn queue_limit(mut self, n: usize) -> Self {
        self.queue_limit = n;
        self
    }

    /// What becomes of the output of tasks; by default it goes to this process's own streams.
    pub fn output(mut self, policy: OutputPolicy) -> Self {
        self.output = policy;
        self
    }

    /// What becomes of extension modules that refuse interpreters with their own GIL; by default they stay
    /// refused.
    ///
    /// On the backend `thread` nothing refuses, and this is nothing.
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }

    /// How long a call that is to stop may take for it; by default 2 seconds.
    ///
    /// A call is to stop when it is cancelled, when its time is up, and when its pool is dropped. Then
    /// `KeyboardInterrupt` is raised in it, again and again if it goes on. When the grace is over, its
    /// worker is set aside: another one takes its place, and when the call ends after all, it retires.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// When each task must have its outcome, from its submission on; by default never. See
    /// [`TaskBuilder::deadline`](super::TaskBuilder::deadline).
    ///
    /// It does not hold for the calls of a map, whose inputs are taken when there is room; they have
    /// [`time_limit`](PoolBuilder::time_limit) and [`Map::deadline`](super::Map::deadline).
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// How long each call may run; by default as long as it takes. Then its outcome is
    /// [`Error::TimedOut`], with the place where it stood.
    ///
    /// The calls of a map travel one by one then, since what a batch of them would take is not known.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// How many workers may be lost, and not back, at once; by default 32.
    ///
    /// Lost are those that were set aside (see [`grace`](PoolBuilder::grace)) and those that panicked in
    /// the host's own code. Each of them costs a thread and an interpreter. One more than that is not
    /// replaced; when no worker is left, the pool fails with [`Error::WorkerLost`].
    pub fn lost_limit(mut self, n: usize) -> Self {
        self.lost_limit = n;
        self
    }

    /// Counts the bytes that each worker's interpreter has in use, for
    /// [`Pool::stats`].
    ///
    /// What Python's own allocators hand out is counted, to the byte; what extension modules and libraries
    /// such as SQLite allocate by themselves is not. On the backend `interpreter` and on Linux alone.
    pub fn count_memory(mut self) -> Self {
        if matches!(self.memory, MemorySetting::NotCounted) {
            self.memory = MemorySetting::Counted(None);
        }
        self
    }

    /// How many bytes each worker's interpreter may have in use while a call runs; by default as many
    /// as there are. It is [counted](PoolBuilder::count_memory) then.
    ///
    /// An allocation beyond it fails, and the call sees `MemoryError`. Its neighbours see nothing, and the
    /// worker goes on with the next call, unless tasks have left so much behind that there is no
    /// room for one: then another worker takes its place. The interpreter's own 3 MB count, and small
    /// allocations may go 1 MiB beyond the limit, so that the exception can be dealt with.
    ///
    /// Code that swallows `MemoryError` and goes on for long at the limit can crash CPython; see
    /// `docs/compatibility.md`.
    pub fn memory_limit(mut self, n_bytes: usize) -> Self {
        self.memory = MemorySetting::Counted(Some(n_bytes));
        self
    }

    /// About how many calls a worker makes before another one takes its place, with an interpreter of
    /// its own; by default as many as there are. For code that leaks memory or leaves state behind.
    ///
    /// Before 3.14 CPython itself does not give all memory of an interpreter back: each that ends costs
    /// up to 2.5 MB (gh-110411, gh-113055). A batch is never cut, so that it may be some calls more.
    pub fn max_tasks_per_worker(mut self, n: u64) -> Self {
        self.max_tasks_per_worker = Some(n);
        self
    }

    /// A function that every worker calls once, before its first task.
    pub fn initializer<A: Serialize>(mut self, function: &Function, arguments: A) -> Self {
        self.initializer = Some(Batch::of_one(function, &arguments));
        self
    }

    /// A function that every worker calls once, after its last task. What it raises is logged.
    ///
    /// A worker that is lost does not call it.
    pub fn exit_hook<A: Serialize>(mut self, function: &Function, arguments: A) -> Self {
        self.exit_hook = Some(Batch::of_one(function, &arguments));
        self
    }

    /// Starts workers when there is work for them, not all at once.
    pub fn lazy(mut self) -> Self {
        self.is_lazy = true;
        self
    }

    /// Starts CPython if need be, and the workers, at once unless the pool is
    /// [`lazy`](PoolBuilder::lazy); returns when all are ready.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::Config`], and [`Error::Worker`] for an initializer that fails.
    pub fn build(self) -> Result<Pool> {
        let n_workers = match self.n_workers {
            Some(0) => return Err(Error::Config("a pool needs at least one worker".to_owned())),
            Some(n) => n,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        if self.queue_limit == 0 {
            return Err(Error::Config(
                "the queue must hold at least one call".to_owned(),
            ));
        }
        if self.max_tasks_per_worker == Some(0) {
            return Err(Error::Config(
                "a worker must make at least one call".to_owned(),
            ));
        }
        if let (MemorySetting::Counted(_), Backend::Thread) = (self.memory, self.backend) {
            let reason = "on the backend thread all workers share one interpreter, whose memory cannot be told apart";
            return Err(Error::Config(reason.to_owned()));
        }
        if let MemorySetting::Counted(Some(limit)) = self.memory
            && limit < MEMORY_LIMIT_MIN
        {
            return Err(Error::Config(format!(
                "a memory limit of {limit} bytes leaves no room for a task: an interpreter takes about 3 MB by itself"
            )));
        }
        self.extensions.check()?;
        let settings = Settings {
            n_workers,
            backend: self.backend,
            output: self.output,
            grace: self.grace,
            deadline: self.deadline,
            time_limit: self.time_limit,
            lost_limit: self.lost_limit,
            memory: self.memory,
            extensions: self.extensions,
            max_tasks_per_worker: self.max_tasks_per_worker,
            initializer: self.initializer.transpose()?,
            exit_hook: self.exit_hook.transpose()?,
        };
        // Before the workers, so that they need not wait for one another.
        runtime::start()?;
        let shared = Arc::new(Shared {
            queue: Queue::new(self.queue_limit),
            crew: Crew::default(),
            watch: Watch::new(),
            settled: Arc::default(),
            gate: Gate::default(),
            settings,
            desk: DeskNumber::new(),
        });
        let desk: Arc<dyn Desk> = Arc::clone(&shared) as _;
        shared.desk.open(Arc::downgrade(&desk));
        let pool = Pool { shared };
        if !self.is_lazy {
            let (ready, started) = unbounded();
            pool.shared.fill_seats(n_workers, Some(&ready))?;
            drop(ready);
            // On an error the workers that did start are retired by the pool's drop.
            for outcome in started.iter().take(n_workers) {
                outcome?;
            }
        }
        tracing::debug!(n_workers, backend = %self.backend, "pool started");
        Ok(pool)
    }
}
