//! Alone: the main interpreter of a worker process, which has no other worker.

use std::sync::Arc;

use owngil_ffi::{MainThread, Memory};

use super::progress::Progress;
use super::raised::python_error;
use super::{Interpreter, MemorySetting};
use crate::error::Result;
use crate::inherited::Inherited;
use crate::monitor::JobMonitor;

impl Interpreter {
    /// The main interpreter of a worker process, whose only worker is on this thread, Python's main thread.
    pub(crate) fn on_main_alone(
        thread: &MainThread,
        monitor: &JobMonitor,
        memory: MemorySetting,
        inherited: &Arc<Inherited>,
    ) -> Result<Interpreter> {
        let python = match memory {
            MemorySetting::NotCounted => owngil_ffi::Interpreter::lent(thread),
            MemorySetting::Counted(limit) => owngil_ffi::Interpreter::lent_accounted(thread, limit),
        }?;
        let capture = Arc::clone(monitor.capture());
        Interpreter::at(monitor, python, capture, None, inherited)
    }

    /// Makes this thread stand for the main thread of a worker process, and has `forked` called in each
    /// process that Python code forks off there.
    pub(crate) fn stand_alone(&mut self, forked: impl Fn() + Send + Sync + 'static) -> Result<()> {
        self.python.attach(|attached| {
            let run = || {
                let forked = attached.callback(move |attached, _| {
                    forked();
                    Ok(attached.none())
                })?;
                let globals = attached.dict()?;
                globals.insert(&attached.str("forked")?, &forked)?;
                let source = include_str!("../python/process.py");
                attached.exec(source, "<owngil process>", &globals)
            };
            run().map_err(|raised| python_error(&raised))
        })
    }

    /// Sets what follows each batch of more than one call.
    pub(crate) fn set_progress(&mut self, progress: Box<dyn Progress>) {
        if let Some(state) = &mut self.state {
            state.progress = Some(progress);
        }
    }

    /// Runs the last of Python's own code in a process that has no other worker: joins the threads that
    /// Python code started, runs exit functions.
    pub(crate) fn wind_down_alone(&mut self) {
        let _entered = self.capture.enter();
        self.python.wind_down_main();
    }

    /// What it has in use, if that is counted.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.python.memory().cloned()
    }
}
