//! The backend `interpreter`: a sub-interpreter with its own GIL on each worker's thread.

use std::sync::Arc;
use std::time::Instant;

use crate::error::Result;
use crate::interpreter::{Around, Interpreter};
use crate::monitor::JobMonitor;
use crate::runtime;
use crate::task::Job;
use crate::worker::{Back, Lingering, Worker, WorkerSettings};

/// Starts CPython if need be, and creates an interpreter on this thread.
pub(super) fn start(
    monitor: Arc<JobMonitor>,
    settings: &WorkerSettings,
    moves: bool,
) -> Result<PythonWorker> {
    let around = Around {
        memory: settings.memory,
        copying: &settings.copying,
        inherited: &settings.inherited,
        moves,
    };
    let interpreter = Interpreter::own_gil(runtime::start()?, &monitor, around)?;
    Ok(PythonWorker {
        interpreter,
        monitor,
    })
}

/// A worker that runs Python on its own thread, in an interpreter of its own or in a shared one.
#[derive(Debug)]
pub(super) struct PythonWorker {
    pub(super) interpreter: Interpreter,
    pub(super) monitor: Arc<JobMonitor>,
}

impl Worker for PythonWorker {
    fn run(
        &mut self,
        job: Job,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        _: &dyn Fn(Back),
    ) {
        self.interpreter.run(job, &self.monitor, due, next);
    }

    fn is_exhausted(&self) -> bool {
        self.interpreter.is_exhausted()
    }

    fn take_back(&mut self) {
        self.interpreter.take_back();
    }

    fn retire(self: Box<Self>) -> Option<Lingering> {
        let PythonWorker {
            interpreter,
            monitor,
        } = *self;
        let lingering = interpreter.retire();
        // What exit functions printed.
        monitor.capture().finish_last();
        let interpreter = lingering?;
        Some(Box::new(move || {
            interpreter.loans().wait_all_back();
            drop(interpreter);
        }))
    }
}
