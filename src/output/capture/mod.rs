//! Capture: the output of the task that runs in one worker, from its streams and descriptors to the host.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use owngil_ffi::{Place, Running};

use crate::children::Parent;

use super::inherit::{Part, inherit};
use super::pipes::{Pipes, Readers};
use super::{Children, Handover, OUTPUT_LIMIT, Output, OutputPolicy, Speaker, Stream};

/// From how many bytes on a running task's complete lines are handed on.
const FLUSH_AT: usize = 64 << 10;

/// From how many bytes on a line is handed on in pieces, without waiting for its end.
const LINE_MAX: usize = 1 << 20;

thread_local! {
    /// The capture of the task that this thread runs, where that is one of ours.
    static CURRENT: RefCell<Option<Arc<Capture>>> = const { RefCell::new(None) };
}

/// Takes output of a call to another process: its place in the batch, and whether it is the last of it.
pub(crate) type Forward = Box<dyn Fn(u32, Stream, &[u8], bool) + Send + Sync>;

/// The output of the task that runs in one worker.
///
/// Shared by the worker, which takes it after each task, and by the streams of the interpreter,
/// whose threads write to it.
pub(crate) struct Capture {
    policy: OutputPolicy,
    /// Takes what is printed in a worker process to the pool's, instead of the policy.
    forward: Option<Forward>,
    handover: Handover,
    /// What is printed belongs to no task.
    has_no_worker: bool,
    worker: usize,
    running: Place,
    written: AtomicBool,
    /// What the running call printed has been taken, to be reported with its end. Set under the lock.
    collected: AtomicBool,
    /// What is printed goes to the process's own streams, at once.
    is_diverted: AtomicBool,
    output: Mutex<Output>,
    /// Held while handing on. Not the lock of the output: a sink may wait, and ending a task must not.
    handing_on: Mutex<()>,
    has_pipes: AtomicBool,
    /// The running call may have started others that write into the pipes.
    has_children: AtomicBool,
    pipes: Mutex<Option<Pipes>>,
    /// Whose child processes those of its tasks are.
    parent: Parent,
    /// The running call has changed the working directory or the umask.
    directory_changed: AtomicBool,
}

impl Capture {
    pub(crate) fn new(policy: OutputPolicy) -> Arc<Capture> {
        Capture::of_worker(0, policy)
    }

    pub(crate) fn of_worker(worker: usize, policy: OutputPolicy) -> Arc<Capture> {
        let handover = match &policy {
            OutputPolicy::Sink(sink) => sink.handover(),
            _ => Handover::Blocks,
        };
        Arc::new(Capture {
            worker,
            ..Capture::made(handover, policy, None)
        })
    }

    /// For a worker process, where the pool's capture hands on what tasks print.
    pub(crate) fn forwarding(handover: Handover, forward: Forward) -> Arc<Capture> {
        let policy = OutputPolicy::Inherit;
        Arc::new(Capture::made(handover, policy, Some(forward)))
    }

    /// For what is printed outside of all tasks: each line goes to the process's own streams.
    pub(crate) fn of_no_worker() -> Arc<Capture> {
        Arc::new(Capture {
            has_no_worker: true,
            ..Capture::made(Handover::Lines, OutputPolicy::Inherit, None)
        })
    }

    fn made(handover: Handover, policy: OutputPolicy, forward: Option<Forward>) -> Capture {
        Capture {
            policy,
            forward,
            handover,
            has_no_worker: false,
            worker: 0,
            running: Place::take(),
            written: AtomicBool::new(false),
            collected: AtomicBool::new(false),
            is_diverted: AtomicBool::new(false),
            output: Mutex::default(),
            handing_on: Mutex::default(),
            has_pipes: AtomicBool::new(false),
            has_children: AtomicBool::new(false),
            pipes: Mutex::default(),
            parent: Parent::default(),
            directory_changed: AtomicBool::new(false),
        }
    }

    /// Whether what is written to descriptors 1 and 2 is the tasks' output too, and not the process's.
    pub(crate) fn catches_descriptors(&self) -> bool {
        !matches!(self.policy, OutputPolicy::Inherit)
    }

    /// The worker, as the parent of what its tasks start.
    pub(crate) fn parent(&self) -> &Parent {
        &self.parent
    }

