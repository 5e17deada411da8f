//! Process: this program in another role, which may crash or hang.

use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::environment::Environment;
use crate::place::Place;

/// How long a trial may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: it did not end in time.
    status: Option<ExitStatus>,
    output: String,
    errors: String,
}

/// Runs a trial in a process of its own.
pub(crate) fn trial(environment: &Environment, package: &str, place: Place) -> Result<Ended> {
    run(role(environment)?.args(["trial", package, &place.to_string()]))
}

/// This program again, with what packages are told.
pub(crate) fn role(environment: &Environment) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.envs(environment.variables());
    Ok(command)
}

fn run(command: &mut Command) -> Result<Ended> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let errors = child.stderr.take().ok_or("no standard error")?;
    let output = thread::spawn(move || std::io::read_to_string(output));
    let errors = thread::spawn(move || std::io::read_to_string(errors));
    let start = Instant::now();
    let mut status = None;
    while status.is_none() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
        status = child.try_wait()?;
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let text = |reader: thread::JoinHandle<std::io::Result<String>>| {
        reader.join().map_err(|_| "what it said could not be read")
    };
    Ok(Ended {
        status,
        output: text(output)??,
        errors: text(errors)??,
    })
}

impl Ended {
    /// What it printed, or how it failed.
    pub(crate) fn into_result(self) -> Result<String> {
        match self.status {
            Some(status) if status.success() => Ok(self.output),
            Some(status) => Err(format!("{status}\n{}", self.errors).into()),
            None => Err(format!("not done after {PATIENCE:?}\n{}", self.errors).into()),
        }
    }
}
