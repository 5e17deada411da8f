//! Process: this program in another role, which may crash or hang.

use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::environment::Environment;
use crate::place::Place;
use crate::runs::trial::MOVED;

/// How long a trial may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: it did not end in time.
    status: Option<ExitStatus>,
    errors: String,
    /// For how long it was waited for.
    patience: Duration,
}

/// Runs a trial in a process of its own.
pub(crate) fn trial(environment: &Environment, package: &str, place: Place) -> Result<Ended> {
    let mut command = role(environment)?;
    command.args(["trial", package, &place.to_string()]);
    run(command.arg(environment.folder()))
}

/// This program again, with the variables that packages see.
pub(crate) fn role(environment: &Environment) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.envs(environment.variables());
    Ok(command)
}

/// Runs it to its end, for as long as a trial may take.
pub(crate) fn run(command: &mut Command) -> Result<Ended> {
    run_for(command, PATIENCE)
}

/// Runs it to its end, or to that of the patience.
pub(crate) fn run_for(command: &mut Command, patience: Duration) -> Result<Ended> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let errors = child.stderr.take().ok_or("no standard error")?;
    let errors = thread::spawn(move || std::io::read_to_string(errors));
    let start = Instant::now();
    let mut status = None;
    while status.is_none() && start.elapsed() < patience {
        thread::sleep(Duration::from_millis(20));
        status = child.try_wait()?;
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let errors = errors
        .join()
        .map_err(|_| "what it said could not be read")??;
    Ok(Ended {
        status,
        errors,
        patience,
    })
}

impl Ended {
    /// How it failed, in one line.
    pub(crate) fn failure(&self) -> Option<String> {
        let mut lines = self.errors.lines();
        let said = lines.find(|line| !line.trim().is_empty() && !line.starts_with(MOVED));
        match self.status {
            None => Some(format!("not done after {:?}", self.patience)),
            Some(status) if status.success() => None,
            Some(status) if status.code().is_none() => Some(status.to_string()),
            Some(status) => Some(said.map_or(status.to_string(), str::to_owned)),
        }
    }

    pub(crate) fn errors(&self) -> &str {
        &self.errors
    }

    /// Why the package was moved to worker processes, if it was.
    pub(crate) fn moved(&self) -> Option<String> {
        let line = self.errors.lines().find(|line| line.starts_with(MOVED))?;
        Some(line.to_owned())
    }

    /// Nothing, or all that is known of its failure.
    pub(crate) fn into_result(self) -> Result<()> {
        match self.failure() {
            None => {
                self.moved().iter().for_each(|line| eprintln!("{line}"));
                Ok(())
            }
            Some(failure) => Err(format!("{failure}\n{}", self.errors).into()),
        }
    }
}
