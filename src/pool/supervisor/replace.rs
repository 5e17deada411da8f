//! Replace: how the workers of a pool are started and replaced.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded, unbounded};
use owngil_ffi::STACK_SIZE;

use super::worker_thread::WorkerThread;
use super::{Departure, Handle};
use crate::error::{Error, Result, WorkerLost};
use crate::monitor::{JobMonitor, WorkerCounters};
use crate::output::Capture;
use crate::pool::admission::PoolState;
use crate::pool::shared::Shared;
use crate::task::Job;
use crate::worker::Order;

impl Shared {
    /// Starts workers until there are `n`.
    pub(crate) fn start_workers(
        self: &Arc<Shared>,
        n: usize,
        ready: Option<&Sender<Result<()>>>,
    ) -> Result<()> {
        let mut workers = self.supervisor.workers_mut();
        while workers.len() < n {
            let handle = self.spawn(workers.len(), ready.cloned())?;
            workers.push(handle);
            self.supervisor
                .n_started
                .store(workers.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Starts the first worker of a lazy pool for a job that was just queued. Further ones start when a job has
    /// waited for a moment.
    #[cold]
    pub(crate) fn grow(self: &Arc<Shared>) -> Result<()> {
        if self.supervisor.n_started() == 0 {
            return self.start_workers(1, None);
        }
        self.look_at_queue_soon();
        Ok(())
    }

    /// Starts another worker of a lazy pool, if there are more jobs than workers that are starting. Returns whether
    /// to look again.
    pub(crate) fn grow_for_waiting(self: &Arc<Shared>) -> bool {
        let admission = self.admission.state();
        let (n_started, n_ready) = (self.supervisor.n_started(), self.supervisor.n_ready());
        if admission.is_over() || n_started >= self.settings.n_workers || self.queue.is_empty() {
            return false;
        }
        if self.queue.len() > n_started.saturating_sub(n_ready) {
            if let Err(error) = self.start_workers(n_started + 1, None) {
                tracing::error!(%error, "no further worker could be started");
            } else if matches!(*admission, PoolState::Draining) {
                // The others have their order, and this one would wait for calls for ever.
                let workers = self.supervisor.workers();
                let _ = workers[n_started].give(Order::Drain);
            }
        }
        true
    }

    /// Replaces a worker whose job does not stop, unless it has left its place by itself. A worker process is killed.
    pub(crate) fn abandon(self: &Arc<Shared>, monitor: &Arc<JobMonitor>) {
        let Some(remote) = monitor.remote() else {
            return self.replace(monitor, Departure::Stuck("a call does not stop"));
        };
        if self.supervisor.has(monitor) {
            let process = remote.process();
            tracing::warn!(process, "a call does not stop: its worker is killed");
            remote.kill();
        }
        self.replace(monitor, Departure::Died);
    }

    /// Gives back to the queue what a worker has taken and not begun.
    pub(super) fn give_back(&self, job: Job) {
        self.queue.give_back(job);
        if self.admission.state().is_over() {
            // No worker takes it any more. Dropping it cancels it.
            while let Some(job) = self.queue.take() {
                drop(job);
            }
        }
    }

    /// Replaces the worker with that monitor, unless it has left its place.
    pub(super) fn replace(self: &Arc<Shared>, monitor: &Arc<JobMonitor>, departure: Departure) {
        let admission = self.admission.state();
        let n_lost = self.supervisor.n_lost();
        let mut workers = self.supervisor.workers_mut();
        let Some(index) = workers
            .iter()
            .position(|worker| Arc::ptr_eq(&worker.monitor, monitor))
        else {
            return;
        };
        if let Departure::Stuck(why) = departure {
            tracing::warn!(
                worker = monitor.worker(),
                "{why}: another one takes its place"
            );
        }
        if admission.is_over() {
            return;
        }
        let made = match departure {
            Departure::Stuck(why) if n_lost >= self.settings.lost_limit => Err(Error::lost(
                format!("{why}, and {n_lost} workers are lost already, as many as may be"),
            )),
            _ => self.spawn(index, None),
        };
        let handle = match made {
            Ok(handle) => handle,
            Err(error) => {
                let _ = workers[index].give(Order::Stop);
                drop((workers, admission));
                self.leave_empty(monitor, error);
                return;
            }
        };
        if matches!(*admission, PoolState::Draining) {
            let _ = handle.give(Order::Drain);
        }
        let old = succeed(&mut workers[index], handle, departure);
        drop(workers);
        let list = match departure {
            Departure::Stuck(_) => &self.supervisor.abandoned,
            Departure::Exhausted | Departure::Died => &self.supervisor.retiring,
        };
        let mut list = list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|handle| !handle.is_gone());
        list.push(old);
    }

    /// Gives up the place of a worker that cannot be replaced. With the last one, the pool fails.
    pub(super) fn leave_empty(&self, monitor: &Arc<JobMonitor>, error: Error) {
        tracing::error!(%error, "a worker is lost and not replaced");
        let orders: Vec<Order> = {
            let workers = self.supervisor.workers();
            let worker = workers
                .iter()
                .find(|worker| Arc::ptr_eq(&worker.monitor, monitor));
            worker
                .map(|worker| worker.take_back_orders().collect())
                .unwrap_or_default()
        };
        // What was for that worker alone.
        for order in orders {
            if let Order::Run(job) = order {
                job.fail(&error);
            }
        }
        let n_empty = self.supervisor.n_empty.fetch_add(1, Ordering::SeqCst) + 1;
        // Of a lazy pool, those that were not started would fare no better.
        if n_empty >= self.supervisor.n_started() {
            let mut reason = format!("no worker is left in the pool: {error}");
            if let Error::Worker { source, .. } = &error
                && !matches!(**source, Error::Python(_))
            {
                reason.push_str(&format!("\ncaused by: {source}"));
            }
            let lost = WorkerLost::new(reason).caused_by(error.python().cloned());
            self.admission.fail(&self.queue, lost.into());
        }
    }

    /// Starts the worker with that index in the pool.
    fn spawn(
        self: &Arc<Shared>,
        index: usize,
        ready: Option<Sender<Result<()>>>,
    ) -> Result<Handle> {
        let (orders, received) = unbounded();
        let untaken = received.clone();
        let ((serving, served), (living, ended)) = (bounded(0), bounded(0));
        let number = self.settings.first_worker + index;
        let name = format!("owngil-{number}");
        let thread = thread::Builder::new().name(name).stack_size(STACK_SIZE);
        let monitor = JobMonitor::new(
            number,
            Capture::of_worker(number, self.settings.output.clone()),
            &self.early_outcomes,
        );
        let shared = Arc::downgrade(self);
        monitor.set_wake(move |when| {
            if let Some(shared) = shared.upgrade() {
                shared.start_watchdog();
                shared.watchdog.note(when);
            }
        });
        let worker = WorkerThread {
            shared: Arc::clone(self),
            index,
            monitor: Arc::clone(&monitor),
            received,
            orders: orders.clone(),
        };
        let spawned = thread.spawn(move || {
            let lingering = worker.run(ready, serving);
            drop(living);
            if let Some(last) = lingering {
                last();
            }
        });
        let spawned = spawned.map_err(|error| {
            Error::config(format!("the system gave no thread for a worker: {error}"))
        })?;
        Ok(Handle {
            orders,
            thread: spawned.thread().clone(),
            untaken,
            served,
            ended,
            monitor,
            before: WorkerCounters::default(),
            n_restarts: 0,
        })
    }
}

/// Puts a worker in the place of another, with its counters and the jobs that were ordered of it. Stops the old one
/// and returns it.
fn succeed(place: &mut Handle, mut new: Handle, departure: Departure) -> Handle {
    new.before = place.before.clone();
    new.before.add(&place.monitor.counters().0);
    new.n_restarts = place.n_restarts + u64::from(!matches!(departure, Departure::Exhausted));
    let old = std::mem::replace(place, new);
    for order in old.take_back_orders() {
        if matches!(order, Order::Run(_)) {
            let _ = place.give(order);
        }
    }
    let _ = old.give(Order::Stop);
    old
}
