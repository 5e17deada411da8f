//! PoolBuilder: the settings of a pool, and its start.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use owngil_ffi::STACK_SIZE;
use serde::Serialize;

use super::{Handle, Pool};
use crate::error::{Error, Result};
use crate::function::Function;
use crate::output::{Capture, OutputPolicy};
use crate::runtime;
use crate::task::{Batch, Job, Recipient, Results};
use crate::worker::{self, Backend, Lingering, Order, Queue, Worker};

/// The settings of a pool. Each has a default that suits most.
#[derive(Debug)]
pub struct PoolBuilder {
    n_workers: Option<usize>,
    backend: Backend,
    queue_limit: usize,
    output: OutputPolicy,
    grace: Duration,
    initializer: Option<Result<Batch>>,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        PoolBuilder {
            n_workers: None,
            backend: Backend::default(),
            queue_limit: 1024,
            output: OutputPolicy::default(),
            grace: Duration::from_secs(5),
            initializer: None,
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

    /// How long dropping the pool waits for calls that are running; by default 5 seconds.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// A function that every worker calls once, before its first task.
    pub fn initializer<A: Serialize>(mut self, function: &Function, arguments: A) -> Self {
        self.initializer = Some(Batch::of_one(function, &arguments));
        self
    }

    /// Starts CPython if need be, and the workers, at once; returns when all are ready.
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
        let initializer = self.initializer.transpose()?;
        // Before the workers, so that they need not wait for one another.
        runtime::start()?;
        let queue = Arc::new(Queue::new(self.queue_limit));
        let (ready, started) = unbounded();
        let mut pool = Pool {
            queue: Arc::clone(&queue),
            workers: Vec::with_capacity(n_workers),
            closed: RwLock::new(false),
            backend: self.backend,
            grace: self.grace,
        };
        for worker in 0..n_workers {
            let start = Start {
                worker,
                backend: self.backend,
                output: self.output.clone(),
                initializer: initializer.clone(),
                queue: Arc::clone(&queue),
                ready: ready.clone(),
            };
            pool.workers.push(start.spawn()?);
        }
        drop(ready);
        // On an error the workers that did start are retired by the pool's drop.
        for outcome in started.iter().take(n_workers) {
            outcome?;
        }
        tracing::debug!(n_workers, backend = %self.backend, "pool started");
        Ok(pool)
    }
}

/// What a worker's thread starts with.
struct Start {
    worker: usize,
    backend: Backend,
    output: OutputPolicy,
    initializer: Option<Batch>,
    queue: Arc<Queue>,
    ready: Sender<Result<()>>,
}

impl Start {
    fn spawn(self) -> Result<Handle> {
        let (orders, received) = unbounded();
        let untaken = received.clone();
        let ((serving, served), (living, ended)) = (bounded(0), bounded(0));
        let name = format!("owngil-{}", self.worker);
        let thread = thread::Builder::new().name(name).stack_size(STACK_SIZE);
        let own_orders = orders.clone();
        let spawned = thread.spawn(move || {
            let lingering = self.live(&received, &own_orders, serving);
            drop((living, own_orders));
            if let Some(last) = lingering {
                last();
            }
        });
        let spawned = spawned.map_err(|error| {
            Error::Config(format!("the system gave no thread for a worker: {error}"))
        })?;
        Ok(Handle {
            orders,
            thread: spawned.thread().clone(),
            untaken,
            served,
            ended,
        })
    }

    /// The life of the worker's thread; `serving` is dropped when it runs no more calls.
    fn live(
        self,
        orders: &Receiver<Order>,
        own_orders: &Sender<Order>,
        serving: Sender<()>,
    ) -> Option<Lingering> {
        let mut worker = match self.ready_worker(own_orders) {
            Ok(worker) => worker,
            Err(error) => {
                let _ = self.ready.send(Err(error));
                return None;
            }
        };
        let _ = self.ready.send(Ok(()));
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            worker::serve(&mut *worker, &self.queue, orders)
        })) {
            tracing::error!(worker = self.worker, "panicked, is replaced");
            drop(panic);
            // What the panic left behind is not to be trusted with an orderly end.
            std::mem::forget(worker);
            worker = self
                .ready_worker(own_orders)
                .unwrap_or_else(|error| Box::new(Broken(error)));
        }
        drop(serving);
        worker.retire()
    }

    /// A worker that has run its initializer; a sink may panic while it does.
    fn ready_worker(&self, orders: &Sender<Order>) -> Result<Box<dyn Worker>> {
        let made = catch_unwind(AssertUnwindSafe(|| self.make_ready(orders)));
        made.unwrap_or_else(|_| {
            Err(Error::Worker {
                worker: self.worker,
                source: Box::new(Error::WorkerLost("it panicked".to_owned())),
            })
        })
    }

    fn make_ready(&self, orders: &Sender<Order>) -> Result<Box<dyn Worker>> {
        let mut worker = worker::start(self.backend, Capture::new(self.output.clone()), orders)?;
        if let Some(initializer) = &self.initializer {
            let (collector, results) = unbounded();
            let recipient = Recipient::Collector(0, collector);
            worker.run(Job::new(initializer.clone(), recipient), &mut || None);
            let failure = results
                .iter()
                .try_for_each(|(_, results)| results.only_failure());
            if let Err(error) = failure {
                // What it lent went with its results.
                drop(worker.retire());
                return Err(Error::Worker {
                    worker: self.worker,
                    source: Box::new(error),
                });
            }
        }
        Ok(worker)
    }
}

/// What is left of a worker that could not be replaced: it tells so.
struct Broken(Error);

impl Worker for Broken {
    fn run(&mut self, job: Job, next: &mut dyn FnMut() -> Option<Job>) {
        let error = Error::WorkerLost(format!("it could not be replaced: {}", self.0));
        let mut job = Some(job);
        while let Some(Job { batch, promise }) = job {
            promise.keep(Results::all_failed(batch.len().max(1), &error));
            job = next();
        }
    }

    fn retire(self: Box<Self>) -> Option<Lingering> {
        None
    }
}
