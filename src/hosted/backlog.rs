//! Backlog: calls that wait for room in the pool's queue.
//!
//! A host submits without waiting, while the queue is bounded. What does not fit waits here, in order, and a thread that
//! ends when nothing is left puts it into the queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::function::Function;
use crate::pool::Pool;
use crate::task::Job;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    state: Mutex<State>,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<(Function, Job)>,
    /// Whether a thread puts them into the queue. It may have one of them in its hand.
    is_served: bool,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, behind those that wait.
    ///
    /// # Errors
    ///
    /// Where the pool takes no more calls.
    pub(super) fn give(
        self: &Arc<Backlog>,
        pool: &Pool,
        function: Function,
        job: Job,
    ) -> Result<()> {
        let mut state = self.lock();
        if !state.is_served {
            let Some(refused) = pool.try_give(&function, job)? else {
                return Ok(());
            };
            state.jobs.push_back((function, refused));
            let (backlog, pool) = (Arc::clone(self), pool.clone());
            let thread = thread::Builder::new().name("owngil-backlog".to_owned());
            let started = thread.spawn(move || backlog.serve(&pool));
            return match started {
                Ok(_) => {
                    state.is_served = true;
                    Ok(())
                }
                Err(error) => {
                    state.jobs.clear();
                    Err(Error::config(format!(
                        "the system gave no thread for calls that wait: {error}"
                    )))
                }
            };
        }
        state.jobs.push_back((function, job));
        Ok(())
    }

    fn serve(&self, pool: &Pool) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.jobs.pop_front();
                state.is_served = next.is_some();
                next
            };
            let Some((function, job)) = next else {
                self.emptied.notify_all();
                return;
            };
            // A job that the pool does not take has reported its outcome.
            let _ = pool.give(&function, job);
        }
    }

    /// Drops what waits: each call has the outcome that it was cancelled.
    pub(super) fn clear(&self) {
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    /// Waits until nothing waits here, but no longer than this; says whether that is so.
    pub(super) fn await_empty(&self, limit: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .emptied
            .wait_timeout_while(state, limit, |state| state.is_served);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_served
    }
}
