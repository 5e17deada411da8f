//! Monitor: where a worker's job stands while it runs, for others to see and to end.
//!
//! While a job runs, the promise of its outcome lies here. The thread that takes it reports the outcome:
//! the worker when the job is done, or one that ends the job from outside. So each job has exactly one
//! outcome, and the first to take the promise decides it.
//!
//! A job is interrupted by a thread that attaches to the worker's interpreter and raises
//! `KeyboardInterrupt` in the worker's thread. It does so with the lock of the monitor held and only if
//! that very job is still there; the worker takes its job away under the same lock, and then takes back
//! what has not been raised yet. So an interrupt never reaches another job.

mod call;
mod counters;
mod early_outcome;
mod histogram;
mod items;
mod load;
mod parting;
mod remote;
mod visitor;
mod wake;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;
use owngil_ffi::{
    Attached, Memory, PrivateCopies, PrivateCopy, Runtime, Stack, ThreadClock, Visit, Visits,
};

use crate::error::Error;
use crate::function::Function;
use crate::output::{Capture, Output};
use crate::sync::{Mutex, MutexGuard};
use crate::task::{Batch, ItemBuffer, Job, Promise, Results, Slot, Timing, Why};

pub(crate) use call::{REPORTED, RunningCall};
pub(crate) use counters::{Measured, Ran, Sampling, Stopwatch, Unmeasured, WorkerCounters};
pub(crate) use histogram::Histogram;
pub(crate) use load::Load;
pub(crate) use remote::{Answer, RemoteWorker};

use load::LoadNotes;
use visitor::{Request, Visitor};
use wake::Wake;

pub(crate) use early_outcome::EarlyOutcomes;

/// One worker's.
#[derive(Debug)]
pub(crate) struct JobMonitor {
    /// The worker's place among the others.
    worker: usize,
    capture: Arc<Capture>,
    early_outcomes: Arc<EarlyOutcomes>,
    state: Mutex<MonitorState>,
    visits: OnceLock<Visits>,
    /// The process that the worker runs its jobs in, where that is another one.
    remote: OnceLock<Arc<dyn RemoteWorker>>,
    memory: OnceLock<Memory>,
    copies: OnceLock<PrivateCopies>,
    visitor: Mutex<Option<Visitor>>,
    elsewhere: Mutex<Option<Elsewhere>>,
    /// Who looks here when a job is to end.
    wake: OnceLock<Wake>,
    load_notes: LoadNotes,
    own: Weak<JobMonitor>,
}

/// Takes jobs that this worker cannot run, with the reason.
#[derive(Clone)]
struct Elsewhere(Arc<Takes>);

/// Takes a job, and why it cannot be run where it came from.
type Takes = dyn Fn(Job, &str) + Send + Sync;

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elsewhere")
    }
}

#[derive(Debug, Default)]
struct MonitorState {
    /// Counts jobs.
    epoch: u64,
    running: Option<Running>,
    counters: WorkerCounters,
    /// Since when the worker lives, and its thread's clock.
    alive: Option<(Instant, Option<ThreadClock>)>,
    /// The counters when its life ended.
    last: Option<WorkerCounters>,
}

#[derive(Debug)]
struct Running {
    function: Function,
    n_calls: u32,
    /// Its number in another process, if it runs there: 0 until that is known.
    number: u64,
    began: Instant,
    limit: Option<Duration>,
    load: Load,
    /// Where its items go, if it is a stream.
    items: Option<Arc<ItemBuffer>>,
    is_timed: bool,
    /// The flag that says that the job is no longer wanted.
    cancelled: Option<Arc<AtomicBool>>,
    /// Taken by the thread that reports the outcome.
    promise: Option<Promise>,
    /// It has its outcome already, and does not run.
    is_settled: bool,
    /// The job has been interrupted.
    stopped: Option<(Why, Option<Box<Stack>>)>,
    /// What an interpreter has refused it, and when it must have ended.
    refused: Option<(Instant, String)>,
}

