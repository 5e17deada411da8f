//! Parting: what becomes of a job's output and child processes when it is ended from outside.

use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::JobMonitor;

impl JobMonitor {
    /// Kills the processes that the job of that epoch has started, if it still runs: most likely it waits for one.
    pub(crate) fn kill_children(&self, epoch: u64) {
        let parent = self.capture.parent();
        // If the job is still there afterwards, it is the one of this number.
        let job = parent.job();
        if self.is_at(epoch) {
            parent.kill_of_job(job);
        }
    }

    /// Hands on what the running job has printed so far, and waits for that no longer than this: a sink is the
    /// host's code, which may wait without end, and ending or showing tasks must not.
    pub(crate) fn hand_on_within(&self, limit: Duration) {
        let Some(monitor) = self.own.upgrade() else {
            return;
        };
        let (done, ended) = bounded(1);
        let thread = thread::Builder::new().name("owngil-output".to_owned());
        let started = thread.spawn(move || {
            let _ = owngil_ffi::catch(|| monitor.hand_on());
            let _ = done.send(());
        });
        match started {
            Ok(_) => drop(ended.recv_timeout(limit)),
            Err(error) => tracing::error!(%error, "no thread for the output of a call"),
        }
    }

    /// Hands on what the running job has printed so far, where that is not kept with its outcome. May
    /// wait for the sink.
    pub(crate) fn hand_on(&self) {
        if self.capture.is_dirty() && !self.capture.is_kept() {
            self.capture.finish();
        }
    }
}
