//! Expiry: a job that must end, and the steps that end it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{PATIENCE, earlier};
use crate::monitor::JobMonitor;
use crate::task::Why;

/// After how long an interrupt is repeated.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a cancelled batch of a map may take to end by itself: between two calls it sees that it should.
const BETWEEN_CALLS: Duration = Duration::from_millis(20);

/// How long a suspended stream may take to close, however long the grace is.
const CLOSING_MAX: Duration = Duration::from_secs(3600);

/// A job that must end.
#[derive(Debug)]
struct Expiry {
    monitor: Arc<JobMonitor>,
    epoch: u64,
    why: Why,
    /// The outcome has yet to be reported, without waiting for the worker.
    is_unreported: bool,
    since: Instant,
    next_interrupt: Instant,
}

/// What is left to do for a job that must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It has ended.
    Nothing,
    /// To abandon its worker: the grace is over.
    Abandon,
    /// To look again then.
    Look(Instant),
}

/// When the outcome of such a job is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// At once, with the place where it stands if that can be had.
    Soon,
    /// By its worker, unless that is abandoned.
    ByWorker,
    /// It has been.
    Done,
}

/// The jobs that must end.
#[derive(Debug)]
pub(super) struct Expiries {
    /// How long each may take.
    grace: Duration,
    jobs: Vec<Expiry>,
}

impl Expiries {
    pub(super) fn new(grace: Duration) -> Expiries {
        Expiries {
            grace,
            jobs: Vec::new(),
        }
    }

    /// Begins to end a job, unless that has begun.
    pub(super) fn add(
        &mut self,
        monitor: Arc<JobMonitor>,
        epoch: u64,
        why: Why,
        report: Report,
        now: Instant,
    ) {
        let known = self
            .jobs
            .iter_mut()
            .find(|known| known.epoch == epoch && Arc::ptr_eq(&known.monitor, &monitor));
        if let Some(known) = known {
            known.is_unreported |= report == Report::Soon;
            return;
        }
        let delay = match report {
            Report::ByWorker => BETWEEN_CALLS,
            // The outcome ends the wait, and the worker closes the generator: an interrupt would hit its `finally`.
            _ if monitor.report_suspended(epoch, why) => (self.grace / 2).min(CLOSING_MAX),
            _ => {
                monitor.interrupt(epoch, why, report == Report::Soon);
                AGAIN
            }
        };
        self.jobs.push(Expiry {
            monitor,
            epoch,
            why,
            is_unreported: report == Report::Soon,
            since: now,
            next_interrupt: now + delay,
        });
    }

    /// Takes the next step of each; returns when the first one after these is due.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        mut abandon: impl FnMut(&Arc<JobMonitor>),
    ) -> Option<Instant> {
        let (grace, mut next) = (self.grace, None);
        self.jobs
            .retain_mut(|expiry| match expiry.go_on(grace, now) {
                Next::Nothing => false,
                Next::Abandon => {
                    abandon(&expiry.monitor);
                    expiry.monitor.hand_on_within(Duration::ZERO);
                    false
                }
                Next::Look(when) => {
                    next = earlier(next, Some(when));
                    true
                }
            });
        next
    }
}

impl Expiry {
    fn go_on(&mut self, grace: Duration, now: Instant) -> Next {
        if !self.monitor.is_at(self.epoch) {
            return Next::Nothing;
        }
        if self.is_unreported && now >= self.since + PATIENCE {
            self.is_unreported = false;
            self.monitor.report(self.epoch, self.why);
        }
        let end = self.since.checked_add(grace);
        if end.is_some_and(|end| now >= end) {
            self.monitor.report(self.epoch, self.why);
            return Next::Abandon;
        }
        if now >= self.next_interrupt {
            self.monitor.interrupt(self.epoch, self.why, false);
            self.next_interrupt = now + AGAIN;
        }
        let report = self.is_unreported.then_some(self.since + PATIENCE);
        let others = [end, report].into_iter().flatten();
        Next::Look(others.fold(self.next_interrupt, Instant::min))
    }
}
