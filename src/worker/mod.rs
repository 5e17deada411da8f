//! Worker: what runs batches one at a time, on some backend.
//!
//! A worker is a thread with a [`Worker`] on it, which the thread itself makes, uses and retires. It
//! takes batches from the pool's queue and orders from its own control channel; orders come first.

mod forwarder;
mod interpreter;
mod process;
mod queue;
mod thread;

use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use owngil_ffi::Runtime;

use crate::error::{Error, Result};
use crate::inherited::Inherited;
use crate::interpreter::{Copying, MemorySetting};
use crate::monitor::JobMonitor;
use crate::task::Job;

pub(crate) use forwarder::Forwarder;
pub(crate) use queue::{Queue, Ticket};

/// Where tasks run.
///
/// The default is interpreters, and on a free-threaded Python threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Sub-interpreters, each with its own GIL: Python code runs in parallel. A free-threaded Python makes
    /// none.
    Interpreter,
    /// Threads of the main interpreter, which share its one GIL: the baseline that everything is
    /// compared with, and the place for extension modules that refuse sub-interpreters.
    ///
    /// On a free-threaded Python there is no GIL, and Python code runs in parallel: on the objects and the
    /// modules of one interpreter, which all workers share. See `docs/free-threading.md`.
    Thread,
    /// Worker processes, one for each worker: a crash ends one task, and every extension module loads.
    ///
    /// They are this same program started again, whose `main` must begin with
    /// [`become_worker_if_asked`](crate::become_worker_if_asked).
    Process,
    /// Sub-interpreters, and worker processes for functions that cannot run in them, which start when the
    /// first such function is called.
    ///
    /// A call that is refused (see [`Pool::moved`](crate::Pool::moved)) is made again in a process, and so
    /// are all later ones of its function. What it did before it was refused, by an import inside of the
    /// function for example, it does twice.
    ///
    /// On a free-threaded Python these are threads.
    Auto,
}

impl Default for Backend {
    fn default() -> Self {
        match Runtime::IS_FREE_THREADED {
            true => Backend::Thread,
            false => Backend::Interpreter,
        }
    }
}

impl Backend {
    /// Where tasks run on this Python, for a caller that leaves that to owngil.
    pub(crate) fn placed(self) -> Backend {
        match self {
            Backend::Auto if Runtime::IS_FREE_THREADED => Backend::Thread,
            other => other,
        }
    }

    const NAMES: [(&'static str, Backend); 4] = [
        ("interpreter", Backend::Interpreter),
        ("thread", Backend::Thread),
        ("process", Backend::Process),
        ("auto", Backend::Auto),
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
            Error::config(format!(
                "no backend {name:?}: there are auto, interpreter, process and thread"
            ))
        })
    }
}

/// One worker's side of a backend. It lives on one thread.
pub(crate) trait Worker {
    /// Runs a job, and after it those that `next` gives, until it gives none.
    ///
    /// A job's function is loaded first if need be; a batch without calls only loads it. Each
    /// promise is kept as soon as its batch is done. `due` learns when the time of a job with a limit
    /// will be up. `next` does not wait. What it has taken and will not run it gives `back`.
    fn run(
        &mut self,
        job: Job,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        back: &dyn Fn(Back),
    );

    /// Whether it is gone: then another one is to take its place.
    fn is_lost(&self) -> bool {
        false
    }

    /// Whether it should run no further jobs, and be replaced; then it has left `next` alone.
    fn is_exhausted(&self) -> bool {
        false
    }

    /// Gives up memory that was lent with results and is back.
    fn take_back(&mut self) {}

    /// Ends, once nothing is left to run.
    ///
    /// It gives what cannot end yet, since others still read its memory; call that where
    /// no thread waits.
    fn retire(self: Box<Self>) -> Option<Lingering>;
}

/// A job that a worker gives back.
#[derive(Debug)]
pub(crate) enum Back {
    /// Anybody may run it.
    Queued(Job),
    /// It was meant for this worker alone, or may have been: it is for the one that takes its place.
    Own(Job),
}

/// Waits until the last of a worker's memory is back, and ends it.
pub(crate) type Lingering = Box<dyn FnOnce()>;

/// What a worker is made with.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) backend: Backend,
    pub(crate) memory: MemorySetting,
    /// Of interpreters.
    pub(crate) copying: Copying,
    /// Whether results whose class derives from a plain type come as the plain value.
    pub(crate) is_plain: bool,
    /// Whether exceptions that calls raise are kept as objects.
    pub(crate) keeps_exceptions: bool,
    pub(crate) inherited: Arc<Inherited>,
    /// The program that worker processes run; this one by default.
    pub(crate) program: Option<PathBuf>,
    /// How long a worker process may take to end by itself.
    pub(crate) grace: Duration,
}

