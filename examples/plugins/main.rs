//! Plugins of an application: each has its own interpreter, packages, limits and time, and may misbehave.
//!
//! Two plugins need different versions of one package, which one interpreter cannot have. `invoices` behaves.
//! `reports` does all that a plugin must not do, one after the other, and after each both must answer, with the
//! same as before. What ends a process, `os._exit` and a crash, needs a process: that is the one thing
//! that an interpreter does not contain, so the same plugin runs on worker processes for it. Code that swallows each
//! interrupt is left behind in an interpreter, where it keeps a core busy for good; its process is killed.
//!
//! Before that, how long `invoices` takes to answer while `reports` computes: on one GIL, and on GILs of their own.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use owngil::{Backend, Error, Function, OutputPolicy, Pool};

use comparison::{AnyError, compare, duration, ended, is_small};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/plugins");

/// What a plugin's interpreter does first.
const PREPARE: &str = "
import sys

def prepare(packages):
    sys.path.insert(0, packages)
";

/// How long a call of a plugin may take, and how long it may go on after the request to stop.
const TIME_LIMIT: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_millis(200);
const MEMORY_LIMIT: usize = 64 << 20;

const INTERPRETER: &[&str] = &[
    "loop",
    "loop_that_catches_all",
    "native_loop",
    "hoard",
    "recurse",
    "flood",
    "leave",
];
const PROCESS: &[&str] = &[
    "loop_that_catches_all",
    "native_loop",
    "hoard",
    "leave_at_once",
    "crash",
];

/// A plugin, as the host sees it.
struct Plugin {
    name: &'static str,
    pool: Pool,
    handle: Function,
}

impl Plugin {
    /// Starts a plugin in a place of its own.
    fn start(name: &'static str, backend: Backend) -> owngil::Result<Plugin> {
        let folder = PathBuf::from(FOLDER).join(name);
        let builder = Pool::builder()
            .workers(1)
            .backend(backend)
            .initializer(
                &Function::source(PREPARE, "prepare"),
                folder.join("packages"),
            )
            .time_limit(TIME_LIMIT)
            .grace(GRACE)
            .output(OutputPolicy::Capture);
        // The memory of one interpreter is not counted by thread.
        let pool = match backend {
            Backend::Thread => builder.build()?,
            _ => builder.memory_limit(MEMORY_LIMIT).build()?,
        };
        let handle = Function::file(folder.join("plugin.py"), "handle");
        Ok(Plugin { name, pool, handle })
    }

    fn call(&self, lines: &[&str]) -> owngil::Result<String> {
        self.pool.call(&self.handle, (lines,))
    }

    /// Does something that it must not do; returns the error that the host gets.
    fn misbehave(&self, how: &str) -> owngil::Result<()> {
        let script = PathBuf::from(FOLDER).join(self.name).join("plugin.py");
        self.pool.call(&Function::file(script, "misbehave"), how)
    }
}

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let lines = ["3.50 EUR", "12.25 EUR", "7.00 USD"];

    let invoices = Plugin::start("invoices", Backend::Interpreter)?;
    let reports = Plugin::start("reports", Backend::Interpreter)?;
    for plugin in [&invoices, &reports] {
        println!("{}: {}", plugin.name, plugin.call(&lines)?);
    }
    conflict(&lines)?;

    // First of all: what swallows each interrupt goes on for as long as the process, and keeps a core busy.
    println!(
        "\nHow long {} calls of invoices take while reports computes:\n",
        n_calls()
    );
    let many = (Plugin::start("invoices", Backend::Interpreter)?, &reports);
    let threads = Pool::builder()
        .workers(1)
        .backend(Backend::Thread)
        .build()?;
    let one = (Plugin::start("invoices", Backend::Thread)?, &threads);
    let places = [
        ("one GIL", (&one.0, one.1)),
        ("own GILs", (&many.0, &many.1.pool)),
    ];
    compare(&places, |(plugin, busy)| beside(plugin, busy, &lines))?;

    println!("\nreports misbehaves, in its own interpreter:");
    survive(&reports, &invoices, INTERPRETER, &lines)?;
    println!("\nreports misbehaves, in its own process:");
    let apart = Plugin::start("reports", Backend::Process)?;
    survive(&apart, &invoices, PROCESS, &lines)?;
    Ok(())
}

/// What becomes of both in one interpreter.
fn conflict(lines: &[&str]) -> owngil::Result<()> {
    let invoices = Plugin::start("invoices", Backend::Thread)?;
    println!("\nin one interpreter, invoices: {}", invoices.call(lines)?);
    let reports = Plugin::start("reports", Backend::Thread)?;
    match reports.call(lines) {
        Err(Error::Python(error)) => println!("in one interpreter, reports: {}", error.message()),
        other => println!("in one interpreter, reports: {other:?}"),
    }
    Ok(())
}

/// Has one misbehave in each of these ways, and both answer after that.
fn survive(bad: &Plugin, good: &Plugin, hows: &[&str], lines: &[&str]) -> Result<(), AnyError> {
    let expected = (bad.call(lines)?, good.call(lines)?);
    for how in hows {
        let start = Instant::now();
        let failure = match bad.misbehave(how) {
            Err(Error::Python(error)) => error.type_name().to_owned(),
            Err(Error::TimedOut { .. }) => "timed out".to_owned(),
            Err(Error::WorkerLost(_)) => "worker lost".to_owned(),
            other => return Err(format!("{how}: {other:?}").into()),
        };
        let took = duration(start.elapsed());
        if (bad.call(lines)?, good.call(lines)?) != expected {
            return Err(format!("after {how} they answer something else").into());
        }
        println!("  {how:<22} {failure:<15} after {took:>7}; both answer");
    }
    Ok(())
}

fn n_calls() -> usize {
    if is_small() { 5 } else { 200 }
}

/// Calls one plugin while the other's interpreter is busy.
fn beside(plugin: &Plugin, busy: &Pool, lines: &[&str]) -> Result<Vec<String>, AnyError> {
    const COMPUTE: &str = "def compute():\n    while True: pass";
    let busy = busy
        .task(&Function::source(COMPUTE, "compute"))
        .args(())
        .time_limit(Duration::from_secs(60))
        .submit::<()>()?;
    let answers: owngil::Result<Vec<String>> = (0..n_calls()).map(|_| plugin.call(lines)).collect();
    busy.cancel();
    let _ = busy.wait();
    Ok(answers?)
}
