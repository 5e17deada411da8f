//! The admission of a pool under every order of events.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use loom::thread::JoinHandle;

use super::*;
use crate::function::Function;
use crate::sync::{check, thread};
use crate::task::{Batch, Recipient, Results, Slot};
use crate::worker::{self, Back, Lingering, Order, Ticket, Worker};

/// Runs nothing, and gives no values.
struct Idle;

impl Worker for Idle {
    fn run(
        &mut self,
        job: Job,
        _: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        _: &dyn Fn(Back),
    ) {
        let mut job = Some(job);
        while let Some(Job { promise, .. }) = job {
            promise.keep(Results::default());
            job = next();
        }
    }

    fn retire(self: Box<Self>) -> Option<Lingering> {
        None
    }
}

/// As much of a pool as takes jobs, and calls that one thread submits.
struct Pool {
    admission: Admission,
    queue: Queue,
    slots: [Arc<Slot>; 2],
}

impl Pool {
    fn new(queue_limit: usize) -> Arc<Pool> {
        Arc::new(Pool {
            admission: Admission::default(),
            queue: Queue::new(queue_limit),
            slots: Default::default(),
        })
    }

    /// Waits for room, without a limit.
    fn submit(&self, slot: &Arc<Slot>) -> Result<()> {
        let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
        let mut job = Job::new(batch, Recipient::Task(Arc::clone(slot)));
        while let Some(refused) = self.admission.push(&self.queue, job)? {
            job = refused;
            self.queue.wait_for_room(Duration::from_secs(3600));
        }
        Ok(())
    }

    /// As a submission does that is a future.
    fn submit_async(&self, slot: &Arc<Slot>) -> Result<()> {
        let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
        let mut job = Job::new(batch, Recipient::Task(Arc::clone(slot)));
        let mut ticket = Ticket::default();
        let waker = Waker::from(Arc::new(thread::current()));
        while let Some(refused) = self.admission.push(&self.queue, job)? {
            job = refused;
            let has_room = self.queue.poll_room(&mut ticket, &waker);
            if let Err(error) = self.admission.open().map(drop) {
                self.queue.leave(&mut ticket, false);
                return Err(error);
            }
            if !has_room {
                thread::park();
            }
        }
        self.queue.leave(&mut ticket, true);
        Ok(())
    }

    /// Submits the calls, on a thread or as futures; gives how many were taken.
    fn submit_all(self: &Arc<Pool>, is_async: bool) -> JoinHandle<usize> {
        let pool = Arc::clone(self);
        let (_, submitting) = thread::spawn(move || {
            let taken = pool.slots.each_ref().map(|slot| match is_async {
                true => pool.submit_async(slot).is_ok(),
                false => pool.submit(slot).is_ok(),
            });
            assert_ne!(taken, [false, true], "taken after it was closed");
            taken.into_iter().filter(|taken| *taken).count()
        });
        submitting
    }

    /// A worker, which serves until it has that order.
    fn serve_until(self: &Arc<Pool>, order: Order) -> (impl FnOnce(), JoinHandle<()>) {
        let (orders, received) = unbounded();
        let pool = Arc::clone(self);
        let (worker, serving) = thread::spawn(move || {
            worker::serve(&mut Idle, &pool.queue, &received, &|_| (), &|_| (), None);
        });
        let give = move || {
            orders.send(order).unwrap();
            worker.unpark();
        };
        (give, serving)
    }

    /// How many calls were run. All have an outcome: a job that is refused is dropped, which gives it one.
    fn n_run(&self) -> usize {
        assert!(self.queue.is_empty(), "left in the queue");
        let results = self.slots.each_ref().map(|slot| slot.results());
        let n_errors = results.map(|results| results.expect("an outcome").len());
        n_errors.iter().filter(|n| **n == 0).count()
    }
}

#[test]
fn a_pool_that_drains_runs_what_it_has_taken_and_takes_no_more() {
    for (queue_limit, is_async) in [(1, false), (1, true), (2, false)] {
        check(4, move || {
            let pool = Pool::new(queue_limit);
            let submitting = pool.submit_all(is_async);
            let (give_order, serving) = pool.serve_until(Order::Drain);
            pool.admission.close(&pool.queue, PoolState::Draining);
            give_order();
            assert_eq!(pool.submit(&Arc::default()), Err(Error::ShutDown));
            serving.join().unwrap();
            assert_eq!(submitting.join().unwrap(), pool.n_run());
        });
    }
}

#[test]
fn a_pool_that_stops_drops_what_it_has_taken_and_takes_no_more() {
    for (queue_limit, is_async) in [(1, false), (1, true), (2, false)] {
        check(4, move || {
            let pool = Pool::new(queue_limit);
            let submitting = pool.submit_all(is_async);
            let (give_order, serving) = pool.serve_until(Order::Stop);
            pool.admission.close(&pool.queue, PoolState::Stopping);
            give_order();
            while let Some(job) = pool.queue.take() {
                drop(job);
            }
            serving.join().unwrap();
            assert!(submitting.join().unwrap() >= pool.n_run());
        });
    }
}

#[test]
fn a_pool_that_fails_gives_its_error_to_all_who_submit_and_wait() {
    for (queue_limit, is_async) in [(1, false), (1, true), (2, false)] {
        check(4, move || {
            let pool = Pool::new(queue_limit);
            let submitting = pool.submit_all(is_async);
            let error = Error::lost(String::new());
            pool.admission.fail(&pool.queue, error.clone());
            assert_eq!(pool.submit(&Arc::default()), Err(error));
            submitting.join().unwrap();
            assert_eq!(pool.n_run(), 0);
        });
    }
}
