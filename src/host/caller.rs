//! [`Caller`]: the call from Python that a host function answers.

use std::sync::Weak;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::monitor::{JobMonitor, REPORTED, RunningCall};

/// The call from Python that a [host function](crate::PoolBuilder::host_function) answers, as its first parameter.
///
/// A function that takes long looks at it now and then, and returns early when its value is no longer wanted.
///
/// ```
/// use std::time::Duration;
/// use owngil::{Caller, Error, Function, Pool};
///
/// let search = |caller: Caller, text: String| {
///     while !caller.is_cancelled() {
///         std::thread::sleep(Duration::from_millis(1)); // a part of the work
///     }
///     Err::<(), _>(format!("worker {:?} gave up on {text}", caller.worker()))
/// };
/// let pool = Pool::builder().workers(1).host_function("search", search).build()?;
/// let find = Function::source("from owngil.host import search\ndef find(text): return search(text)", "find");
/// let task = pool.task(&find).args("x").deadline(Duration::from_millis(50)).submit::<()>()?;
/// assert!(matches!(task.wait(), Err(Error::TimedOut { .. })));
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    monitor: Weak<JobMonitor>,
    worker: Option<usize>,
    call: Option<RunningCall>,
}

impl Caller {
    /// The worker that runs the code, by the number that `owngil.worker_id()` gives there. On the backend
    /// [`Thread`](crate::Backend::Thread), `None` on threads that a task started.
    pub fn worker(&self) -> Option<usize> {
        self.worker
    }

    /// The index of the call that the worker runs, as [`Speaker::index`](crate::Speaker::index) has it: the position
    /// of its input in a map, or what [`TaskBuilder::index`](crate::TaskBuilder::index) set. `None` if the worker runs
    /// no call, as for threads that were left behind.
    pub fn task(&self) -> Option<u64> {
        self.call.as_ref()?.index
    }

    /// How long the call has until its deadline or the end of its time limit, whichever comes first. `None` if it has
    /// neither. A [`Map::deadline`](crate::Map::deadline) is not known here, and shows as a call that is cancelled.
    pub fn time_left(&self) -> Option<Duration> {
        let due = self.call.as_ref()?.due?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Whether the value is no longer wanted: the call was cancelled, its time is up, or its worker is gone.
    pub fn is_cancelled(&self) -> bool {
        let Some(call) = &self.call else {
            return false;
        };
        let monitor = self.monitor.upgrade();
        !monitor.is_some_and(|monitor| monitor.is_wanted(call.epoch))
    }
}

/// Where a call of a host function comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerPlace {
    /// That of the worker, if it is known.
    pub(crate) monitor: Weak<JobMonitor>,
    /// The call, where another process knows it better than the monitor.
    pub(crate) remote: Option<RemoteCall>,
}

/// The call that a worker process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteCall {
    /// The number of its job.
    pub(crate) job: u64,
    /// By which a sink of output knows it.
    pub(crate) index: Option<u64>,
}

impl CallerPlace {
    #[cold]
    pub(super) fn caller(&self) -> Caller {
        let monitor = self.monitor.upgrade();
        let call = monitor.as_ref().and_then(|monitor| match self.remote {
            None => monitor.running_call(),
            Some(RemoteCall { job, index }) => {
                let call = monitor.running_call_of_job(job, REPORTED)?;
                Some(RunningCall { index, ..call })
            }
        });
        Caller {
            monitor: Weak::clone(&self.monitor),
            worker: monitor.map(|monitor| monitor.worker()),
            call,
        }
    }
}
