//! WorkerThread: the life of one worker of a pool, from its start to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use owngil_ffi::catch;

use super::Departure;
use crate::error::{Error, Result};
use crate::monitor::JobMonitor;
use crate::pool::shared::Shared;
use crate::task::{Batch, Collector, Job, Recipient};
use crate::worker::{self, Back, Forwarder, Left, Lingering, Order, Worker};

/// After how long a worker that is to replace another and failed to start tries again.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// What a worker's thread starts with.
pub(super) struct WorkerThread {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) monitor: Arc<JobMonitor>,
    pub(super) received: Receiver<Order>,
    pub(super) orders: Sender<Order>,
}

impl WorkerThread {
    /// Runs the worker to its end. `serving` is dropped when it runs no more calls.
    pub(super) fn run(
        self,
        ready: Option<Sender<Result<()>>>,
        serving: Sender<()>,
    ) -> Option<Lingering> {
        let _in_worker = tracing::debug_span!("worker", worker = self.index).entered();
        let mut worker = self.started(ready.as_ref())?;
        let life = Life::start(&self.monitor);
        self.allow_moves();
        drop(ready.map(|ready| ready.send(Ok(()))));
        let left = catch(|| self.serve(&mut *worker));
        let is_sound = matches!(left, Some(Left::Ordered | Left::Exhausted));
        self.leave(left);
        drop((serving, life));
        let ended = catch(|| {
            if let (true, Some(hook)) = (is_sound, &self.shared.settings.exit_hook)
                && let Err(error) = run_alone(&mut *worker, hook)
            {
                tracing::warn!(worker = self.index, %error, "the exit hook failed");
            }
            worker.retire()
        });
        tracing::debug!(worker = self.index, "worker retired");
        ended.unwrap_or_default()
    }

    /// A worker that is ready. If it fails to start, the error goes to `ready`, or its place stays empty.
    fn started(&self, ready: Option<&Sender<Result<()>>>) -> Option<Box<dyn Worker>> {
        let made = match ready {
            Some(_) => self.ready_worker(),
            // No caller waits, and what an initializer needs may be back in a moment.
            None => self.ready_worker_at_last(),
        };
        match made {
            Ok(worker) => {
                self.shared
                    .supervisor
                    .n_ready
                    .fetch_add(1, Ordering::Relaxed);
                tracing::debug!(worker = self.index, "worker ready");
                Some(worker)
            }
            Err(error) => {
                match ready {
                    Some(ready) => drop(ready.send(Err(error))),
                    None => self.shared.leave_empty(&self.monitor, error),
                }
                None
            }
        }
    }

    /// From now on a call that cannot run here moves to the fallback, if there is one.
    ///
    /// Not before the worker is ready: where the initializer cannot run, the worker cannot.
    fn allow_moves(&self) {
        if self.shared.fallback.is_none() {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        self.monitor.set_elsewhere(move |job, reason| {
            // Without a pool the job is dropped, which cancels it.
            if let Some(shared) = shared.upgrade() {
                shared.move_on(job, reason);
            }
        });
    }

    fn serve(&self, worker: &mut dyn Worker) -> Left {
        let due = |when| self.shared.watchdog.note(when);
        let back = |back| match back {
            Back::Queued(job) => self.shared.give_back(job),
            Back::Own(job) => {
                let _ = self.orders.send(Order::Run(job));
            }
        };
        let n_calls = self.shared.settings.max_tasks_per_worker;
        let queue = &self.shared.queue;
        worker::serve(worker, queue, &self.received, &due, &back, n_calls)
    }

    /// Leaves the place in the pool; `left` is `None` after a panic.
    fn leave(&self, left: Option<Left>) {
        match left {
            Some(Left::Ordered) => {}
            Some(Left::Exhausted) => {
                tracing::debug!(worker = self.index, "exhausted, is replaced");
                self.shared.replace(&self.monitor, Departure::Exhausted);
            }
            Some(Left::Lost) => self.shared.replace(&self.monitor, Departure::Died),
            None => {
                tracing::error!(worker = self.index, "panicked, is replaced");
                self.monitor.lose(&Error::lost("it panicked"));
                self.shared
                    .replace(&self.monitor, Departure::Stuck("it panicked"));
            }
        }
    }

    /// A worker that is ready at the first attempt, or the next ones. Where the initializer cannot run in an interpreter,
    /// it is one that moves what it takes to the fallback.
    fn ready_worker_at_last(&self) -> Result<Box<dyn Worker>> {
        let mut made = self.ready_worker();
        for pause in PAUSES {
            let Err(error) = &made else { break };
            if let (Some(_), Some(reason)) = (&self.shared.fallback, error.needs_process()) {
                tracing::warn!(worker = self.index, %error, "moves all that it takes");
                let monitor = Arc::clone(&self.monitor);
                return Ok(Box::new(Forwarder::new(monitor, reason)));
            }
            tracing::warn!(worker = self.index, %error, "not ready, tries again");
            thread::sleep(pause);
            made = self.ready_worker();
        }
        made
    }

    /// A worker that has run its initializer; a sink may panic while it does.
    fn ready_worker(&self) -> Result<Box<dyn Worker>> {
        catch(|| self.make_ready()).unwrap_or_else(|| {
            Err(Error::Worker {
                worker: self.index,
                source: Box::new(Error::lost("it panicked")),
            })
        })
    }

    fn make_ready(&self) -> Result<Box<dyn Worker>> {
        let settings = &self.shared.settings;
        let monitor = Arc::clone(&self.monitor);
        let mut worker = worker::start(&settings.worker, monitor, &self.orders)?;
        if let Some(initializer) = &settings.initializer
            && let Err(error) = run_alone(&mut *worker, initializer)
        {
            // What it lent went with its results.
            drop(worker.retire());
            return Err(Error::Worker {
                worker: self.index,
                source: Box::new(error),
            });
        }
        Ok(worker)
    }
}

/// The time between a worker's start and its end, during which it counts what it does.
struct Life<'p>(&'p JobMonitor);

impl<'p> Life<'p> {
    fn start(monitor: &'p JobMonitor) -> Life<'p> {
        monitor.start_life();
        Life(monitor)
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.0.end_life();
    }
}

/// Runs a batch on a worker that is not in service.
fn run_alone(worker: &mut dyn Worker, batch: &Batch) -> Result<()> {
    let (collector, results) = Collector::new();
    let job = Job::new(batch.clone(), Recipient::Collector(0, collector));
    let lost = || Error::lost("its process ended before it began");
    worker.run(job, &|_| (), &mut || None, &|back| match back {
        Back::Queued(job) | Back::Own(job) => job.fail(&lost()),
    });
    results
        .iter()
        .try_for_each(|(_, results)| results.only_failure())
}
