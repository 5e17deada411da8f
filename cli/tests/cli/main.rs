//! The command `owngil`, as its users run it: one child process for each story.
//!
//! - `map`: what `owngil map` prints, and in which order
//! - `input`: where inputs come from and what a line is
//! - `rows`: CSV and TSV, and what fits a function's parameters
//! - `encoding`: byte order marks, and text that is not UTF-8
//! - `values`: JSON values that go over several lines
//! - `files`: names of files, what is in them, and pieces of a stream
//! - `code`: functions that the command line holds
//! - `unfit`: results that are none, each with what to return
//! - `errors`: what is told of failures, and the statuses
//! - `placement`: where code runs that is refused in interpreters
//! - `ends`: how scripts end, and what one leaves for the next
//! - `plain`: scripts beside a loop of plain Python
//! - `met`: what people met with other tools of this kind
//! - `streams`: slow, endless and closed pipes; output that is not mixed
//! - `results`: formats of results, and output by line, with tags and in folders
//! - `tools`: what GNU parallel's authors test other tools with
//! - `signals`: Ctrl-C
//! - `joblog`: the account of a run, and going on with it
//! - `killed`: a run that is killed at any moment, and gone on with
//! - `course`: retries, time limits, early ends, shards, orders
//! - `run`: `owngil run`
//! - `bench`: `owngil bench`
//! - `doctor`: `owngil doctor`
//! - `newcomer`: the README's lines on a folder of files, beside plain loops
//! - `transcripts`: mistakes and first steps, word by word
//! - `terminal`: progress, the summary, and how much is told
//! - `python`: which Python is used
//! - `around`: help topics, completions, manual pages, a project's defaults, the log
//! - `help`: help, version, the examples, and the page about the command

mod around;
mod bench;
mod code;
mod course;
mod doctor;
mod encoding;
mod ends;
mod errors;
mod files;
mod help;
mod input;
mod joblog;
mod killed;
mod map;
mod met;
mod newcomer;
mod placement;
mod plain;
mod python;
mod results;
mod rows;
mod run;
mod signals;
mod streams;
mod support;
mod terminal;
mod tools;
mod transcripts;
mod trying;
mod unfit;
mod values;
