//! Role: what a child of the doctor's does, in a process that may end at any moment.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use owngil_ffi::STACK_SIZE;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{MARK, TRIAL, Way};
use crate::error::{Error, Result};
use crate::function::Function;
use crate::interpreter::Interpreter;

/// Does a trial of the doctor's and ends the process, if that is what the process was started for.
///
/// A program whose [`Doctor`](crate::doctor::Doctor) has itself for its trial program calls this first of all
/// in `main`. It looks at the first argument and returns at once unless that is `--owngil-trial`.
pub fn run_trial_if_asked() {
    let mut words = std::env::args_os().skip(1);
    if words.next().as_deref() != Some(OsStr::new(MARK)) {
        return;
    }
    run_trial(words)
}

/// Does the trial that these words, which followed `--owngil-trial`, describe, and ends the process.
pub(crate) fn run_trial(words: impl Iterator<Item = OsString>) -> ! {
    let status = match serve(words) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            1
        }
    };
    crate::runtime::exit(status)
}

fn serve(mut words: impl Iterator<Item = OsString>) -> Result<()> {
    let mut word = || words.next().unwrap_or_default();
    let role = word().to_string_lossy().into_owned();
    crate::runtime::use_python(PathBuf::from(word()))?;
    let call = |name| Function::source(TRIAL, name);
    let kept = keep_records().map_err(|error| Error::config(error.to_string()))?;
    let records = kept.as_raw_fd();
    let texts = |words: Vec<OsString>| -> Vec<String> {
        let texts = words.into_iter();
        texts
            .map(|text| text.to_string_lossy().into_owned())
            .collect()
    };
    if role == "probe" {
        let files = texts(words.collect());
        return interpreter(Way::Strict, |python| {
            python.call(&call("probe"), (records, &files))
        });
    }
    let way = match role.as_str() {
        "private" => Way::Private,
        "again" => Way::Again,
        _ => Way::Strict,
    };
    let n_paths = word().to_string_lossy().parse().unwrap_or(0);
    let mut paths = texts(words.collect());
    let targets = paths.split_off(n_paths.min(paths.len()));
    let trial = |python: &mut Interpreter, stage: &str| -> Result<bool> {
        python.call(&call("trial"), (records, stage, &paths, &targets))
    };
    if !interpreter(way, |python| trial(python, "alone"))? {
        return Ok(());
    }
    for _ in 0..way.n_rounds() {
        at_once(way, &trial);
    }
    Ok(())
}

/// Keeps the process's standard output for records, as `prepare` of trial.py does; what is imported prints into nothing.
fn keep_records() -> io::Result<OwnedFd> {
    let records = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nothing)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Where that fails a crash leaves a file.
    let _ = setrlimit(Resource::Core, none);
    Ok(records)
}

/// Does a trial in interpreters that all begin at the same moment.
fn at_once(way: Way, trial: &(dyn Fn(&mut Interpreter, &str) -> Result<bool> + Sync)) {
    let all_are_there = Barrier::new(way.n_at_once());
    let together = || {
        interpreter(way, |python| {
            all_are_there.wait();
            trial(python, "together")
        })
    };
    thread::scope(|scope| {
        for _ in 0..way.n_at_once() {
            scope.spawn(|| {
                if let Err(error) = together() {
                    // The others may wait for this one.
                    let _ = writeln!(std::io::stderr(), "{error}");
                    crate::runtime::exit(1);
                }
            });
        }
    });
}

/// Runs `work` in an interpreter of that kind, on a thread of its own.
fn interpreter<R: Send>(
    way: Way,
    work: impl FnOnce(&mut Interpreter) -> Result<R> + Send,
) -> Result<R> {
    let run = || work(&mut Interpreter::with_extensions(way.extensions())?);
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_SIZE);
        let thread = thread.spawn_scoped(scope, run).map_err(|error| {
            Error::config(format!("the system gave no thread for a trial: {error}"))
        })?;
        let joined = thread.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
