//! Args: the options with which a run keeps an account, and goes on with an earlier one.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::past::Again;

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Going on")]
pub(crate) struct JoblogArgs {
    /// Write a line about each input that has ended to this file, in GNU parallel's columns and more
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,

    /// Go on with the run that --joblog tells of: its inputs that have ended are not run again
    #[arg(long, requires = "joblog")]
    pub(crate) resume: bool,

    /// As --resume, but those that failed are run again
    #[arg(long, requires = "joblog", conflicts_with = "resume")]
    pub(crate) resume_failed: bool,

    /// Run those again that failed, and nothing else
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