    /// Notes that the working directory or the umask is changed.
    pub(crate) fn note_directory(&self) {
        self.directory_changed.store(true, Ordering::Release);
    }

    /// Whether they have been since this was asked last.
    #[inline]
    pub(crate) fn has_changed_directory(&self) -> bool {
        self.directory_changed.load(Ordering::Acquire)
            && self.directory_changed.swap(false, Ordering::AcqRel)
    }

    /// Where child processes of its tasks write.
    pub(crate) fn children(&self) -> Children {
        match self.has_pipes() {
            true => Children::Noted,
            false if self.catches_descriptors() && self.forward.is_none() => Children::Caught,
            false => Children::Inherit,
        }
    }

    /// The process's own descriptors 1 and 2 are pipes with these ends: what comes from there is the tasks'.
    pub(crate) fn read_process(self: &Arc<Self>, readers: Readers) -> io::Result<()> {
        *self.lock_pipes() = Some(Pipes::of_process(readers, self)?);
        self.has_pipes.store(true, Ordering::Release);
        Ok(())
    }

    /// What stands for descriptor 1 or 2 in a child process that the running task starts; `None` where a child
    /// inherits the process's own.
    pub(crate) fn descriptor(self: &Arc<Self>, stream: Stream) -> io::Result<Option<RawFd>> {
        let mut pipes = self.lock_pipes();
        if pipes.is_none() && self.children() == Children::Caught {
            *pipes = Some(Pipes::start(self)?);
            self.has_pipes.store(true, Ordering::Release);
        }
        // They are read at the end of the call, and before it prints.
        self.written.fetch_or(pipes.is_some(), Ordering::Release);
        self.has_children.store(pipes.is_some(), Ordering::Release);
        pipes.as_ref().map(|pipes| pipes.writer(stream)).transpose()
    }

    /// Whether descriptors are read too, where there may be output that was not noticed.
    #[inline]
    pub(crate) fn has_pipes(&self) -> bool {
        self.has_pipes.load(Ordering::Acquire)
    }

    /// Whether the running call may have started child processes that write into pipes. What it prints then comes
    /// after what they have written so far: see [`catch_up`](Capture::catch_up).
    #[inline]
    pub(crate) fn has_children(&self) -> bool {
        self.has_children.load(Ordering::Acquire)
    }

    /// Takes what child processes have written so far. May wait for the sink.
    pub(crate) fn catch_up(&self) {
        if self.has_children() {
            self.read_pipes();
        }
    }

    /// Takes what has been written to descriptors so far.
    fn read_pipes(&self) {
        if !self.has_pipes() {
            return;
        }
        let readers = match &*self.lock_pipes() {
            Some(pipes) => Arc::clone(pipes.readers()),
            None => return,
        };
        readers.read(|stream, text| self.take(stream, text));
    }

    /// Takes what comes from elsewhere, and hands it on if it is much. Its writer cannot learn that there is too
    /// much.
    pub(crate) fn take(&self, stream: Stream, text: &[u8]) {
        match self.write(stream, text) {
            Ok(false) => {}
            Ok(true) => self.hand_on(stream),
            Err(message) => {
                let mut output = self.lock();
                let said = format!("[owngil: {message}; the rest is lost]\n");
                if !output.stderr.ends_with(said.as_bytes()) {
                    output.stderr.extend_from_slice(said.as_bytes());
                }
            }
        }
    }

    fn lock_pipes(&self) -> MutexGuard<'_, Option<Pipes>> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job begins, whose first call has this index.
    #[inline]
    pub(crate) fn begin_job(&self, first: u64) {
        self.begin_call(0);
        self.parent.begin_job();
        self.running.first.store(first, Ordering::Relaxed);
    }

    /// The call at that place of the job begins.
    #[inline]
    pub(crate) fn begin_call(&self, place: u32) {
        self.running.call.store(place, Ordering::Relaxed);
        self.collected.store(false, Ordering::Relaxed);
        self.has_children.store(false, Ordering::Relaxed);
    }

    /// As [`begin_call`](Capture::begin_call), with what is left of the call before handed on.
    pub(crate) fn turn_to_call(&self, place: u32) {
        if self.running.call.load(Ordering::Relaxed) != place {
            if self.is_dirty() {
                self.finish();
            }
            self.begin_call(place);
        }
    }

