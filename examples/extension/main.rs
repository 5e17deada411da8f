//! Releasing the GIL in an extension: a Cython module with a loop that needs no Python.
//!
//! One source, count.pyx, becomes two modules. `declared` says that it supports interpreters with their own GIL, by
//! Cython's directive `subinterpreters_compatible` and the C macro `CYTHON_USE_MODULE_STATE`, which the directive
//! needs. `plain` says nothing, as most extensions do, so such interpreters refuse it.
//! Its loop releases the GIL, so it scales on threads of one interpreter as it is. `declared` loads
//! in every interpreter; `plain` loads there from a private copy, or in a worker process.
//!
//! Cython translates, and the system's `cc` compiles.

#[path = "../comparison/mod.rs"]
mod comparison;
#[path = "../packages/mod.rs"]
mod packages;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use owngil::{Backend, Extensions, Function, Pool};

use comparison::{AnyError, compare, ended, is_small};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/extension/count.pyx");

/// What each worker does first.
const PREPARE: &str = "
import sys

def prepare(folder):
    sys.path.insert(0, folder)
";

/// The directive of Cython and the option of the C compiler for a module that supports every interpreter.
const DECLARES: (&str, &str) = (
    "# cython: subinterpreters_compatible=own_gil\n",
    "-DCYTHON_USE_MODULE_STATE=1",
);

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let python = packages::use_packages()?;
    let folder = tempfile::tempdir()?;
    build(&python, folder.path(), "plain", ("", "-O2"))?;
    build(&python, folder.path(), "declared", DECLARES)?;

    let n = std::thread::available_parallelism()?.get();
    let on = |backend, extensions, n| {
        let prepare = Function::source(PREPARE, "prepare");
        let builder = Pool::builder()
            .backend(backend)
            .extensions(extensions)
            .workers(n);
        builder.initializer(&prepare, folder.path()).build()
    };
    let [declared, plain] =
        ["declared", "plain"].map(|module| Function::at(format!("{module}:primes")));

    let strict = on(Backend::Interpreter, Extensions::Strict, n)?;
    match strict.call::<u64, _>(&plain, 10) {
        Err(error)
            if error
                .python()
                .is_some_and(|error| error.refusal().is_some()) =>
        {
            println!("In an interpreter with its own GIL: {error}\n");
        }
        other => return Err(format!("it was not refused: {other:?}").into()),
    }

    let (below, n_calls) = if is_small() {
        (5_000, 4)
    } else {
        (300_000, 16)
    };
    println!("{n_calls} calls that count the primes below {below}, {n} workers\n");
    let single = on(Backend::Thread, Extensions::Strict, 1)?;
    let threads = on(Backend::Thread, Extensions::Strict, n)?;
    let private = on(Backend::Interpreter, Extensions::Private, n)?;
    let apart = on(Backend::Process, Extensions::Strict, n)?;
    let places = [
        ("one thread", (&single, plain)),
        ("threads, 1 GIL", (&threads, plain)),
        ("own GIL, declared", (&strict, declared)),
        ("own GIL, copies", (&private, plain)),
        ("processes", (&apart, plain)),
    ];
    let counts = compare(&places, |(pool, primes)| {
        let counts: owngil::Result<Vec<u64>> = pool.map(primes, vec![below; n_calls]).collect();
        Ok(counts?)
    })?;
    println!("All counted {} primes.", counts[0]);
    Ok(())
}

/// Translates and compiles the source as a module of this name, with this directive and this option.
fn build(
    python: &Path,
    folder: &Path,
    name: &str,
    (directive, define): (&str, &str),
) -> Result<(), AnyError> {
    let source = folder.join(name).with_extension("pyx");
    fs::write(&source, directive.to_owned() + &fs::read_to_string(SOURCE)?)?;
    succeed(
        Command::new(python)
            .args(["-m", "cython", "-3"])
            .arg(&source),
    )?;
    let ask = "import sysconfig; print(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'))";
    let answer = Command::new(python).args(["-c", ask]).output()?;
    let paths = String::from_utf8(answer.stdout)?;
    let (include, suffix) = paths
        .trim()
        .split_once(' ')
        .ok_or("Python printed no paths")?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-w", define, "-I", include]);
    cc.arg(source.with_extension("c"))
        .arg("-o")
        .arg(folder.join(format!("{name}{suffix}")));
    succeed(&mut cc)
}

fn succeed(command: &mut Command) -> Result<(), AnyError> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
