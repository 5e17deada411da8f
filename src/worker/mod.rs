//! Worker: what runs batches one at a time, on some backend.
//!
//! A worker is a thread with a [`Worker`] on it, which the thread itself makes, uses and retires. It
//! takes batches from the pool's queue and orders from its own control channel; orders come first.

mod interpreter;
mod queue;
mod thread;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::error::{Error, Result};
use crate::output::Capture;
use crate::task::Job;

pub(crate) use queue::Queue;

/// Where tasks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Sub-interpreters, each with its own GIL: Python code runs in parallel.
    #[default]
    Interpreter,
    /// Threads of the main interpreter, which share its one GIL: the baseline that everything is
    /// compared with, and the place for extension modules that refuse sub-interpreters.
    Thread,
}

impl Backend {
    const NAMES: [(&'static str, Backend); 2] = [
        ("interpreter", Backend::Interpreter),
        ("thread", Backend::Thread),
    ];
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Backend::NAMES.iter().find(|(_, backend)| backend == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Backend> {
        let known = Backend::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, backend)| *backend).ok_or_else(|| {
            Error::Config(format!(
                "no backend {name:?}: there are interpreter and thread"
            ))
        })
    }
}

/// One worker's side of a backend. It lives on one thread.
pub(crate) trait Worker {
    /// Runs a job, and after it those that `next` gives, until it gives none.
    ///
    /// A job's function is loaded first if need be; a batch without calls only loads it. Each
    /// promise is kept as soon as its batch is done. `next` does not wait.
    fn run(&mut self, job: Job, next: &mut dyn FnMut() -> Option<Job>);

    /// Gives up memory that was lent with results and is back.
    fn take_back(&mut self) {}

    /// Ends, once nothing is left to run.
    ///
    /// It gives what cannot end yet, since others still read its memory; that is to be called where
    /// nobody waits.
    fn retire(self: Box<Self>) -> Option<Lingering>;
}

/// Waits until the last of a worker's memory is back, and ends it.
pub(crate) type Lingering = Box<dyn FnOnce()>;

/// Makes a worker of that backend, on the thread that is to be its own.
///
/// `orders` tells it of memory that came back while it waits for work.
pub(crate) fn start(
    backend: Backend,
    capture: Arc<Capture>,
    orders: &Sender<Order>,
) -> Result<Box<dyn Worker>> {
    let worker = match backend {
        Backend::Interpreter => interpreter::start(capture)?,
        Backend::Thread => thread::start(capture)?,
    };
    let (orders, thread) = (orders.clone(), std::thread::current());
    worker.interpreter.loans().on_return(move || {
        let _ = orders.send(Order::TakeBack);
        thread.unpark();
    });
    Ok(Box::new(worker))
}

/// What a pool tells one of its workers.
#[derive(Debug)]
pub(crate) enum Order {
    /// Run this, before anything else that is queued.
    Run(Job),
    /// Take back what was lent.
    TakeBack,
    /// Run what is queued, then end.
    Drain,
    /// End; what is queued is for the others.
    Stop,
}

/// The life of a worker between its start and its retirement.
pub(crate) fn serve(worker: &mut dyn Worker, queue: &Queue, orders: &Receiver<Order>) {
    loop {
        match queue.wait(orders) {
            Order::Run(job) => worker.run(job, &mut || match orders.is_empty() {
                true => queue.take(),
                false => None,
            }),
            Order::TakeBack => worker.take_back(),
            Order::Drain => {
                if let Some(job) = queue.take() {
                    worker.run(job, &mut || queue.take());
                }
                return;
            }
            Order::Stop => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::Function;
    use crate::task::{Batch, Recipient, Results};

    /// Counts the calls that it has seen.
    struct Counter(u32);

    impl Worker for Counter {
        fn run(&mut self, job: Job, next: &mut dyn FnMut() -> Option<Job>) {
            let mut job = Some(job);
            while let Some(Job { batch, promise }) = job {
                self.0 += batch.len();
                promise.keep(Results::all_failed(batch.len(), &Error::Cancelled));
                job = next();
            }
        }

        fn retire(self: Box<Self>) -> Option<Lingering> {
            None
        }
    }

    #[test]
    fn orders_come_before_the_queue_and_draining_empties_it() {
        let queue = Queue::new(8);
        let (control, orders) = crossbeam_channel::unbounded();
        let (collector, results) = crossbeam_channel::unbounded();
        let job = |number| {
            let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
            Job::new(batch, Recipient::Collector(number, collector.clone()))
        };
        queue.push(job(1)).unwrap();
        queue.push(job(2)).unwrap();
        control.send(Order::Run(job(3))).unwrap();
        control.send(Order::Drain).unwrap();
        let mut worker = Counter(0);
        serve(&mut worker, &queue, &orders);
        assert_eq!(worker.0, 3);
        let order: Vec<u64> = results.try_iter().map(|(number, _)| number).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn backends_are_told_by_their_names() {
        for (name, backend) in Backend::NAMES {
            assert_eq!(name.parse::<Backend>(), Ok(backend));
            assert_eq!(backend.to_string(), name);
        }
        assert!("process".parse::<Backend>().is_err());
    }
}
