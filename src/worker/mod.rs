//! Worker: what runs batches one at a time, on some backend.
//!
//! A worker is a thread with a [`Worker`] on it, which the thread itself makes, uses and retires. It
//! takes batches from the pool's queue and orders from its own control channel; orders come first.

mod interpreter;
mod thread;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, select};

use crate::error::{Error, Result};
use crate::output::Capture;
use crate::task::{Batch, Job, Results};

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
    /// Runs a batch, and loads its function first if need be; a batch without calls only loads it.
    fn run(&mut self, batch: &Batch, results: &mut Results);

    /// Ends, once nothing is left to run.
    fn retire(self: Box<Self>);
}

/// Makes a worker of that backend, on the thread that is to be its own.
pub(crate) fn start(backend: Backend, capture: Arc<Capture>) -> Result<Box<dyn Worker>> {
    Ok(match backend {
        Backend::Interpreter => Box::new(interpreter::start(capture)?),
        Backend::Thread => Box::new(thread::start(capture)?),
    })
}

/// What a pool tells one of its workers.
#[derive(Debug)]
pub(crate) enum Order {
    /// Run this, before anything else that is queued.
    Run(Job),
    /// Run what is queued, then end.
    Drain,
    /// End; what is queued is for the others.
    Stop,
}

/// The life of a worker between its start and its retirement.
pub(crate) fn serve(worker: &mut dyn Worker, queue: &Receiver<Job>, orders: &Receiver<Order>) {
    loop {
        let order = match orders.try_recv() {
            Ok(order) => order,
            Err(_) => match queue.try_recv() {
                Ok(job) => Order::Run(job),
                Err(_) => select! {
                    recv(orders) -> order => order.unwrap_or(Order::Stop),
                    recv(queue) -> job => job.map_or(Order::Stop, Order::Run),
                },
            },
        };
        match order {
            Order::Run(job) => run(worker, job),
            Order::Drain => {
                while let Ok(job) = queue.try_recv() {
                    run(worker, job);
                }
                return;
            }
            Order::Stop => return,
        }
    }
}

fn run(worker: &mut dyn Worker, job: Job) {
    let Job { batch, promise } = job;
    let mut results = Results::default();
    let start = Instant::now();
    worker.run(&batch, &mut results);
    results.elapsed = start.elapsed();
    promise.keep(results);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::Function;
    use crate::payload::Payload;
    use crate::task::Recipient;

    /// Returns how many calls it has seen.
    struct Counter(u32);

    impl Worker for Counter {
        fn run(&mut self, batch: &Batch, results: &mut Results) {
            for _ in 0..batch.len() {
                self.0 += 1;
                let value = Payload::new(&self.0).unwrap();
                results.out().extend_from_slice(value.as_bytes());
                results.end_call(Ok(()), None);
            }
        }

        fn retire(self: Box<Self>) {}
    }

    #[test]
    fn orders_come_before_the_queue_and_draining_empties_it() {
        let (queue, jobs) = crossbeam_channel::unbounded();
        let (control, orders) = crossbeam_channel::unbounded();
        let (collector, results) = crossbeam_channel::unbounded();
        let job = |number| {
            let mut batch = Batch::new(Function::at("m:f"), None);
            batch.push(&()).unwrap();
            Job::new(batch, Recipient::Collector(number, collector.clone()))
        };
        queue.send(job(1)).unwrap();
        queue.send(job(2)).unwrap();
        control.send(Order::Run(job(3))).unwrap();
        control.send(Order::Drain).unwrap();
        serve(&mut Counter(0), &jobs, &orders);
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
