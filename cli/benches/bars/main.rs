//! The bars that owngil is held to: each path through it, measured beside its physical limit and
//! beside what Python offers for the same job. `make bench` runs it.
//!
//! Each row of the table runs in a process of its own, so that one which crashes or hangs is shown as
//! failed and the others go on. Inside a row the limit, owngil and its peers take turns, round after
//! round; ratios within a round are judged, and their median is the figure. `docs/benchmarks.md`,
//! which a full run writes, has the method in full.
//!
//! Reading order: `setting` is what a run was asked for, `row` lists the rows and runs them, `line` is
//! what one gives, `contest` has the rounds; `limits`, `peers` and `cores` measure what owngil is
//! compared with; the rows themselves are in `throughput`, `latency`, `tasks`, `values`, `buffers`,
//! `start`, `command`, `memory`, `instructions`, `processes`, `scaling`, `extensions` and `placement`;
//! `report`, `page` and `chart` show it.

mod buffers;
mod chart;
mod child;
mod command;
mod contest;
mod control;
mod cores;
mod extensions;
mod instructions;
mod latency;
mod limits;
mod line;
mod machine;
mod memory;
mod page;
mod peers;
mod placement;
mod processes;
mod report;
mod row;
mod scaling;
mod setting;
mod start;
mod tasks;
mod throughput;
mod values;

use std::process::ExitCode;

use setting::{Mode, Setting};

/// What goes wrong in a benchmark, for a person to read.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    let done = Setting::from_arguments().and_then(|(setting, mode)| match mode {
        Mode::All(wanted) => row::run_all(&setting, &wanted),
        Mode::Row(id) => row::run_here(&setting, &id).map(|()| true),
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