/// Makes a worker of that backend, on its own thread.
///
/// `orders` tells it of memory that came back while it waits for work.
pub(crate) fn start(
    settings: &WorkerSettings,
    monitor: Arc<JobMonitor>,
    orders: &Sender<Order>,
) -> Result<Box<dyn Worker>> {
    let mut worker = match settings.backend {
        Backend::Interpreter | Backend::Auto => {
            let moves = settings.backend == Backend::Auto;
            interpreter::start(monitor, settings, moves)?
        }
        Backend::Thread => thread::start(monitor, settings)?,
        Backend::Process => return Ok(Box::new(process::start(monitor, settings)?)),
    };
    if settings.is_plain {
        worker.interpreter.give_plain();
    }
    if settings.keeps_exceptions {
        worker.interpreter.keep_exceptions();
    }
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

/// Why a worker serves no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was ordered to.
    Ordered,
    /// It has made as many calls as it may, or has no memory left for another.
    Exhausted,
    /// Its process is gone.
    Lost,
}

/// The life of a worker between its start and its retirement; it makes no more than about `n_calls`.
pub(crate) fn serve(
    worker: &mut dyn Worker,
    queue: &Queue,
    orders: &Receiver<Order>,
    due: &dyn Fn(Instant),
    back: &dyn Fn(Back),
    n_calls: Option<u64>,
) -> Left {
    let n_left = Cell::new(n_calls.unwrap_or(u64::MAX));
    let counted = |job: Job| {
        n_left.set(n_left.get().saturating_sub(job.batch.len().into()));
        job
    };
    let take = || match n_left.get() {
        0 => None,
        _ => queue.take().map(counted),
    };
    loop {
        match queue.wait(orders) {
            Order::Run(job) => {
                let mut next = || match orders.is_empty() {
                    true => take(),
                    false => None,
                };
                worker.run(counted(job), due, &mut next, back);
            }
            Order::TakeBack => worker.take_back(),
            Order::Drain => {
                if let Some(job) = take() {
                    worker.run(job, due, &mut || take(), back);
                }
                if worker.is_lost() {
                    return Left::Lost;
                }
                // What is left is for the one that takes its place.
                if n_left.get() > 0 && !worker.is_exhausted() || queue.is_empty() {
                    return Left::Ordered;
                }
            }
            Order::Stop => return Left::Ordered,
        }
        if worker.is_lost() {
            return Left::Lost;
        }
        if n_left.get() == 0 || worker.is_exhausted() {
            return Left::Exhausted;
        }
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;
    use crate::function::Function;
    use crate::task::{Batch, Collector, Recipient, Results, Slot};

    /// Counts the calls that it has seen.
    struct Counter(u32);

    impl Worker for Counter {
        fn run(
            &mut self,
            job: Job,
            _: &dyn Fn(Instant),
            next: &mut dyn FnMut() -> Option<Job>,
            _: &dyn Fn(Back),
        ) {
            let mut job = Some(job);
            while let Some(Job { batch, promise }) = job {
                self.0 += batch.len();
                promise.keep(Results::all_failed(batch.len(), &Error::cancelled(None)));
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
        let (collector, results) = Collector::new();
        let job = |number| {
            let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
            Job::new(batch, Recipient::Collector(number, collector.clone()))
        };
        queue.push(job(1)).unwrap();
        queue.push(job(2)).unwrap();
        control.send(Order::Run(job(3))).unwrap();
        control.send(Order::Drain).unwrap();
        let mut worker = Counter(0);
        let left = serve(&mut worker, &queue, &orders, &|_| (), &|_| (), None);
        assert_eq!((worker.0, left), (3, Left::Ordered));
        let order: Vec<u64> = results.try_iter().map(|(number, _)| number).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn an_exhausted_worker_leaves_what_is_queued_to_another() {
        let queue = Queue::new(8);
        let (control, orders) = crossbeam_channel::unbounded();
        for _ in 0..5 {
            let batch = Batch::of_one(&Function::at("m:f"), &()).unwrap();
            let slot = Arc::new(Slot::default());
            queue.push(Job::new(batch, Recipient::Task(slot))).unwrap();
        }
        let mut worker = Counter(0);
        let left = serve(&mut worker, &queue, &orders, &|_| (), &|_| (), Some(2));
        assert_eq!((worker.0, left), (2, Left::Exhausted));
        // Also when it is to drain the queue.
        control.send(Order::Drain).unwrap();
        let left = serve(&mut worker, &queue, &orders, &|_| (), &|_| (), Some(2));
        assert_eq!((worker.0, left), (4, Left::Exhausted));
        control.send(Order::Drain).unwrap();
        let left = serve(&mut worker, &queue, &orders, &|_| (), &|_| (), Some(2));
        assert_eq!((worker.0, left), (5, Left::Ordered));
    }

    #[test]
    fn backends_have_the_names_that_they_are_parsed_from() {
        for (name, backend) in Backend::NAMES {
            assert_eq!(name.parse::<Backend>(), Ok(backend));
            assert_eq!(backend.to_string(), name);
        }
        assert!("fibre".parse::<Backend>().is_err());
    }
}
