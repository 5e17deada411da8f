//! Supervisor: the workers of a pool, and how they are replaced.
//!
//! Each place in a pool is held by one worker after another. A worker leaves its place when it is ordered to, when it
//! has made as many calls as it may, when it panics (code of the host, such as a sink, runs on its thread), or when it
//! is *abandoned*: the job that it runs does not stop, so another worker takes its place at once. If that job ends
//! after all, the abandoned worker retires quietly.
//!
//! Each worker that is lost costs a thread and an interpreter until it ends, so their number is limited. A place whose
//! worker cannot be replaced stays empty. When all are empty, the pool fails, and every call that waits or is submitted
//! gets that error.
//!
//! This file has the workers; `replace` starts and replaces them, and `worker_thread` is what each of them runs.

mod replace;
mod worker_thread;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::error::{Error, Result};
use crate::monitor::{JobMonitor, WorkerCounters};
use crate::worker::Order;

/// The workers of a pool.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    workers: RwLock<Vec<Handle>>,
    /// Those that were abandoned, or panicked.
    abandoned: RwLock<Vec<Handle>>,
    /// Those that were replaced because they are exhausted or their process died, and may not have ended yet.
    retiring: RwLock<Vec<Handle>>,
    /// Places that are empty for good.
    n_empty: AtomicUsize,
    /// How many workers have been started, to be read without the lock.
    n_started: AtomicUsize,
    n_ready: AtomicUsize,
}

/// A pool's hold on one of its workers.
#[derive(Debug)]
pub(super) struct Handle {
    orders: Sender<Order>,
    /// To be woken for an order.
    thread: Thread,
    /// For taking back what a worker that is left behind will never take.
    untaken: Receiver<Order>,
    /// Disconnected once the worker runs no more calls.
    pub(super) served: Receiver<()>,
    /// Disconnected once its interpreter has ended too.
    pub(super) ended: Receiver<()>,
    pub(super) monitor: Arc<JobMonitor>,
    /// What its predecessors have done.
    pub(super) before: WorkerCounters,
    /// How many of them were lost.
    pub(super) n_restarts: u64,
}

/// Why a worker leaves its place without an order.
#[derive(Clone, Copy, Debug)]
enum Departure {
    /// It has made as many calls as it may.
    Exhausted,
    /// Its process is gone, and nothing is left of it.
    Died,
    /// It is lost, for this reason, and its thread and its interpreter with it.
    Stuck(&'static str),
}

impl Handle {
    pub(super) fn give(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| Error::ShutDown)?;
        self.thread.unpark();
        Ok(())
    }

    /// What the worker has not taken and never will.
    pub(super) fn take_back_orders(&self) -> impl Iterator<Item = Order> + '_ {
        self.untaken.try_iter()
    }

    fn is_gone(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }
}

impl Supervisor {
    /// The workers, one for each place that was taken.
    pub(super) fn workers(&self) -> RwLockReadGuard<'_, Vec<Handle>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers_mut(&self) -> RwLockWriteGuard<'_, Vec<Handle>> {
        self.workers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker with that monitor still has its place.
    fn has(&self, monitor: &Arc<JobMonitor>) -> bool {
        self.workers()
            .iter()
            .any(|worker| Arc::ptr_eq(&worker.monitor, monitor))
    }

    /// The monitors of the workers' jobs.
    pub(super) fn monitors(&self) -> Vec<Arc<JobMonitor>> {
        let workers = self.workers();
        let monitors = workers.iter().map(|worker| Arc::clone(&worker.monitor));
        monitors.collect()
    }

    /// How many workers have been started.
    pub(super) fn n_started(&self) -> usize {
        self.n_started.load(Ordering::Relaxed)
    }

    /// How many of those were ready at some time.
    fn n_ready(&self) -> usize {
        self.n_ready.load(Ordering::Relaxed)
    }

    /// The ends of workers that were replaced and have yet to end.
    pub(super) fn retiring(&self) -> Vec<Receiver<()>> {
        let retiring = self.retiring.read().unwrap_or_else(PoisonError::into_inner);
        retiring.iter().map(|handle| handle.ended.clone()).collect()
    }

    /// How many are lost and have not ended.
    pub(super) fn n_lost(&self) -> usize {
        let mut abandoned = self
            .abandoned
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(|handle| !handle.is_gone());
        abandoned.len()
    }
}
