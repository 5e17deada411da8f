//! Managing the GIL from a compiled language: when to hold it, when to release it, and how to avoid the wait for it.
//!
//! First on one GIL, as everybody does it: a thread attaches, which is to wait for the GIL, and detaches for its
//! long native work, so that another thread can run Python meanwhile. That it may touch Python objects
//! is a value (`Attached`) that it has while it is attached, and which the closure of `detach` cannot take along.
//!
//! Detaching helps native work only. Python code has to wait for its turn, unless it has a GIL of its own: so
//! then 10 001 tasks run on a pool, each of which imports networkx, makes a graph, and sets and reads an
//! attribute of a node; on threads that share one GIL, on GILs of their own, and in processes.

#[path = "../comparison/mod.rs"]
mod comparison;
#[path = "../packages/mod.rs"]
mod packages;

use std::process::ExitCode;
use std::thread;

use owngil::{Backend, Function, Pool, Task};
use owngil_ffi::{Attached, Config, Interpreter, Runtime, STACK_SIZE};

use comparison::{AnyError, compare, ended, is_small};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/gil_from_rust/task.py"
);

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    packages::use_packages()?;
    let runtime = Runtime::start(&Config::default())?;

    println!("Native work beside Python code, on one GIL: the GIL held or released meanwhile\n");
    let places = [("held", false), ("released", true)];
    let (longest, sum) = compare(&places, |&releases_gil| beside(runtime, releases_gil))?;
    println!("Both computed the same: {longest} steps, {sum}.");

    let n_tasks = if is_small() { 101 } else { 10_001 };
    let n = thread::available_parallelism()?.get();
    println!("\n{n_tasks} tasks with networkx, {n} workers\n");
    let on = |backend| Pool::builder().backend(backend).workers(n).build();
    let pools = [
        on(Backend::Thread)?,
        on(Backend::Interpreter)?,
        on(Backend::Process)?,
    ];
    let names = [format!("{n} GILs"), format!("{n} processes")];
    let places = [
        ("one GIL", &pools[0]),
        (&names[0], &pools[1]),
        (&names[1], &pools[2]),
    ];
    let task = Function::file(SCRIPT, "task");
    let read = compare(&places, |pool| {
        let tasks: owngil::Result<Vec<Task<(usize, usize)>>> = (0..n_tasks)
            .map(|number| pool.submit(&task, number))
            .collect();
        let read: owngil::Result<Vec<_>> = tasks?.into_iter().map(Task::wait).collect();
        Ok(read?)
    })?;
    let is_right = read
        .iter()
        .enumerate()
        .all(|(number, &read)| read == (number, 2));
    if !is_right {
        return Err("an attribute was read back as another".into());
    }
    println!("All {n_tasks} attributes were read back as they were set, from graphs with 2 edges.");
    Ok(())
}

/// Native work on one thread and Python code on another, both of the main interpreter.
fn beside(runtime: &'static Runtime, releases_gil: bool) -> Result<(u32, i64), AnyError> {
    let (native, python) = if is_small() {
        (20_000, 200_000)
    } else {
        (5_000_000, 6_000_000)
    };
    thread::scope(|scope| {
        // Threads that run Python need a stack as large as CPython counts on.
        let start = |work: Box<dyn FnOnce(Attached<'_>) -> i64 + Send>| {
            let builder = thread::Builder::new().stack_size(STACK_SIZE);
            builder.spawn_scoped(scope, move || {
                let mut interpreter = Interpreter::on_main(runtime)?;
                Ok::<i64, owngil_ffi::StartError>(interpreter.attach(work))
            })
        };
        let native = start(Box::new(move |attached| match releases_gil {
            true => attached.detach(|| longest(native)),
            false => longest(native),
        }))?;
        let python = start(Box::new(move |attached| {
            let sum = || {
                let globals = attached.dict()?;
                let text = format!("sum(i % 7 for i in range({python}))");
                attached.eval(&text, &globals)
            };
            sum().ok().and_then(|sum| sum.as_i64()).unwrap_or(-1)
        }))?;
        let [native, python] = [native, python].map(|thread| thread.join());
        let joined = |result: thread::Result<_>| result.map_err(|_| "a thread panicked");
        Ok((joined(native)?? as u32, joined(python)??))
    })
}

/// The most steps that a number below this one takes to get to 1, by Collatz.
fn longest(below: u64) -> i64 {
    let steps = |mut n: u64| {
        let mut steps = 0;
        while n != 1 {
            n = if n.is_multiple_of(2) {
                n / 2
            } else {
                3 * n + 1
            };
            steps += 1;
        }
        steps
    };
    (1..below).map(steps).max().unwrap_or_default()
}
