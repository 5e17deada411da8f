//! Settings: what a pool was built with.

use std::time::Duration;

use crate::output::OutputPolicy;
use crate::task::Batch;
use crate::worker::{Backend, WorkerSettings};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) n_workers: usize,
    /// The number of the first.
    pub(super) first_worker: usize,
    pub(super) queue_limit: usize,
    pub(super) worker: WorkerSettings,
    pub(super) output: OutputPolicy,
    /// How long a cancelled or timed-out call may take to stop.
    pub(super) grace: Duration,
    /// When each task must have its outcome, from its submission.
    pub(super) deadline: Option<Duration>,
    /// How long each call may run.
    pub(super) time_limit: Option<Duration>,
    /// How many workers may be lost and not back.
    pub(super) lost_limit: usize,
    pub(super) max_tasks_per_worker: Option<u64>,
    pub(super) initializer: Option<Batch>,
    pub(super) exit_hook: Option<Batch>,
}

impl Settings {
    /// The same for worker processes.
    pub(super) fn on_processes(&self) -> Settings {
        let mut settings = self.clone();
        settings.worker.backend = Backend::Process;
        settings
    }

    /// Those of as many worker processes for what cannot run here.
    pub(super) fn in_fallback(&self) -> Settings {
        Settings {
            first_worker: self.first_worker + self.n_workers,
            ..self.on_processes()
        }
    }
}
