//! Args: the options for the job log, and for resuming from it.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::past::Again;

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Resuming")]
pub(crate) struct JoblogArgs {
    /// Record each finished input in FILE, with GNU parallel's columns and more
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,

    /// Resume the run recorded in --joblog, skipping inputs that have finished
    #[arg(long, requires = "joblog")]
    pub(crate) resume: bool,

    /// Resume, and run inputs that failed again
    #[arg(long, requires = "joblog", conflicts_with = "resume")]
    pub(crate) resume_failed: bool,

    /// Run only the inputs that failed before
    #[arg(long, requires = "joblog", conflicts_with_all = ["resume", "resume_failed"])]
    pub(crate) retry_failed: bool,
}

impl JoblogArgs {
    /// Which inputs are run again, where an earlier run is gone on with.
    pub(crate) fn again(&self) -> Option<Again> {
        match (self.resume, self.resume_failed, self.retry_failed) {
            (true, _, _) => Some(Again::None),
            (_, true, _) => Some(Again::Failed),
            (_, _, true) => Some(Again::OnlyFailed),
            (false, false, false) => None,
        }
    }
}
