//! Early outcome: tasks that got their outcome while their jobs were queued.
//!
//! The outcome is put down where the task is, and its job is dropped by the worker that takes it.
//! Between the two a worker may just have taken it. So the monitors are looked at again after the task was
//! counted and its outcome put down: a worker that has begun by then is found, and one that begins
//! later sees the count, and the outcome (see [`JobMonitor::begin`](super::JobMonitor::begin)). Either way that
//! worker takes the task off the count: when it drops the job, or when its results come too late.

use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::task::{Results, Slot, Why};

/// How many tasks got their outcome from outside, without their promise, and those
/// still have them.
#[derive(Debug, Default)]
pub(crate) struct EarlyOutcomes(AtomicUsize);

impl EarlyOutcomes {
    /// Ends a task's call, wherever it is; `find` looks for it at the monitors.
    ///
    /// Gives what was found, and whether the outcome has been reported; nothing where there is no more to do.
    pub(crate) fn end<T>(
        &self,
        slot: &Arc<Slot>,
        why: Why,
        find: impl Fn() -> Option<T>,
    ) -> Option<(T, bool)> {
        if slot.results().is_some() {
            return None;
        }
        if let Some(found) = find() {
            return Some((found, false));
        }
        // Counted first: a worker that sees the outcome takes one away, which must not be another's.
        self.add_one();
        tracing::debug!(task = slot.number(), ?why, "ended before it began");
        if !slot.put(Results::all_failed(1, &why.error(None))) {
            self.take_one();
            return None;
        }
        find().map(|found| (found, true))
    }

    fn add_one(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn take_one(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[cfg(all(test, model))]
mod model {
    use loom::sync::{Condvar, Mutex};
    use loom::thread;

    use super::*;
    use crate::function::Function;
    use crate::monitor::{JobMonitor, Target};
    use crate::output::{Capture, OutputPolicy};
    use crate::sync::check;
    use crate::task::{Batch, Job, Recipient};

    /// A worker's side: its monitor, and whether it has been interrupted.
    #[derive(Clone)]
    struct Side {
        monitor: Arc<JobMonitor>,
        interrupt: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Side {
        fn new(early_outcomes: &Arc<EarlyOutcomes>) -> Side {
            Side {
                monitor: JobMonitor::new(0, Capture::new(OutputPolicy::default()), early_outcomes),
                interrupt: Arc::default(),
            }
        }

        fn run(&self, slot: &Arc<Slot>, call: impl FnOnce()) {
            let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
            let Job { batch, promise } = Job::new(batch, Recipient::Task(Arc::clone(slot)));
            let begun = self.monitor.begin(&batch, promise);
            if begun.is_ok() {
                call();
            }
            let (_, promise) = self
                .monitor
                .end_with(None, || *self.interrupt.0.lock().unwrap() = false);
            if let (Some(promise), Ok(_)) = (promise, begun) {
                self.monitor.keep(promise, Results::default());
            }
        }

        /// A call without end, unless it is interrupted.
        fn hang(&self) {
            let mut is_interrupted = self.interrupt.0.lock().unwrap();
            while !*is_interrupted {
                is_interrupted = self.interrupt.1.wait(is_interrupted).unwrap();
            }
        }

        fn is_interrupted(&self) -> bool {
            *self.interrupt.0.lock().unwrap()
        }
    }

    /// The watchdog's side: what it does to end a call.
    fn end(early_outcomes: &EarlyOutcomes, slot: &Arc<Slot>, sides: &[Side]) {
        let target = Target::Task(Arc::clone(slot));
        let find = || {
            let mut sides = sides.iter();
            sides.find_map(|side| Some((side, side.monitor.runs(&target)?)))
        };
        let why = Why::Cancelled;
        if let Some(((side, epoch), is_reported)) = early_outcomes.end(slot, why, find) {
            let interrupt = || {
                *side.interrupt.0.lock().unwrap() = true;
                side.interrupt.1.notify_one();
            };
            side.monitor.fire_with(epoch, why, None, interrupt);
            if !is_reported {
                side.monitor.report(epoch, why);
            }
        }
    }

    #[test]
    fn an_interrupt_hits_its_job_alone_and_each_has_one_outcome() {
        check(4, || {
            let early_outcomes = Arc::default();
            let side = Side::new(&early_outcomes);
            let slots: [Arc<Slot>; 2] = Default::default();
            let worker = {
                let (side, [first, second]) = (side.clone(), slots.clone());
                thread::spawn(move || {
                    side.run(&first, || ());
                    side.run(&second, || assert!(!side.is_interrupted()));
                })
            };
            end(&early_outcomes, &slots[0], &[side]);
            worker.join().unwrap();
            assert!(slots[0].results().is_some());
            assert_eq!(slots[1].results().map(Results::len), Some(0));
            assert!(!early_outcomes.any(), "no job is queued any more");
        });
    }

    #[test]
    fn a_call_without_end_is_found_or_never_begins() {
        check(4, || {
            let early_outcomes = Arc::default();
            let side = Side::new(&early_outcomes);
            let slot = Arc::default();
            let worker = {
                let (side, slot) = (side.clone(), Arc::clone(&slot));
                thread::spawn(move || side.run(&slot, || side.hang()))
            };
            end(&early_outcomes, &slot, &[side]);
            worker.join().unwrap();
            assert!(slot.results().is_some());
            assert!(!early_outcomes.any(), "no job is queued any more");
        });
    }

    #[test]
    fn two_calls_without_end_at_two_workers_are_found_or_never_begin() {
        check(4, || {
            let early_outcomes = Arc::default();
            let sides = [Side::new(&early_outcomes), Side::new(&early_outcomes)];
            let slots: [Arc<Slot>; 2] = Default::default();
            let workers = [0, 1].map(|n| {
                let (side, slot) = (sides[n].clone(), Arc::clone(&slots[n]));
                thread::spawn(move || side.run(&slot, || side.hang()))
            });
            for slot in &slots {
                end(&early_outcomes, slot, &sides);
            }
            workers
                .into_iter()
                .for_each(|worker| worker.join().unwrap());
            assert!(slots.iter().all(|slot| slot.results().is_some()));
            assert!(!early_outcomes.any(), "no job is queued any more");
        });
    }
}
