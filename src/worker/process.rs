//! The backend `process`: a worker process for each worker, whose thread sends it jobs and gets results.
//!
//! If jobs are short, several are on their way to the process at once (the *window*), so that it does not wait for the
//! next while results travel. The monitor shows the first of them as the running job. When that takes longer than
//! expected, the jobs after it are taken back and queued again: other workers may be free, and a queued job can still
//! be cancelled.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::monitor::{JobMonitor, Ran};
use crate::output::OutputStream;
use crate::process::{Child, Event, Read, Settings};
use crate::spin::spin;
use crate::task::{Batch, ItemBuffer, Job, Promise, Results};
use crate::worker::{Back, Lingering, Worker, WorkerSettings};

/// How much work may be on its way to a process, estimated from the last jobs.
const AHEAD: Duration = Duration::from_micros(600);

/// The largest window.
const WINDOW_MAX: usize = 64;

/// How long a job may run before the jobs after it are taken back.
const LONG: Duration = Duration::from_millis(2);

/// How often to check that a silent process still exists. Normally the end of its connection shows that at once, but
/// another process may have inherited the connection.
const LOOK: Duration = Duration::from_secs(1);

/// How often to check whether the remaining calls of a batch were cancelled.
const LOOK_AT_CALLS: Duration = Duration::from_millis(50);

/// Starts a worker process, and waits until it is ready.
pub(super) fn start(monitor: Arc<JobMonitor>, settings: &WorkerSettings) -> Result<ProcessWorker> {
    let child = Child::start(Settings {
        program: settings.program.as_deref(),
        worker: monitor.worker(),
        memory: settings.memory,
        is_plain: settings.is_plain,
        keeps_exceptions: settings.keeps_exceptions,
        inherited: &settings.inherited,
        handover: monitor.capture().handover(),
        catches_descriptors: monitor.capture().catches_descriptors(),
        host_functions: &settings.host_functions,
        monitor: &monitor,
    })?;
    monitor.set_remote(child.remote());
    tracing::debug!(
        worker = monitor.worker(),
        process = child.process(),
        "process ready"
    );
    Ok(ProcessWorker {
        child,
        monitor,
        grace: settings.grace,
        window: VecDeque::new(),
        n_sent: 0,
        limit: 1,
        mean: LONG,
        state: ProcessState::Sound,
    })
}

/// A worker whose jobs run in a process.
#[derive(Debug)]
pub(super) struct ProcessWorker {
    child: Child,
    monitor: Arc<JobMonitor>,
    grace: Duration,
    /// Jobs that were sent and have not returned results, in order.
    window: VecDeque<Sent>,
    /// How many jobs were sent, which numbers them.
    n_sent: u64,
    /// The size of the window.
    limit: usize,
    /// The mean duration of the last jobs.
    mean: Duration,
    state: ProcessState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessState {
    Sound,
    /// The process runs no more jobs.
    Exhausted,
    /// The process has ended.
    Lost,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    /// The index of its first call.
    first: u64,
    batch: Batch,
    /// `None` for the first job, whose promise the monitor holds.
    promise: Option<Promise>,
    /// Where its items go, if it is a stream.
    items: Option<Arc<ItemBuffer>>,
    /// Whether only this worker may run it.
    is_own: bool,
}

impl Worker for ProcessWorker {
    fn run(
        &mut self,
        job: Job,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        back: &dyn Fn(Back),
    ) {
        let mut failed = self.take_on(job, true, due);
        while failed.is_ok() {
            if self.state != ProcessState::Exhausted {
                self.fill(due, next, &mut failed);
            }
            if self.window.is_empty() {
                return;
            }
            if failed.is_ok() {
                failed = self.go_on(due, back);
            }
        }
        self.lose(failed.err(), due, back);
    }

    fn is_exhausted(&self) -> bool {
        self.state == ProcessState::Exhausted
    }

    fn is_lost(&self) -> bool {
        self.state == ProcessState::Lost
    }

    fn retire(self: Box<Self>) -> Option<Lingering> {
        let ProcessWorker {
            child,
            monitor,
            grace,
            ..
        } = *self;
        let capture = monitor.capture();
        child.retire(grace, |stream, text| {
            // The error is about a task's limit, and this output belongs to no task.
            let _ = capture.write(stream, text);
        });
        capture.finish_last();
        None
    }
}

impl ProcessWorker {
    /// Sends a job. If it is the only one, it becomes the running job.
    fn take_on(&mut self, job: Job, is_own: bool, due: &dyn Fn(Instant)) -> io::Result<()> {
        let Job { batch, promise } = job;
        if batch.is_cancelled() {
            let cancelled = Error::cancelled(None);
            let results = Results::all_failed(batch.len().max(1), &cancelled);
            self.monitor.keep(promise, results);
            return Ok(());
        }
        self.n_sent += 1;
        let number = self.n_sent;
        let mut sent = Sent {
            number,
            first: promise.index().wrapping_add(batch.n_skipped().into()),
            items: batch
                .is_stream()
                .then(|| promise.items().cloned())
                .flatten(),
            batch,
            promise: Some(promise),
            is_own,
        };
        if self.window.is_empty() && !self.begin_unsent(&mut sent, due) {
            return Ok(());
        }
        let items = sent.items.as_deref();
        let put = self.child.put(number, sent.first, &sent.batch, items);
        self.window.push_back(sent);
        put
    }

