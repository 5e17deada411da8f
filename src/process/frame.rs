//! Frame: the messages between a pool and a worker process.
//!
//! Each is a record of `wire`, followed by the raw bytes that it describes: encoded values and output.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::function::{Location, Script};
use crate::host::{HostFailure, RemoteCall};
use crate::interpreter::MemorySetting;
use crate::output::Handover;
use crate::task::{Capacity, Timing, Why};
use crate::wire::{Failure, StackRecord};

/// What a worker process receives when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The process that started the worker, which checks that it still exists.
    pub(super) parent: u32,
    /// The worker's index in its pool.
    pub(super) worker: u32,
    /// The Python that the pool's process was configured with, if any.
    pub(super) python: Option<Vec<u8>>,
    pub(super) hash_seed: Option<u32>,
    pub(super) counts_memory: bool,
    pub(super) memory_limit: Option<u64>,
    /// Whether a result whose class derives from a plain type arrives as the plain value.
    pub(super) is_plain: bool,
    /// Whether the exceptions of calls are kept as objects.
    pub(super) keeps_exceptions: bool,
    /// When to pass output on; `None` keeps it with its task.
    pub(super) handover: Option<Handover>,
    /// Whether descriptors 1 and 2 are pipes whose reading ends the worker receives.
    pub(super) has_pipes: bool,
    /// The umask to restore after each call, together with the working directory; `None` restores neither.
    pub(super) umask: Option<u32>,
    /// The names of the functions that Python code can call, sorted.
    pub(super) host_functions: Vec<String>,
}

/// A request to a worker process, which may arrive while a job runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Identifies the answer.
    pub(super) id: u64,
    pub(super) ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Interrupt that job if it is running.
    Interrupt {
        job: u64,
        timed_out: bool,
        /// The outcome is reported at once, so the answer includes the output so far.
        takes_output: bool,
    },
    Stacks,
}

/// What a worker process reports about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// It is a worker, with this version of owngil.
    Hello(String),
    Ready,
    /// It cannot become a worker.
    Failed(Failure),
    /// The requested stacks, or the stack of the interrupted job; whether the job still ran afterwards; and the lengths
    /// of its output, which follows.
    Answer {
        id: u64,
        still_runs: bool,
        stacks: Vec<StackRecord>,
        n_stdout: u64,
        n_stderr: u64,
    },
}

/// A batch, before its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobHead {
    pub(super) number: u64,
    /// The revision of the turn that the job is sent with; see `turn`.
    pub(super) revision: u16,
    /// The function's number in the pool's process; the first job of a function also has its location.
    pub(super) function: u32,
    pub(super) place: Option<LocationRecord>,
    pub(super) n_calls: u32,
    /// How long the call may run. The pool's process sees to that.
    pub(super) limit: Option<Duration>,
    /// The index of the first call.
    pub(super) first: u64,
    /// Whether to record when each call runs.
    pub(super) is_timed: bool,
    /// How many items may wait in the worker process, if what the call returns is sent item by item.
    pub(super) stream: Option<Capacity>,
    pub(super) arguments: Shape,
}

/// The layout of encoded values: bytes, then the buffers or the file that contains them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) n_bytes: u64,
    /// Each buffer's start in the file, if there is one, and its length.
    pub(super) buffers: Vec<(u64, u64)>,
    pub(super) has_file: bool,
}

/// What a worker process reports about its jobs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    Ended(Ended),
    /// Output that is passed on before the job ends; its bytes follow.
    Printed {
        /// The index of the call in its batch.
        call: u32,
        is_stderr: bool,
        is_last: bool,
        n_bytes: u64,
    },
    /// The process runs no further jobs, as it has no memory left for them.
    Exhausted,
}

/// The end of a batch, before its values.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) n: u32,
    pub(super) n_failed: u32,
    pub(super) nanoseconds: u64,
    pub(super) crossing_nanoseconds: u64,
    /// The index of each call that printed, with the lengths of its two streams. The output follows the values.
    pub(super) outputs: Vec<(u32, u64, u64)>,
    pub(super) timings: Vec<TimingRecord>,
    pub(super) values: Shape,
}

