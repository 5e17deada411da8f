//! Model of the queue: workers that search and park, pushers that wake them, and room for more.

use std::sync::Arc;

use crossbeam_channel::{Sender, unbounded};
use loom::thread::JoinHandle;

use super::*;
use crate::function::Function;
use crate::sync::check;
use crate::task::{Batch, Collector, Recipient, Results, Slot};

const LONG: Duration = Duration::from_secs(3600);

fn job(number: u64, collector: &Collector) -> Job {
    let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
    Job::new(batch, Recipient::Collector(number, collector.clone()))
}

/// A worker that waits for as many jobs as that, and then ends.
fn taker(queue: &Arc<Queue>, n_jobs: usize) -> (Sender<Order>, Thread, JoinHandle<()>) {
    let (orders, received) = unbounded();
    let queue = Arc::clone(queue);
    let (thread, handle) = thread::spawn(move || {
        for _ in 0..n_jobs {
            match queue.wait(&received) {
                Order::Run(job) => assert!(job.promise.keep(Results::default())),
                _ => return,
            }
        }
    });
    (orders, thread, handle)
}

fn assert_idle(queue: &Queue) {
    let (searching, parked) = (queue.n_searching.load(SeqCst), queue.n_parked.load(SeqCst));
    assert_eq!((searching, parked, queue.len()), (0, 0, 0));
}

#[test]
fn a_worker_that_falls_asleep_is_woken_for_each_job() {
    check(4, || {
        let queue = Arc::new(Queue::new(2));
        let (collector, results) = Collector::new();
        let (_orders, _, taking) = taker(&queue, 2);
        queue.push(job(0, &collector)).unwrap();
        queue.push(job(1, &collector)).unwrap();
        taking.join().unwrap();
        let taken: Vec<u64> = results.try_iter().map(|(number, _)| number).collect();
        assert_eq!(taken, [0, 1]);
        assert_idle(&queue);
    });
}

#[test]
fn two_jobs_wake_two_workers() {
    check(4, || {
        let queue = Arc::new(Queue::new(2));
        let (collector, results) = Collector::new();
        // Each runs one job without end, as it were: neither takes the other's.
        let takers = [taker(&queue, 1), taker(&queue, 1)];
        queue.push(job(0, &collector)).unwrap();
        queue.push(job(1, &collector)).unwrap();
        for (_, _, taking) in takers {
            taking.join().unwrap();
        }
        assert_eq!(results.len(), 2);
        assert_idle(&queue);
    });
}

#[test]
fn an_order_wakes_its_worker_and_the_other_still_gets_the_job() {
    check(4, || {
        let queue = Arc::new(Queue::new(2));
        let (leaving, staying) = (taker(&queue, 2), taker(&queue, 2));
        let stop = |(orders, thread, _): &(Sender<Order>, Thread, _)| {
            orders.send(Order::Stop).unwrap();
            thread.unpark();
        };
        stop(&leaving);
        let slot = Arc::new(Slot::default());
        let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
        let recipient = Recipient::Task(Arc::clone(&slot));
        queue.push(Job::new(batch, recipient)).unwrap();
        slot.wait();
        stop(&staying);
        for (_, _, taking) in [leaving, staying] {
            taking.join().unwrap();
        }
        assert_idle(&queue);
    });
}

#[test]
fn what_waits_for_room_gets_it() {
    check(4, || {
        let queue = Arc::new(Queue::new(1));
        let (collector, results) = Collector::new();
        let (_orders, _, taking) = taker(&queue, 2);
        for number in 0..2 {
            let mut job = job(number, &collector);
            while let Err(refused) = queue.push(job) {
                job = refused;
                queue.wait_for_room(LONG);
            }
        }
        taking.join().unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(queue.n_blocked.load(SeqCst), 0);
        assert_idle(&queue);
    });
}

#[test]
fn a_future_that_waits_for_room_gets_it() {
    check(4, || {
        let queue = Arc::new(Queue::new(1));
        let (collector, results) = Collector::new();
        let (_orders, _, taking) = taker(&queue, 2);
        let submit = {
            let queue = Arc::clone(&queue);
            move || {
                let waker = Waker::from(Arc::new(thread::current()));
                for number in 0..2 {
                    let (mut job, mut ticket) = (job(number, &collector), Ticket::default());
                    while let Err(refused) = queue.push(job) {
                        job = refused;
                        if !queue.poll_room(&mut ticket, &waker) {
                            thread::park();
                        }
                    }
                    queue.leave(&mut ticket, true);
                }
            }
        };
        thread::spawn(submit).1.join().unwrap();
        taking.join().unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(queue.n_blocked.load(SeqCst), 0);
        assert_idle(&queue);
    });
}
