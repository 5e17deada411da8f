//! The bars that owngil is held to: each path through it, measured beside its physical limit and
//! beside what Python offers for the same job. `make bench` runs it.
//!
//! Each row of the table runs in a process of its own, so that one which crashes or hangs is shown as
//! failed and the others go on. Inside a row the limit, owngil and its peers take turns, round after
//! round; ratios within a round are judged, and their median is the figure. `docs/benchmarks.md`,
//! which a full run writes, has the method in full.
//!
//! Reading order: `setting` is what a run was asked for, `rows` has the table and each row, `run` runs them;
//! `measure` is how a row measures, and against what; `report` shows the figures.

mod child;
mod measure;
mod report;
mod rows;
mod run;
mod setting;

use std::process::ExitCode;

use setting::{Mode, Setting};

/// What goes wrong in a benchmark, for a person to read.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    let done = Setting::from_arguments().and_then(|(setting, mode)| match mode {
        Mode::All(wanted) => run::run_all(&setting, &wanted),
        Mode::Row(id) => run::run_here(&setting, &id).map(|()| true),
        Mode::Child(what) => child::run(&what).map(|()| true),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
