//! RunningCall: the call that a worker runs, as a host function that it calls sees it.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::JobMonitor;
use crate::task::Promise;

/// The call that a worker runs.
#[derive(Clone, Debug)]
pub(crate) struct RunningCall {
    /// Tells its job from the others of this worker.
    pub(crate) epoch: u64,
    /// The number of its job.
    pub(crate) number: u64,
    /// By which a sink of output knows it.
    pub(crate) index: Option<u64>,
    /// When its time is up, if it has a limit or a deadline.
    pub(crate) due: Option<Instant>,
}

/// How long the job before one that runs in another process may take to be reported.
pub(crate) const REPORTED: Duration = Duration::from_secs(1);

impl JobMonitor {
    /// The call that runs.
    pub(crate) fn running_call(&self) -> Option<RunningCall> {
        let index = self.capture.call_index();
        let state = self.lock();
        let running = state.running.as_ref().filter(|run| !run.is_settled)?;
        let limit = self.limit_of(running);
        let deadline = running.promise.as_ref().and_then(Promise::deadline);
        Some(RunningCall {
            epoch: state.epoch,
            number: running.number,
            index,
            due: limit.into_iter().chain(deadline).min(),
        })
    }

    /// The call of that job, which runs in another process.
    ///
    /// The results of the job before it may be on their way: until they have been read, `within` that time, that one is
    /// shown as running.
    pub(crate) fn running_call_of_job(&self, number: u64, within: Duration) -> Option<RunningCall> {
        let until = Instant::now() + within;
        loop {
            let running = self.running_call();
            match running {
                Some(call) if call.number == number => return Some(call),
                Some(call) if call.number > number => return None,
                _ if Instant::now() > until => return None,
                _ => thread::sleep(Duration::from_micros(50)),
            }
        }
    }

    /// Whether the job of that epoch runs and its outcome is wanted.
    pub(crate) fn is_wanted(&self, epoch: u64) -> bool {
        let state = self.lock();
        let running = state.running.as_ref().filter(|_| state.epoch == epoch);
        running.is_some_and(|running| {
            let is_open = running.promise.as_ref().is_some_and(Promise::is_open);
            let flag = running.cancelled.as_ref();
            let is_cancelled = flag.is_some_and(|flag| flag.load(Ordering::Relaxed));
            is_open && !is_cancelled && running.stopped.is_none()
        })
    }
}
