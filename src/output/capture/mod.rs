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
use super::{Children, Handover, OUTPUT_LIMIT, Output, OutputPolicy, OutputStream, Speaker};

/// A running task's complete lines are passed on when there are this many bytes.
const FLUSH_AT: usize = 64 << 10;

/// A line that is longer is passed on in pieces.
const LINE_MAX: usize = 1 << 20;

thread_local! {
    /// The capture of the task that this thread runs, if it is a worker's thread.
    static CURRENT: RefCell<Option<Arc<Capture>>> = const { RefCell::new(None) };
}

/// Sends output to another process: the call's index in its batch, the stream, the text, and whether it is the last.
pub(crate) type Forward = Box<dyn Fn(u32, OutputStream, &[u8], bool) + Send + Sync>;

/// The output of the task that runs in one worker.
///
/// Shared by the worker, which takes it after each task, and by the streams of the interpreter,
/// whose threads write to it.
///
/// A worker writes to it at each call, so no two of them share a cache line.
#[repr(align(128))]
pub(crate) struct Capture {
    policy: OutputPolicy,
    /// In a worker process, sends output to the pool's process; the policy does not apply.
    forward: Option<Forward>,
    handover: Handover,
    /// Whether the output belongs to no task.
    has_no_worker: bool,
    worker: usize,
    running: Place,
    written: AtomicBool,
    /// Whether the running call's output was already taken for its outcome. Set under the lock of `output`.
    collected: AtomicBool,
    /// Whether output goes straight to the process's own streams.
    is_diverted: AtomicBool,
    /// Whether the running call's further output is dropped: it is made again elsewhere.
    is_dropped: AtomicBool,
    output: Mutex<Output>,
    /// Held while output is passed on. Not the lock of `output`: a sink may block, and ending a task must not.
    handing_on: Mutex<()>,
    has_pipes: AtomicBool,
    /// Whether the running call may have started processes that write into the pipes.
    has_children: AtomicBool,
    pipes: Mutex<Option<Pipes>>,
    /// The parent of the child processes of its tasks.
    parent: Parent,
    /// Whether the running call has changed the working directory or the umask.
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

    /// For a worker process: the pool's capture passes the output of tasks on.
    pub(crate) fn forwarding(handover: Handover, forward: Forward) -> Arc<Capture> {
        let policy = OutputPolicy::Inherit;
        Arc::new(Capture::made(handover, policy, Some(forward)))
    }