    /// The job has ended: what is printed now is no call's.
    #[inline]
    pub(crate) fn end_job(&self) {
        self.running
            .first
            .store(Running::NO_CALL, Ordering::Relaxed);
    }

    /// When output is handed on; `None` where it is kept with its task.
    pub(crate) fn handover(&self) -> Option<Handover> {
        (!self.is_kept()).then_some(self.handover)
    }

    /// Has what is printed go to the process's own streams, from now on: it belongs to no task any more.
    pub(crate) fn divert(&self) {
        self.is_diverted.store(true, Ordering::Relaxed);
    }

    /// Makes this the capture of what the calling thread prints, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> impl Drop + use<> {
        struct Leave(Option<Arc<Capture>>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        Leave(CURRENT.replace(Some(Arc::clone(self))))
    }

    /// The capture for what the calling thread prints in an interpreter whose own is `fallback`.
    ///
    /// They differ where one interpreter runs several workers: what a thread prints that one of
    /// its tasks started cannot be distinguished from the others' and goes to the fallback.
    pub(crate) fn current(fallback: &Arc<Capture>) -> Arc<Capture> {
        CURRENT.with_borrow(|current| current.as_ref().unwrap_or(fallback).clone())
    }

    /// Takes what C code writes by its own streams, on the thread that does.
    pub(crate) fn write_from_c(stream: Stream, text: &[u8]) {
        // A thread that ends may print, too.
        let current = CURRENT.try_with(|current| current.borrow().clone());
        match current.ok().flatten() {
            Some(capture) => {
                capture.catch_up();
                capture.take(stream, text);
            }
            None => inherit(stream, text, Part::Some),
        }
    }

    /// Takes a piece of output, and says whether there is so much that
    /// [`hand_on`](Capture::hand_on) should follow.
    ///
    /// # Errors
    ///
    /// The text for the `OSError` of a task that prints more than is kept.
    pub(crate) fn write(&self, stream: Stream, text: &[u8]) -> Result<bool, String> {
        if self.is_diverted.load(Ordering::Relaxed) {
            inherit(stream, text, Part::Some);
            return Ok(false);
        }
        self.add(&mut self.lock(), stream, text)
    }

    /// As [`write`](Capture::write), if that need not wait: another thread may be handing on what it printed,
    /// to a sink that takes its time.
    pub(crate) fn write_at_once(
        &self,
        stream: Stream,
        text: &[u8],
    ) -> Option<Result<bool, String>> {
        if self.is_diverted.load(Ordering::Relaxed) {
            return None;
        }
        let mut output = self.output.try_lock().ok()?;
        Some(self.add(&mut output, stream, text))
    }

    fn add(&self, output: &mut Output, stream: Stream, text: &[u8]) -> Result<bool, String> {
        let buffer = output.stream(stream);
        let is_kept = self.is_kept();
        if is_kept && buffer.len() + text.len() > OUTPUT_LIMIT {
            return Err(format!("the task printed more than {OUTPUT_LIMIT} bytes"));
        }
        buffer.extend_from_slice(text);
        self.written.store(true, Ordering::Release);
        // Only a new newline makes a line complete: what was there before is not searched again.
        let is_much = match self.handover {
            Handover::Blocks => buffer.len() >= FLUSH_AT && text.contains(&b'\n'),
            Handover::Lines => text.contains(&b'\n'),
            Handover::Pieces => true,
        };
        Ok(!is_kept && (is_much || buffer.len() >= LINE_MAX))
    }

    /// Hands on the lines that are complete, and most of one that is too long. May wait for the
    /// sink.
    pub(crate) fn hand_on(&self, stream: Stream) {
        // Until it is delivered: a second thread's lines must not overtake these.
        let _turn = self.lock_handing_on();
        let mut output = self.lock();
        let buffer = output.stream(stream);
        let end = match buffer.iter().rposition(|&byte| byte == b'\n') {
            _ if self.handover == Handover::Pieces => buffer.len(),
            Some(newline) => newline + 1,
            None if buffer.len() >= LINE_MAX => last_character(buffer),
            None => return,
        };
        let rest = buffer.split_off(end);
        let lines = std::mem::replace(buffer, rest);
        drop(output);
        self.deliver(stream, &lines, Part::Some);
    }

    /// Hands on an unfinished line too, where it belongs to no task.
    pub(crate) fn flush(&self) {
        if self.has_no_worker {
            self.finish();
        }
    }

