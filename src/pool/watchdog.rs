//! Watchdog: the thread of a pool that ends calls which must not go on.
//!
//! It never waits for a GIL, nor for anything else that somebody may hold: it keeps the times, and has
//! others do what may take long (see `monitor::visitor`). A job that is to end is chased:
//!
//! 1. *Interrupted*, and again at intervals, since code may swallow the exception.
//! 2. Its outcome is told by whoever attached to its interpreter, with the place where it stood; or
//!    after [`PATIENCE`] without, where C code holds the GIL.
//! 3. After the pool's grace its worker is *set aside*, and another takes its seat.
//!
//! The thread starts when there is something to watch for, and sleeps until the next thing is due. A
//! worker that begins a job with a limit pokes it, but only if it would sleep for too long: with a
//! stream of such jobs it wakes about once in the time of one limit.
//!
//! A task that is queued is told its outcome where it is, and its job is dropped by the worker that
//! takes it (see [`EarlyOutcomes`](crate::monitor::EarlyOutcomes)).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Shared;
use crate::monitor::{JobMonitor, Target};
use crate::task::{Slot, Why};

/// For how long the outcome of a job that is to end waits for the place where it stood. Attaching takes
/// about 5 ms where bytecode runs (the switch interval), for each thread that runs.
pub(super) const PATIENCE: Duration = Duration::from_millis(80);

/// After how long an interrupt is repeated.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a job waits before a lazy pool starts another worker for it; starting one takes longer.
const WAITING: Duration = Duration::from_millis(5);

/// How long the batch of a map that nobody wants may take to end by itself: between two calls it sees
/// that it should.
const BETWEEN_CALLS: Duration = Duration::from_millis(20);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Watchdog {
    start: Instant,
    /// When the thread wakes next, in nanoseconds since `start`; `u64::MAX` while it does not sleep, or
    /// not at all.
    next: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_started: bool,
    is_poked: bool,
    is_ended: bool,
    /// When the outcomes of tasks must be there.
    deadlines: BinaryHeap<Reverse<Deadline>>,
    /// How long the list of deadlines may become before those of finished tasks are dropped from it.
    n_before_sweep: usize,
    requests: Vec<(Target, Why)>,
    /// When a lazy pool is to see whether jobs wait.
    look_at_queue: Option<Instant>,
}

#[derive(Debug)]
struct Deadline {
    when: Instant,
    slot: Weak<Slot>,
}

/// A job that is to end.
#[derive(Debug)]
struct Chase {
    monitor: Arc<JobMonitor>,
    epoch: u64,
    why: Why,
    /// The outcome is still to be told, without waiting for the worker.
    untold: bool,
    since: Instant,
    next_interrupt: Instant,
}

