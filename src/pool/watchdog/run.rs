//! Run: the thread of a watchdog, and what it does with a pool's jobs.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::expiry::{Expiries, Report};
use super::{Deadline, earlier};
use crate::monitor::Target;
use crate::pool::shared::Shared;
use crate::task::{Slot, Why};

/// How long a job waits before a lazy pool starts another worker for it; starting one takes longer.
const WAITING: Duration = Duration::from_millis(5);

impl Shared {
    /// Starts the watchdog, unless it runs.
    pub(crate) fn start_watchdog(self: &Arc<Shared>) {
        let mut agenda = self.watchdog.lock();
        if agenda.is_started || agenda.is_ended {
            return;
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("owngil-watchdog".to_owned());
        match thread.spawn(move || shared.run_watchdog()) {
            Ok(_) => agenda.is_started = true,
            Err(error) => tracing::error!(%error, "no thread for the watchdog"),
        }
    }

    /// Ends a task that has no outcome by then.
    pub(crate) fn expect_by(self: &Arc<Shared>, when: Instant, slot: &Arc<Slot>) {
        self.start_watchdog();
        {
            let mut agenda = self.watchdog.lock();
            if agenda.deadlines.len() >= agenda.n_before_sweep {
                let is_open = |slot: Arc<Slot>| slot.results().is_none();
                agenda
                    .deadlines
                    .retain(|Reverse(deadline)| deadline.slot.upgrade().is_some_and(is_open));
                agenda.n_before_sweep = 2 * agenda.deadlines.len().max(1024);
            }
            let slot = Arc::downgrade(slot);
            agenda.deadlines.push(Reverse(Deadline { when, slot }));
        }
        self.watchdog.note(when);
    }

    /// Looks in a moment whether jobs wait, in a lazy pool.
    pub(crate) fn look_at_queue_soon(self: &Arc<Shared>) {
        self.start_watchdog();
        let when = Instant::now() + WAITING;
        self.watchdog.lock().look_at_queue.get_or_insert(when);
        self.watchdog.note(when);
    }

    /// Requests that jobs end. Does not wait.
    pub(crate) fn request(self: &Arc<Shared>, target: Target, why: Why) {
        self.start_watchdog();
        self.watchdog.lock().requests.push((target, why));
        self.watchdog.poke();
    }

    fn run_watchdog(self: Arc<Shared>) {
        let mut expiries = Expiries::new(self.settings.grace);
        loop {
            // A worker that begins a job from here on pokes, since this tick may not see it.
            self.watchdog.next.store(u64::MAX, Ordering::SeqCst);
            let next = self.tick(&mut expiries, Instant::now());
            let mut agenda = self.watchdog.lock();
            if agenda.is_ended {
                return;
            }
            if std::mem::take(&mut agenda.is_poked) {
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
            let waited = self.watchdog.changed.wait_timeout(agenda, left);
            drop(waited.unwrap_or_else(PoisonError::into_inner).0);
        }
    }

    /// Does what is due; returns when something will be next.
    fn tick(self: &Arc<Shared>, expiries: &mut Expiries, now: Instant) -> Option<Instant> {
        let (expired, requests, next_deadline) = self.watchdog.lock().take_due(now);
        for slot in expired {
            self.end_task(&slot, Why::TimedOut, expiries, now);
        }
        for (target, why) in requests {
            match target {
                Target::Task(slot) => self.end_task(&slot, why, expiries, now),
                target => self.end_running(&target, why, expiries, now),
            }
        }
        let mut next = next_deadline;
        for monitor in self.supervisor.monitors() {
            let Some(seen) = monitor.look() else { continue };
            match seen.due {
                Some((due, why)) if due <= now => {
                    let report = match why {
                        Why::Refused => Report::ByWorker,
                        _ => Report::Soon,
                    };
                    expiries.add(monitor, seen.epoch, why, report, now);
                }
                due => next = earlier(next, due.map(|(due, _)| due)),
            }
        }
        if self.watchdog.lock().is_queue_due(now) && self.grow_for_waiting() {
            self.watchdog.lock().look_at_queue = Some(now + WAITING);
        }
        next = earlier(next, self.watchdog.lock().look_at_queue);
        let due = expiries.go_on(now, |monitor| {
            for part in self.parts() {
                part.abandon(monitor);
            }
        });
        earlier(next, due)
    }

    /// Ends a task's call, wherever it is.
    fn end_task(&self, slot: &Arc<Slot>, why: Why, expiries: &mut Expiries, now: Instant) {
        let target = Target::Task(Arc::clone(slot));
        let find = || {
            let monitors = self.monitors();
            monitors
                .into_iter()
                .find_map(|monitor| monitor.runs(&target).map(|epoch| (monitor, epoch)))
        };
        if let Some(((monitor, epoch), is_reported)) = self.early_outcomes.end(slot, why, find) {
            let report = match is_reported {
                true => Report::Done,
                false => Report::Soon,
            };
            expiries.add(monitor, epoch, why, report, now);
        }
    }

    /// Ends what runs; what is queued sees by itself that it should not begin.
    fn end_running(&self, target: &Target, why: Why, expiries: &mut Expiries, now: Instant) {
        for monitor in self.monitors() {
            let Some(epoch) = monitor.runs(target) else {
                continue;
            };
            let report = match monitor.look() {
                // Calls of a batch that have ended have their values, which are reported with the rest.
                Some(seen) if seen.n_calls > 1 => Report::ByWorker,
                _ => Report::Soon,
            };
            expiries.add(monitor, epoch, why, report, now);
        }
    }
}
