//! Clock: when the calls of a batch ran, one after the other.

use std::time::{Instant, SystemTime};

use crate::task::Timing;

/// Tells one call's time after another's, with one look at the clock for each.
#[derive(Debug)]
pub(super) struct Clock {
    worker: usize,
    /// The same moment.
    start: (SystemTime, Instant),
    last: Instant,
}

impl Clock {
    pub(super) fn start(worker: usize) -> Clock {
        let now = Instant::now();
        Clock {
            worker,
            start: (SystemTime::now(), now),
            last: now,
        }
    }

    /// The call has ended that began when the one before it ended.
    pub(super) fn lap(&mut self) -> Timing {
        let now = Instant::now();
        let timing = Timing {
            worker: self.worker,
            began: self.start.0 + (self.last - self.start.1),
            elapsed: now - self.last,
        };
        self.last = now;
        timing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_call_begins_where_the_one_before_it_ended() {
        let mut clock = Clock::start(3);
        std::thread::sleep(Duration::from_millis(2));
        let (first, second) = (clock.lap(), clock.lap());
        assert!(first.worker == 3 && first.elapsed >= Duration::from_millis(2));
        assert_eq!(first.began + first.elapsed, second.began);
    }
}
