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

/// An output stream of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// `sys.stdout`
    Stdout,
    /// `sys.stderr`
    Stderr,
}

impl OutputStream {
    /// 0 for standard output.
    fn place(self) -> usize {
        usize::from(self == OutputStream::Stderr)
    }
}

/// The output of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Output {
    /// The bytes written to `sys.stdout`.
    pub stdout: Vec<u8>,
    /// The bytes written to `sys.stderr`.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Returns whether the task printed nothing.
    pub fn is_empty(&self) -> bool {
        self.stdout.is_empty() && self.stderr.is_empty()
    }

    /// The streams to which something was written.
    fn streams(self) -> impl Iterator<Item = (OutputStream, Vec<u8>)> {
        let both = [
            (OutputStream::Stdout, self.stdout),
            (OutputStream::Stderr, self.stderr),
        ];
        both.into_iter().filter(|(_, text)| !text.is_empty())
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    fn stream(&mut self, stream: OutputStream) -> &mut Vec<u8> {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }
}

/// A destination for the output of tasks.
///
/// Its methods are called on the workers' threads, with whole lines of one task: all of them when the task ends, or,
/// for a task that prints much, some of them earlier. A line of more than a mebibyte comes in pieces.
pub trait OutputSink: Send + Sync {
    /// Takes some output. The last line of a task may lack its newline.
    fn write(&self, stream: OutputStream, text: &[u8]);

    /// Like [`write`](OutputSink::write), but also receives the source of the output. owngil calls this method.
    fn write_of(&self, _speaker: Speaker, stream: OutputStream, text: &[u8]) {
        self.write(stream, text);
    }

    /// Announces that a call starts over, so that output which the sink has already received will come again.
    ///
    /// This happens on the backend [`Auto`](crate::Backend::Auto), when a call moves from an interpreter to a process.
    fn retract(&self, _speaker: Speaker) {}

    /// When to hand over the output of a running task.
    fn handover(&self) -> Handover {
        Handover::Blocks
    }
}

/// The source of some output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Speaker {
    /// The worker's number, as `owngil.worker_id()` gives it.
    pub worker: usize,
    /// For a call of a map, the position of its input, counted from 0. For a call of a broadcast, the number of the
    /// worker that the call is for. For a call submitted alone, a unique number. `None` for output printed while no
    /// call runs, such as by threads that were left behind.
    ///
    /// The map yields a call only after handing over everything that the call printed before its end.
    pub index: Option<u64>,
}

/// When to hand over the output of a running task. All of it is handed over when the task ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Handover {
    /// In whole lines, as soon as there are some tens of kilobytes.
    #[default]
    Blocks,
    /// Line by line.
    Lines,
    /// As it is printed.
    Pieces,
}

impl<F: Fn(OutputStream, &[u8]) + Send + Sync> OutputSink for F {
    fn write(&self, stream: OutputStream, text: &[u8]) {
        self(stream, text);
    }
}

/// What a pool does with the output of its tasks.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum OutputPolicy {
    /// Write it to this process's own standard output and standard error, in whole lines. A newline is
    /// added to a last line that lacks one. This is the default.
    #[default]
    Inherit,
    /// Keep it with the task, up to [`OUTPUT_LIMIT`] bytes. Writing more raises `OSError` in the task.
    Capture,
    /// Pass it to a sink that you provide.
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

/// The most output that [`OutputPolicy::Capture`] keeps for one task, in bytes.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// Redirects what C code in this process prints, with `printf` and the like, to the output of the task that runs on
/// the printing thread. Without this call, it goes to descriptor 1.
///
/// The redirection applies to the whole process, and is permanent. Call this before other threads start.
///
/// # Errors
///
/// With another C library than glibc, whose `stdout` cannot be replaced.
pub fn catch_c_output() -> io::Result<()> {
    owngil_ffi::catch_c_stdout(|text| Capture::write_from_c(OutputStream::Stdout, text))
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
