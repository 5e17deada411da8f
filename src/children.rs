//! Children: the processes that tasks of this process have started, which do not outlive what they were started for.
//!
//! A call that is interrupted takes its own with it, since most calls wait for them; those that are left end with their
//! worker. One that was given a session of its own is meant to stay.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use owngil_ffi::{leave, session_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use crate::error::{PythonError, Result};

/// Python code has forked this process off one of owngil's: it is no worker, and ends with the call that it is in.
static IS_FORKED: AtomicBool = AtomicBool::new(false);

/// Python code has forked this process off.
pub(crate) fn note_fork() {
    IS_FORKED.store(true, Ordering::Relaxed);
}

/// Whether Python code has forked this process off.
#[inline]
pub(crate) fn is_forked() -> bool {
    IS_FORKED.load(Ordering::Relaxed)
}

/// Ends a process that was forked off in a call with this outcome, as the end of its code would have.
#[cold]
pub(crate) fn end_forked(outcome: &Result<()>) -> ! {
    let Err(error) = outcome else { leave(0) };
    let python = error.python();
    if let Some(status) = python.and_then(PythonError::exit_status) {
        leave(status);
    }
    let traceback = python.map_or_else(|| error.to_string(), |error| error.traceback().to_owned());
    let _ = writeln!(io::stderr(), "{}", traceback.trim_end());
    leave(1)
}

/// From how many on those are dropped that have ended.
const N_BEFORE_LOOK: usize = 16;

/// Who starts processes: one worker.
#[derive(Debug)]
pub(crate) struct Parent {
    id: u64,
    /// Counts jobs.
    job: AtomicU64,
}

/// One that was started.
#[derive(Debug)]
struct Child {
    parent: u64,
    job: u64,
    pid: Pid,
    process: OwnedFd,
}

static CHILDREN: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Default for Parent {
    fn default() -> Parent {
        static N: AtomicU64 = AtomicU64::new(0);
        Parent {
            id: N.fetch_add(1, Ordering::Relaxed),
            job: AtomicU64::new(0),
        }
    }
}

impl Parent {
    /// Another job begins.
    #[inline]
    pub(crate) fn begin_job(&self) {
        // Only the worker's own thread does.
        let job = self.job.load(Ordering::Relaxed);
        self.job.store(job + 1, Ordering::Relaxed);
    }

    /// The number of the job that runs.
    pub(crate) fn job(&self) -> u64 {
        self.job.load(Ordering::Relaxed)
    }

    /// The job that runs has started this process, which has not been waited for yet.
    pub(crate) fn add(&self, pid: i32) {
        let opened = Pid::from_raw(pid).and_then(|pid| {
            let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            Some((pid, process))
        });
        let Some((pid, process)) = opened else { return };
        let mut children = lock();
        if children.len() >= N_BEFORE_LOOK {
            children.retain(|child| !child.has_ended());
        }
        children.push(Child {
            parent: self.id,
            job: self.job(),
            pid,
            process,
        });
    }

    /// Kills what that job has started.
    pub(crate) fn kill_of_job(&self, job: u64) {
        kill(|child| child.parent == self.id && child.job == job);
    }

    /// Kills all that is left.
    pub(crate) fn kill(&self) {
        kill(|child| child.parent == self.id);
    }
}

/// Kills all that tasks of this process have started.
pub(crate) fn kill_all() {
    kill(|_| true);
}

fn kill(mut is_meant: impl FnMut(&Child) -> bool) {
    let meant: Vec<Child> = lock().extract_if(.., |child| is_meant(child)).collect();
    let here = session_of(0);
    for child in &meant {
        if child.has_ended() || session_of(child.pid.as_raw_nonzero().get()) != here {
            continue;
        }
        // It stands still, so that it starts no other, and before its end, which would give them to another parent.
        let _ = pidfd_send_signal(&child.process, Signal::STOP);
        for (_, process) in descendants(child.pid) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
        let _ = pidfd_send_signal(&child.process, Signal::KILL);
    }
}

impl Child {
    fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut ended, Some(&now)) != Ok(0)
    }
}

/// The processes that it has started, and theirs, the youngest last.
fn descendants(pid: Pid) -> Vec<(Pid, OwnedFd)> {
    let mut found = children_of(pid);
    let mut at = 0;
    while at < found.len() {
        let _ = pidfd_send_signal(&found[at].1, Signal::STOP);
        let younger = children_of(found[at].0);
        found.extend(younger);
        at += 1;
    }
    found
}

fn children_of(pid: Pid) -> Vec<(Pid, OwnedFd)> {
    if !numbers_are_ours() {
        return Vec::new();
    }
    let pid = pid.as_raw_nonzero();
    let list =
        || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let open = |number: &str| {
        let child = Pid::from_raw(number.parse().ok()?)?;
        Some((child, pidfd_open(child, PidfdFlags::empty()).ok()?))
    };
    let opened: Vec<_> = list().split_whitespace().filter_map(open).collect();
    // One that has ended meanwhile may have left its number to another process, which is no child of that one.
    let list = list();
    let still = |(child, _): &(Pid, OwnedFd)| {
        let number = child.as_raw_nonzero().to_string();
        list.split_whitespace().any(|other| other == number)
    };
    opened.into_iter().filter(still).collect()
}

/// Whether procfs tells of this process's PID namespace, and not of an outer one.
fn numbers_are_ours() -> bool {
    let here = getpid().as_raw_nonzero().to_string();
    fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == here.as_str())
}

fn lock() -> MutexGuard<'static, Vec<Child>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}
