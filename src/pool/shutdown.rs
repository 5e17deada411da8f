//! Shutdown: how a pool ends.
//!
//! A pool is *open*, then *closed*, then gone. It is closed under a lock that every submission takes
//! for reading, so no call slips in afterwards. Once closed, workers are told to drain the queue
//! (`shutdown`) or to stop where they are (`drop`). A worker leaves in two steps, each of which the
//! pool sees as the end of a channel:
//!
//! 1. *served*: it runs no more calls. Only a call that is running can delay this.
//! 2. *ended*: its interpreter has ended. Threads that Python code started can delay this, since
//!    CPython joins them.
//!
//! Waiting for 2 is always limited; waiting for 1 is as long as the caller chose. What is left in the
//! queue then is dropped, which tells the submitters. A worker that did not end is left behind with
//! its thread: it touches nothing of the pool's, and the process can end over it.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::Pool;
use crate::error::{Error, Result};
use crate::worker::Order;

impl Pool {
    /// Takes no more calls, runs those that are queued, and ends the workers.
    ///
    /// It returns when the last call has ended, however long that takes; see
    /// [`shutdown_within`](Pool::shutdown_within) for a limit. Interpreters get
    /// [`PoolBuilder::grace`](super::PoolBuilder::grace) to end.
    pub fn shutdown(&self) {
        self.close(Order::drain);
        self.await_served(None);
        self.finish();
    }

    /// As [`shutdown`](Pool::shutdown), but waits no longer than this for the calls; those that are
    /// still queued then are cancelled, and workers that are still busy are left behind.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when calls were cancelled or left behind.
    pub fn shutdown_within(&self, limit: Duration) -> Result<()> {
        self.close(Order::drain);
        let in_time = self.await_served(Instant::now().checked_add(limit));
        if !in_time {
            self.order_all(Order::stop);
        }
        self.finish();
        if in_time {
            Ok(())
        } else {
            Err(Error::TimedOut)
        }
    }

    fn close(&self, order: fn() -> Order) {
        let mut closed = self
            .closed
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *closed = true;
        drop(closed);
        self.order_all(order);
    }

    fn order_all(&self, order: fn() -> Order) {
        for worker in &self.workers {
            // One that has ended needs no order.
            let _ = worker.give(order());
        }
    }

    /// Whether all workers have stopped running calls in time.
    fn await_served(&self, deadline: Option<Instant>) -> bool {
        self.workers
            .iter()
            .all(|worker| ended_by(&worker.served, deadline))
    }

    /// Gives what is left in the queues its outcome, and the interpreters their time to end.
    fn finish(&self) {
        while let Some(job) = self.queue.take() {
            drop(job);
        }
        let now = Instant::now();
        let deadline = now.checked_add(self.grace);
        for (number, worker) in self.workers.iter().enumerate() {
            let is_done = ended_by(&worker.served, Some(now));
            if !is_done {
                // Its calls have outcomes too; what is for it alone it may never take.
                while let Ok(order) = worker.untaken.try_recv() {
                    drop(order);
                }
                let _ = worker.give(Order::Stop);
            }
            if !is_done || !ended_by(&worker.ended, deadline) {
                tracing::warn!(worker = number, "left behind: it did not end in time");
            }
        }
    }
}

impl Order {
    fn drain() -> Order {
        Order::Drain
    }

    fn stop() -> Order {
        Order::Stop
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close(Order::stop);
        // Before waiting for anyone: whoever waits for a queued call should know at once.
        while let Some(job) = self.queue.take() {
            drop(job);
        }
        self.await_served(Instant::now().checked_add(self.grace));
        self.finish();
    }
}

/// Waits for the end of a channel on which nothing is sent.
fn ended_by(channel: &Receiver<()>, deadline: Option<Instant>) -> bool {
    match deadline {
        None => channel.recv().is_err(),
        Some(deadline) => channel.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected),
    }
}
