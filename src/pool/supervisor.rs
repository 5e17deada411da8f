//! Supervisor: the workers of a pool at their seats, and how they are replaced.
//!
//! A seat is taken by one worker after another. A worker leaves it when it is told to, when it has made as
//! many calls as it may, when it panics (somebody else's code, such as a sink, ran on its thread), or
//! when it is *set aside*: the job that it runs does not stop, so it is abandoned, and another one
//! takes its seat at once. If that job ends after all, the worker retires quietly.
//!
//! Each worker that is lost costs a thread and an interpreter until it is back, so there is a limit to
//! them. A seat whose worker cannot be replaced stays empty; when all are, the pool fails, and says so
//! to whoever waits and to whoever submits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use owngil_ffi::STACK_SIZE;

use super::Shared;
use super::admission::State;
use owngil_ffi::catch;

use crate::error::{Error, Result};
use crate::monitor::{JobMonitor, WorkerCounters};
use crate::output::Capture;
use crate::task::{Batch, Job, Recipient};
use crate::worker::{self, Back, Left, Lingering, Order, Worker};

/// The workers of a pool.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    seats: RwLock<Vec<Handle>>,
    /// Those that were set aside, or panicked.
    aside: RwLock<Vec<Handle>>,
    /// Those that were replaced for their age, and may not have ended yet.
    retiring: RwLock<Vec<Handle>>,
    /// Seats that are empty for good.
    n_empty: AtomicUsize,
    /// How many seats have been taken, to be read without the lock.
    n_taken: AtomicUsize,
    n_ready: AtomicUsize,
}

/// A pool's hold on one of its workers.
#[derive(Debug)]
pub(super) struct Handle {
    orders: Sender<Order>,
    /// To be woken for an order.
    thread: Thread,
    /// For taking back what a worker that is left behind will never take.
    untaken: Receiver<Order>,
    /// Disconnected once the worker runs no more calls.
    pub(super) served: Receiver<()>,
    /// Disconnected once its interpreter has ended too.
    pub(super) ended: Receiver<()>,
    pub(super) monitor: Arc<JobMonitor>,
    /// What those have done that had the seat before.
    pub(super) before: WorkerCounters,
    /// How many of them were lost.
    pub(super) n_restarts: u64,
}

impl Handle {
    pub(super) fn give(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| Error::ShutDown)?;
        self.thread.unpark();
        Ok(())
    }

    /// What the worker has not taken and never will.
    pub(super) fn take_back_orders(&self) -> impl Iterator<Item = Order> + '_ {
        self.untaken.try_iter()
    }

    fn is_gone(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }
}

impl Supervisor {
    /// The workers that have a seat.
    pub(super) fn seats(&self) -> RwLockReadGuard<'_, Vec<Handle>> {
        self.seats.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn seats_mut(&self) -> RwLockWriteGuard<'_, Vec<Handle>> {
        self.seats.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker with that monitor has a seat.
    fn has(&self, monitor: &Arc<JobMonitor>) -> bool {
        self.seats()
            .iter()
            .any(|at| Arc::ptr_eq(&at.monitor, monitor))
    }

    /// Where the workers' jobs stand.
    pub(super) fn monitors(&self) -> Vec<Arc<JobMonitor>> {
        let seats = self.seats();
        seats.iter().map(|seat| Arc::clone(&seat.monitor)).collect()
    }

    /// How many workers have been started.
    pub(super) fn n_taken(&self) -> usize {
        self.n_taken.load(Ordering::Relaxed)
    }

    /// How many of those were ready at some time.
    fn n_ready(&self) -> usize {
        self.n_ready.load(Ordering::Relaxed)
    }

    /// What is left of workers that were replaced for their age: to be waited for.
    pub(super) fn retiring(&self) -> Vec<Receiver<()>> {
        let retiring = self.retiring.read().unwrap_or_else(PoisonError::into_inner);
        retiring.iter().map(|handle| handle.ended.clone()).collect()
    }

    /// How many were lost and are not back.
    pub(super) fn n_aside(&self) -> usize {
        let mut aside = self.aside.write().unwrap_or_else(PoisonError::into_inner);
        aside.retain(|handle| !handle.is_gone());
        aside.len()
    }
}

