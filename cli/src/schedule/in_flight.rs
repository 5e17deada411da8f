//! InFlight: a call that is under way, and how many of them there should be.

use std::time::{Duration, Instant, SystemTime};

/// How long the calls of one worker that wait behind the running one may take: what is begun is finished,
/// so that much is run after an end was decided.
const WAITING_MAX: Duration = Duration::from_millis(1);

/// The most calls that one worker has, the running one included.
const DEPTH_MAX: usize = 16;

/// An input that is to be called with.
#[derive(Debug)]
pub(super) struct Trial<A> {
    /// Where it stands among those that have begun.
    pub(super) place: u64,
    pub(super) index: u64,
    pub(super) input: A,
    /// How often it has failed.
    pub(super) n_failed: u32,
}

/// What is known of a call that is under way, beside its task.
#[derive(Debug)]
pub(super) struct InFlight<A> {
    pub(super) trial: Trial<A>,
    pub(super) begun: Instant,
    pub(super) begun_at: SystemTime,
    /// How many calls each worker had then.
    pub(super) depth: usize,
    /// Whether the pool ends it at its time; else that is looked at here.
    pub(super) is_limited: bool,
    /// Whether it was cancelled because its time was up.
    pub(super) is_over: bool,
}

/// How many calls each worker should have.
///
/// One is enough where calls are long. Where they are short, a worker that found none waiting would spend
/// more time on sleeping than on calls.
#[derive(Debug, Default)]
pub(super) struct Depth {
    per_call: Option<Duration>,
}

impl Depth {
    /// A call has come back after that time, of a worker that had so many.
    pub(super) fn learn(&mut self, elapsed: Duration, depth: usize) {
        let measured = elapsed / u32::try_from(depth).unwrap_or(u32::MAX);
        self.per_call = Some(match self.per_call {
            Some(known) => (known * 7 + measured) / 8,
            None => measured,
        });
    }

    pub(super) fn present(&self) -> usize {
        let Some(per_call) = self.per_call else {
            return 1;
        };
        let n = WAITING_MAX.as_nanos() / per_call.as_nanos().max(1);
        1 + usize::try_from(n).unwrap_or(DEPTH_MAX).min(DEPTH_MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_calls_wait_behind_others_and_long_ones_do_not() {
        let mut depth = Depth::default();
        assert_eq!(depth.present(), 1);
        depth.learn(Duration::from_micros(10), 1);
        assert_eq!(depth.present(), DEPTH_MAX);
        (0..100).for_each(|_| depth.learn(Duration::from_micros(900), 3));
        assert_eq!(depth.present(), 4);
        (0..100).for_each(|_| depth.learn(Duration::from_secs(4), 4));
        assert_eq!(depth.present(), 1);
    }
}
