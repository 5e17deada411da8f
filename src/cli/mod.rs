//! Cli: the command line, from its arguments to an exit status.
//!
//! `args` are what was written and `plan` is what it means; `map`, `run`, `bench` and `doctor` do it in
//! a `session`, which holds the streams, the signals and the pool; `report` tells what came of it, and
//! `exit` has the statuses. `feed` brings inputs and `json` writes results. It sees the library's public API
//! alone, and Python only through it.

mod args;
mod bench;
mod doctor;
mod exit;
mod fatal;
mod feed;
mod input;
mod jobs;
mod json;
mod map;
mod placement;
mod plan;
mod python;
mod report;
mod run;
mod screen;
mod session;
mod signals;
mod stderr;
mod stdout;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use clap::Parser;

use args::{Args, Command};
use bench::BenchPlan;
use doctor::DoctorPlan;
use exit::Exit;
use fatal::Fatal;
use plan::{CallsPlan, RunPlan};
use session::Session;

/// Does what the words of the command line say.
pub(crate) fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    match execute(args) {
        Ok(exit) => exit,
        Err(fatal) => {
            // Nobody may be reading.
            let _ = write!(io::stderr(), "{fatal}");
            fatal.exit
        }
    }
}

fn execute(args: Args) -> Result<Exit, Fatal> {
    let session = Session::begin().map_err(|error| {
        Fatal::new(Exit::Failed, "cannot use the standard streams").cause(error)
    })?;
    match args.command {
        Command::Map(mut args) => {
            let common = std::mem::take(&mut args.common);
            let plan = CallsPlan::new("map", args.calls, io::stdin().is_terminal())?;
            map::map(plan, &common, &session)
        }
        Command::Run(mut args) => {
            let common = std::mem::take(&mut args.common);
            run::run(RunPlan::new(args)?, &common, &session)
        }
        Command::Bench(args) => {
            let plan = BenchPlan::new(args, io::stdin().is_terminal())?;
            bench::bench(plan, &session)
        }
        Command::Doctor(args) => doctor::doctor(DoctorPlan::new(args)?, &session),
    }
}
