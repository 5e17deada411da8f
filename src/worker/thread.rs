//! The backend `thread`: threads of the main interpreter, on its one GIL, and on a free-threaded Python on none.
//!
//! Modules, and what tasks leave in them, are shared by all workers. So are `sys.argv`,
//! `sys.stdin` and `__main__`; scripts take turns. What a thread prints that a task started cannot be distinguished from
//! the others' and goes to the process's own streams.

use std::sync::Arc;

use crate::error::Result;
use crate::interpreter::Interpreter;
use crate::monitor::JobMonitor;
use crate::runtime;
use crate::worker::WorkerSettings;
use crate::worker::interpreter::PythonWorker;

/// Starts CPython if need be, and makes this thread one of the main interpreter's.
pub(super) fn start(monitor: Arc<JobMonitor>, settings: &WorkerSettings) -> Result<PythonWorker> {
    let interpreter = Interpreter::on_main(runtime::start()?, &monitor, &settings.inherited)?;
    Ok(PythonWorker {
        interpreter,
        monitor,
    })
}