/// A call of a host function, before its arguments, or items of a stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HostCall {
    /// Identifies the answer.
    pub(super) id: u64,
    pub(super) called: Called,
    /// What the worker runs, if it runs anything.
    pub(super) caller: Option<RemoteCall>,
    pub(super) arguments: Shape,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Called {
    /// The function at that place among the names.
    Function(u32),
    /// That number of items of the stream that the worker runs. The answer comes when there was room for them; it is a failure
    /// if they are no longer wanted.
    Items(u32),
}

/// The answer to such a call, before its value.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HostAnswer {
    pub(super) id: u64,
    pub(super) outcome: Result<Shape, HostFailure>,
}

/// When a call ran: its index, its start in nanoseconds since 1970, and its duration.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TimingRecord {
    call: u32,
    began: u64,
    nanoseconds: u64,
}

impl TimingRecord {
    pub(super) fn new(call: u32, timing: &Timing) -> TimingRecord {
        let began = timing.began.duration_since(UNIX_EPOCH);
        TimingRecord {
            call,
            began: began.unwrap_or_default().as_nanos() as u64,
            nanoseconds: timing.elapsed.as_nanos() as u64,
        }
    }

    /// The same timing, on that worker.
    pub(super) fn of(self, worker: usize) -> (u32, Timing) {
        let timing = Timing {
            worker,
            began: UNIX_EPOCH + Duration::from_nanos(self.began),
            elapsed: Duration::from_nanos(self.nanoseconds),
        };
        (self.call, timing)
    }
}

/// The location of a function.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum LocationRecord {
    File {
        path: Vec<u8>,
        module: String,
        name: String,
    },
    Module {
        module: String,
        name: String,
        label: Option<String>,
    },
    Source {
        text: String,
        module: String,
        name: String,
    },
    Script {
        script: Script,
        shown: String,
        keeps_packages: bool,
    },
    Malformed {
        reference: String,
    },
}

impl From<&Location> for LocationRecord {
    fn from(place: &Location) -> LocationRecord {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        match place.clone() {
            Location::File { path, module, name } => LocationRecord::File {
                path: bytes(&path),
                module,
                name,
            },
            Location::Module {
                module,
                name,
                label,
            } => LocationRecord::Module {
                module,
                name,
                label,
            },
            Location::Source { text, module, name } => {
                LocationRecord::Source { text, module, name }
            }
            Location::Script {
                script,
                shown,
                keeps_packages,
            } => LocationRecord::Script {
                script,
                shown,
                keeps_packages,
            },
            Location::Malformed { reference } => LocationRecord::Malformed { reference },
        }
    }
}

impl From<LocationRecord> for Location {
    fn from(record: LocationRecord) -> Location {
        match record {
            LocationRecord::File { path, module, name } => Location::File {
                path: path_of(&path),
                module,
                name,
            },
            LocationRecord::Module {
                module,
                name,
                label,
            } => Location::Module {
                module,
                name,
                label,
            },
            LocationRecord::Source { text, module, name } => {
                Location::Source { text, module, name }
            }
            LocationRecord::Script {
                script,
                shown,
                keeps_packages,
            } => Location::Script {
                script,
                shown,
                keeps_packages,
            },
            LocationRecord::Malformed { reference } => Location::Malformed { reference },
        }
    }
}

/// A path may not be valid UTF-8.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

impl Setup {
    pub(super) fn memory(&self) -> MemorySetting {
        let limit = self.memory_limit.map(|limit| limit as usize);
        match self.counts_memory {
            true => MemorySetting::Counted(limit),
            false => MemorySetting::NotCounted,
        }
    }
}

pub(super) fn why(timed_out: bool) -> Why {
    match timed_out {
        true => Why::TimedOut,
        false => Why::Cancelled,
    }
}
