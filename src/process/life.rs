//! Life: a worker process from its start to its end, and the requests that it answers meanwhile.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use owngil_ffi::{ProcessClock, Stack};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};

use super::frame::{Ask, Request, Word};
use super::link::{Reader, Writer};
use super::turn::Turn;
use crate::monitor::{Answer, Load, RemoteWorker};
use crate::output::Output;
use crate::task::Why;

/// How long to wait for an answer. It arrives at once unless C code holds the GIL.
const PATIENCE: Duration = Duration::from_secs(1);

/// A worker process. Dropping this kills it.
pub(crate) struct Life {
    number: u32,
    /// Becomes readable when the process ends.
    ended: OwnedFd,
    state: Mutex<LifeState>,
    clock: Option<ProcessClock>,
    control: Mutex<Control>,
    turn: Turn,
    counts_memory: bool,
}

struct LifeState {
    child: process::Child,
    /// The exit status, once the process was waited for. Its id may belong to another process then.
    status: Option<ExitStatus>,
    cpu: Option<Duration>,
}

/// The connection for requests, and for what the process reports about itself.
pub(super) struct Control {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    next_id: u64,
}

impl Control {
    pub(super) fn new(writer: Writer, reader: Reader) -> Control {
        Control {
            writer,
            reader,
            next_id: 0,
        }
    }

    /// Sends a request and waits for its answer. Skips late answers to earlier requests.
    fn ask(&mut self, ask: Ask) -> io::Result<Option<Answer>> {
        self.next_id += 1;
        let id = self.next_id;
        self.writer.put(&Request { id, ask }, &[], None)?;
        // A full socket means that the process reads no requests. The rest goes out with the next one.
        self.writer.send()?;
        let until = Instant::now() + PATIENCE;
        while let Some((word, mut printed)) = self.reader.take_by(until)? {
            match word {
                Word::Answer {
                    id: answered,
                    still_runs,
                    stacks,
                    n_stdout,
                    ..
                } if answered == id => {
                    let n_stdout = usize::try_from(n_stdout).unwrap_or(0).min(printed.len());
                    let stderr = printed.split_off(n_stdout);
                    let output = Output {
                        stdout: printed,
                        stderr,
                    };
                    let stacks = stacks.into_iter().map(Stack::from).collect();
                    return Ok(Some(Answer {
                        stacks,
                        output,
                        still_runs,
                    }));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Life {
    pub(super) fn new(
        child: process::Child,
        control: Control,
        turn: Turn,
        counts_memory: bool,
    ) -> io::Result<Life> {
        let number = child.id();
        let mut state = LifeState {
            child,
            status: None,
            cpu: None,
        };
        let opened = pid(number).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        let ended = match opened {
            Ok(ended) => ended,
            Err(error) => {
                let _ = state.child.kill();
                let _ = state.child.wait();
                return Err(error);
            }
        };
        Ok(Life {
            number,
            ended,
            state: Mutex::new(state),
            clock: ProcessClock::of(number),
            control: Mutex::new(control),
            turn,
            counts_memory,
        })
    }

    /// The connection for requests and reports.
    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `limit` for the process to end. Returns whether it has ended.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let limit = Timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos() as _,
            };
            let mut ended = [PollFd::new(&self.ended, PollFlags::IN)];
            match poll(&mut ended, Some(&limit)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(_) if left.is_zero() => return false,
                Err(_) => {}
            }
        }
    }

    /// Waits up to `limit` for the process to end, kills it if it has not, and returns its status.
    pub(crate) fn end(&self, limit: Duration) -> ExitStatus {
        let by_itself = self.wait(limit);
        if !by_itself {
            self.kill();
        }
        self.reap()
    }

    /// Reaps the process, which has ended or was killed.
    fn reap(&self) -> ExitStatus {
        while !self.wait(Duration::from_secs(60)) {
            tracing::warn!(
                process = self.number,
                "was killed and has not ended for a minute"
            );
        }
        let mut state = self.state();
        if let Some(status) = state.status {
            return status;
        }
        state.cpu = self.clock.and_then(|clock| clock.time());
        // The process has ended, so this does not block.
        let status = state.child.wait().unwrap_or_default();
        state.status = Some(status);
        status
    }

    fn state(&self) -> MutexGuard<'_, LifeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RemoteWorker for Life {
    fn interrupt(&self, job: u64, why: Why, takes_output: bool) -> Option<Answer> {
        let ask = Ask::Interrupt {
            job,
            timed_out: why == Why::TimedOut,
            takes_output,
        };
        self.control().ask(ask).ok().flatten()
    }

    fn stacks(&self) -> Option<Vec<Stack>> {
        let answer = self.control().ask(Ask::Stacks).ok().flatten();
        answer.map(|answer| answer.stacks)
    }

    fn kill(&self) {
        let state = self.state();
        if let (None, Ok(pid)) = (state.status, pid(self.number)) {
            // Kills the whole group: programs that its tasks started are no longer needed.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn process(&self) -> u32 {
        self.number
    }

    fn memory_in_use(&self) -> Option<usize> {
        self.counts_memory.then(|| self.turn.memory())
    }

    fn load_of(&self, job: u64) -> Load {
        self.turn.load_of(job)
    }

    fn cpu(&self) -> Option<Duration> {
        let state = self.state();
        match state.status {
            Some(_) => state.cpu,
            None => self.clock.and_then(|clock| clock.time()),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.kill();
        self.reap();
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("process", &self.number)
            .finish_non_exhaustive()
    }
}

fn pid(number: u32) -> io::Result<Pid> {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("a process without a number"))
}

/// Describes how a process ended.
pub(super) fn ending(process: u32, status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        return format!("its process {process} ended by itself with status {code}");
    };
    let name = Signal::from_named_raw(signal).map(|signal| format!("{signal:?}"));
    let name = name.unwrap_or_default();
    let name = name.trim_start_matches("Signal::");
    let hint = owngil_ffi::describe_signal(signal).unwrap_or(name);
    format!("its process {process} was ended by signal {signal} ({hint})")
}