    /// Whether anything was printed since the last [`finish`](Capture::finish).
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// Ends the task's output: hands it on, or returns what is to be kept with the task.
    pub(crate) fn finish(&self) -> Option<Output> {
        self.read_pipes();
        let _turn = (!self.is_kept()).then(|| self.lock_handing_on());
        self.written.store(false, Ordering::Release);
        let output = std::mem::take(&mut *self.lock());
        if self.is_kept() {
            return (!output.is_empty()).then_some(output);
        }
        for (stream, text) in output.streams() {
            self.deliver(stream, &text, Part::Last);
        }
        None
    }

    /// As [`finish`](Capture::finish), of a call that has ended; its end is reported later.
    pub(crate) fn finish_call(&self) -> Option<Output> {
        if !self.is_kept() {
            return self.finish();
        }
        self.read_pipes();
        let mut output = self.lock();
        self.written.store(false, Ordering::Release);
        self.collected.store(true, Ordering::Relaxed);
        let output = std::mem::take(&mut *output);
        (!output.is_empty()).then_some(output)
    }

    /// Drops what the task has printed so far, and tells the sink, which may have some of it.
    pub(crate) fn forget(&self) {
        self.read_pipes();
        let _turn = self.lock_handing_on();
        self.written.store(false, Ordering::Release);
        *self.lock() = Output::default();
        if let (None, OutputPolicy::Sink(sink)) = (&self.forward, &self.policy) {
            sink.retract(self.speaker());
        }
    }

    /// As [`finish`](Capture::finish), for one stream.
    pub(crate) fn finish_stream(&self, stream: Stream) {
        let _turn = self.lock_handing_on();
        let text = std::mem::take(self.lock().stream(stream));
        if !text.is_empty() {
            self.deliver(stream, &text, Part::Last);
        }
    }

    /// Whether output is kept with its task.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.policy, OutputPolicy::Capture)
    }

    /// What was printed so far by a task that is reported before it ends, and has not been handed on: to be
    /// handed on elsewhere, or a copy of what is kept. `None` where its end has it already.
    pub(crate) fn give(&self) -> Option<Output> {
        if self.is_kept() {
            return self.kept_so_far();
        }
        self.written.store(false, Ordering::Release);
        Some(std::mem::take(&mut *self.lock()))
    }

    /// What is to be kept with a task that is reported before it ends, which it may do meanwhile: so this is a
    /// copy. `None` where its end has it already.
    pub(crate) fn kept_so_far(&self) -> Option<Output> {
        let output = self.lock();
        match self.collected.load(Ordering::Relaxed) {
            false if self.is_kept() => Some(output.clone()),
            false => Some(Output::default()),
            true => None,
        }
    }

    /// Hands on what was printed after the last task, such as by exit functions; there is no task to
    /// keep it with.
    pub(crate) fn finish_last(&self) {
        for (stream, text) in self.finish().unwrap_or_default().streams() {
            inherit(stream, &text, Part::Last);
        }
        self.parent.kill();
        // What those still write that are meant to stay is read by the pipes' own thread, until they end.
        drop(self.lock_pipes().take());
    }

    fn deliver(&self, stream: Stream, text: &[u8], part: Part) {
        match (&self.forward, &self.policy) {
            (Some(forward), _) => {
                let call = self.running.call.load(Ordering::Relaxed);
                forward(call, stream, text, part == Part::Last);
            }
            (None, OutputPolicy::Sink(sink)) => sink.write_of(self.speaker(), stream, text),
            _ => inherit(stream, text, part),
        }
    }

    fn speaker(&self) -> Speaker {
        let first = self.running.first.load(Ordering::Relaxed);
        let call = self.running.call.load(Ordering::Relaxed);
        Speaker {
            worker: self.worker,
            index: (first != Running::NO_CALL).then(|| first + u64::from(call)),
        }
    }

    fn lock_handing_on(&self) -> MutexGuard<'_, ()> {
        let lock = self.handing_on.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Where the last character starts, which stays behind: the newline that ends the line for good is
/// added after it.
fn last_character(text: &[u8]) -> usize {
    let from = text.len().saturating_sub(4);
    let start = text[from..]
        .iter()
        .rposition(|byte| byte & 0xC0 != 0x80)
        .unwrap_or(0);
    from + start
}

#[cfg(test)]
mod tests;
