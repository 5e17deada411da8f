//! Process: what a library in somebody else's process has to do about its end, its forks and its own processes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use crossbeam_channel::{RecvTimeoutError, unbounded};
use owngil_ffi::{Attached, Borrowed, Object, PyResult, hosted};

use super::pool::HostPool;
use super::wait::wait;
use super::{add, raised};
use crate::bell::Bell;
use crate::doctor::run_trial;
use crate::process::{become_worker_of_host, set_own_command};

/// The pools of this process, as far as they are there.
static POOLS: Mutex<Vec<Weak<HostPool>>> = Mutex::new(Vec::new());

/// Notes a pool that the end of the process has to end.
pub(super) fn note(pool: &Arc<HostPool>) {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Adds the functions that `_native.py` uses for the life of the process.
pub(super) fn populate<'a>(attached: Attached<'a>, module: &Object<'a>) -> PyResult<'a, ()> {
    add(attached, module, "set_worker_argv", set_worker_argv)?;
    add(attached, module, "worker_main", worker_main)?;
    add(attached, module, "trial_main", trial_main)?;
    add(attached, module, "end_process", end_process)?;
    add(attached, module, "before_fork", |attached, _| {
        attached.detach(hosted::hide_before_fork);
        Ok(attached.none())
    })?;
    add(attached, module, "after_fork_in_parent", |attached, _| {
        hosted::show_after_fork(false);
        Ok(attached.none())
    })?;
    add(attached, module, "after_fork_in_child", |attached, _| {
        hosted::show_after_fork(true);
        let restarted = attached.detach(hosted::restart_service);
        restarted.map_err(|error| raised(attached, &error.into()))?;
        Ok(attached.none())
    })
}

/// `set_worker_argv(words)`: how this program is started as a worker process; its own argument follows.
fn set_worker_argv<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let [words] = arguments else {
        return Err(attached.raise_type_error("set_worker_argv takes a list of bytes"));
    };
    set_own_command(words_of(words)?);
    Ok(attached.none())
}

/// Words of a command line, from a list of bytes.
///
/// # Errors
///
/// `TypeError` for anything else.
pub fn words_of<'a>(list: &Object<'a>) -> PyResult<'a, Vec<OsString>> {
    let mut words = Vec::new();
    while let Some(word) = list.item(words.len()) {
        let Some(bytes) = word.as_bytes() else {
            return Err(list.attached().raise_type_error("a word is of type bytes"));
        };
        words.push(OsString::from_vec(bytes.to_vec()));
    }
    Ok(words)
}

/// `trial_main(words)`: does a trial of the doctor's that has started this process, and never returns.
fn trial_main<'a>(attached: Attached<'a>, arguments: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let [words] = arguments else {
        return Err(attached.raise_type_error("trial_main takes a list of bytes"));
    };
    let words = words_of(words)?;
    attached.detach(|| run_trial(words.into_iter()))
}

/// `worker_main()`: becomes a worker of the pool that has started this process, and never returns then.
fn worker_main<'a>(attached: Attached<'a>, _: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let mut served = Ok(());
    let became = become_worker_of_host(|begin| {
        served = hosted::serve_host(attached, begin);
    });
    became.map_err(|error| raised(attached, &error))?;
    served.map_err(|error| raised(attached, &error.into()))?;
    Ok(attached.none())
}

/// `end_process(end, give_up)`: what `atexit` calls, since CPython's end crashes over interpreters that are left. So none
/// are, or it does not see them: then `end` is called, otherwise `give_up`.
///
/// It is one function, without Python code of its own, so that no signal handler ends it half-way.
fn end_process<'a>(attached: Attached<'a>, arguments: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let [end, give_up] = arguments else {
        return Err(attached.raise_type_error("end_process takes two functions"));
    };
    // Ctrl-C does not wait for workers that do not stop.
    let interrupted = stop_all(attached).err();
    match attached.detach(hosted::leave_interpreters) {
        true => end.call(&[])?,
        false => give_up.call(&[])?,
    };
    interrupted.map_or_else(|| Ok(attached.none()), Err)
}

/// Ends all pools, in parallel.
///
/// # Errors
///
/// What a signal handler raises. Then some may not have ended yet.
fn stop_all<'a>(attached: Attached<'a>) -> PyResult<'a, ()> {
    let pools = std::mem::take(&mut *POOLS.lock().unwrap_or_else(PoisonError::into_inner));
    let bell = Bell::new().map_err(|error| attached.raise_os_error(&error.to_string()))?;
    let bell = Arc::new(bell);
    let (ending, all) = unbounded::<()>();
    for pool in pools.iter().filter_map(Weak::upgrade) {
        if pool.is_of_this_process() {
            let (ending, bell) = (ending.clone(), Arc::clone(&bell));
            let _ = thread::Builder::new().spawn(move || {
                pool.end();
                drop((pool, ending));
                bell.ring();
            });
        }
    }
    drop(ending);
    wait(attached, &bell, None, |slice| {
        let ended = match slice {
            None => all.recv().map_err(RecvTimeoutError::from),
            Some(slice) => all.recv_timeout(slice),
        };
        (ended == Err(RecvTimeoutError::Disconnected)).then_some(())
    })?;
    Ok(())
}
