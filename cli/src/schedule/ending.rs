//! Ending: the last messages of a run with a schedule, and its status.

use super::halt::Halt;
use std::env;
use std::sync::Mutex;

use owngil::Pool;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::reader::{PendingInputs, lock};
use crate::joblog::{self, Joblog};
use crate::options::args::CommonArgs;
use crate::session::Session;
use crate::terminal::report::Report;
use crate::terminal::stderr::Stderr;

/// Why a run ends early.
#[derive(Debug)]
pub(crate) enum End {
    /// By `--halt`.
    Halted(Halt),
    /// The function cannot be called at all, which its last error tells.
    Hopeless,
    /// An input is not the one that was done.
    Changed(Fatal),
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) end: Option<End>,
    pub(crate) joblog: Option<Joblog>,
}

impl Ending {
    /// Says how the run ended, once all that came of it has been passed on; gives the status, or what kept
    /// inputs from being read or what was done from being accounted for.
    pub(crate) fn close(
        self,
        report: Report,
        pool: &Pool,
        pending: &Mutex<PendingInputs>,
        (common, session): (&CommonArgs, &Session),
    ) -> Result<Exit, Fatal> {
        session.tell_placement(pool, common);
        let exit = report.finish(session.signals.finish());
        let exit = self.tell(exit, &session.stderr, common.process.quiet)?;
        let trouble = lock(pending).trouble();
        trouble.map_or(Ok(exit), Err)
    }

    /// Says why the run ended early, and how to go on; `exit` is the status that follows from what was run,
    /// and of a run that was interrupted.
    fn tell(self, exit: Exit, stderr: &Stderr, is_quiet: bool) -> Result<Exit, Fatal> {
        if let Some(trouble) = self.joblog.as_ref().and_then(Joblog::trouble) {
            return Err(trouble);
        }
        let mut exit = exit;
        let mut is_left = matches!(exit, Exit::Interrupted | Exit::Terminated);
        match self.end {
            Some(End::Changed(fatal)) => return Err(fatal),
            Some(End::Halted(halt)) if !is_left => {
                is_left = true;
                if halt.is_for_failures() {
                    exit = Exit::Halted;
                } else if halt.is_for_success() {
                    // What it was to find, it has found.
                    exit = Exit::Success;
                }
                if !is_quiet {
                    stderr.write(format!("halted by --halt {halt}\n").as_bytes());
                }
            }
            Some(End::Halted(..) | End::Hopeless) | None => {}
        }
        if is_left && self.joblog.is_some() && !is_quiet {
            let stdout = joblog::stdout_path();
            let command = joblog::resuming(env::args_os(), stdout.as_deref());
            stderr.write(format!("hint: to resume: {command}\n").as_bytes());
        }
        Ok(exit)
    }
}
