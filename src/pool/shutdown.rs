//! Shutdown: how a pool ends.
//!
//! A pool is *open*, then *draining* or *stopping*, then gone. It is closed under a lock that every
//! submission takes for reading, so no call slips in afterwards. Once closed, workers are told to drain
//! the queue (`shutdown`) or to stop where they are (`cancel`, `drop`); what runs is interrupted when it
//! is to stop. A worker leaves in two steps, each of which the pool sees as the end of a channel:
//!
//! 1. *served*: it runs no more calls. Only a call that is running can delay this.
//! 2. *ended*: its interpreter has ended. Threads that Python code started can delay this, since
//!    CPython joins them.
//!
//! Waiting for 2 is always limited; waiting for 1 is as long as the caller chose. What is left in the
//! queue then is dropped, and what still runs is told to be cancelled, so every call has its outcome. A
//! worker that did not end is left behind with its thread: it touches nothing of the pool's, and the
//! process can end over it. A worker that was set aside before is not waited for.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::{Gate, Pool, Shared};
use crate::error::{Error, Result};
use crate::post::Target;
use crate::task::Why;
use crate::worker::Order;

/// How long a call may go on before it is interrupted because its pool ends.
const SHORT: Duration = Duration::from_millis(20);

impl Pool {
    /// Takes no more calls, runs those that are queued, and ends the workers.
    ///
    /// It returns when the last call has ended, however long that takes; see
    /// [`shutdown_within`](Pool::shutdown_within) for a limit, and [`cancel`](Pool::cancel) for none at
    /// all. Interpreters get [`PoolBuilder::grace`](super::PoolBuilder::grace) to end.
    pub fn shutdown(&self) {
        self.shared.drain();
        self.shared.await_served(None);
        self.shared.finish();
    }

    /// As [`shutdown`](Pool::shutdown), but waits no longer than this for the calls; then it cancels
    /// those that are left, as [`cancel`](Pool::cancel) does.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when calls were cancelled.
    pub fn shutdown_within(&self, limit: Duration) -> Result<()> {
        self.shared.drain();
        if self.shared.await_served(Instant::now().checked_add(limit)) {
            self.shared.finish();
            return Ok(());
        }
        self.cancel();
        Err(Error::TimedOut(None))
    }

    /// Takes no more calls, drops those that are queued, interrupts those that run, and ends the
    /// workers.
    ///
    /// It returns within about twice [`PoolBuilder::grace`](super::PoolBuilder::grace). Calls that were
    /// not done have the outcome [`Error::Cancelled`]; workers whose call does not stop are left behind.
    pub fn cancel(&self) {
        self.shared.stop();
        let now = Instant::now();
        // Short calls end by themselves.
        if !self.shared.await_served(now.checked_add(SHORT)) {
            self.shared.request(Target::All, Why::Cancelled);
            let grace = self.shared.settings.grace;
            self.shared.await_served(now.checked_add(grace));
        }
        self.shared.finish();
    }
}

impl Shared {
    fn drain(&self) {
        self.close(Gate::Draining);
        self.order_all(|| Order::Drain);
    }

    fn stop(self: &Arc<Shared>) {
        self.close(Gate::Stopping);
        self.order_all(|| Order::Stop);
        // Before waiting for anyone: whoever waits for a queued call should know at once.
        self.drop_queued();
    }

    fn close(&self, to: Gate) {
        {
            let mut gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            match (&*gate, &to) {
                (Gate::Open, _) | (Gate::Draining, Gate::Stopping) => *gate = to,
                _ => {}
            }
        }
        self.queue.wake_blocked();
    }

    fn order_all(&self, order: fn() -> Order) {
        for worker in self.crew.seats().iter() {
            // One that has ended needs no order.
            let _ = worker.give(order());
        }
    }

    fn drop_queued(&self) {
        while let Some(job) = self.queue.take() {
            drop(job);
        }
    }

    /// Whether all workers have stopped running calls in time, those included that take others' seats
    /// meanwhile.
    fn await_served(&self, deadline: Option<Instant>) -> bool {
        loop {
            let serving: Vec<Receiver<()>> = {
                let seats = self.crew.seats();
                let serving = seats.iter().map(|seat| seat.served.clone());
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
        self.close(Gate::Stopping);
        self.drop_queued();
        let now = Instant::now();
        let deadline = now.checked_add(self.settings.grace);
        let mut n_left = 0;
        for (number, worker) in self.crew.seats().iter().enumerate() {
            let is_done = ended_by(&worker.served, Some(now));
            if !is_done {
                // Its calls have outcomes too; what is for it alone it may never take.
                worker.take_back_orders().for_each(drop);
                let _ = worker.give(Order::Stop);
                if let Some(seen) = worker.post.look() {
                    worker.post.tell(seen.epoch, Why::Cancelled);
                }
            }
            if !is_done || !ended_by(&worker.ended, deadline) {
                n_left += 1;
                tracing::warn!(worker = number, "left behind: it did not end in time");
            }
        }
        for ended in self.crew.retiring() {
            n_left += u32::from(!ended_by(&ended, deadline));
        }
        self.watch.end();
        self.desk.close();
        tracing::debug!(n_left, "pool ended");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Waits for the end of a channel on which nothing is sent.
fn ended_by(channel: &Receiver<()>, deadline: Option<Instant>) -> bool {
    match deadline {
        None => channel.recv().is_err(),
        Some(deadline) => channel.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected),
    }
}
