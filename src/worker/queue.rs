//! Queue: the one line of jobs before all workers of a pool, and how they wait for it.
//!
//! Handing over a job costs as much as waking a thread does, which is ten times what a short call takes. So
//! a worker that runs out of jobs *searches* for a moment before it *parks*, and a job that is pushed
//! while a worker searches wakes nobody:
//!
//! - `push` puts the job in line, then looks: if nobody searches and somebody is parked, it wakes one.
//! - A worker that finds a job as the last who searched looks too: if there are more jobs, it wakes the next.
//! - A worker that parks first signs the list, then stops counting as a searcher, then looks once more.
//!
//! Each side writes before it looks, and all of it is sequentially consistent. So whoever pushes sees
//! a parked worker, or is seen by one that looks once more: no job is left while a worker sleeps.
//! The list has a lock, which is only taken to park and to wake.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_queue::ArrayQueue;

use super::Order;
use crate::spin::spin;
use crate::task::Job;

/// A bounded line of jobs.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: ArrayQueue<Job>,
    n_searching: AtomicUsize,
    /// The length of `parked`, to be read without its lock.
    n_parked: AtomicUsize,
    parked: Mutex<Vec<Thread>>,
    /// How many wait for room in a full line.
    n_blocked: AtomicUsize,
    blocked: Mutex<()>,
    room: Condvar,
}

impl Queue {
    /// A line of at most `limit` jobs, which is not 0.
    pub(crate) fn new(limit: usize) -> Queue {
        Queue {
            jobs: ArrayQueue::new(limit),
            n_searching: AtomicUsize::new(0),
            n_parked: AtomicUsize::new(0),
            parked: Mutex::default(),
            n_blocked: AtomicUsize::new(0),
            blocked: Mutex::default(),
            room: Condvar::new(),
        }
    }

