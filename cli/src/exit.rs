//! Exit: all statuses that the command ends with.

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every task succeeded, or the reader of the results closed the pipe.
    Success,
    /// Some task failed, or the results could not be written.
    Failed,
    /// The command line asks for what cannot be, or the function cannot be loaded.
    Usage,
    /// Ended by `--halt`, because of failures.
    Halted,
    /// There is no Python that can be used.
    NoPython,
    /// Ended by Ctrl-C (SIGINT).
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Exit {
    /// The status of the process.
    pub(crate) fn status(self) -> i32 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Halted => 3,
            Exit::NoPython => 4,
            Exit::Interrupted => 128 + 2,
            Exit::Terminated => 128 + 15,
        }
    }
}
