//! Refusals: extension modules and libraries that an interpreter has refused, noted where that was done.
//!
//! Code that imports a module may go on without it, and then differs from what it is in plain Python. So a
//! refusal counts where it is made, and not where it surfaces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, ThreadId};

use owngil_ffi::{Attached, Borrowed, Object, PyResult, Raised};

use super::functions::call_once;
use super::setup::programs::REFUSALS;
use crate::monitor::JobMonitor;
use crate::refusal::{self, Refusal};

/// What was refused since it was taken last, on whatever thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Whether there is anything, to be read without the lock.
    any: AtomicBool,
    /// Whether there is a call that can be made elsewhere.
    stops: AtomicBool,
    texts: Mutex<Vec<String>>,
    /// The worker's monitor, which notes each at once, and the thread on which calls are made.
    worker: OnceLock<(Weak<JobMonitor>, ThreadId)>,
}

impl Refusals {
    /// Has the interpreter note what it refuses from now on.
    pub(super) fn install<'a>(
        &self,
        attached: Attached<'a>,
        bootstrap: &Object<'a>,
    ) -> PyResult<'a, ()> {
        let own = self.clone();
        let note = attached.callback(move |attached, arguments| own.note(attached, arguments))?;
        REFUSALS.run(attached, bootstrap)?;
        call_once(attached, bootstrap, "note_refusals", &[note])?;
        Ok(())
    }

    /// Says whose they are: on this thread calls are made.
    pub(super) fn of(self, monitor: &JobMonitor) -> Refusals {
        let _ = self.0.worker.set((monitor.weak(), thread::current().id()));
        self
    }

    /// From now on what is refused stops the call that asks for it.
    pub(super) fn stop_calls(&self) {
        self.0.stops.store(true, Ordering::Relaxed);
    }

    /// From now on there is no call: exit functions run.
    pub(super) fn stop_none(&self) {
        self.0.stops.store(false, Ordering::Relaxed);
    }

    /// `note(text)` of refusals.py: whether the call is to stop.
    fn note<'a>(
        &self,
        attached: Attached<'a>,
        arguments: &[Borrowed<'a>],
    ) -> Result<Object<'a>, Raised<'a>> {
        let [text] = arguments else {
            return Err(attached.raise_type_error("note takes a text"));
        };
        let text = text.text()?;
        let refused = refusal::of(&text);
        let is_refusal = matches!(
            refused,
            Some(Refusal::Extension | Refusal::PrivateCopy | Refusal::Process)
        );
        if is_refusal {
            self.add(text);
        }
        Ok(attached.bool(is_refusal && self.0.stops.load(Ordering::Relaxed)))
    }

    /// Notes a refusal.
    pub(super) fn add(&self, text: String) {
        if self.0.stops.load(Ordering::Relaxed)
            && let Some((monitor, home)) = self.0.worker.get()
            && let Some(monitor) = monitor.upgrade()
        {
            monitor.refuse(&text, thread::current().id() == *home);
        }
        let mut texts = self.0.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.push(text);
        self.0.any.store(true, Ordering::Relaxed);
    }

    /// Notes refusals that tell more than those that were noted before.
    pub(super) fn add_first(&self, texts: Vec<String>) {
        let others = self.take();
        texts
            .into_iter()
            .chain(others)
            .for_each(|text| self.add(text));
    }

    /// Whether anything was refused since it was taken last.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.0.any.load(Ordering::Relaxed)
    }

    /// What was refused since then.
    #[inline]
    pub(super) fn take(&self) -> Vec<String> {
        match self.any() {
            true => self.take_some(),
            false => Vec::new(),
        }
    }

    #[cold]
    fn take_some(&self) -> Vec<String> {
        let mut texts = self.0.texts.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut texts)
    }
}
