//! Shutdown: how a pool ends.
//!
//! A pool is in one of four states, which its [`Admission`](super::admission::Admission) holds. Every submission holds
//! that for reading while it queues its job, and every change of state holds it alone: so what is queued
//! was queued before the change, and nothing is added after it.
//!
//! - *Open*: calls are taken. A change wakes all that wait for room in the queue, and they look again.
//! - *Draining*: no more calls are taken ([`Error::ShutDown`]).
//! - *Stopping*: the same, and what was taken is given up.
//! - *Failed*: no worker is left; submitting returns the reason ([`Error::WorkerLost`]).
//!
//! What moves it, and what becomes of calls that are queued, that run, and whose worker was abandoned:
//!
//! - Open to draining: [`Pool::shutdown`] and [`Pool::shutdown_within`]. *Queued*: each worker, when
//!   what it runs has ended, takes from the queue until that is empty, and leaves. *Running*: goes on;
//!   deadlines and limits hold as before. A worker that is exhausted, panics or is abandoned meanwhile is
//!   replaced as before, and the one that replaces it is ordered to drain. *Abandoned*: not waited for.
//! - Open or draining to stopping: [`Pool::cancel`] and the drop of the last handle; `shutdown_within` when its time is
//!   up; and each of them at its end, for what is left. *Queued*: dropped, which gives them their outcome
//!   ([`Error::Cancelled`]); so is what was queued for one worker alone and never taken by it. *Running*: left
//!   alone for [`SHORT`], then interrupted, and cancelled at the latest when the grace is over.
//!   No worker is replaced any more: one that does not end is left behind. *Abandoned*: as before.
//! - Open or draining to failed: the last worker that could not be replaced, from its own thread or the watchdog's.
//!   *Queued*: they get the error. *Running*: nothing is, but calls whose workers were abandoned. *Abandoned*: they
//!   had their outcome when their workers were.
//! - Stopping and failed are final. A pool that has failed can still be shut down: it stays failed, there
//!   is nothing to wait for, and its threads end.
//!
//! A worker leaves in two steps. The pool sees each as the end of a channel:
//!
//! 1. *served*: it runs no more calls. Only a call that is running can delay this.
//! 2. *ended*: its interpreter has ended. Threads that Python code started can delay this, since
//!    CPython joins them.
//!
//! Waiting for 2 is always limited, by the grace; waiting for 1 is as long as the caller chose: without
//! limit (`shutdown`), with one (`shutdown_within`), or the grace (`cancel`). After that every call has
//! its outcome. A worker that was replaced for its age has the grace too. One that did not end is left
//! behind with its thread: it touches nothing of the pool's, and the process can end over it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::Pool;
use super::admission::PoolState;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::monitor::Target;
use crate::task::Why;
use crate::worker::Order;

/// How long a call may go on before it is interrupted because its pool ends.
const SHORT: Duration = Duration::from_millis(20);

impl Pool {
    /// Stops accepting calls, runs those that are queued, and ends the workers.
    ///
    /// It returns when the last call has ended, however long that takes. For a limit, use
    /// [`shutdown_within`](Pool::shutdown_within); to drop the calls, use [`cancel`](Pool::cancel). Interpreters get
    /// [`PoolBuilder::grace`](super::PoolBuilder::grace) to end.
    pub fn shutdown(&self) {
        self.shared.drain(None);
        self.shared.finish_all();
    }

    /// Like [`shutdown`](Pool::shutdown), but waits at most `limit` for the calls, and then cancels the rest, as
    /// [`cancel`](Pool::cancel) does.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when calls were cancelled.
    pub fn shutdown_within(&self, limit: Duration) -> Result<()> {
        if self.shared.drain(Instant::now().checked_add(limit)) {
            self.shared.finish_all();
            return Ok(());
        }
        self.cancel();
        Err(Error::timed_out(None))
    }

