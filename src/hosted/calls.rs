//! Calls: those that are out, by their tickets, and the outcomes that have come.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::bell::Bell;
use crate::task::Slot;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Calls {
    n_made: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    /// For one who waits on Python's main thread.
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<u64, Arc<Slot>>,
    /// Those of the open ones that have their outcome, in the order in which they got it.
    ready: VecDeque<u64>,
    /// A `take` returns, whatever there is.
    is_woken: bool,
    /// No more are made, and each has its outcome.
    is_closed: bool,
}

/// What there was to take.
#[derive(Debug)]
pub(super) struct Taken(pub(super) Vec<(u64, Arc<Slot>)>);

/// Announces the outcome of one call.
struct Notify {
    ticket: u64,
    calls: Arc<Calls>,
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.calls.ended(self.ticket);
    }
}

impl Calls {
    /// None yet. The bell rings when there are outcomes.
    pub(super) fn new(bell: Arc<Bell>) -> Calls {
        Calls {
            n_made: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
            bell,
        }
    }

    /// Has those who wait look.
    fn announce(&self) {
        self.changed.notify_all();
        self.bell.ring();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call, whose outcome will be in that slot; gives its ticket.
    pub(super) fn add(self: &Arc<Calls>, slot: &Arc<Slot>) -> u64 {
        let ticket = 1 + self.n_made.fetch_add(1, Ordering::Relaxed);
        self.lock().open.insert(ticket, Arc::clone(slot));
        let notify = Notify {
            ticket,
            calls: Arc::clone(self),
        };
        if slot.poll(&Waker::from(Arc::new(notify))).is_some() {
            self.ended(ticket);
        }
        ticket
    }

    fn ended(&self, ticket: u64) {
        let mut state = self.lock();
        let is_first = state.ready.is_empty();
        state.ready.push_back(ticket);
        drop(state);
        if is_first {
            self.announce();
        }
    }

    /// Where the outcome of an open call will be.
    pub(super) fn slot(&self, ticket: u64) -> Option<Arc<Slot>> {
        self.lock().open.get(&ticket).cloned()
    }

    /// Has one who waits come back.
    pub(super) fn wake(&self) {
        self.lock().is_woken = true;
        self.announce();
    }

    /// Says that no more calls are made, and that each has its outcome.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.announce();
    }

    /// Waits until it is closed; `None` when the time is up before.
    pub(super) fn await_closed(&self, limit: Option<Duration>) -> Option<()> {
        let is_open = |state: &mut State| !state.is_closed;
        let state = self.lock();
        let state = match limit {
            None => self
                .changed
                .wait_while(state, is_open)
                .unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(state, limit, is_open);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.is_closed.then_some(())
    }

    /// Waits until there are outcomes and takes up to `max`; `None` when the time is up before.
    pub(super) fn take(&self, max: usize, limit: Option<Duration>) -> Option<Taken> {
        let mut state = self.lock();
        let is_idle = |state: &State| {
            state.ready.is_empty() && !state.is_woken && !(state.is_closed && state.open.is_empty())
        };
        if is_idle(&state) {
            state = match limit {
                None => self
                    .changed
                    .wait_while(state, |state| is_idle(state))
                    .unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let waited = self
                        .changed
                        .wait_timeout_while(state, limit, |state| is_idle(state));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        if is_idle(&state) {
            return None;
        }
        let n = max.min(state.ready.len());
        let mut taken = Vec::with_capacity(n);
        for _ in 0..n {
            if let Some(ticket) = state.ready.pop_front()
                && let Some(slot) = state.open.remove(&ticket)
            {
                taken.push((ticket, slot));
            }
        }
        if taken.is_empty() {
            state.is_woken = false;
        }
        Some(Taken(taken))
    }
}