    /// Makes a job that has not been sent the monitor's running job. Returns `false` if it must not run.
    fn begin_unsent(&self, sent: &mut Sent, due: &dyn Fn(Instant)) -> bool {
        let Some(promise) = sent.promise.take() else {
            return true;
        };
        match self.monitor.begin(&sent.batch, promise) {
            Ok(when) => {
                self.monitor.set_remote_number(sent.number);
                when.into_iter().for_each(due);
                true
            }
            Err(()) => {
                drop(self.monitor.end_remote(None));
                false
            }
        }
    }

    /// Fills the window.
    fn fill(
        &mut self,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        failed: &mut io::Result<()>,
    ) {
        while self.window.len() < self.limit && failed.is_ok() {
            // What is behind a stream may wait for as long as its consumer likes.
            if self.window.back().is_some_and(|last| last.items.is_some()) {
                break;
            }
            let Some(job) = next() else {
                // The queue is empty, so other workers may be idle: leave them the next jobs.
                self.limit = self.window.len().max(1);
                break;
            };
            *failed = self.take_on(job, false, due);
        }
        if failed.is_ok() {
            *failed = self.child.send();
        }
    }

    /// Waits for reports of the process, and acts on them.
    fn go_on(&mut self, due: &dyn Fn(Instant), back: &dyn Fn(Back)) -> io::Result<()> {
        let found = spin(|| match self.child.read() {
            Ok(Read::Nothing) => None,
            found => Some(found),
        });
        let found = match found {
            Some(found) => found?,
            None => self.wait(due, back)?,
        };
        let mut n_ended = 0;
        while let Some(event) = self.child.event()? {
            match event {
                Event::Ended(number, ran, results) => {
                    self.end(number, ran, results, due, back)?;
                    n_ended += 1;
                }
                Event::Printed(call, stream, text, is_last) => {
                    self.print(call, stream, &text, is_last);
                }
                Event::Exhausted => {
                    self.state = ProcessState::Exhausted;
                    // A job that has begun meanwhile stays in the window.
                    let begun = self.child.take_back();
                    self.give_back(begun, back);
                    self.begin_first(due);
                }
            }
        }
        if n_ended > 0 {
            self.widen(n_ended);
        }
        match found {
            Read::End => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn wait(&mut self, due: &dyn Fn(Instant), back: &dyn Fn(Back)) -> io::Result<Read> {
        let is_alone = self.window.len() == 1;
        let first = self.window.front();
        let limit = match first {
            _ if !is_alone => LONG,
            // The calls after the running one may be cancelled.
            Some(first) if first.batch.len() > 1 => LOOK_AT_CALLS,
            _ => LOOK,
        };
        if let Some(first) = first.filter(|first| first.batch.is_cancelled()) {
            self.child.stop(first.number);
        }
        let is_there = self.child.wait(limit)?;
        self.child.send()?;
        if !is_there && !is_alone {
            self.take_back(due, back)?;
        }
        match self.child.read()? {
            Read::Nothing if !is_there && self.child.has_ended() => Ok(Read::End),
            found => Ok(found),
        }
    }

    /// The first job has ended.
    fn end(
        &mut self,
        number: u64,
        ran: Ran,
        results: Results,
        due: &dyn Fn(Instant),
        back: &dyn Fn(Back),
    ) -> io::Result<()> {
        if self.window.front().is_none_or(|sent| sent.number != number) {
            let reason = "it reported the end of a job that it does not run";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.window.pop_front();
        let elapsed = results.elapsed();
        self.mean = (7 * self.mean + elapsed) / 8;
        if self.monitor.capture().is_dirty() {
            // Output since the last call whose end was reported.
            self.monitor.capture().finish();
        }
        let (_, promise) = self.monitor.end_remote(Some(ran));
        if let Some(promise) = promise {
            self.monitor.keep(promise, results);
        }
        let is_unwanted = |next: &Sent| next.promise.as_ref().is_some_and(|own| !own.is_open());
        if self.window.front().is_some_and(is_unwanted) {
            self.take_back(due, back)?;
        }
        self.begin_first(due);
        Ok(())
    }

    /// Makes the first job, which was sent and may already run, the monitor's running job.
    fn begin_first(&mut self, due: &dyn Fn(Instant)) {
        if let Some(first) = self.window.front_mut()
            && let Some(promise) = first.promise.take()
        {
            let when = self
                .monitor
                .begin_remote(&first.batch, promise, first.number);
            when.into_iter().for_each(due);
        }
    }

    /// Enlarges the window by the number of jobs that have just ended, up to its limit.
    fn widen(&mut self, n_ended: usize) {
        let mean = self.mean.max(Duration::from_micros(1));
        let fitting = AHEAD.as_nanos() / mean.as_nanos() + 1;
        let most = usize::try_from(fitting).unwrap_or(1).min(WINDOW_MAX);
        // Short jobs always have a successor on its way, since sending one takes as long as running one.
        let most = if self.mean < LONG { most.max(2) } else { 1 };
        self.limit = (self.limit + n_ended).min(most);
    }

    /// Takes back the jobs that have not begun, and queues them again. The monitor's running job stays, and is sent
    /// again.
    fn take_back(&mut self, _: &dyn Fn(Instant), back: &dyn Fn(Back)) -> io::Result<()> {
        let begun = self.child.take_back();
        let mut kept = VecDeque::new();
        for mut sent in self.window.drain(..) {
            if sent.number <= begun {
                kept.push_back(sent);
                continue;
            }
            match sent.promise.take() {
                Some(promise) => back(Back::Queued(Job {
                    batch: sent.batch,
                    promise,
                })),
                None => {
                    let items = sent.items.as_deref();
                    self.child
                        .put(sent.number, sent.first, &sent.batch, items)?;
                    kept.push_back(sent);
                }
            }
        }
        self.window = kept;
        self.limit = 1;
        self.child.send()
    }

    /// Queues the jobs after that one again. The process runs none of them.
    fn give_back(&mut self, begun: u64, back: &dyn Fn(Back)) {
        for mut sent in std::mem::take(&mut self.window) {
            if sent.number <= begun {
                self.window.push_back(sent);
                continue;
            }
            let promise = match sent.promise.take() {
                Some(promise) => Some(promise),
                None => self.monitor.end_remote(None).1,
            };
            if let Some(promise) = promise {
                let batch = sent.batch;
                let job = Job { batch, promise };
                back(match sent.is_own {
                    true => Back::Own(job),
                    false => Back::Queued(job),
                });
            }
        }
    }

    /// After the end of the process: its running job is lost, and the others are queued again.
    fn lose(&mut self, error: Option<io::Error>, _: &dyn Fn(Instant), back: &dyn Fn(Back)) {
        self.state = ProcessState::Lost;
        let mut lost = self.child.obituary();
        if let Some(error) = error.filter(|error| error.kind() == io::ErrorKind::InvalidData) {
            lost.reason = format!("{}: {error}", lost.reason);
        }
        tracing::warn!(worker = self.monitor.worker(), reason = lost.reason, "lost");
        let capture = self.monitor.capture();
        self.child
            .last_words(|stream, text| capture.take(stream, text));
        if let Some(first) = self.window.front()
            && first.number <= self.child.begun()
        {
            let lost = lost.calling(self.monitor.worker(), first.batch.function());
            self.lose_first(lost.into(), back);
        }
        self.give_back(0, back);
    }

    /// Loses the running call of the first job. The calls before it keep their values if those were recorded, and the
    /// calls after it go to another process.
    fn lose_first(&mut self, error: Error, back: &dyn Fn(Back)) {
        let Some(Sent { batch, is_own, .. }) = self.window.pop_front() else {
            return;
        };
        let remains = self.child.remains();
        // If the function was not loaded, all calls are lost: another process would probably die as well.
        let n_begun = match remains.is_loaded {
            true => (remains.n_ended + 1).min(batch.len()),
            false => batch.len(),
        };
        let n_saved = remains.n_saved.min(n_begun.saturating_sub(1));
        let values = match n_saved {
            0 => Vec::new(),
            _ => remains.values,
        };
        let bytes = Bytes::of(values, Vec::new());
        let saved = Results::of(bytes, n_saved, Vec::new(), Vec::new());
        let mut lost = Results::all_failed(n_begun - n_saved, &error);
        lost.add_timing(self.monitor.timing());
        let kept = self.monitor.capture().finish();
        lost.add_output(kept.unwrap_or_default());
        // A batch without calls only loads its function, and has one outcome.
        let lost = match batch.len() {
            0 => Results::all_failed(1, &error),
            _ => lost,
        };
        let rest = self.monitor.lose_some(saved.followed_by(lost));
        if let (Some(promise), Some(batch)) = (rest, batch.after(n_begun)) {
            let job = Job { batch, promise };
            back(match is_own {
                true => Back::Own(job),
                false => Back::Queued(job),
            });
        }
    }

    fn print(&self, call: u32, stream: OutputStream, text: &[u8], is_last: bool) {
        let capture = self.monitor.capture();
        capture.turn_to_call(call);
        capture.take(stream, text);
        if is_last {
            capture.finish_stream(stream);
        }
    }
}
