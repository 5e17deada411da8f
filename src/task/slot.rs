//! Slot: where the outcome of one task is put down, and waited for by a thread or a future.

use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::{CancelTargetId, ItemBuffer, Results};
use crate::spin::spin;
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Condvar, Mutex, MutexGuard, OnceLock};

/// Where the outcome of one task is put down and waited for.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    results: OnceLock<Results>,
    /// Whether a thread sleeps until they come; waking costs a system call.
    is_awaited: AtomicBool,
    sleep: Mutex<Option<Waker>>,
    arrived: Condvar,
    /// Who can end the call.
    cancel_target: CancelTargetId,
    /// By which a sink of output knows the call, where that was given.
    index: Option<u64>,
    /// When the outcome must be there.
    deadline: Option<Instant>,
    /// Where the items of a stream wait, which the outcome ends.
    items: Option<Arc<ItemBuffer>>,
}

impl Slot {
    pub(crate) fn new(
        cancel_target: CancelTargetId,
        index: Option<u64>,
        deadline: Option<Instant>,
    ) -> Slot {
        Slot {
            cancel_target,
            index,
            deadline,
            ..Slot::default()
        }
    }

    /// Has the call's items go there.
    pub(crate) fn with_items(mut self, items: Arc<ItemBuffer>) -> Slot {
        self.items = Some(items);
        self
    }

    /// Where the items of a stream wait.
    pub(crate) fn items(&self) -> Option<&Arc<ItemBuffer>> {
        self.items.as_ref()
    }

    /// Tells its task from others, in events: where it is.
    pub(crate) fn number(&self) -> u64 {
        std::ptr::from_ref(self).addr() as u64
    }

    /// By which a sink of output knows the call.
    pub(crate) fn index(&self) -> u64 {
        self.index.unwrap_or_else(|| self.number())
    }

    /// When the outcome must be there.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Who can end the call.
    pub(crate) fn cancel_target(&self) -> CancelTargetId {
        self.cancel_target
    }

    /// The outcome, once it is there.
    #[inline]
    pub(crate) fn results(&self) -> Option<&Results> {
        self.results.get()
    }

    /// Puts the outcome down, unless there is one: the first counts. Says whether this was it.
    #[inline]
    pub(crate) fn put(&self, results: Results) -> bool {
        if self.results.set(results).is_err() {
            return false;
        }
        // Both sides write before they look, so at least one of them sees the other.
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.wake();
        }
        if let Some(items) = &self.items {
            items.end();
        }
        true
    }

    #[cold]
    fn wake(&self) {
        // A thread that looked before the results came sleeps by the time that this one has the lock.
        let waker = self.lock().take();
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The results, waited for as long as it takes: they come.
    pub(crate) fn wait(&self) -> &Results {
        self.wait_until(None).expect("the wait had no limit")
    }

    /// The results, waited for until then.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> Option<&Results> {
        if deadline.is_none_or(|deadline| deadline > Instant::now())
            && let Some(results) = spin(|| self.results.get())
        {
            return Some(results);
        }
        self.is_awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut sleep = self.lock();
        loop {
            if let Some(results) = self.results.get() {
                return Some(results);
            }
            sleep = match deadline {
                None => self
                    .arrived
                    .wait(sleep)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.arrived.wait_timeout(sleep, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The results, or `None`: then the waker is woken when they have come.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<&Results> {
        if let Some(results) = self.results.get() {
            return Some(results);
        }
        {
            let mut sleep = self.lock();
            match &mut *sleep {
                Some(known) => known.clone_from(waker),
                None => *sleep = Some(waker.clone()),
            }
        }
        self.is_awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.results.get()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::sync::Counted;

    #[test]
    fn the_last_waker_is_woken_once_and_the_first_outcome_counts() {
        let slot = Slot::default();
        let (old, new) = (Arc::new(Counted::default()), Arc::new(Counted::default()));
        assert!(slot.poll(&Waker::from(Arc::clone(&old))).is_none());
        assert!(slot.poll(&Waker::from(Arc::clone(&new))).is_none());
        slot.put(Results::default());
        slot.put(Results::all_failed(3, &crate::error::Error::ShutDown));
        assert_eq!((old.n_woken(), new.n_woken()), (0, 1));
        let results = slot.poll(&Waker::from(old)).expect("it is there");
        assert_eq!(results.len(), 0);
    }

    #[test]
    fn a_waker_that_comes_while_the_results_do_is_woken_or_sees_them() {
        for _ in 0..2000 {
            let slot = Slot::default();
            let counted = Arc::new(Counted::default());
            let saw_nothing = thread::scope(|scope| {
                scope.spawn(|| slot.put(Results::default()));
                slot.poll(&Waker::from(Arc::clone(&counted))).is_none()
            });
            let woken = counted.n_woken();
            assert!(
                woken == 1 || !saw_nothing,
                "the future that waits was not woken"
            );
            assert!(slot.results().is_some());
        }
    }
}

#[cfg(all(test, model))]
mod model {
    use std::sync::Arc;

    use loom::thread;

    use super::*;
    use crate::error::Error;
    use crate::sync::{Counted, check};

    /// Recognized by its length.
    fn results(n: u32) -> Results {
        Results::all_failed(n, &Error::ShutDown)
    }

    #[test]
    fn one_of_two_outcomes_counts_and_all_who_wait_get_it() {
        check(4, || {
            let slot = Arc::new(Slot::default());
            let [first, second] = [1, 2].map(|n| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.put(results(n)))
            });
            let n = slot.wait().len();
            let was_it = [first, second].map(|putting| putting.join().unwrap());
            assert_eq!(was_it, [n == 1, n == 2]);
        });
    }

    #[test]
    fn a_thread_and_a_future_that_wait_while_the_outcome_comes_are_woken() {
        check(4, || {
            let slot = Arc::new(Slot::default());
            let counted = Arc::new(Counted::default());
            let putting = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || assert!(slot.put(results(1))))
            };
            let waiting = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || assert_eq!(slot.wait().len(), 1))
            };
            let waker = Waker::from(Arc::clone(&counted));
            let saw_nothing = slot.poll(&waker).is_none();
            putting.join().unwrap();
            let woken = counted.n_woken();
            assert!(
                woken == 1 || !saw_nothing,
                "the future that waits was not woken"
            );
            waiting.join().unwrap();
        });
    }

    #[test]
    fn a_future_alone_is_woken() {
        check(4, || {
            let slot = Arc::new(Slot::default());
            let counted = Arc::new(Counted::default());
            let putting = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || assert!(slot.put(results(1))))
            };
            let waker = Waker::from(Arc::clone(&counted));
            let saw_nothing = slot.poll(&waker).is_none();
            putting.join().unwrap();
            let woken = counted.n_woken();
            assert!(
                woken == 1 || !saw_nothing,
                "the future that waits was not woken"
            );
        });
    }
}
