//! Shared: what a pool, its workers and its watchdog have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::admission::Admission;
use super::fallback::FallbackPool;
use super::settings::Settings;
use super::supervisor::Supervisor;
use super::watchdog::Watchdog;
use crate::error::Result;
use crate::function::Function;
use crate::monitor::{EarlyOutcomes, Target};
use crate::payload;
use crate::task::{Batch, CancelTarget, CancelTargetId, Collector, Job, Recipient, Slot, Why};
use crate::worker::{Backend, Order, Queue};

/// What a pool, its workers and its watchdog have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) supervisor: Supervisor,
    pub(super) watchdog: Watchdog,
    pub(super) early_outcomes: Arc<EarlyOutcomes>,
    pub(super) admission: Admission,
    pub(super) settings: Settings,
    pub(super) cancel_target: CancelTargetId,
    /// Of a pool that places functions by itself.
    pub(super) fallback: Option<FallbackPool>,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        early_outcomes: Arc<EarlyOutcomes>,
        fallback: Option<FallbackPool>,
    ) -> Arc<Shared> {
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_limit),
            supervisor: Supervisor::default(),
            watchdog: Watchdog::new(),
            early_outcomes,
            admission: Admission::default(),
            settings,
            cancel_target: CancelTargetId::new(),
            fallback,
        });
        let cancel_target: Arc<dyn CancelTarget> = Arc::clone(&shared) as _;
        shared.cancel_target.open(Arc::downgrade(&cancel_target));
        shared
    }

    /// Gives a job to one worker, before what is queued.
    pub(super) fn order(&self, index: usize, job: Job) -> Result<()> {
        let _open = self.admission.open()?;
        self.supervisor.workers()[index].give(Order::Run(job))
    }

    /// Loads a function on every worker.
    pub(super) fn load(self: &Arc<Shared>, function: &Function) -> Result<()> {
        self.start_workers(self.settings.n_workers, None)?;
        let (collector, loaded) = Collector::new();
        for index in 0..self.settings.n_workers {
            let recipient = Recipient::Collector(0, collector.clone());
            let job = Job::new(Batch::loading(function), recipient);
            self.order(index, job)?;
        }
        drop(collector);
        loaded
            .into_iter()
            .try_for_each(|(_, results)| results.only_failure())
    }

    /// Puts a job into the queue. Waits while that is full, until the deadline, and then gives the job back.
    pub(super) fn enqueue(
        self: &Arc<Shared>,
        mut job: Job,
        deadline: Option<Instant>,
    ) -> Result<Option<Job>> {
        while let Some(refused) = self.try_enqueue(job)? {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Some(refused));
            }
            job = refused;
            // Not under the lock, which closing the pool needs; and not for long, to see whether it was closed
            // meanwhile.
            let pause = Duration::from_millis(20);
            self.queue
                .wait_for_room(left.map_or(pause, |left| left.min(pause)));
        }
        Ok(None)
    }

    /// Puts a job into the queue, or gives it back where that is full.
    pub(super) fn try_enqueue(self: &Arc<Shared>, job: Job) -> Result<Option<Job>> {
        tracing::trace!(
            task = job.promise.number(),
            function = %job.batch.function(),
            n_calls = job.batch.len(),
            "submitted"
        );
        let refused = self.admission.push(&self.queue, job)?;
        if self.supervisor.n_started() < self.settings.n_workers {
            self.grow()?;
        }
        Ok(refused)
    }

    /// Encodes arguments the way that suits the pool's workers.
    #[inline]
    pub(super) fn encoding<R>(&self, encode: impl FnOnce() -> R) -> R {
        match self.settings.worker.backend {
            Backend::Process => payload::memfd::preferred(true, encode),
            _ => encode(),
        }
    }
}

impl CancelTarget for Shared {
    fn cancel(self: Arc<Self>, slot: &Arc<Slot>) {
        self.request(Target::Task(Arc::clone(slot)), Why::Cancelled);
    }

    fn interrupt(self: Arc<Self>, flag: &Arc<AtomicBool>, why: Why) {
        self.request(Target::Map(Arc::clone(flag)), why);
    }
}