/// How a job is identified from outside.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// That of a task.
    Task(Arc<Slot>),
    /// Any of a map, by its flag.
    Map(Arc<AtomicBool>),
    /// Any.
    All,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Idle,
    Busy,
    /// Its stream waits until items are taken.
    Suspended,
}

/// A look at a running job.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Tells it from the others of this worker.
    pub(crate) epoch: u64,
    pub(crate) function: Function,
    pub(crate) n_calls: u32,
    /// How long ago it began.
    pub(crate) elapsed: Duration,
    /// When it is to end, and why, unless it has been ended.
    pub(crate) due: Option<(Instant, Why)>,
}

impl JobMonitor {
    pub(crate) fn new(
        worker: usize,
        capture: Arc<Capture>,
        early_outcomes: &Arc<EarlyOutcomes>,
    ) -> Arc<JobMonitor> {
        Arc::new_cyclic(|own| JobMonitor {
            worker,
            capture,
            early_outcomes: Arc::clone(early_outcomes),
            state: Mutex::default(),
            visits: OnceLock::new(),
            remote: OnceLock::new(),
            memory: OnceLock::new(),
            copies: OnceLock::new(),
            visitor: Mutex::default(),
            elsewhere: Mutex::default(),
            wake: OnceLock::new(),
            load_notes: LoadNotes::default(),
            own: Weak::clone(own),
        })
    }

    /// The worker's number.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// What the worker's tasks print.
    pub(crate) fn capture(&self) -> &Arc<Capture> {
        &self.capture
    }

    /// Says how to attach to the worker's interpreter.
    pub(crate) fn set_visits(&self, visits: Visits) {
        let _ = self.visits.set(visits);
    }

    /// Says where is noted what the worker has loaded from private copies, if it loads any.
    pub(crate) fn set_copies(&self, copies: PrivateCopies) {
        let _ = self.copies.set(copies);
    }

    /// The extension modules that the worker has loaded from private copies.
    pub(crate) fn private_copies(&self) -> Vec<PrivateCopy> {
        self.copies
            .get()
            .map(PrivateCopies::loaded)
            .unwrap_or_default()
    }

    /// Says that the worker runs its jobs in another process.
    pub(crate) fn set_remote(&self, remote: Arc<dyn RemoteWorker>) {
        let _ = self.remote.set(remote);
    }

    /// The process that it runs its jobs in, where that is another one.
    pub(crate) fn remote(&self) -> Option<&Arc<dyn RemoteWorker>> {
        self.remote.get()
    }

    /// Says where the worker's memory is counted, if it is.
    pub(crate) fn set_memory(&self, memory: Option<Memory>) {
        if let Some(memory) = memory {
            let _ = self.memory.set(memory);
        }
    }

    /// Sets what takes jobs that the worker cannot run, from now until its life ends.
    pub(crate) fn set_elsewhere(&self, take: impl Fn(Job, &str) + Send + Sync + 'static) {
        *self.elsewhere() = Some(Elsewhere(Arc::new(take)));
    }

    fn elsewhere(&self) -> MutexGuard<'_, Option<Elsewhere>> {
        self.elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the call that failed so moves elsewhere, if it does.
    #[cold]
    pub(crate) fn moves(&self, error: &Error) -> Option<String> {
        self.elsewhere().as_ref()?;
        error.needs_process()
    }

    /// Hands a job to the fallback, and may wait for room there.
    #[cold]
    pub(crate) fn move_on(&self, job: Job, reason: &str) {
        let elsewhere = self.elsewhere().clone();
        if let Some(Elsewhere(take)) = elsewhere {
            take(job, reason);
        }
    }

    /// How many bytes the worker's interpreter has in use, if that is counted.
    pub(crate) fn memory_in_use(&self) -> Option<usize> {
        match self.remote.get() {
            Some(remote) => remote.memory_in_use(),
            None => self.memory.get().map(Memory::in_use),
        }
    }

