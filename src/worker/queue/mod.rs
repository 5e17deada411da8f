//! Queue: the one line of jobs before all workers of a pool, and how they wait for it.
//!
//! Handing over a job costs as much as waking a thread does, which is ten times what a short call takes. So
//! a worker that runs out of jobs *searches* for a moment before it *parks*, and a job that is pushed
//! while a worker searches wakes none:
//!
//! - `push` puts the job in line, then looks: if no worker searches and one is parked, it wakes one.
//! - A worker that finds a job as the last who searched looks too: if there are more jobs, it wakes the next.
//! - A worker that parks first signs the list, then stops counting as a searcher, then looks once more.
//!
//! Each side writes before it looks, and all of it is sequentially consistent. So a thread that pushes sees
//! a parked worker, or is seen by one that looks once more: no job is left while a worker sleeps.
//! The list has a lock, which is only taken to park and to wake.
//!
//! A thread that submits into a full queue waits for *room*: a thread on a condition variable, a future with its
//! waker under a [`Ticket`], by whose number it keeps its place. Takers only look at the count of both.
//! Room wakes all threads, but no more futures than there are places, those first who came first: with
//! thousands of them, most would find the line full again. A future that was woken and goes away without
//! having used its place passes it on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::Order;
use crate::spin::spin;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use crate::sync::thread::{self, Thread};
use crate::sync::{ArrayQueue, Condvar, Mutex, MutexGuard};
use crate::task::Job;

/// A bounded line of jobs.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: ArrayQueue<Job>,
    /// Jobs that were given back; they come first.
    returned: Mutex<VecDeque<Job>>,
    /// How many there are, to be read without the lock.
    n_returned: AtomicUsize,
    n_searching: AtomicUsize,
    /// The length of `parked`, to be read without its lock.
    n_parked: AtomicUsize,
    parked: Mutex<Vec<Thread>>,
    /// How many wait for room in a full line.
    n_blocked: AtomicUsize,
    blocked: Mutex<Blocked>,
    room: Condvar,
}