    /// Stops accepting calls, drops those that are queued, interrupts those that run, and ends the workers.
    ///
    /// It returns within about twice [`PoolBuilder::grace`](super::PoolBuilder::grace). Unfinished calls have the
    /// outcome [`Error::Cancelled`]. Workers whose call does not stop are left behind.
    pub fn cancel(&self) {
        self.shared.cancel_all();
    }
}

impl Shared {
    /// See [`Pool::cancel`].
    pub(super) fn cancel_all(self: &Arc<Shared>) {
        self.parts().for_each(|part| part.stop());
        let now = Instant::now();
        let served_by = |deadline| self.parts().all(|part| part.await_served(deadline));
        // Short calls end by themselves.
        if !served_by(now.checked_add(SHORT)) {
            self.request(Target::All, Why::Cancelled);
            served_by(now.checked_add(self.settings.grace));
        }
        self.finish_all();
    }

    /// Takes no more calls, and has those run that are queued; whether all have ended by then.
    ///
    /// The fallback is last: the others may have calls for it until they have ended.
    fn drain(self: &Arc<Shared>, deadline: Option<Instant>) -> bool {
        self.admission.close(&self.queue, PoolState::Draining);
        self.order_all(|| Order::Drain);
        let served = self.await_served(deadline);
        match self.fallback() {
            Some(fallback) if served => fallback.drain(deadline),
            _ => served,
        }
    }

    fn finish_all(self: &Arc<Shared>) {
        self.parts().for_each(Shared::finish);
    }

    fn stop(self: &Arc<Shared>) {
        self.admission.close(&self.queue, PoolState::Stopping);
        self.order_all(|| Order::Stop);
        // Before waiting for anyone: callers that wait for a queued call should know at once.
        self.drop_queued();
    }

    fn order_all(&self, order: fn() -> Order) {
        for worker in self.supervisor.workers().iter() {
            // One that has ended needs no order.
            let _ = worker.give(order());
        }
    }

    fn drop_queued(&self) {
        while let Some(job) = self.queue.take() {
            drop(job);
        }
    }

    /// Whether all workers have stopped running calls in time, those included that take others' places
    /// meanwhile.
    fn await_served(&self, deadline: Option<Instant>) -> bool {
        loop {
            let serving: Vec<Receiver<()>> = {
                let workers = self.supervisor.workers();
                let serving = workers.iter().map(|worker| worker.served.clone());
                serving
                    .filter(|served| served.try_recv() != Err(TryRecvError::Disconnected))
                    .collect()
            };
            if serving.is_empty() {
                return true;
            }
            if !serving.iter().all(|served| ended_by(served, deadline)) {
                return false;
            }
        }
    }

    /// Gives what is left its outcome, and the interpreters their time to end.
    fn finish(self: &Arc<Shared>) {
        self.admission.close(&self.queue, PoolState::Stopping);
        self.drop_queued();
        let now = Instant::now();
        let deadline = now.checked_add(self.settings.grace);
        let mut n_left = 0;
        for (number, worker) in self.supervisor.workers().iter().enumerate() {
            let is_done = ended_by(&worker.served, Some(now));
            // What is for it alone it may never take.
            worker.take_back_orders().for_each(drop);
            if !is_done {
                // Its calls have outcomes too.
                let _ = worker.give(Order::Stop);
                if let Some(seen) = worker.monitor.look() {
                    worker.monitor.report(seen.epoch, Why::Cancelled);
                }
            }
            if !is_done || !ended_by(&worker.ended, deadline) {
                n_left += 1;
                tracing::warn!(worker = number, "left behind: it did not end in time");
            }
        }
        for ended in self.supervisor.retiring() {
            n_left += u32::from(!ended_by(&ended, deadline));
        }
        self.watchdog.end();
        self.cancel_target.close();
        tracing::debug!(n_left, "pool ended");
    }
}

/// Waits for the end of a channel on which nothing is sent.
fn ended_by(channel: &Receiver<()>, deadline: Option<Instant>) -> bool {
    match deadline {
        None => channel.recv().is_err(),
        Some(deadline) => channel.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected),
    }
}
