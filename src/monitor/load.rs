//! Load: when a running job loads code, or objects that need some. Its time limit counts from the end of that. Also when a
//! job is due that was refused something.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{JobMonitor, Running};
use crate::task::Why;

/// How long a load may take, unless the limit of its job is longer.
const LIMIT: Duration = Duration::from_secs(60);

/// How often the watchdog looks whether a load has ended, at most.
const LOOK: Duration = Duration::from_millis(10);

/// The last load of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Load {
    /// There was none yet.
    #[default]
    NotYet,
    /// It goes on.
    Since(Instant),
    /// It has ended.
    Until(Instant),
}

/// Where the loads of jobs are noted for another process.
#[derive(Default)]
pub(super) struct LoadNotes(OnceLock<Box<dyn Fn(u64, bool) + Send + Sync>>);

impl fmt::Debug for LoadNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoadNotes")
    }
}

/// How long a call may go on that was refused something on another thread than its own.
const GOES_ON: Duration = Duration::from_secs(1);

/// The same, where the refusal was raised in the call itself: what it has made may take long to go.
const ENDS: Duration = Duration::from_secs(60);

impl JobMonitor {
    /// Has `note` called with the running job's number when a load begins and, with `false`, when it has ended.
    pub(crate) fn note_loads(&self, note: impl Fn(u64, bool) + Send + Sync + 'static) {
        let _ = self.load_notes.0.set(Box::new(note));
    }

    /// Does what the running job needs before its call. The time limit of the job counts from the end of it.
    pub(crate) fn load<R>(&self, work: impl FnOnce() -> R) -> R {
        let _load = Loading::begin(self);
        work()
    }

    /// The last load of that job, as far as its limit depends on it.
    fn last_load(&self, running: &Running) -> Load {
        match self.remote.get() {
            // One that has its outcome already is to end at once.
            _ if running.promise.is_none() => Load::NotYet,
            Some(remote) => remote.load_of(running.number),
            None => running.load,
        }
    }

    /// When the time limit of that job is over, or that of its next item. While code loads, it may be later than this
    /// says.
    pub(super) fn limit_of(&self, running: &Running) -> Option<Instant> {
        let limit = running.limit_now();
        let due = limit.and_then(|limit| self.last_load(running).due(running.began, limit));
        due.into_iter().chain(running.next_item_due()).min()
    }

    /// The running job was refused what it needs. Where that was on another thread than its own, it may wait for that
    /// thread without end: it has [`GOES_ON`] to end by itself.
    pub(crate) fn refuse(&self, text: &str, is_own_thread: bool) {
        let Some(wake) = self.wake.get() else {
            return;
        };
        if is_own_thread {
            self.capture.drop_rest();
        }
        let due = Instant::now() + if is_own_thread { ENDS } else { GOES_ON };
        if let Some(running) = &mut self.lock().running {
            let refused = running.refused.get_or_insert((due, text.to_owned()));
            refused.0 = refused.0.min(due);
        }
        wake.by(due);
    }

    /// When that job is to end, and why, unless it has been ended. While code loads, it may be due later than this says.
    pub(super) fn due(&self, running: &Running) -> Option<(Instant, Why)> {
        let limit = self.limit_of(running).map(|due| (due, Why::TimedOut));
        let refused = running
            .refused
            .as_ref()
            .map(|(due, _)| (*due, Why::Refused));
        let due = [limit, refused]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due);
        due.filter(|_| running.stopped.is_none())
    }
}

impl Load {
    /// When a job with that limit is to end, or to be looked at again.
    fn due(self, began: Instant, limit: Duration) -> Option<Instant> {
        match self {
            Load::NotYet => began.checked_add(limit),
            Load::Until(end) => end.checked_add(limit),
            Load::Since(start) => {
                let end = start.checked_add(limit.max(LIMIT));
                // If it ends now, the job is not due before that.
                let look = Instant::now().checked_add(limit.max(LOOK));
                [end, look].into_iter().flatten().min()
            }
        }
    }
}

/// A load of the running job. Those within it are part of it.
struct Loading<'m>(Option<&'m JobMonitor>);

impl<'m> Loading<'m> {
    fn begin(monitor: &'m JobMonitor) -> Loading<'m> {
        let has_begun = monitor.note_load(|load| match load {
            Load::Since(_) => None,
            _ => Some(Load::Since(Instant::now())),
        });
        Loading(has_begun.then_some(monitor))
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if let Some(monitor) = self.0 {
            monitor.note_load(|_| Some(Load::Until(Instant::now())));
        }
    }
}

impl JobMonitor {
    /// Notes what `next` makes of the running job's last load, if its limit depends on that.
    fn note_load(&self, next: impl FnOnce(Load) -> Option<Load>) -> bool {
        let mut state = self.lock();
        let running = state
            .running
            .as_mut()
            .filter(|run| run.first_limit().is_some());
        let Some((running, load)) = running.and_then(|run| next(run.load).map(|load| (run, load)))
        else {
            return false;
        };
        running.load = load;
        let number = running.number;
        drop(state);
        if let Some(note) = self.load_notes.0.get() {
            note(number, matches!(load, Load::Since(_)));
        }
        true
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_from_the_last_load_which_has_a_limit_of_its_own() {
        let began = Instant::now() - Duration::from_secs(70);
        let at = |seconds| began + Duration::from_secs(seconds);
        let limit = Duration::from_secs(5);
        assert_eq!(Load::NotYet.due(began, limit), Some(at(5)));
        assert_eq!(Load::Until(at(20)).due(began, limit), Some(at(25)));
        // It began 69 s ago.
        assert_eq!(Load::Since(at(1)).due(began, limit), Some(at(61)));
        let longer = Duration::from_secs(65);
        assert_eq!(Load::Since(at(1)).due(began, longer), Some(at(66)));
        // Another look, for it may end any time.
        let next = Load::Since(at(50)).due(began, limit).unwrap();
        assert!(next >= at(75) && next < at(110), "{next:?}");
        assert_eq!(Load::NotYet.due(began, Duration::MAX), None);
    }
}
