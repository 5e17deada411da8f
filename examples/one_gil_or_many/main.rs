//! The same pure-Python work on one GIL and on many: what `make run` runs.
//!
//! The work is real: over files of Python's standard library, find the words that are a keystroke
//! away from a frequent one (one_gil_or_many.py). Both pools have one worker per core; they differ
//! only in where their Python code runs, on threads of one interpreter or in an interpreter each.
//! Starting CPython, loading the function and a pass to warm up come before the clock.
//!
//! `OWNGIL_EXAMPLES=small` makes it a matter of a second, for the tests.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::process::ExitCode;

use owngil::{Backend, Function, Pool};

use comparison::{AnyError, compare, ended, is_small};

/// What a call gives: words that occur once, each with the frequent one that it looks like.
type Pairs = Vec<(String, String)>;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/one_gil_or_many/one_gil_or_many.py"
);

fn main() -> ExitCode {
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let many = Pool::new()?;
    let n = many.n_workers();
    let one = Pool::builder()
        .backend(Backend::Thread)
        .workers(n)
        .build()?;
    let n_files = if is_small() { 16 } else { 80 };
    let paths: Vec<String> = many.call(&Function::file(SCRIPT, "sources"), n_files)?;
    println!(
        "Python {}: look-alike words in {} files of the standard library, {n} workers\n",
        owngil::runtime_info()?.version,
        paths.len()
    );

    let work = Function::file(SCRIPT, "look_alikes");
    let many_name = format!("{n} GILs");
    let places = [("one GIL", &one), (&many_name, &many)];
    let found = compare(&places, |pool| {
        let found: owngil::Result<Vec<Pairs>> = pool.map(&work, &paths).collect();
        Ok(found?)
    })?;
    let n_pairs: usize = found.iter().map(Vec::len).sum();
    println!("Both found the same {n_pairs} pairs.");
    Ok(())
}
