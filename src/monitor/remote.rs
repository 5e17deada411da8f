//! RemoteWorker: a worker's jobs run in another process, and are seen and ended there.
//!
//! The monitor of such a worker is in the pool's process like any other, and has the promises. The process has
//! a monitor too, whose promises have no task: it is there to be looked at and interrupted.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use owngil_ffi::Stack;

use super::{JobMonitor, Load, Ran};
use crate::output::{Output, OutputStream};
use crate::task::{Batch, Promise, Results, Why};

/// A process that runs a worker's jobs.
pub(crate) trait RemoteWorker: fmt::Debug + Send + Sync {
    /// Has that job of its interrupted if it runs; waits for a moment. With `takes_output`, the answer has
    /// what was printed so far.
    fn interrupt(&self, job: u64, why: Why, takes_output: bool) -> Option<Answer>;

    /// The stacks of its threads, home thread first; `None` if it does not answer in time.
    fn stacks(&self) -> Option<Vec<Stack>>;

    /// Ends it. Does not wait.
    fn kill(&self);

    /// Its number.
    fn process(&self) -> u32;

    /// How many bytes its interpreter has in use, if that is counted.
    fn memory_in_use(&self) -> Option<usize>;

    /// The last load of that job.
    fn load_of(&self, job: u64) -> Load;

    /// Its CPU time, of all of its threads.
    fn cpu(&self) -> Option<Duration>;
}

/// What a process says that was asked.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) stacks: Vec<Stack>,
    pub(crate) output: Output,
    /// Whether the job that was interrupted still ran after that. If not, its end is on its way.
    pub(crate) still_runs: bool,
}

impl JobMonitor {
    /// The worker begins a job that was sent to its process as that number. When its time is up, if it
    /// has a limit.
    ///
    /// It may run there by now. So one that has its outcome already is begun too, and its time is up at
    /// once, so that it is interrupted.
    pub(crate) fn begin_remote(
        &self,
        batch: &Batch,
        promise: Promise,
        number: u64,
    ) -> Option<Instant> {
        let begun = self.begin(batch, promise);
        let mut state = self.lock();
        let running = state.running.as_mut()?;
        running.number = number;
        let Err(()) = begun else {
            return begun.unwrap_or_default();
        };
        running.is_settled = false;
        running.limit = Some(Duration::ZERO);
        let began = running.began;
        let reported = running.promise.take();
        drop(state);
        drop(reported);
        Some(began)
    }

    /// Records the number by which the worker process knows the running job.
    pub(crate) fn set_remote_number(&self, number: u64) {
        if let Some(running) = &mut self.lock().running {
            running.number = number;
        }
    }

    /// As [`end`](JobMonitor::end), for a job that ran in another process.
    pub(crate) fn end_remote(&self, ran: Option<Ran>) -> (Duration, Option<Promise>) {
        self.end_with(ran, || ())
    }

    /// The process that ran a job is gone. So many of its calls have ended with these results, the last of
    /// them lost with it. Gives the promise for the rest of its calls, if there are any, which did not
    /// begin.
    pub(crate) fn lose_some(&self, results: Results) -> Option<Promise> {
        let promise = self.take_lost()?;
        self.lock().counters.count(results.len(), 1);
        if results.len() < promise.len() {
            return Some(promise.after(results));
        }
        self.keep(promise, results);
        None
    }

    /// The running job's number in the other process, if it is at that epoch.
    pub(super) fn remote_number(&self, epoch: u64) -> Option<u64> {
        let state = self.lock();
        let running = state.running.as_ref().filter(|_| state.epoch == epoch)?;
        Some(running.number)
    }

    /// Interrupts the job in the other process. If its outcome is reported from here, what it has printed
    /// so far and is kept with it: not if it has ended, since its end has that.
    ///
    /// What is not kept is put with the rest that is handed on.
    pub(super) fn fire_remote(
        &self,
        remote: &dyn RemoteWorker,
        epoch: u64,
        why: Why,
        report: bool,
    ) -> Option<Output> {
        let job = self.remote_number(epoch)?;
        let answer = remote.interrupt(job, why, report);
        let must_report = answer.as_ref().is_none_or(|answer| answer.still_runs);
        let Answer {
            mut stacks, output, ..
        } = answer.unwrap_or_default();
        let stack = stacks.pop().map(Box::new);
        self.fire_with(epoch, why, stack, || ());
        if self.capture.is_kept() {
            return must_report.then_some(output);
        }
        // No other thread has it, even if the job has ended meanwhile.
        let streams = [
            (OutputStream::Stdout, output.stdout),
            (OutputStream::Stderr, output.stderr),
        ];
        for (stream, text) in streams.iter().filter(|(_, text)| !text.is_empty()) {
            let _ = self.capture.write(*stream, text);
        }
        must_report.then(Output::default)
    }

    /// In a worker process: interrupts the job of that number, if it runs, on this thread, which waits for
    /// the GIL. Where it stood, and what it has printed so far if that is asked for.
    pub(crate) fn interrupt_here(&self, number: u64, why: Why, takes_output: bool) -> Answer {
        let epoch = {
            let state = self.lock();
            let running = state.running.as_ref().filter(|run| run.number == number);
            let Some(running) = running else {
                return Answer::default();
            };
            if let Some(cancelled) = &running.cancelled {
                cancelled.store(true, Ordering::Relaxed);
            }
            state.epoch
        };
        // Not looked up afterwards: the job may have ended, and its end come later than this answer.
        let visits = self.visits.get();
        let fired = visits.and_then(|visits| visits.visit(|visit| self.fire(&visit, epoch, why)));
        let stack = fired.flatten().map(|stack| *stack);
        self.kill_children(epoch);
        let output = match self.is_at(epoch) {
            true if takes_output => self.capture.give(),
            true => Some(Output::default()),
            false => None,
        };
        Answer {
            stacks: stack.into_iter().collect(),
            still_runs: output.is_some(),
            output: output.unwrap_or_default(),
        }
    }

    /// In a worker process: the stacks of its threads, read on this thread, which waits for the GIL.
    pub(crate) fn stacks_here(&self) -> Vec<Stack> {
        let visits = self.visits.get();
        let stacks = visits.and_then(|visits| visits.visit(|visit| visit.stacks()));
        stacks.unwrap_or_default()
    }
}
