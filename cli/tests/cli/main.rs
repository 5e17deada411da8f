//! The command `owngil`, as its users run it: one child process for each story.
//!
//! - `calls`: functions and scripts, and where they run
//! - `input`: where inputs come from, and the formats
//! - `output`: results, output of tasks, errors, and what a terminal shows
//! - `schedule`: selection, order, retries, time limits, shards, early ends, signals
//! - `joblog`: the job log, and runs that resume
//! - `plain_python`: scripts beside a loop of plain Python
//! - `other_tools`: what similar tools are tested with, and what their users reported
//! - `doctor`: `owngil doctor`
//! - `bench`: `owngil bench`
//! - `setup`: which Python, a project's defaults, the log
//! - `help`: help texts, topics, completions, manual pages
//! - `readme`: the README's commands on a folder of files, beside plain loops
//! - `transcripts`: mistakes and first steps, word by word

mod bench;
mod calls;
mod doctor;
mod help;
mod input;
mod joblog;
mod other_tools;
mod output;
mod plain_python;
mod readme;
mod schedule;
mod setup;
mod support;
mod transcripts;
