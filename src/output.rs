//! Output: what a task prints, kept apart from what others print.
//!
//! `sys.stdout` and `sys.stderr` of an interpreter write into a [`Capture`], which belongs to the
//! task that runs. When the task ends it goes to the host: to a sink, or into the outcome. Child
//! processes that a task starts write into it by [`Pipes`], and in a worker process C code does.

mod capture;
mod inherit;
mod pipes;

use std::fmt;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use capture::{Capture, Forward};
pub(crate) use pipes::Readers;

/// The two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `sys.stdout`
    Stdout,
    /// `sys.stderr`
    Stderr,
}

impl Stream {
    /// 0 for standard output.
    fn place(self) -> usize {
        usize::from(self == Stream::Stderr)
    }
}

/// What a task printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// What it wrote to `sys.stdout`.
    pub stdout: Vec<u8>,
    /// What it wrote to `sys.stderr`.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.stdout.is_empty() && self.stderr.is_empty()
    }

    /// The streams to which something was written.
    fn streams(self) -> impl Iterator<Item = (Stream, Vec<u8>)> {
        let both = [(Stream::Stdout, self.stdout), (Stream::Stderr, self.stderr)];
        both.into_iter().filter(|(_, text)| !text.is_empty())
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    fn stream(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Where the output of tasks goes.
///
/// Called on the workers' threads, with whole lines of one task: all of them when the task ends,
/// or, for a task that prints much, some of them before. A line of more than a mebibyte comes in
/// pieces.
pub trait OutputSink: Send + Sync {
    /// Takes some output. The last line of a task may lack its newline.
    fn write(&self, stream: Stream, text: &[u8]);

    /// As [`write`](OutputSink::write), and tells whose output it is; this is what is called.
    fn write_of(&self, _speaker: Speaker, stream: Stream, text: &[u8]) {
        self.write(stream, text);
    }

    /// The call is made again, from its beginning: what it printed, which has been taken in part, comes again.
    ///
    /// That happens on the backend [`Auto`](crate::Backend::Auto), where a call moves from an interpreter to a process.
    fn retract(&self, _speaker: Speaker) {}

    /// When the output of a task that runs is handed on.
    fn handover(&self) -> Handover {
        Handover::Blocks
    }
}

/// Whose output it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Speaker {
    /// The worker's number, as `owngil.worker_id()` gives it.
    pub worker: usize,
    /// The place of the call's input among the inputs of its map, from 0; in a broadcast the number of the worker
    /// that the call is for; a number of its own for a call that was submitted alone. `None` for what is printed when no call runs, such as by threads that
    /// were left behind.
    ///
    /// All that a call prints until its end is handed on before the map yields it.
    pub index: Option<u64>,
}

/// When the output of a task that runs is handed on. At its end all is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Handover {
    /// As soon as there are some tens of kilobytes, in whole lines.
    #[default]
    Blocks,
    /// Line by line.
    Lines,
    /// As it is printed.
    Pieces,
}

impl<F: Fn(Stream, &[u8]) + Send + Sync> OutputSink for F {
    fn write(&self, stream: Stream, text: &[u8]) {
        self(stream, text);
    }
}

/// What a pool does with the output of its tasks.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum OutputPolicy {
    /// To this process's own standard output and standard error, in whole lines; a newline is
    /// added to a last line that lacks one. This is the default.
    #[default]
    Inherit,
    /// Kept with the task, at most [`OUTPUT_LIMIT`] bytes of it; writing more raises `OSError` in
    /// the task.
    Capture,
    /// To a sink of the host's.
    Sink(Arc<dyn OutputSink>),
}

impl fmt::Debug for OutputPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OutputPolicy::Inherit => "Inherit",
            OutputPolicy::Capture => "Capture",
            OutputPolicy::Sink(_) => "Sink",
        })
    }
}

/// How many bytes of output [`OutputPolicy::Capture`] keeps for one task.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// Has what C code prints by `printf` and the like become the output of the task that runs on the thread which
/// prints it, in this process. Without this it goes to descriptor 1.
///
/// It is for the whole process, and stays. Call it before other threads start.
///
/// # Errors
///
/// With another C library than glibc, whose `stdout` cannot be replaced.
pub fn catch_c_output() -> io::Result<()> {
    owngil_ffi::catch_c_stdout(|text| Capture::write_from_c(Stream::Stdout, text))
}

/// Where child processes of tasks write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// To the process's own streams.
    Inherit,
    /// To pipes of the worker, which they have to be given.
    Caught,
    /// To the process's own streams, which are pipes that are read at the end of a call that has started some.
    Noted,
}
