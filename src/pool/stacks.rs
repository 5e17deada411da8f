//! Stacks: where every worker of a pool stands, at any moment.

use std::fmt;
use std::time::{Duration, Instant};

use owngil_ffi::Stack;

use super::Pool;

/// For how long [`Pool::stacks`] waits for interpreters that it cannot attach to.
const PATIENCE: Duration = Duration::from_millis(100);

/// A snapshot of where the workers of a pool stand. See [`Pool::stacks`].
///
/// Its text has a part for each worker, with frames as in a Python traceback, innermost last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stacks {
    /// In the workers' order.
    pub workers: Vec<WorkerStacks>,
}

/// Where one worker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStacks {
    /// The worker's number, counted from 0.
    pub worker: usize,
    /// The running function, and for how long it has run. For a batch of a map, the time since the batch began.
    pub running: Option<(String, Duration)>,
    /// The process id, if the worker is a process.
    pub process: Option<u32>,
    /// The Python stacks of the worker's threads, its own first. `None` if its process is gone, or if the interpreter
    /// could not be attached to in time, because C code holds its GIL.
    pub threads: Option<Vec<Stack>>,
}

impl Pool {
    /// Returns where every worker stands: what it runs, and the Python stacks of its threads.
    ///
    /// You can call it at any time. It runs no Python code, and so does not disturb any. It returns within about a
    /// tenth of a second, even if a worker is stuck in C code that holds its GIL; that worker is listed without a
    /// stack. On the backend `thread` all workers have the same threads, so each is listed with its own stack only.
    ///
    /// On a free-threaded Python, all threads of the process stop for a moment, which has to wait for a thread that is
    /// in C code. Calls interrupted there therefore do not report by themselves where they stood.
    pub fn stacks(&self) -> Stacks {
        let until = Instant::now() + PATIENCE;
        let asked: Vec<_> = self
            .shared
            .monitors()
            .into_iter()
            .map(|monitor| {
                let process = monitor.remote().map(|remote| remote.process());
                (monitor.look(), process, monitor.stacks())
            })
            .collect();
        let workers = asked
            .into_iter()
            .enumerate()
            .map(|(worker, (seen, process, stacks))| {
                let running = seen.map(|seen| (seen.function.to_string(), seen.elapsed));
                WorkerStacks {
                    worker,
                    running,
                    process,
                    threads: stacks.recv_deadline(until).ok(),
                }
            });
        Stacks {
            workers: workers.collect(),
        }
    }
}

impl fmt::Display for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.workers.iter().try_for_each(|worker| worker.fmt(f))
    }
}

impl fmt::Display for WorkerStacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.worker)?;
        if let Some(process) = self.process {
            write!(f, ", process {process}")?;
        }
        match &self.running {
            None => writeln!(f, ": idle")?,
            Some((function, time)) => {
                writeln!(f, ": {function}, for {:.3} s", time.as_secs_f64())?;
            }
        }
        let Some(threads) = &self.threads else {
            let why = match self.process {
                Some(_) => "its process does not answer",
                None => "C code holds the GIL",
            };
            return writeln!(f, "  no stack: {why}");
        };
        for thread in threads {
            if thread.frames.is_empty() {
                continue;
            }
            if !thread.is_home {
                writeln!(f, " thread {}:", thread.state_id)?;
            }
            write!(f, "{thread}")?;
        }
        Ok(())
    }
}