    /// The worker's life begins, on this thread.
    pub(crate) fn start_life(&self) {
        let mut state = self.lock();
        // What it did to become ready does not count.
        state.counters = WorkerCounters::default();
        state.alive = Some((Instant::now(), ThreadClock::of_this_thread()));
    }

    /// The worker's life ends, on this thread; what it does to end does not count.
    pub(crate) fn end_life(&self) {
        *self.elsewhere() = None;
        let mut state = self.lock();
        state.last = Some(self.counters_at(&state, Instant::now()));
    }

    /// What the worker has done so far, and what it does.
    pub(crate) fn counters(&self) -> (WorkerCounters, Activity) {
        let state = self.lock();
        let activity = match &state.running {
            None => Activity::Idle,
            Some(running) if running.is_suspended() => Activity::Suspended,
            Some(_) => Activity::Busy,
        };
        (self.counters_at(&state, Instant::now()), activity)
    }

    /// The worker begins a job. When its time is up, if it has a limit; `Err` for a job that has its
    /// outcome already, which need not run.
    ///
    /// Such jobs are counted, since there are few, and to look at the slot of each task would fetch it from
    /// another core's cache.
    #[inline]
    pub(crate) fn begin(&self, batch: &Batch, promise: Promise) -> Result<Option<Instant>, ()> {
        let began = Instant::now();
        let waited = promise.waited(began);
        let first = promise.index().wrapping_add(batch.n_skipped().into());
        self.capture.begin_job(first);
        let mut running = Running {
            function: *batch.function(),
            n_calls: batch.len(),
            number: self.remote.get().map_or(promise.number(), |_| 0),
            began,
            limit: batch.limit(),
            load: Load::NotYet,
            items: items::of(batch, &promise),
            is_timed: batch.is_timed(),
            cancelled: batch.cancelled().cloned(),
            promise: Some(promise),
            is_settled: false,
            stopped: None,
            refused: None,
        };
        let limit = running.first_limit();
        let due = limit.and_then(|limit| began.checked_add(limit));
        let mut state = self.lock();
        // Looked at under the lock: a thread that reports an outcome and then looks here finds the job, or has
        // counted it before this line (see `EarlyOutcomes`).
        if self.early_outcomes.any() && !running.promise.as_ref().is_some_and(Promise::is_open) {
            self.early_outcomes.take_one();
            running.is_settled = true;
        }
        let is_settled = running.is_settled;
        state.epoch += 1;
        state.running = Some(running);
        if is_settled {
            return Err(());
        }
        state.counters.wait.note(waited, batch.len());
        Ok(due)
    }

    /// The worker's job is done, or was not to be run. Gives how long it took, and the promise unless
    /// another thread has taken it.
    #[inline]
    pub(crate) fn end(
        &self,
        attached: Attached<'_>,
        ran: Option<Ran>,
    ) -> (Duration, Option<Promise>) {
        self.end_with(ran, || attached.clear_interrupt())
    }

