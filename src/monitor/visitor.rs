//! Visitor: the thread that attaches to a worker's interpreter for others.
//!
//! Attaching waits for a GIL, which C code may hold without end. So each worker that
//! is interrupted or looked at gets a visitor for it, which is left behind where it cannot attach. A late visit finds
//! that the job has changed, and does nothing.

use std::sync::Weak;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use owngil_ffi::Stack;

use super::JobMonitor;
use crate::task::Why;

/// What a visitor is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Interrupt { epoch: u64, why: Why, report: bool },
    Stacks(Sender<Vec<Stack>>),
}

/// How many requests may wait for a visitor that cannot attach. What comes after them would find
/// nothing else than they do.
const N_WAITING: usize = 16;

/// A visitor thread sets nothing up that needs a deep stack: it runs no Python code.
const STACK_SIZE: usize = 256 << 10;

/// A worker's visitor; its thread ends with it.
#[derive(Debug)]
pub(super) struct Visitor(Sender<Request>);

impl Visitor {
    pub(super) fn start(monitor: Weak<JobMonitor>) -> Visitor {
        let (requests, received) = bounded(N_WAITING);
        let thread = thread::Builder::new()
            .name("owngil-visitor".to_owned())
            .stack_size(STACK_SIZE);
        if let Err(error) = thread.spawn(move || serve(&monitor, &received)) {
            tracing::error!(%error, "no thread for a visitor");
        }
        Visitor(requests)
    }

    pub(super) fn ask(&self, request: Request) {
        match self.0.try_send(request) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => tracing::error!("a visitor is gone"),
        }
    }
}

/// How long a sink may take for what a call has printed until the call's outcome is reported.
const SINK: Duration = Duration::from_millis(200);

fn serve(monitor: &Weak<JobMonitor>, requests: &Receiver<Request>) {
    for request in requests {
        let Some(monitor) = monitor.upgrade() else {
            return;
        };
        match request {
            Request::Interrupt { epoch, why, report } => {
                let printed = if let Some(remote) = monitor.remote.get() {
                    monitor.fire_remote(&**remote, epoch, why, report)
                } else {
                    if let Some(visits) = monitor.visits.get() {
                        visits.visit(|visit| monitor.fire(&visit, epoch, why));
                    }
                    monitor.kill_children(epoch);
                    let must_report = report && monitor.is_at(epoch);
                    must_report.then(|| monitor.capture.kept_so_far()).flatten()
                };
                if let Some(printed) = printed.filter(|_| report) {
                    monitor.hand_on_within(SINK);
                    monitor.report_with(epoch, why, printed);
                }
            }
            Request::Stacks(reply) => {
                let stacks = match (monitor.remote.get(), monitor.visits.get()) {
                    (Some(remote), _) => remote.stacks(),
                    (None, Some(visits)) => visits.visit(|visit| visit.stacks()),
                    (None, None) => None,
                };
                if let Some(stacks) = stacks {
                    let _ = reply.send(stacks);
                }
            }
        }
    }
}
