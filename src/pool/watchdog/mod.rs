//! Watchdog: the thread of a pool that ends calls which must not go on.
//!
//! It never waits for a GIL, nor for any other lock that a worker may hold: it keeps the times, and leaves what may take
//! long to other threads (see `monitor::visitor`). A job that must end goes through three steps:
//!
//! 1. It is *interrupted*, and again at intervals, since code may swallow the exception.
//! 2. Its outcome is reported by the thread that attached to its interpreter, with the place where it stood; or after
//!    [`PATIENCE`] without one, where C code holds the GIL.
//! 3. After the pool's grace its worker is *abandoned*, and another takes its place.
//!
//! The thread starts when there is something to watch for, and sleeps until the next thing is due. A worker that begins
//! a job with a limit pokes it, but only if it would sleep for too long: with a stream of such jobs it wakes about once
//! in the time of one limit.
//!
//! A queued task gets its outcome while it is queued, and the worker that takes its job drops it (see
//! [`EarlyOutcomes`](crate::monitor::EarlyOutcomes)).
//!
//! This file has the times and requests; `expiry` is a job that must end, and `run` is the thread.

mod expiry;
mod run;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::monitor::Target;
use crate::task::{Slot, Why};

/// For how long the outcome of a job that must end waits for the place where it stood. Attaching takes about 5 ms where
/// bytecode runs (the switch interval), for each thread that runs.
pub(super) const PATIENCE: Duration = Duration::from_millis(80);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Watchdog {
    start: Instant,
    /// When the thread wakes next, in nanoseconds since `start`; `u64::MAX` while it does not sleep, or
    /// not at all.
    next: AtomicU64,
    agenda: Mutex<Agenda>,
    changed: Condvar,
}

/// What the thread has to look at.
#[derive(Debug, Default)]
struct Agenda {
    is_started: bool,
    is_poked: bool,
    is_ended: bool,
    /// When the outcomes of tasks must be there.
    deadlines: BinaryHeap<Reverse<Deadline>>,
    /// How long the list of deadlines may become before those of finished tasks are dropped from it.
    n_before_sweep: usize,
    requests: Vec<(Target, Why)>,
    /// When a lazy pool looks whether jobs wait.
    look_at_queue: Option<Instant>,
}

#[derive(Debug)]
struct Deadline {
    when: Instant,
    slot: Weak<Slot>,
}

impl Watchdog {
    pub(super) fn new() -> Watchdog {
        Watchdog {
            start: Instant::now(),
            next: AtomicU64::new(u64::MAX),
            agenda: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Says that something will be due then. Cheap when the thread will be awake by then.
    #[inline]
    pub(super) fn note(&self, when: Instant) {
        let nanoseconds = when.saturating_duration_since(self.start).as_nanos();
        if nanoseconds < u128::from(self.next.load(Ordering::SeqCst)) {
            self.poke();
        }
    }

    #[cold]
    fn poke(&self) {
        self.lock().is_poked = true;
        self.changed.notify_one();
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        let mut agenda = self.lock();
        agenda.is_ended = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agenda {
    fn is_queue_due(&mut self, now: Instant) -> bool {
        self.look_at_queue.take_if(|when| *when <= now).is_some()
    }

    #[expect(clippy::type_complexity, reason = "taken apart where it is called")]
    fn take_due(&mut self, now: Instant) -> (Vec<Arc<Slot>>, Vec<(Target, Why)>, Option<Instant>) {
        let mut expired = Vec::new();
        while let Some(Reverse(first)) = self.deadlines.peek() {
            if first.when > now {
                break;
            }
            let slot = self
                .deadlines
                .pop()
                .and_then(|first| first.0.slot.upgrade());
            expired.extend(slot);
        }
        let next = self.deadlines.peek().map(|first| first.0.when);
        (expired, std::mem::take(&mut self.requests), next)
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.when.cmp(&other.when)
    }
}

/// The earlier of two times, where there are any.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
