//! WorkerCounters: what a worker has done so far.
//!
//! It lies in the worker's [`JobMonitor`](super::JobMonitor), under the lock that the worker takes when it begins and
//! ends a job: so counting takes no lock and no cache line that others write, and no look at the clock
//! that was not there before. The thread that reports the outcome of a job counts its calls, so each is counted
//! once. When another worker takes the place, the totals go on (see `pool::supervisor`).
//!
//! Crossing time is sampled, see [`Sampling`].

use std::time::{Duration, Instant};

use super::Histogram;

/// What a worker, or several in one place after another, have done.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) n_calls: u64,
    pub(crate) n_failed: u64,
    /// With jobs, crossing included.
    pub(crate) busy: Duration,
    pub(crate) crossing: Duration,
    /// From its start on.
    pub(crate) life: Duration,
    /// Of its thread, where that is known.
    pub(crate) cpu: Option<Duration>,
    /// From the submission of a job to its begin.
    pub(crate) wait: Histogram,
    /// Of one call.
    pub(crate) run: Histogram,
}

impl WorkerCounters {
    pub(crate) fn add(&mut self, other: &WorkerCounters) {
        self.n_calls += other.n_calls;
        self.n_failed += other.n_failed;
        self.busy += other.busy;
        self.crossing += other.crossing;
        self.life += other.life;
        if let Some(more) = other.cpu {
            *self.cpu.get_or_insert_default() += more;
        }
        self.wait.add(&other.wait);
        self.run.add(&other.run);
    }

    /// So many calls have got their outcomes.
    #[inline]
    pub(super) fn count(&mut self, n_calls: u32, n_failed: u32) {
        self.n_calls += u64::from(n_calls);
        self.n_failed += u64::from(n_failed);
    }

    /// A job of so many calls has ended.
    #[inline]
    pub(super) fn ended(&mut self, n_calls: u32, time: Duration, crossing: Duration) {
        self.busy += time;
        self.crossing += crossing;
        match n_calls {
            // It only loaded a function.
            0 => {}
            1 => self.run.note(time, 1),
            n => self.run.note(time / n, n),
        }
    }
}

/// What a worker knows of a job that it has run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) n_calls: u32,
    pub(crate) n_failed: u32,
    /// What decoding and encoding took, going by the calls that were measured.
    pub(crate) crossing: Duration,
}

/// Decides for which calls the crossing is measured: looking at the clock four times costs about a tenth
/// of a short call.
///
/// Where calls are not short, all are measured. Otherwise it is one in 64, or in 512 where they are very
/// short, at random distances (work may have a period), and it stands for as many. Whether a call is
/// measured never depends on that call, so the sum is right on average.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// Calls until the next that is measured.
    left: u32,
    /// For how many calls one stands.
    weight: u32,
    seed: u32,
    crossing: Duration,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            left: 1,
            weight: 1,
            seed: 0x9E37_79B9,
            crossing: Duration::ZERO,
        }
    }
}

impl Sampling {
    /// One in so many is measured, of calls that are shorter than that.
    const ONE_IN: [(u32, Duration); 2] = [
        (512, Duration::from_micros(1)),
        (64, Duration::from_micros(20)),
    ];

    /// Whether to measure the crossing of the next call.
    #[inline]
    pub(crate) fn is_next(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }

    /// Takes down a crossing, or 0 where there was none, and decides which is the next.
    #[inline(never)]
    pub(crate) fn note(&mut self, crossing: Duration) {
        self.crossing += crossing * self.weight;
        self.left = match self.weight {
            1 => 1,
            _ => self.gap(),
        };
    }

    /// What the crossing of the job took that ends now.
    #[inline]
    pub(crate) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.crossing)
    }

    /// A job of so many calls took that long, and so may the next.
    #[inline]
    pub(crate) fn learn(&mut self, n_calls: u32, time: Duration) {
        let mut levels = Sampling::ONE_IN.iter();
        let level = levels.find(|(_, length)| time < *length * n_calls);
        let weight = level.map_or(1, |(one_in, _)| *one_in);
        if weight != self.weight && n_calls > 0 {
            self.change(weight);
        }
    }

    #[cold]
    fn change(&mut self, weight: u32) {
        self.weight = weight;
        self.left = match weight {
            1 => 1,
            _ => self.gap(),
        };
    }

    /// A distance to the next one, from 1 to twice the mean.
    fn gap(&mut self) -> u32 {
        // Marsaglia's xorshift.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        1 + self.seed % (2 * self.weight - 1)
    }
}

/// Sees what of a call is crossing.
pub(crate) trait Stopwatch {
    /// Since the start or the last `called`, something crossed.
    fn crossed(&mut self);
    /// Since then, Python code ran.
    fn called(&mut self);
}

/// Measures nothing.
#[derive(Debug)]
pub(crate) struct Unmeasured;

impl Stopwatch for Unmeasured {
    #[inline]
    fn crossed(&mut self) {}
    #[inline]
    fn called(&mut self) {}
}

/// Measures one call.
#[derive(Debug)]
pub(crate) struct Measured {
    since: Instant,
    crossing: Duration,
}

impl Measured {
    pub(crate) fn start() -> Measured {
        Measured {
            since: Instant::now(),
            crossing: Duration::ZERO,
        }
    }

    pub(crate) fn crossing(&self) -> Duration {
        self.crossing
    }
}

impl Stopwatch for Measured {
    fn crossed(&mut self) {
        self.crossing += self.since.elapsed();
    }

    fn called(&mut self) {
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The crossing that is counted for jobs of `n` calls, where each takes `time` and every eighth crosses
    /// for 8 µs.
    fn counted(n_jobs: u32, n: u32, time: Duration) -> (Duration, u32) {
        let mut sampling = Sampling::default();
        let (mut sum, mut n_measured) = (Duration::ZERO, 0);
        for job in 0..n_jobs {
            for call in 0..n {
                if sampling.is_next() {
                    n_measured += 1;
                    let crosses = (job * n + call).is_multiple_of(8);
                    sampling.note(Duration::from_micros(8 * u64::from(crosses)));
                }
            }
            sum += sampling.take();
            sampling.learn(n, time * n);
        }
        (sum, n_measured)
    }

    #[test]
    fn few_short_calls_are_measured_and_the_sum_is_right() {
        for (n_jobs, time, few) in [(4096, 1000, 3500..4700), (32_768, 100, 3500..4700)] {
            let (sum, n_measured) = counted(n_jobs, 64, Duration::from_nanos(time));
            let expected = Duration::from_micros(u64::from(n_jobs) * 64);
            assert!(sum.abs_diff(expected) < expected / 5, "{sum:?}");
            assert!(few.contains(&n_measured), "{n_measured}");
        }
    }

    #[test]
    fn all_longer_calls_are_measured() {
        let (sum, n_measured) = counted(64, 1, Duration::from_millis(1));
        assert_eq!((sum, n_measured), (Duration::from_micros(64), 64));
    }
}
