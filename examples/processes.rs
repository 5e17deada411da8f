//! Worker processes: a crash ends one call, and extension modules load that refuse interpreters.

use owngil::{Backend, Error, Function, Pool};

const SOURCE: &str = "
import ctypes, os

def read(address):
    return ctypes.string_at(address)

def parent():
    return os.getppid()
";

fn main() -> owngil::Result<()> {
    // In the workers, which are this same program, nothing after this line runs.
    owngil::become_worker_if_asked();

    let pool = Pool::builder()
        .backend(Backend::Process)
        .workers(2)
        .build()?;
    let parent: u32 = pool.call(&Function::source(SOURCE, "parent"), ())?;
    assert_eq!(parent, std::process::id());

    // Nothing can be read at address 1.
    match pool.call::<(), _>(&Function::source(SOURCE, "read"), 1) {
        Err(Error::WorkerLost(reason)) => println!("lost: {reason}"),
        other => println!("{other:?}"),
    }

    // The pool has its size back.
    let squares = pool.map(&Function::source("def f(x): return x * x", "f"), 0..5);
    let squares: Vec<u64> = squares.collect::<owngil::Result<_>>()?;
    println!("{squares:?}");
    Ok(())
}
