//! Handover: calls that were encoded elsewhere, from a language of its own to this pool.

use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use crate::error::Result;
use crate::function::Function;
use crate::monitor::Target;
use crate::task::{Batch, Job, Slot, Why};

impl Pool {
    /// A place for the outcome of one call.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        Arc::new(Slot::new(self.shared.cancel_target, None))
    }

    /// Has workers start with the environment variables of this moment, unless there were calls before.
    ///
    /// No other thread may change them meanwhile.
    pub(crate) fn take_variables(&self) {
        self.shared.settings.worker.inherited.variables();
    }

    /// Encodes arguments the way that suits the pool's workers.
    pub(crate) fn encoding<R>(&self, encode: impl FnOnce() -> R) -> R {
        self.shared.encoding(encode)
    }

    /// A batch with the limit of its call, or else of the pool.
    pub(crate) fn limited(&self, batch: Batch, limit: Option<Duration>) -> Batch {
        let limit = limit.or(self.shared.settings.time_limit);
        if limit.is_some() {
            self.shared.start_watchdog();
        }
        batch.with_limit(limit)
    }

    /// Queues a job, or gives it back where the queue is full.
    pub(crate) fn try_give(&self, function: &Function, job: Job) -> Result<Option<Job>> {
        self.shared.home(function)?.try_enqueue(job)
    }

    /// Queues a job, and waits for room.
    pub(crate) fn give(&self, function: &Function, job: Job) -> Result<()> {
        self.shared.home(function)?.enqueue(job, None).map(drop)
    }

    /// Whether a worker runs the call whose outcome belongs in that slot.
    pub(crate) fn runs(&self, slot: &Arc<Slot>) -> bool {
        let target = Target::Task(Arc::clone(slot));
        let monitors = self.shared.monitors();
        monitors
            .iter()
            .any(|monitor| monitor.runs(&target).is_some())
    }

    /// Gives a call its outcome, cancelled, unless it has begun. Returns whether it has not.
    ///
    /// One that begins meanwhile is interrupted: it has its outcome.
    pub(crate) fn cancel_queued(&self, slot: &Arc<Slot>) -> bool {
        if slot.results().is_some() {
            return false;
        }
        let begun = || self.runs(slot).then_some(());
        match self.shared.early_outcomes.end(slot, Why::Cancelled, begun) {
            Some(((), false)) => false,
            Some(((), true)) => {
                self.shared
                    .request(Target::Task(Arc::clone(slot)), Why::Cancelled);
                true
            }
            // It has its outcome: from here, unless its worker was quicker.
            None => slot.results().is_some_and(|results| results.is_cancelled()),
        }
    }

    /// Whether no worker is left, and none can start.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.admission.has_failed()
    }

    /// Ends a call, whether queued or running.
    pub(crate) fn end_call(&self, slot: &Arc<Slot>) {
        self.shared
            .request(Target::Task(Arc::clone(slot)), Why::Cancelled);
    }
}