impl Shared {
    /// Starts workers until that many seats are taken.
    pub(super) fn fill_seats(
        self: &Arc<Shared>,
        n: usize,
        ready: Option<&Sender<Result<()>>>,
    ) -> Result<()> {
        let mut seats = self.supervisor.seats_mut();
        while seats.len() < n {
            let handle = self.spawn(seats.len(), ready.cloned())?;
            seats.push(handle);
            self.supervisor
                .n_taken
                .store(seats.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Starts a worker of a lazy pool for a job that was just queued, if there is none; others come when
    /// a job has waited for a moment.
    #[cold]
    pub(super) fn grow(self: &Arc<Shared>) -> Result<()> {
        if self.supervisor.n_taken() == 0 {
            return self.fill_seats(1, None);
        }
        self.look_at_queue_soon();
        Ok(())
    }

    /// Starts another worker of a lazy pool, if there are more jobs than workers that are starting. Says
    /// whether to look again.
    pub(super) fn grow_for_waiting(self: &Arc<Shared>) -> bool {
        let (n_taken, n_ready) = (self.supervisor.n_taken(), self.supervisor.n_ready());
        if n_taken >= self.settings.n_workers || self.queue.is_empty() {
            return false;
        }
        if self.queue.len() > n_taken.saturating_sub(n_ready)
            && let Err(error) = self.fill_seats(n_taken + 1, None)
        {
            tracing::error!(%error, "no further worker could be started");
        }
        true
    }

    /// Puts another worker in the seat of one whose job does not stop, unless it has left that by itself.
    /// A worker process is killed.
    pub(super) fn set_aside(self: &Arc<Shared>, monitor: &Arc<JobMonitor>) {
        let Some(remote) = monitor.remote() else {
            return self.replace(monitor, Leaves::Stuck("a call does not stop"));
        };
        if self.supervisor.has(monitor) {
            let process = remote.process();
            tracing::warn!(process, "a call does not stop: its worker is killed");
            remote.kill();
        }
        self.replace(monitor, Leaves::Died);
    }

    /// Gives back to the queue what a worker has taken and not begun.
    pub(super) fn give_back(&self, job: Job) {
        self.queue.give_back(job);
        if matches!(*self.admission.state(), State::Stopping | State::Failed(_)) {
            // Nobody takes it any more; by its drop it is told to be cancelled.
            while let Some(job) = self.queue.take() {
                drop(job);
            }
        }
    }

    /// Replaces the worker with that monitor, unless it has left its seat.
    fn replace(self: &Arc<Shared>, monitor: &Arc<JobMonitor>, leaves: Leaves) {
        let admission = self.admission.state();
        let n_aside = self.supervisor.n_aside();
        let mut seats = self.supervisor.seats_mut();
        let Some(seat) = seats
            .iter()
            .position(|at| Arc::ptr_eq(&at.monitor, monitor))
        else {
            return;
        };
        if let Leaves::Stuck(why) = leaves {
            tracing::warn!(
                worker = monitor.worker(),
                "{why}: another one takes its seat"
            );
        }
        if matches!(*admission, State::Stopping | State::Failed(_)) {
            return;
        }
        let made = match leaves {
            Leaves::Stuck(why) if n_aside >= self.settings.lost_limit => Err(Error::WorkerLost(
                format!("{why}, and {n_aside} workers are lost already, as many as may be"),
            )),
            _ => self.spawn(seat, None),
        };
        let mut handle = match made {
            Ok(handle) => handle,
            Err(error) => {
                let old = &seats[seat];
                let _ = old.give(Order::Stop);
                drop((seats, admission));
                self.leave_empty(monitor, error);
                return;
            }
        };
        if matches!(*admission, State::Draining) {
            let _ = handle.give(Order::Drain);
        }
        let old = &seats[seat];
        handle.before = old.before.clone();
        handle.before.add(&old.monitor.counters().0);
        handle.n_restarts = old.n_restarts + u64::from(!matches!(leaves, Leaves::Worn));
        let old = std::mem::replace(&mut seats[seat], handle);
        for order in old.take_back_orders() {
            if matches!(order, Order::Run(_)) {
                let _ = seats[seat].give(order);
            }
        }
        let _ = old.give(Order::Stop);
        drop(seats);
        let list = match leaves {
            Leaves::Stuck(_) => &self.supervisor.aside,
            Leaves::Worn | Leaves::Died => &self.supervisor.retiring,
        };
        let mut list = list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|handle| !handle.is_gone());
        list.push(old);
    }

    /// A worker is lost for good. With the last one, the pool fails.
    fn leave_empty(&self, monitor: &Arc<JobMonitor>, error: Error) {
        tracing::error!(%error, "a worker is lost and not replaced");
        let orders: Vec<Order> = {
            let seats = self.supervisor.seats();
            let seat = seats.iter().find(|at| Arc::ptr_eq(&at.monitor, monitor));
            seat.map(|seat| seat.take_back_orders().collect())
                .unwrap_or_default()
        };
        // What was for that worker alone.
        for order in orders {
            if let Order::Run(job) = order {
                job.fail(&error);
            }
        }
        let n_empty = self.supervisor.n_empty.fetch_add(1, Ordering::SeqCst) + 1;
        if n_empty == self.settings.n_workers {
            let mut reason = format!("no worker is left in the pool: {error}");
            if let Some(cause) = std::error::Error::source(&error) {
                reason.push_str(&format!("\ncaused by: {cause}"));
            }
            self.admission.fail(&self.queue, Error::WorkerLost(reason));
        }
    }

    /// Starts a worker in that seat.
    fn spawn(self: &Arc<Shared>, seat: usize, ready: Option<Sender<Result<()>>>) -> Result<Handle> {
        let (orders, received) = unbounded();
        let untaken = received.clone();
        let ((serving, served), (living, ended)) = (bounded(0), bounded(0));
        let number = self.settings.first_worker + seat;
        let name = format!("owngil-{number}");
        let thread = thread::Builder::new().name(name).stack_size(STACK_SIZE);
        let monitor = JobMonitor::new(
            number,
            Capture::of_worker(number, self.settings.output.clone()),
            &self.early_outcomes,
        );
        let shared = Arc::downgrade(self);
        monitor.set_wake(move |when| {
            if let Some(shared) = shared.upgrade() {
                shared.start_watchdog();
                shared.watchdog.note(when);
            }
        });
        let start = Start {
            shared: Arc::clone(self),
            seat,
            monitor: Arc::clone(&monitor),
            received,
            orders: orders.clone(),
        };
        let spawned = thread.spawn(move || {
            let lingering = start.live(ready, serving);
            drop(living);
            if let Some(last) = lingering {
                last();
            }
        });
        let spawned = spawned.map_err(|error| {
            Error::Config(format!("the system gave no thread for a worker: {error}"))
        })?;
        Ok(Handle {
            orders,
            thread: spawned.thread().clone(),
            untaken,
            served,
            ended,
            monitor,
            before: WorkerCounters::default(),
            n_restarts: 0,
        })
    }
}

/// Why a worker leaves its seat without having been told to.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// It has made as many calls as it may.
    Worn,
    /// Its process is gone, and nothing is left of it.
    Died,
    /// It is lost, for this reason, and its thread and its interpreter with it.
    Stuck(&'static str),
}

/// After how long a worker that is to replace another and failed to start tries again.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// What a worker's thread starts with.
struct Start {
    shared: Arc<Shared>,
    seat: usize,
    monitor: Arc<JobMonitor>,
    received: Receiver<Order>,
    orders: Sender<Order>,
}

impl Start {
    /// The life of the worker's thread; `serving` is dropped when it runs no more calls.
    fn live(self, ready: Option<Sender<Result<()>>>, serving: Sender<()>) -> Option<Lingering> {
        let _in_worker = tracing::debug_span!("worker", worker = self.seat).entered();
        let made = match &ready {
            Some(_) => self.ready_worker(),
            // Nobody waits, and what an initializer needs may be back in a moment.
            None => self.ready_worker_at_last(),
        };
        let told = made.as_ref().map(|_| ()).map_err(Clone::clone);
        let mut worker = match (made, &ready) {
            (Ok(worker), _) => worker,
            (Err(error), ready) => {
                if ready.is_none() {
                    self.shared.leave_empty(&self.monitor, error);
                }
                drop(ready.as_ref().map(|ready| ready.send(told)));
                return None;
            }
        };
        self.shared
            .supervisor
            .n_ready
            .fetch_add(1, Ordering::Relaxed);
        tracing::debug!(worker = self.seat, "worker ready");
        let life = Life::begin(&self.monitor);
        // Not before: where the initializer cannot run, the worker cannot.
        if self.shared.fallback.is_some() {
            let shared = Arc::downgrade(&self.shared);
            self.monitor.set_elsewhere(move |job, reason| {
                // Without a pool the job is dropped, which tells its outcome.
                if let Some(shared) = shared.upgrade() {
                    shared.move_on(job, reason);
                }
            });
        }
        drop(ready.map(|ready| ready.send(told)));
        let due = |when| self.shared.watchdog.note(when);
        let back = |back| match back {
            Back::Queued(job) => self.shared.give_back(job),
            Back::Own(job) => {
                let _ = self.orders.send(Order::Run(job));
            }
        };
        let left = catch(|| {
            let n_calls = self.shared.settings.max_tasks_per_worker;
            worker::serve(
                &mut *worker,
                &self.shared.queue,
                &self.received,
                &due,
                &back,
                n_calls,
            )
        });
        let is_sound = matches!(left, Some(Left::Ordered | Left::Worn));
        match left {
            Some(Left::Ordered) => {}
            Some(Left::Worn) => {
                tracing::debug!(worker = self.seat, "worn, is replaced");
                self.shared.replace(&self.monitor, Leaves::Worn);
            }
            Some(Left::Lost) => self.shared.replace(&self.monitor, Leaves::Died),
            None => {
                tracing::error!(worker = self.seat, "panicked, is replaced");
                self.monitor
                    .lose(&Error::WorkerLost("it panicked".to_owned()));
                self.shared
                    .replace(&self.monitor, Leaves::Stuck("it panicked"));
            }
        }
        drop((serving, life));
        let ended = catch(|| {
            if let (true, Some(hook)) = (is_sound, &self.shared.settings.exit_hook)
                && let Err(error) = run_alone(&mut *worker, hook)
            {
                tracing::warn!(worker = self.seat, %error, "the exit hook failed");
            }
            worker.retire()
        });
        tracing::debug!(worker = self.seat, "worker retired");
        ended.unwrap_or_default()
    }

    /// A worker that is ready at the first attempt, or the next ones.
    fn ready_worker_at_last(&self) -> Result<Box<dyn Worker>> {
        let mut made = self.ready_worker();
        for pause in PAUSES {
            let Err(error) = &made else { break };
            tracing::warn!(worker = self.seat, %error, "not ready, tries again");
            thread::sleep(pause);
            made = self.ready_worker();
        }
        made
    }

    /// A worker that has run its initializer; a sink may panic while it does.
    fn ready_worker(&self) -> Result<Box<dyn Worker>> {
        catch(|| self.make_ready()).unwrap_or_else(|| {
            Err(Error::Worker {
                worker: self.seat,
                source: Box::new(Error::WorkerLost("it panicked".to_owned())),
            })
        })
    }

    fn make_ready(&self) -> Result<Box<dyn Worker>> {
        let settings = &self.shared.settings;
        let monitor = Arc::clone(&self.monitor);
        let mut worker = worker::start(&settings.worker, monitor, &self.orders)?;
        if let Some(initializer) = &settings.initializer
            && let Err(error) = run_alone(&mut *worker, initializer)
        {
            // What it lent went with its results.
            drop(worker.retire());
            return Err(Error::Worker {
                worker: self.seat,
                source: Box::new(error),
            });
        }
        Ok(worker)
    }
}

/// The time between a worker's start and its end, during which it counts what it does.
struct Life<'p>(&'p JobMonitor);

impl<'p> Life<'p> {
    fn begin(monitor: &'p JobMonitor) -> Life<'p> {
        monitor.come_alive();
        Life(monitor)
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.0.pass_away();
    }
}

/// Runs a batch on a worker that is not in service.
fn run_alone(worker: &mut dyn Worker, batch: &Batch) -> Result<()> {
    let (collector, results) = unbounded();
    let job = Job::new(batch.clone(), Recipient::Collector(0, collector));
    let lost = || Error::WorkerLost("its process ended before it began".to_owned());
    worker.run(job, &|_| (), &mut || None, &|back| match back {
        Back::Queued(job) | Back::Own(job) => job.fail(&lost()),
    });
    results
        .iter()
        .try_for_each(|(_, results)| results.only_failure())
}