    /// Puts a job last in line, or gives it back where that is full.
    #[inline]
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        self.jobs.push(job)?;
        fence(SeqCst);
        if self.n_searching.load(SeqCst) == 0 {
            self.wake_one();
        }
        Ok(())
    }

    /// Takes the job that is first in line.
    #[inline]
    pub(crate) fn take(&self) -> Option<Job> {
        let job = self.jobs.pop()?;
        if self.n_blocked.load(SeqCst) > 0 && self.has_room() {
            self.open_up();
        }
        Some(job)
    }

    /// Waits until the line is half empty, but no longer than `limit`: whoever waits for each place
    /// that becomes free sleeps and wakes once for each job.
    pub(crate) fn wait_for_room(&self, limit: Duration) {
        if spin(|| self.has_room().then_some(())).is_some() {
            return;
        }
        let blocked = lock(&self.blocked);
        self.n_blocked.fetch_add(1, SeqCst);
        if !self.has_room() {
            let _ = self.room.wait_timeout(blocked, limit);
        }
        self.n_blocked.fetch_sub(1, SeqCst);
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    fn has_room(&self) -> bool {
        self.jobs.len() <= self.jobs.capacity() / 2
    }

    #[cold]
    fn open_up(&self) {
        drop(lock(&self.blocked));
        self.room.notify_all();
    }

    /// Waits for an order, which comes first, or for a job. Whoever gives an order unparks the thread.
    pub(super) fn wait(&self, orders: &Receiver<Order>) -> Order {
        let look = || match orders.try_recv() {
            Ok(order) => Some(order),
            Err(_) => self.take().map(Order::Run),
        };
        if let Some(found) = look() {
            return found;
        }
        self.n_searching.fetch_add(1, SeqCst);
        loop {
            if let Some(found) = spin(look) {
                if self.n_searching.fetch_sub(1, SeqCst) == 1 && !self.jobs.is_empty() {
                    self.wake_one();
                }
                return found;
            }
            self.park(|| !orders.is_empty() || !self.jobs.is_empty());
        }
    }

    /// Sleeps until it is woken, unless there is something after all. It searches before and after.
    fn park(&self, is_something: impl Fn() -> bool) {
        let this = thread::current();
        {
            let mut parked = lock(&self.parked);
            parked.push(this.clone());
            self.n_parked.store(parked.len(), SeqCst);
        }
        self.n_searching.fetch_sub(1, SeqCst);
        fence(SeqCst);
        if !is_something() {
            thread::park();
        }
        self.n_searching.fetch_add(1, SeqCst);
        // It is still on the list if it was not woken for a job.
        let mut parked = lock(&self.parked);
        parked.retain(|thread| thread.id() != this.id());
        self.n_parked.store(parked.len(), SeqCst);
    }

    /// Wakes the worker that parked last, whose caches are the warmest.
    #[inline]
    fn wake_one(&self) {
        if self.n_parked.load(SeqCst) > 0 {
            self.wake_last();
        }
    }

    #[cold]
    fn wake_last(&self) {
        let mut parked = lock(&self.parked);
        if let Some(thread) = parked.pop() {
            self.n_parked.store(parked.len(), SeqCst);
            drop(parked);
            thread.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use crossbeam_channel::{Sender, unbounded};

    use super::*;
    use crate::function::Function;
    use crate::task::{Batch, Recipient, Results};

    fn job(number: u64, collector: &Sender<(u64, Results)>) -> Job {
        let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
        Job::new(batch, Recipient::Collector(number, collector.clone()))
    }

    /// Threads that take jobs and keep their promises, until they are told to stop.
    fn with_takers(n: usize, queue: &Queue, work: impl FnOnce()) {
        thread::scope(|scope| {
            let takers: Vec<_> = (0..n)
                .map(|_| {
                    let (orders, received) = unbounded();
                    let taker = scope.spawn(move || {
                        while let Order::Run(job) = queue.wait(&received) {
                            job.promise.keep(Results::default());
                        }
                    });
                    (orders, taker)
                })
                .collect();
            work();
            for (orders, taker) in takers {
                orders.send(Order::Stop).unwrap();
                taker.thread().unpark();
            }
        });
        assert_eq!(
            (queue.n_searching.load(SeqCst), queue.n_parked.load(SeqCst)),
            (0, 0)
        );
    }

    #[test]
    fn a_job_that_comes_while_workers_fall_asleep_is_taken() {
        let queue = Queue::new(4);
        let (collector, results) = unbounded();
        with_takers(2, &queue, || {
            for number in 0..3000 {
                queue.push(job(number, &collector)).unwrap();
                let (taken, _) = results.recv_timeout(Duration::from_secs(30)).unwrap();
                assert_eq!(taken, number);
                // About when they give up searching.
                let asleep = Instant::now() + Duration::from_nanos(18_000 + number * 10 % 30_000);
                while Instant::now() < asleep {
                    std::hint::spin_loop();
                }
            }
        });
    }

    #[test]
    fn one_push_after_another_wakes_one_worker_after_another() {
        let queue = Queue::new(8);
        let (collector, results) = unbounded();
        let all_there = std::sync::Barrier::new(3);
        thread::scope(|scope| {
            let stops: Vec<_> = (0..3)
                .map(|_| {
                    let (orders, received) = unbounded();
                    let (queue, all_there) = (&queue, &all_there);
                    let taker = scope.spawn(move || {
                        while let Order::Run(job) = queue.wait(&received) {
                            // Ends only if each of the three has a job.
                            all_there.wait();
                            job.promise.keep(Results::default());
                        }
                    });
                    (orders, taker.thread().clone())
                })
                .collect();
            for round in 0..50 {
                while queue.n_parked.load(SeqCst) < 3 {
                    thread::yield_now();
                }
                (0..3).for_each(|n| queue.push(job(3 * round + n, &collector)).unwrap());
                for _ in 0..3 {
                    results.recv_timeout(Duration::from_secs(30)).unwrap();
                }
            }
            for (orders, thread) in stops {
                orders.send(Order::Stop).unwrap();
                thread.unpark();
            }
        });
    }

    #[test]
    fn many_who_push_into_a_short_line_are_all_served() {
        let queue = Arc::new(Queue::new(4));
        let (collector, results) = unbounded();
        with_takers(3, &queue, || {
            thread::scope(|scope| {
                for pusher in 0..4 {
                    let (queue, collector) = (&queue, collector.clone());
                    scope.spawn(move || {
                        for number in 0..2000 {
                            let mut job = job(pusher * 2000 + number, &collector);
                            while let Err(refused) = queue.push(job) {
                                job = refused;
                                queue.wait_for_room(Duration::from_secs(3600));
                            }
                        }
                    });
                }
            });
            drop(collector);
            let mut numbers: Vec<u64> = results.iter().map(|(number, _)| number).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..8000));
        });
    }
}
