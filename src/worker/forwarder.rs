//! Forwarder: takes the place of a worker whose initializer cannot run in an interpreter, and moves all jobs elsewhere.

use std::sync::Arc;
use std::time::Instant;

use crate::monitor::JobMonitor;
use crate::task::Job;
use crate::worker::{Back, Lingering, Worker};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Forwarder {
    monitor: Arc<JobMonitor>,
    reason: String,
}

impl Forwarder {
    /// One that gives this reason.
    pub(crate) fn new(monitor: Arc<JobMonitor>, reason: String) -> Forwarder {
        Forwarder { monitor, reason }
    }
}

impl Worker for Forwarder {
    fn run(
        &mut self,
        job: Job,
        _: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        _: &dyn Fn(Back),
    ) {
        let mut job = Some(job);
        while let Some(taken) = job {
            self.monitor.move_on(taken, &self.reason);
            job = next();
        }
    }

    fn retire(self: Box<Self>) -> Option<Lingering> {
        None
    }
}
