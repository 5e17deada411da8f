//! The command `owngil`, from its arguments to an exit status.
//!
//! - `commands`: `map`, `run`, `bench`, `doctor` and the rest, each from its arguments to its exit status.
//! - `options`: the arguments as they are written, what they mean, and defaults from a project.
//! - `input`: what the calls are made of: words, lines, rows, files, JSON.
//! - `schedule`: which calls run, when and how often, and when a run ends.
//! - `output`: where results and what tasks print go.
//! - `json`: JSON as Python reads and writes it.
//! - `joblog`: the record of a run, which the next one resumes from.
//! - `python`: which Python is used, its environment, and where code ran.
//! - `terminal`: the process's streams and signals, progress, and what a person reads.
//!
//! It uses the public API of the library alone, and Python only through it.

#![forbid(unsafe_code)]

mod commands;
mod exit;
mod failure;
mod failures;
mod fatal;
mod input;
mod joblog;
mod json;
mod options;
mod output;
mod python;
mod quoting;
mod schedule;
mod session;
mod terminal;

use std::ffi::OsString;

/// Runs the command with the arguments of a command line, the program's name first, and returns its exit status.
///
/// Call [`owngil::become_worker_if_asked`] and [`owngil::doctor::run_trial_if_asked`] before: the command starts its
/// own program again for worker processes. Leave by [`owngil::exit`] with the status.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    commands::main(arguments).status()
}