    /// For output outside of all tasks: each line goes to the process's own streams.
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
            is_dropped: AtomicBool::new(false),
            output: Mutex::default(),
            handing_on: Mutex::default(),
            has_pipes: AtomicBool::new(false),
            has_children: AtomicBool::new(false),
            pipes: Mutex::default(),
            parent: Parent::default(),
            directory_changed: AtomicBool::new(false),
        }
    }

    /// Whether output on descriptors 1 and 2 belongs to the tasks, not to the process.
    pub(crate) fn catches_descriptors(&self) -> bool {
        !matches!(self.policy, OutputPolicy::Inherit)
    }

    /// The worker, as the parent of processes that its tasks start.
    pub(crate) fn parent(&self) -> &Parent {
        &self.parent
    }

    /// Notes that the working directory or the umask has changed.
    pub(crate) fn note_directory(&self) {
        self.directory_changed.store(true, Ordering::Release);
    }

    /// Whether they have changed since the last call of this.
    #[inline]
    pub(crate) fn has_changed_directory(&self) -> bool {
        self.directory_changed.load(Ordering::Acquire)
            && self.directory_changed.swap(false, Ordering::AcqRel)
    }

    /// Where the child processes of its tasks write.
    pub(crate) fn children(&self) -> Children {
        match self.has_pipes() {
            true => Children::Noted,
            false if self.catches_descriptors() && self.forward.is_none() => Children::Caught,
            false => Children::Inherit,
        }
    }

    /// Reads the process's own descriptors 1 and 2, which are pipes with these ends, as output of the tasks.
    pub(crate) fn read_process(self: &Arc<Self>, readers: Readers) -> io::Result<()> {
        *self.lock_pipes() = Some(Pipes::of_process(readers, self)?);
        self.has_pipes.store(true, Ordering::Release);
        Ok(())
    }

    /// The descriptor that a child process of the running task gets as its descriptor 1 or 2. `None` if it inherits the
    /// process's own.
    pub(crate) fn descriptor(self: &Arc<Self>, stream: OutputStream) -> io::Result<Option<RawFd>> {
        let mut pipes = self.lock_pipes();
        if pipes.is_none() && self.children() == Children::Caught {
            *pipes = Some(Pipes::start(self)?);
            self.has_pipes.store(true, Ordering::Release);
        }
        // So the pipes are read at the end of the call, and before it prints.
        self.written.fetch_or(pipes.is_some(), Ordering::Release);
        self.has_children.store(pipes.is_some(), Ordering::Release);
        pipes.as_ref().map(|pipes| pipes.writer(stream)).transpose()
    }

    /// Whether there are pipes, which may contain output that was not noticed.
    #[inline]
    pub(crate) fn has_pipes(&self) -> bool {
        self.has_pipes.load(Ordering::Acquire)
    }

    /// Whether the running call may have started child processes that write into pipes. Their output so far precedes
    /// the call's next output; see [`catch_up`](Capture::catch_up).
    #[inline]
    pub(crate) fn has_children(&self) -> bool {
        self.has_children.load(Ordering::Acquire)
    }

    /// Takes the output of child processes so far. May block on the sink.
    pub(crate) fn catch_up(&self) {
        if self.has_children() {
            self.read_pipes();
        }
    }

    /// Takes the output in the pipes so far.
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

    /// Takes output whose writer cannot receive an error, and passes it on if there is enough. Output beyond the limit
    /// is lost, with a note.
    pub(crate) fn take(&self, stream: OutputStream, text: &[u8]) {
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

    /// Begins a job whose first call has this index.
    #[inline]
    pub(crate) fn begin_job(&self, first: u64) {
        self.begin_call(0);
        self.parent.begin_job();
        self.running.first.store(first, Ordering::Relaxed);
    }

    /// Begins the call at that index of the job.
    #[inline]
    pub(crate) fn begin_call(&self, place: u32) {
        self.running.call.store(place, Ordering::Relaxed);
        self.collected.store(false, Ordering::Relaxed);
        self.has_children.store(false, Ordering::Relaxed);
        self.is_dropped.store(false, Ordering::Relaxed);
    }

    /// Drops what the running call prints from now on.
    pub(crate) fn drop_rest(&self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }

    /// Like [`begin_call`](Capture::begin_call), but passes on the remaining output of the previous call first.
    pub(crate) fn turn_to_call(&self, place: u32) {
        if self.running.call.load(Ordering::Relaxed) != place {
            if self.is_dirty() {
                self.finish();
            }
            self.begin_call(place);
        }
    }

    /// The index of the running call.
    pub(crate) fn call_index(&self) -> Option<u64> {
        let first = self.running.first.load(Ordering::Relaxed);
        let call = self.running.call.load(Ordering::Relaxed);
        (first != Running::NO_CALL).then(|| first + u64::from(call))
    }

    /// Ends the job: later output belongs to no call.
    #[inline]
    pub(crate) fn end_job(&self) {
        self.running
            .first
            .store(Running::NO_CALL, Ordering::Relaxed);
    }

    /// When output is passed on; `None` if it is kept with its task.
    pub(crate) fn handover(&self) -> Option<Handover> {
        (!self.is_kept()).then_some(self.handover)
    }

    /// Sends all later output to the process's own streams, as it belongs to no task.
    pub(crate) fn divert(&self) {
        self.is_diverted.store(true, Ordering::Relaxed);
    }

    /// Makes this the capture of the calling thread's output until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> impl Drop + use<> {
        struct Leave(Option<Arc<Capture>>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        Leave(CURRENT.replace(Some(Arc::clone(self))))
    }

    /// The capture for the calling thread's output in an interpreter whose own capture is `fallback`.
    ///
    /// They differ if several workers share one interpreter. The output of threads that their tasks start goes to the
    /// fallback, since nothing shows which task started them.
    pub(crate) fn current(fallback: &Arc<Capture>) -> Arc<Capture> {
        CURRENT.with_borrow(|current| current.as_ref().unwrap_or(fallback).clone())
    }

    /// Takes output of C code, on the thread that writes it.
    pub(crate) fn write_from_c(stream: OutputStream, text: &[u8]) {
        // A thread may write while its thread-locals are destroyed.
        let current = CURRENT.try_with(|current| current.borrow().clone());
        match current.ok().flatten() {
            Some(capture) => {
                capture.catch_up();
                capture.take(stream, text);
            }
            None => inherit(stream, text, Part::Some),
        }
    }

    /// Takes a piece of output. Returns whether there is enough for [`hand_on`](Capture::hand_on) to follow.
    ///
    /// # Errors
    ///
    /// The message of the `OSError` for a task whose output exceeds the limit.
    pub(crate) fn write(&self, stream: OutputStream, text: &[u8]) -> Result<bool, String> {
        if self.is_diverted.load(Ordering::Relaxed) {
            inherit(stream, text, Part::Some);
            return Ok(false);
        }
        self.add(&mut self.lock(), stream, text)
    }

    /// Like [`write`](Capture::write), but returns `None` if that would block: another thread may be passing output to
    /// a slow sink.
    pub(crate) fn write_at_once(
        &self,
        stream: OutputStream,
        text: &[u8],
    ) -> Option<Result<bool, String>> {
        if self.is_diverted.load(Ordering::Relaxed) {
            return None;
        }
        let mut output = self.output.try_lock().ok()?;
        Some(self.add(&mut output, stream, text))
    }

    fn add(&self, output: &mut Output, stream: OutputStream, text: &[u8]) -> Result<bool, String> {
        if self.is_dropped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let buffer = output.stream(stream);
        let is_kept = self.is_kept();
        if is_kept && buffer.len() + text.len() > OUTPUT_LIMIT {
            return Err(format!("the task printed more than {OUTPUT_LIMIT} bytes"));
        }
        buffer.extend_from_slice(text);
        self.written.store(true, Ordering::Release);
        // Only a newline in `text` completes a line, so the earlier text is not searched again.
        let is_much = match self.handover {
            Handover::Blocks => buffer.len() >= FLUSH_AT && text.contains(&b'\n'),
            Handover::Lines => text.contains(&b'\n'),
            Handover::Pieces => true,
        };
        Ok(!is_kept && (is_much || buffer.len() >= LINE_MAX))
    }

    /// Passes on complete lines, and most of a line that is too long. May block on the sink.
    pub(crate) fn hand_on(&self, stream: OutputStream) {
        // Held until delivery, so that a second thread's lines do not overtake these.
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

    /// Passes on an unfinished line too, if it belongs to no task.
    pub(crate) fn flush(&self) {
        if self.has_no_worker {
            self.finish();
        }
    }

    /// Whether there was output since the last [`finish`](Capture::finish).
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// Ends the task's output: passes it on, or returns it to be kept with the task.
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

    /// Like [`finish`](Capture::finish), for a call that has ended and is reported later.
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

    /// Drops the task's output so far, and makes the sink retract what it already has.
    pub(crate) fn forget(&self) {
        self.read_pipes();
        let _turn = self.lock_handing_on();
        self.written.store(false, Ordering::Release);
        self.is_dropped.store(false, Ordering::Relaxed);
        *self.lock() = Output::default();
        if let (None, OutputPolicy::Sink(sink)) = (&self.forward, &self.policy) {
            sink.retract(self.speaker());
        }
    }

    /// Like [`finish`](Capture::finish), for one stream.
    pub(crate) fn finish_stream(&self, stream: OutputStream) {
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

    /// The output so far of a task that is reported before it ends: taken out, to be passed on elsewhere, or a copy if
    /// output is kept. `None` if its outcome already has it.
    pub(crate) fn give(&self) -> Option<Output> {
        if self.is_kept() {
            return self.kept_so_far();
        }
        self.written.store(false, Ordering::Release);
        Some(std::mem::take(&mut *self.lock()))
    }

    /// A copy of the output to keep with a task that is reported before it ends; the task may end meanwhile. `None` if
    /// its outcome already has it.
    pub(crate) fn kept_so_far(&self) -> Option<Output> {
        let output = self.lock();
        match self.collected.load(Ordering::Relaxed) {
            false if self.is_kept() => Some(output.clone()),
            false => Some(Output::default()),
            true => None,
        }
    }

    /// Passes on output after the last task, such as that of exit functions.
    pub(crate) fn finish_last(&self) {
        for (stream, text) in self.finish().unwrap_or_default().streams() {
            inherit(stream, &text, Part::Last);
        }
        self.parent.kill();
        // The pipes' own thread reads what processes that outlive the worker still write.
        drop(self.lock_pipes().take());
    }

    fn deliver(&self, stream: OutputStream, text: &[u8], part: Part) {
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
        Speaker {
            worker: self.worker,
            index: self.call_index(),
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

/// Where the last character starts. It is kept back, so that the line's final newline has text before it.
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
