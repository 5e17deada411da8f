//! Chunk: how many calls travel in one batch.
//!
//! A batch costs about a microsecond to hand over, whatever it holds; a batch that takes long makes
//! others wait. So a batch aims at a fixed slice of time: many calls when they are short, one when
//! they are long. How long they are is learned from the batches that come back.

use std::time::Duration;

/// How long a batch should take. Five hundred hand-overs, and short beside what a person or a
/// straggling worker would notice.
const SLICE: Duration = Duration::from_micros(500);

/// The most calls in a batch; more would save nothing, and take memory on the way.
pub(super) const N_MAX: u32 = 2048;

/// From how many bytes of arguments on a batch is full.
pub(super) const BYTES_MAX: usize = 256 << 10;

/// How much larger than the last batch the next may be: one that seemed quick proves little.
const GROWTH: u32 = 8;

/// Decides the size of the next batch.
#[derive(Debug)]
pub(super) struct Chunk {
    n_workers: usize,
    /// How long a call takes, in seconds, as far as is known.
    per_call: Option<f64>,
    /// The size of the largest batch that has come back.
    proven: u32,
}

impl Chunk {
    pub(super) fn new(n_workers: usize) -> Self {
        Chunk {
            n_workers,
            per_call: None,
            proven: 0,
        }
    }

    /// Learns from a batch that came back.
    pub(super) fn learn(&mut self, n: u32, elapsed: Duration) {
        if n == 0 {
            return;
        }
        let measured = elapsed.as_secs_f64() / f64::from(n);
        self.per_call = Some(match self.per_call {
            // The first call loads its function: what comes after it tells more.
            Some(known) if self.proven > 0 => 0.7 * known + 0.3 * measured,
            _ => measured,
        });
        self.proven = self.proven.max(n);
    }

    /// How many calls the next batch should hold, of those that are known to be left.
    pub(super) fn size(&self, left: Option<usize>) -> u32 {
        let Some(per_call) = self.per_call else {
            return 1;
        };
        let in_slice = SLICE.as_secs_f64() / per_call.max(1e-9);
        let size = (in_slice as u32)
            .clamp(1, N_MAX)
            .min(self.proven.saturating_mul(GROWTH));
        // Towards the end, every worker should get a share of what is left.
        let share = left.map_or(N_MAX, |left| (left / (2 * self.n_workers)) as u32);
        size.min(share).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[(u32, Duration)]) -> Chunk {
        let mut chunk = Chunk::new(2);
        batches
            .iter()
            .for_each(|&(n, elapsed)| chunk.learn(n, elapsed));
        chunk
    }

    #[test]
    fn it_starts_with_one_call_and_grows_while_calls_are_short() {
        let mut chunk = after(&[]);
        assert_eq!(chunk.size(None), 1);
        let mut sizes = Vec::new();
        for _ in 0..8 {
            let n = chunk.size(None);
            chunk.learn(n, Duration::from_nanos(100) * n);
            sizes.push(n);
        }
        assert!(sizes.is_sorted(), "{sizes:?}");
        assert!((2000..=N_MAX).contains(sizes.last().unwrap()), "{sizes:?}");
    }

    #[test]
    fn long_calls_travel_alone() {
        for elapsed in [Duration::from_millis(1), Duration::from_secs(10)] {
            assert_eq!(after(&[(1, elapsed), (1, elapsed)]).size(None), 1);
        }
    }

    #[test]
    fn batches_shrink_when_calls_grow() {
        let quick = (1000, Duration::from_micros(100));
        let slow = (1000, Duration::from_millis(100));
        let sizes: Vec<u32> = (0..4)
            .map(|n| after(&[&[quick][..], &vec![slow; n]].concat()).size(None))
            .collect();
        assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
        assert!(sizes[3] < 10);
    }

    #[test]
    fn what_is_left_is_shared_out() {
        let chunk = after(&[(1000, Duration::from_micros(100))]);
        assert_eq!(chunk.size(Some(40)), 10);
        assert_eq!(chunk.size(Some(1)), 1);
        assert_eq!(chunk.size(Some(0)), 1);
    }
}