    #[inline]
    fn end_with(
        &self,
        ran: Option<Ran>,
        clear_interrupt: impl FnOnce(),
    ) -> (Duration, Option<Promise>) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(running) = state.running.take() else {
            return (Duration::ZERO, None);
        };
        let time = now - running.began;
        self.capture.end_job();
        if let Some(ran) = ran {
            state.counters.ended(ran.n_calls, time, ran.crossing);
            if running.promise.is_some() {
                state.counters.count(ran.n_calls, ran.n_failed);
            }
        }
        drop(state);
        if running.stopped.is_some() {
            clear_interrupt();
        }
        (time, running.promise)
    }

    /// Reports the outcome of a job that has begun here, unless its task has one.
    #[inline]
    pub(crate) fn keep(&self, promise: Promise, results: Results) {
        if !promise.keep(results) {
            self.early_outcomes.take_one();
        }
    }

    /// The worker is lost. This is the outcome of the job that it runs, if it runs one.
    pub(crate) fn lose(&self, error: &Error) {
        let timing = self.timing();
        if let Some(promise) = self.take_lost() {
            self.lock().counters.count(promise.len(), promise.len());
            let mut results = Results::all_failed(promise.len().max(1), error);
            results.add_timing(timing);
            self.keep(promise, results);
        }
    }

    /// The worker is lost while it runs a job: its promise, unless it has been taken.
    pub(crate) fn take_lost(&self) -> Option<Promise> {
        let mut state = self.lock();
        let running = state.running.take()?;
        state.counters.busy += running.began.elapsed();
        running.promise
    }

    /// What an interrupted job's failed call gives instead of its exception.
    #[cold]
    pub(crate) fn stopped(&self) -> Option<Error> {
        let state = self.lock();
        let (why, stack) = state.running.as_ref()?.stopped.as_ref()?;
        // One that was refused something is made elsewhere.
        (*why != Why::Refused).then(|| why.error(stack.clone()))
    }

    /// Sets what looks here when a job that had no limit must end.
    pub(crate) fn set_wake(&self, wake: impl Fn(Instant) + Send + Sync + 'static) {
        let _ = self.wake.set(Wake::new(wake));
    }

    /// This monitor, for as long as another owner keeps it.
    pub(crate) fn weak(&self) -> Weak<JobMonitor> {
        Weak::clone(&self.own)
    }

    /// A look at what runs.
    pub(crate) fn look(&self) -> Option<Seen> {
        let state = self.lock();
        let running = state.running.as_ref()?;
        Some(Seen {
            epoch: state.epoch,
            function: running.function,
            n_calls: running.n_calls,
            elapsed: running.began.elapsed(),
            due: self.due(running),
        })
    }

    /// The epoch of the running job, if that is what is meant.
    pub(crate) fn runs(&self, target: &Target) -> Option<u64> {
        let state = self.lock();
        let running = state.running.as_ref().filter(|run| !run.is_settled)?;
        let is_meant = match target {
            Target::All => true,
            Target::Task(slot) => {
                let promise = running.promise.as_ref();
                promise.is_some_and(|promise| promise.is_for(slot))
            }
            Target::Map(flag) => {
                let own = running.cancelled.as_ref();
                own.is_some_and(|own| Arc::ptr_eq(own, flag))
            }
        };
        is_meant.then_some(state.epoch)
    }

    /// Whether the job of that epoch still runs.
    pub(crate) fn is_at(&self, epoch: u64) -> bool {
        let state = self.lock();
        state.epoch == epoch && state.running.is_some()
    }

    /// Has the job interrupted, by a thread that may wait for its GIL. With `report`, that thread also
    /// tells the outcome.
    pub(crate) fn interrupt(&self, epoch: u64, why: Why, report: bool) {
        self.ask(Request::Interrupt { epoch, why, report });
    }

    /// Reports the outcome of that job, which may still run, unless it has one.
    pub(crate) fn report(&self, epoch: u64, why: Why) {
        let printed = self.capture.kept_so_far();
        self.report_with(epoch, why, printed.unwrap_or_default());
    }

    /// As [`report`](JobMonitor::report), with what the job has printed so far and is kept with it.
    fn report_with(&self, epoch: u64, why: Why, printed: Output) {
        let taken = {
            let mut state = self.lock();
            let at = state.epoch == epoch;
            let running = state.running.as_mut().filter(|_| at);
            let taken = running.and_then(|running| {
                let (why, stack) = running.stopped.get_or_insert((why, None));
                let error = match (*why, &running.refused) {
                    (Why::Refused, Some((_, text))) => Error::refused(text),
                    _ => why.error(stack.clone()),
                };
                let timing = self.timing_of(running);
                Some((running.promise.take()?, error, timing))
            });
            if let Some((promise, ..)) = &taken {
                state.counters.count(promise.len(), promise.len());
            }
            taken
        };
        if let Some((promise, error, timing)) = taken {
            tracing::debug!(
                worker = self.worker,
                task = promise.number(),
                ?why,
                "ended from outside"
            );
            let mut results = Results::all_failed(promise.len().max(1), &error);
            if !printed.is_empty() {
                results.add_output(printed);
            }
            results.add_timing(timing);
            self.keep(promise, results);
        }
    }

    /// As `timing_of`, of what runs.
    pub(crate) fn timing(&self) -> Option<Timing> {
        let state = self.lock();
        self.timing_of(state.running.as_ref()?)
    }

    /// When and where the job's call ran, until now, if that is asked for and it has one alone.
    fn timing_of(&self, running: &Running) -> Option<Timing> {
        (running.is_timed && running.n_calls == 1).then(|| {
            let elapsed = running.began.elapsed();
            Timing {
                worker: self.worker,
                began: SystemTime::now() - elapsed,
                elapsed,
            }
        })
    }

    /// The stacks of the worker's threads, home thread first. They come when the interpreter can be
    /// attached to, or the channel ends without.
    pub(crate) fn stacks(&self) -> Receiver<Vec<Stack>> {
        let (reply, stacks) = crossbeam_channel::bounded(1);
        self.ask(Request::Stacks(reply));
        stacks
    }

    fn ask(&self, request: Request) {
        if self.visits.get().is_none() && self.remote.get().is_none() {
            return;
        }
        let mut visitor = self.visitor.lock().unwrap_or_else(PoisonError::into_inner);
        let visitor = visitor.get_or_insert_with(|| Visitor::start(Weak::clone(&self.own)));
        visitor.ask(request);
    }

    /// Interrupts the job, attached to the worker's interpreter. Where it stood, if it was there.
    fn fire(&self, visit: &Visit<'_>, epoch: u64, why: Why) -> Option<Box<Stack>> {
        // On a free-threaded build all threads would be stopped for it, and wait for one that is in C code.
        let is_asked = !Runtime::IS_FREE_THREADED && self.is_at(epoch);
        // If the job is still there afterwards, it stood there.
        let stack = is_asked.then(|| Box::new(visit.home_stack()));
        self.fire_with(epoch, why, stack, || {
            visit.interrupt();
        })
    }

    /// `interrupt` must not wait: a thread that waits for the lock may be attached.
    fn fire_with(
        &self,
        epoch: u64,
        why: Why,
        stack: Option<Box<Stack>>,
        interrupt: impl FnOnce(),
    ) -> Option<Box<Stack>> {
        let mut state = self.lock();
        let at = state.epoch == epoch;
        let running = state.running.as_mut().filter(|_| at)?;
        let stopped = running.stopped.get_or_insert((why, None));
        if stopped.1.is_none() {
            stopped.1 = stack;
        }
        // Now, since the job may end at once.
        let stood = stopped.1.clone();
        interrupt();
        drop(state);
        tracing::debug!(worker = self.worker, ?why, "interrupted");
        stood
    }

    fn counters_at(&self, state: &MonitorState, now: Instant) -> WorkerCounters {
        let mut counters = state.counters_at(now);
        if let (Some(remote), None) = (self.remote.get(), &state.last) {
            counters.cpu = remote.cpu();
        }
        counters
    }

    fn lock(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MonitorState {
    fn counters_at(&self, now: Instant) -> WorkerCounters {
        if let Some(last) = &self.last {
            return last.clone();
        }
        let mut counters = self.counters.clone();
        if let Some((since, clock)) = &self.alive {
            counters.life = now.saturating_duration_since(*since);
            counters.cpu = clock.and_then(|clock| clock.time());
        }
        if let Some(running) = &self.running {
            counters.busy += now.saturating_duration_since(running.began);
        }
        counters
    }
}