impl Watchdog {
    pub(super) fn new() -> Watchdog {
        Watchdog {
            start: Instant::now(),
            next: AtomicU64::new(u64::MAX),
            state: Mutex::default(),
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
        let mut state = self.lock();
        state.is_ended = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Starts the watchdog, unless it runs.
    pub(super) fn start_watchdog(self: &Arc<Shared>) {
        let mut state = self.watchdog.lock();
        if state.is_started || state.is_ended {
            return;
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("owngil-watchdog".to_owned());
        match thread.spawn(move || shared.run_watchdog()) {
            Ok(_) => state.is_started = true,
            Err(error) => tracing::error!(%error, "no thread for the watchdog"),
        }
    }

    /// Has the outcome of a task told by then.
    pub(super) fn expect_by(self: &Arc<Shared>, when: Instant, slot: &Arc<Slot>) {
        self.start_watchdog();
        {
            let mut state = self.watchdog.lock();
            if state.deadlines.len() >= state.n_before_sweep {
                let is_open = |slot: Arc<Slot>| slot.results().is_none();
                state
                    .deadlines
                    .retain(|Reverse(deadline)| deadline.slot.upgrade().is_some_and(is_open));
                state.n_before_sweep = 2 * state.deadlines.len().max(1024);
            }
            let slot = Arc::downgrade(slot);
            state.deadlines.push(Reverse(Deadline { when, slot }));
        }
        self.watchdog.note(when);
    }

    /// Has a lazy pool see in a moment whether jobs wait.
    pub(super) fn look_at_queue_soon(self: &Arc<Shared>) {
        self.start_watchdog();
        let when = Instant::now() + WAITING;
        self.watchdog.lock().look_at_queue.get_or_insert(when);
        self.watchdog.note(when);
    }

    /// Has jobs ended. Does not wait.
    pub(super) fn request(self: &Arc<Shared>, target: Target, why: Why) {
        self.start_watchdog();
        self.watchdog.lock().requests.push((target, why));
        self.watchdog.poke();
    }

    fn run_watchdog(self: Arc<Shared>) {
        let mut chases: Vec<Chase> = Vec::new();
        loop {
            // Whoever begins a job from here on pokes, since this tick may not see it.
            self.watchdog.next.store(u64::MAX, Ordering::SeqCst);
            let next = self.tick(&mut chases, Instant::now());
            let mut state = self.watchdog.lock();
            if state.is_ended {
                return;
            }
            if std::mem::take(&mut state.is_poked) {
                continue;
            }
            let now = Instant::now();
            let left = match next {
                Some(next) if next <= now => continue,
                Some(next) => next - now,
                // Nothing is due.
                None => Duration::from_secs(3600),
            };
            let wakes = (now + left).saturating_duration_since(self.watchdog.start);
            let wakes = u64::try_from(wakes.as_nanos()).unwrap_or(u64::MAX - 1);
            self.watchdog.next.store(wakes, Ordering::SeqCst);
            let waited = self.watchdog.changed.wait_timeout(state, left);
            drop(waited.unwrap_or_else(PoisonError::into_inner).0);
        }
    }

    /// Does what is due; says when something will be next.
    fn tick(self: &Arc<Shared>, chases: &mut Vec<Chase>, now: Instant) -> Option<Instant> {
        let (expired, requests, next_deadline) = self.watchdog.lock().take_due(now);
        for slot in expired {
            self.end_task(&slot, Why::TimedOut, chases, now);
        }
        for (target, why) in requests {
            match target {
                Target::Task(slot) => self.end_task(&slot, why, chases, now),
                target => self.end_running(&target, why, chases, now),
            }
        }
        let mut next = next_deadline;
        for monitor in self.supervisor.monitors() {
            let Some(seen) = monitor.look() else { continue };
            match seen.due {
                Some((due, why)) if due <= now => {
                    let tell = match why {
                        Why::Refused => Tell::ByWorker,
                        _ => Tell::Soon,
                    };
                    chase(chases, monitor, seen.epoch, why, tell, now);
                }
                due => next = earlier(next, due.map(|(due, _)| due)),
            }
        }
        if self.watchdog.lock().is_queue_due(now) && self.grow_for_waiting() {
            self.watchdog.lock().look_at_queue = Some(now + WAITING);
        }
        next = earlier(next, self.watchdog.lock().look_at_queue);
        chases.retain_mut(|chase| match self.go_on(chase, now) {
            None => false,
            due => {
                next = earlier(next, due);
                true
            }
        });
        next
    }

    /// Ends a task's call, wherever it is.
    fn end_task(&self, slot: &Arc<Slot>, why: Why, chases: &mut Vec<Chase>, now: Instant) {
        let target = Target::Task(Arc::clone(slot));
        let find = || {
            let monitors = self.monitors();
            monitors
                .into_iter()
                .find_map(|monitor| monitor.runs(&target).map(|epoch| (monitor, epoch)))
        };
        if let Some(((monitor, epoch), is_told)) = self.early_outcomes.end(slot, why, find) {
            let tell = match is_told {
                true => Tell::Told,
                false => Tell::Soon,
            };
            chase(chases, monitor, epoch, why, tell, now);
        }
    }

    /// Ends what runs; what is queued sees by itself that it should not begin.
    fn end_running(&self, target: &Target, why: Why, chases: &mut Vec<Chase>, now: Instant) {
        for monitor in self.monitors() {
            let Some(epoch) = monitor.runs(target) else {
                continue;
            };
            let tell = match monitor.look() {
                // Calls of a batch that have ended have their values; they are told with the rest.
                Some(seen) if seen.n_calls > 1 => Tell::ByWorker,
                _ => Tell::Soon,
            };
            chase(chases, monitor, epoch, why, tell, now);
        }
    }

    /// Takes the next step; says when the one after it is due, or nothing if the job has ended.
    fn go_on(self: &Arc<Shared>, chase: &mut Chase, now: Instant) -> Option<Instant> {
        if !chase.monitor.is_at(chase.epoch) {
            return None;
        }
        if chase.untold && now >= chase.since + PATIENCE {
            chase.untold = false;
            chase.monitor.tell(chase.epoch, chase.why);
        }
        let aside = chase.since.checked_add(self.settings.grace);
        if aside.is_some_and(|aside| now >= aside) {
            chase.monitor.tell(chase.epoch, chase.why);
            for part in self.parts() {
                part.set_aside(&chase.monitor);
            }
            chase.monitor.hand_on_within(Duration::ZERO);
            return None;
        }
        if now >= chase.next_interrupt {
            chase.monitor.interrupt(chase.epoch, chase.why, false);
            chase.next_interrupt = now + AGAIN;
        }
        let told = chase.untold.then_some(chase.since + PATIENCE);
        earlier(earlier(Some(chase.next_interrupt), aside), told)
    }
}

/// When the outcome of a chased job is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    /// At once, with the place where it stands if that can be had.
    Soon,
    /// By its worker, unless that is set aside.
    ByWorker,
    /// It has been.
    Told,
}

/// Begins to chase a job, unless it is.
fn chase(
    chases: &mut Vec<Chase>,
    monitor: Arc<JobMonitor>,
    epoch: u64,
    why: Why,
    tell: Tell,
    now: Instant,
) {
    let known = chases
        .iter_mut()
        .find(|chase| chase.epoch == epoch && Arc::ptr_eq(&chase.monitor, &monitor));
    if let Some(known) = known {
        if tell == Tell::Soon {
            known.untold = true;
        }
        return;
    }
    let delay = match tell {
        Tell::ByWorker => BETWEEN_CALLS,
        _ => {
            monitor.interrupt(epoch, why, tell == Tell::Soon);
            AGAIN
        }
    };
    chases.push(Chase {
        monitor,
        epoch,
        why,
        untold: tell == Tell::Soon,
        since: now,
        next_interrupt: now + delay,
    });
}

impl State {
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

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
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
