//! Settings: what a pool was built with.

use std::time::Duration;

use crate::extensions::Extensions;
use crate::interpreter::MemorySetting;
use crate::output::OutputPolicy;
use crate::task::Batch;
use crate::worker::Backend;

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) n_workers: usize,
    pub(super) backend: Backend,
    pub(super) output: OutputPolicy,
    /// How long a call that is to stop may take for it.
    pub(super) grace: Duration,
    /// When each task must have its outcome, from its submission.
    pub(super) deadline: Option<Duration>,
    /// How long each call may run.
    pub(super) time_limit: Option<Duration>,
    /// How many workers may be lost and not back.
    pub(super) lost_limit: usize,
    pub(super) memory: MemorySetting,
    pub(super) extensions: Extensions,
    pub(super) max_tasks_per_worker: Option<u64>,
    pub(super) initializer: Option<Batch>,
    pub(super) exit_hook: Option<Batch>,
}