/// The futures that wait for room, by their tickets.
#[derive(Debug, Default)]
struct Blocked {
    next_ticket: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// The place of a future among those that wait for room.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<u64>);

impl Queue {
    /// A line of at most `limit` jobs, which is not 0.
    pub(crate) fn new(limit: usize) -> Queue {
        Queue {
            jobs: ArrayQueue::new(limit),
            returned: Mutex::default(),
            n_returned: AtomicUsize::new(0),
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

    /// Puts a job back that was taken and has not begun, before all others. There is always room.
    pub(crate) fn give_back(&self, job: Job) {
        {
            let mut returned = lock(&self.returned);
            returned.push_back(job);
            self.n_returned.store(returned.len(), SeqCst);
        }
        fence(SeqCst);
        if self.n_searching.load(SeqCst) == 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn take_returned(&self) -> Option<Job> {
        let mut returned = lock(&self.returned);
        let job = returned.pop_front();
        self.n_returned.store(returned.len(), SeqCst);
        job
    }

    /// Takes the job that is first in line.
    #[inline]
    pub(crate) fn take(&self) -> Option<Job> {
        if self.n_returned.load(SeqCst) > 0
            && let Some(job) = self.take_returned()
        {
            return Some(job);
        }
        let job = self.jobs.pop()?;
        if self.n_blocked.load(SeqCst) > 0 && self.has_room() {
            self.open_up();
        }
        Some(job)
    }

    /// Waits until the line is half empty, but no longer than `limit`: a thread that waits for each place
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

    /// Has the waker woken when the line is half empty, or another thread calls
    /// [`wake_blocked`](Queue::wake_blocked). `true` if it is half empty now: the waker may or may not
    /// be woken then.
    pub(crate) fn poll_room(&self, ticket: &mut Ticket, waker: &Waker) -> bool {
        let mut blocked = lock(&self.blocked);
        let number = *ticket.0.get_or_insert_with(|| {
            blocked.next_ticket += 1;
            blocked.next_ticket
        });
        match blocked.wakers.get_mut(&number) {
            Some(known) => known.clone_from(waker),
            None => {
                blocked.wakers.insert(number, waker.clone());
                self.n_blocked.fetch_add(1, SeqCst);
            }
        }
        self.has_room()
    }

    /// The future with that ticket waits no longer; `is_served` says that it has put its job in line.
    pub(crate) fn leave(&self, ticket: &mut Ticket, is_served: bool) {
        let Some(number) = ticket.0.take() else {
            return;
        };
        let was_woken = {
            let mut blocked = lock(&self.blocked);
            let waits = blocked.wakers.remove(&number);
            if waits.is_some() {
                self.n_blocked.fetch_sub(1, SeqCst);
            }
            waits.is_none()
        };
        if was_woken && !is_served && self.n_blocked.load(SeqCst) > 0 && self.has_room() {
            self.open_up();
        }
    }

    /// Wakes all who wait for room, so that they see that the pool is closed.
    pub(crate) fn wake_blocked(&self) {
        self.wake_up_to(usize::MAX);
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len() + self.n_returned.load(SeqCst)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.n_returned.load(SeqCst) == 0
    }

    fn has_room(&self) -> bool {
        self.jobs.len() <= self.jobs.capacity() / 2
    }

    #[cold]
    fn open_up(&self) {
        self.wake_up_to(self.jobs.capacity() - self.jobs.len());
    }

    /// Wakes all threads that wait for room, and so many futures.
    fn wake_up_to(&self, n: usize) {
        let woken: Vec<Waker> = {
            let mut blocked = lock(&self.blocked);
            let n = n.min(blocked.wakers.len());
            self.n_blocked.fetch_sub(n, SeqCst);
            let first = (0..n).filter_map(|_| blocked.wakers.pop_first());
            first.map(|(_, waker)| waker).collect()
        };
        self.room.notify_all();
        // Not under the lock: a waker is the caller's code.
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits for an order, which comes first, or for a job. Giving an order unparks the thread.
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
                if self.n_searching.fetch_sub(1, SeqCst) == 1 && !self.is_empty() {
                    self.wake_one();
                }
                return found;
            }
            self.park(|| !orders.is_empty() || !self.is_empty());
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

#[cfg(all(test, model))]
mod model;

#[cfg(all(test, not(model)))]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use crossbeam_channel::unbounded;

    use super::*;
    use crate::function::Function;
    use crate::sync::Counted;
    use crate::task::{Batch, Collector, Recipient, Results};

    fn job(number: u64, collector: &Collector) -> Job {
        let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
        Job::new(batch, Recipient::Collector(number, collector.clone()))
    }

    /// Threads that take jobs and keep their promises, until they are ordered to stop.
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
        let (collector, results) = Collector::new();
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
        let (collector, results) = Collector::new();
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

    /// Wakers and tickets of that many futures that wait for room.
    fn waiting(n: usize, queue: &Queue) -> Vec<(Arc<Counted>, Ticket)> {
        let mut waiting: Vec<(Arc<Counted>, Ticket)> = Vec::new();
        waiting.resize_with(n, Default::default);
        for (counted, ticket) in &mut waiting {
            assert!(!queue.poll_room(ticket, &Waker::from(Arc::clone(counted))));
        }
        waiting
    }

    fn woken(waiting: &[(Arc<Counted>, Ticket)]) -> Vec<usize> {
        let counts = waiting.iter().map(|(counted, _)| counted.n_woken());
        counts.collect()
    }

    #[test]
    fn room_wakes_as_many_futures_as_there_are_places_the_first_first() {
        let queue = Queue::new(4);
        let (collector, _results) = Collector::new();
        (0..4).for_each(|number| queue.push(job(number, &collector)).unwrap());
        let mut all = waiting(4, &queue);
        queue.take().unwrap();
        assert_eq!(woken(&all), [0; 4]);
        // It is half empty now.
        queue.take().unwrap();
        assert_eq!(woken(&all), [1, 1, 0, 0]);
        // One goes away without having used its place, and one with.
        let mut gone = all.remove(0);
        queue.leave(&mut gone.1, false);
        assert_eq!(woken(&all), [1, 1, 1]);
        queue.push(job(4, &collector)).unwrap();
        queue.leave(&mut all[0].1, true);
        // A thread that is woken and finds it full again keeps its place before later ones.
        (5..)
            .map_while(|number| queue.push(job(number, &collector)).ok())
            .count();
        let mut late = waiting(1, &queue).remove(0);
        let again = Waker::from(Arc::clone(&all[2].0));
        assert!(!queue.poll_room(&mut all[2].1, &again));
        queue.leave(&mut all[1].1, true);
        queue.take().unwrap();
        queue.leave(&mut late.1, false);
        assert_eq!(queue.n_blocked.load(SeqCst), 1);
        queue.take().unwrap();
        assert_eq!((woken(&all), late.0.n_woken()), (vec![1, 1, 2], 0));
        assert_eq!(queue.n_blocked.load(SeqCst), 0);
    }

    #[test]
    fn all_futures_are_woken_when_the_pool_is_closed() {
        let queue = Queue::new(1);
        let (collector, _results) = Collector::new();
        queue.push(job(0, &collector)).unwrap();
        let all = waiting(3, &queue);
        queue.wake_blocked();
        assert_eq!(woken(&all), [1; 3]);
        assert_eq!(queue.n_blocked.load(SeqCst), 0);
    }

    #[test]
    fn many_who_push_into_a_short_line_are_all_served() {
        let queue = Arc::new(Queue::new(4));
        let (collector, results) = Collector::new();
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
