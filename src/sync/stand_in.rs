//! Stand-in: what loom lacks, made of what it has.
//!
//! Two of them say less than what they stand for. The queue is behind a lock, so that no order of its
//! own steps is looked at, nor how they are ordered against other atomics; crossbeam says that they are
//! sequentially consistent. And a wait with a time limit waits without: so nothing may count on it.

use std::collections::VecDeque;
use std::sync::OnceLock as StdOnceLock;

use super::Mutex;
use super::atomic::{AtomicBool, Ordering};

/// Runs a model under every order of events in which threads are interrupted no more than `n` times.
pub(crate) fn check(n: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(n));
    builder.check(model);
}

#[derive(Debug, Default)]
pub(crate) struct OnceLock<T> {
    is_set: AtomicBool,
    /// Threads change places before each step of loom's, so never between `is_set` and this.
    value: StdOnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let (before, after) = (Ordering::AcqRel, Ordering::Acquire);
        match self.is_set.compare_exchange(false, true, before, after) {
            Ok(_) => self.value.set(value),
            Err(_) => Err(value),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let is_set = self.is_set.load(Ordering::Acquire);
        is_set.then(|| self.value.get()).flatten()
    }
}

#[derive(Debug)]
pub(crate) struct ArrayQueue<T> {
    items: Mutex<VecDeque<T>>,
    capacity: usize,
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> ArrayQueue<T> {
        ArrayQueue {
            items: Mutex::default(),
            capacity,
        }
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.items.lock().unwrap();
        match items.len() < self.capacity {
            true => items.push_back(item),
            false => return Err(item),
        }
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.items.lock().unwrap().pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.lock().unwrap().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Threads that may be unparked at any time; loom's may not while they wait for a lock.
pub(crate) mod thread {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::task::Wake;

    use loom::sync::{Condvar, Mutex};
    use loom::thread::JoinHandle;

    loom::thread_local! {
        static OWN: RefCell<Thread> = RefCell::default();
    }

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

    impl Thread {
        pub(crate) fn id(&self) -> usize {
            Arc::as_ptr(&self.0).addr()
        }

        pub(crate) fn unpark(&self) {
            let (is_unparked, changed) = &*self.0;
            *is_unparked.lock().unwrap() = true;
            changed.notify_one();
        }
    }

    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.unpark();
        }
    }

    pub(crate) fn current() -> Thread {
        OWN.with(|own| own.borrow().clone())
    }

    pub(crate) fn park() {
        let this = current();
        let (is_unparked, changed) = &*this.0;
        let mut is_unparked = is_unparked.lock().unwrap();
        while !*is_unparked {
            is_unparked = changed.wait(is_unparked).unwrap();
        }
        *is_unparked = false;
    }

    /// A thread of a model, which its starter can unpark and wait for.
    pub(crate) fn spawn<T: 'static>(work: impl FnOnce() -> T + 'static) -> (Thread, JoinHandle<T>) {
        let thread = Thread::default();
        let own = thread.clone();
        let handle = loom::thread::spawn(move || {
            OWN.with(|place| *place.borrow_mut() = own);
            work()
        });
        (thread, handle)
    }
}
