//! What several test files need: pools on every backend, and functions from text.

#![allow(dead_code, reason = "each test file uses a part of it")]

use owngil::{Backend, Function, Pool};

/// The backends that this version of owngil has.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Interpreter, Backend::Thread];

/// A pool with so many workers.
pub(crate) fn pool(backend: Backend, n_workers: usize) -> Pool {
    Pool::builder()
        .backend(backend)
        .workers(n_workers)
        .build()
        .unwrap()
}

/// The function `f` that the source text defines.
pub(crate) fn f(source: &str) -> Function {
    Function::source(source, "f")
}

/// The resident memory of this process, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.unwrap().parse().unwrap()
}
