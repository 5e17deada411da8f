//! FallbackPool: the worker processes of a pool that places functions by itself.
//!
//! Such a pool has interpreters. A function whose call shows that it cannot run in one, because an
//! extension module refuses or CPython does not allow what it does, *moves*: that call is made again in a
//! process, and so are all later ones. The processes are a second set of workers with a queue of their own,
//! which starts when the first function moves.
//!
//! A job that moves keeps its promise, and so its task, its deadline and its cancelling. Between the two it
//! is nowhere but in the fallback's queue, as any other that waits; both sets count tasks with an early outcome
//! together. Of a batch only the calls from the refused one on move: those before it are done.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::shared::Shared;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::monitor::JobMonitor;
use crate::task::Job;

/// For how long a worker waits at a time for room in the fallback's queue.
const PAUSE: Duration = Duration::from_millis(20);

/// A function that a pool moved from interpreters to processes. See [`Pool::moved`](super::Pool::moved).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// The function.
    pub function: Function,
    /// What the function needs that interpreters do not have, in words.
    pub reason: String,
}

/// The callback for each function that moves.
#[derive(Clone)]
pub(super) struct OnMove(pub(super) Arc<dyn Fn(&Moved) + Send + Sync>);

impl fmt::Debug for OnMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnMove")
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct FallbackPool {
    moved: RwLock<HashMap<Function, String>>,
    /// Whether any has moved, to be read without the lock.
    any: AtomicBool,
    shared: OnceLock<Result<Arc<Shared>>>,
    on_move: Option<OnMove>,
}

impl FallbackPool {
    pub(super) fn new(on_move: Option<OnMove>) -> FallbackPool {
        FallbackPool {
            moved: RwLock::default(),
            any: AtomicBool::new(false),
            shared: OnceLock::new(),
            on_move,
        }
    }

    #[cold]
    fn has(&self, function: &Function) -> bool {
        let moved = self.moved.read().unwrap_or_else(PoisonError::into_inner);
        moved.contains_key(function)
    }

    /// Notes that a function has moved; calls the callback, once.
    fn note(&self, function: Function, reason: &str) {
        {
            let mut moved = self.moved.write().unwrap_or_else(PoisonError::into_inner);
            if moved.contains_key(&function) {
                return;
            }
            moved.insert(function, reason.to_owned());
        }
        self.any.store(true, Ordering::Relaxed);
        tracing::warn!(%function, reason, "moves to worker processes");
        if let Some(OnMove(on_move)) = &self.on_move {
            let reason = reason.to_owned();
            on_move(&Moved { function, reason });
        }
    }

    /// The functions that have moved, in the order in which they were made.
    pub(super) fn moved(&self) -> Vec<Moved> {
        let moved = self.moved.read().unwrap_or_else(PoisonError::into_inner);
        let all = moved.iter().map(|(function, reason)| Moved {
            function: *function,
            reason: reason.clone(),
        });
        let mut all: Vec<Moved> = all.collect();
        all.sort_by_key(|moved| moved.function.id());
        all
    }
}

impl Shared {
    /// Where calls of that function are made.
    #[inline]
    pub(super) fn home(self: &Arc<Shared>, function: &Function) -> Result<&Arc<Shared>> {
        match &self.fallback {
            Some(fallback) if fallback.any.load(Ordering::Relaxed) && fallback.has(function) => {
                self.open_fallback(fallback)
            }
            _ => Ok(self),
        }
    }

    /// The fallback, if it has been opened.
    pub(super) fn fallback(&self) -> Option<&Arc<Shared>> {
        self.fallback.as_ref()?.shared.get()?.as_ref().ok()
    }

    /// This, and the fallback if it has been opened.
    pub(super) fn parts(self: &Arc<Shared>) -> impl Iterator<Item = &Arc<Shared>> {
        [self].into_iter().chain(self.fallback())
    }

    /// Where the jobs of its workers stand, and of the fallback's.
    pub(super) fn monitors(&self) -> Vec<Arc<JobMonitor>> {
        let mut monitors = self.supervisor.monitors();
        monitors.extend(
            self.fallback()
                .iter()
                .flat_map(|fallback| fallback.supervisor.monitors()),
        );
        monitors
    }

    /// The fallback, whose processes start without being waited for.
    fn open_fallback<'s>(
        self: &'s Arc<Shared>,
        fallback: &'s FallbackPool,
    ) -> Result<&'s Arc<Shared>> {
        let opened = fallback.shared.get_or_init(|| {
            let shared = Shared::new(
                self.settings.in_fallback(),
                Arc::clone(&self.early_outcomes),
                None,
            );
            // It keeps the times of jobs with a limit.
            shared.start_watchdog();
            shared.start_workers(shared.settings.n_workers, None)?;
            Ok(shared)
        });
        opened.as_ref().map_err(Clone::clone)
    }

    /// Makes the calls of a job in the fallback, and all later ones of its function.
    ///
    /// It may wait until there is room for it. Stopping the pool closes the admission first and sees the
    /// fallback then, so that none is opened behind its back.
    pub(super) fn move_on(self: &Arc<Shared>, mut job: Job, reason: &str) {
        let Some(fallback) = &self.fallback else {
            return;
        };
        fallback.note(*job.batch.function(), reason);
        loop {
            let state = self.admission.state();
            if state.is_over() {
                return drop(job);
            }
            let fallback = match self.open_fallback(fallback) {
                Ok(fallback) => fallback,
                Err(error) => return job.fail(&error),
            };
            job = match fallback.admission.open() {
                Ok(_open) => match fallback.queue.push(job) {
                    Ok(()) => return,
                    Err(refused) => refused,
                },
                Err(error) => return job.fail(&error),
            };
            drop(state);
            fallback.queue.wait_for_room(PAUSE);
        }
    }

    /// Notes that a function that cannot be loaded for that reason is to move, if it is.
    pub(super) fn move_unloaded(&self, function: &Function, error: &Error) -> bool {
        match (&self.fallback, error.needs_process()) {
            (Some(fallback), Some(reason)) => {
                fallback.note(*function, &reason);
                true
            }
            _ => false,
        }
    }
}
