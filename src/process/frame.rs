//! Frame: what a pool and a worker process send each other.
//!
//! Each is a record of `wire`, before raw bytes that it describes: encoded values, what was printed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::function::{Location, Script};
use crate::interpreter::MemorySetting;
use crate::output::Handover;
use crate::task::{Timing, Why};
use crate::wire::{Failure, StackRecord};

/// What a worker process receives when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Who started it, to be seen whether that is still there.
    pub(super) parent: u32,
    /// The worker's place among the others.
    pub(super) worker: u32,
    /// The Python that runs in the pool's process, if one was named.
    pub(super) python: Option<Vec<u8>>,
    pub(super) hash_seed: Option<u32>,
    pub(super) counts_memory: bool,
    pub(super) memory_limit: Option<u64>,
    /// Whether results whose class derives from a plain type come as the plain value.
    pub(super) is_plain: bool,
    /// Whether exceptions that calls raise are kept as objects, too.
    pub(super) keeps_exceptions: bool,
    /// When output is handed on; `None` where it is kept with its task.
    pub(super) handover: Option<Handover>,
    /// Its descriptors 1 and 2 are pipes, and it gets the ends to read from.
    pub(super) has_pipes: bool,
    /// Where the working directory and the umask, this one at first, are put back after each call.
    pub(super) umask: Option<u32>,
}

/// What is asked of a worker process while it runs something.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Tells its answer from others.
    pub(super) id: u64,
    pub(super) ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Interrupt that job, if it runs.
    Interrupt {
        job: u64,
        timed_out: bool,
        /// The outcome will be reported at once: what was printed so far goes with it.
        takes_output: bool,
    },
    Stacks,
}

/// What a worker process says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// It is one, of this version of owngil.
    Hello(String),
    Ready,
    /// It cannot be one.
    Failed(Failure),
    /// Stacks that it was asked for, or the one of the job that it has interrupted; whether that still ran
    /// afterwards; and the lengths of what was printed, which follows.
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
    /// See `turn`.
    pub(super) revision: u16,
    /// The function's number in the pool's process, and at first what it is.
    pub(super) function: u32,
    pub(super) place: Option<LocationRecord>,
    pub(super) n_calls: u32,
    /// Whether to record when each call runs.
    pub(super) is_timed: bool,
    pub(super) arguments: Shape,
}

/// How encoded values follow: bytes, and then the buffers, or a file that they are in.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) n_bytes: u64,
    /// Where each buffer starts in the file, if there is one, and its length.
    pub(super) buffers: Vec<(u64, u64)>,
    pub(super) has_file: bool,
}

/// What a worker process tells of its jobs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    Ended(Ended),
    /// Something was printed, which is handed on before the job ends: this many bytes of it follow.
    Printed {
        /// The place of the call in its batch.
        call: u32,
        is_stderr: bool,
        is_last: bool,
        n_bytes: u64,
    },
    /// It will run no further jobs: it has no memory left for them.
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
    /// By the place of the call: how much it has printed to either stream; that follows the values.
    pub(super) outputs: Vec<(u32, u64, u64)>,
    pub(super) timings: Vec<TimingRecord>,
    pub(super) values: Shape,
}

/// When a call ran: its place, when it began, in nanoseconds since 1970, and how long it took.
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

    /// As that worker's.
    pub(super) fn of(self, worker: usize) -> (u32, Timing) {
        let timing = Timing {
            worker,
            began: UNIX_EPOCH + Duration::from_nanos(self.began),
            elapsed: Duration::from_nanos(self.nanoseconds),
        };
        (self.call, timing)
    }
}

/// Where a function is.
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
            Location::Script { script, shown } => LocationRecord::Script { script, shown },
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
            LocationRecord::Script { script, shown } => Location::Script { script, shown },
            LocationRecord::Malformed { reference } => Location::Malformed { reference },
        }
    }
}

/// A path need not be text.
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
