//! Cores: whether they are free, measured by threads that only count.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::median;

/// How long the threads count.
const LENGTH: Duration = Duration::from_millis(20);

/// Compares one thread that counts with many that do so at once.
#[derive(Debug)]
pub(crate) struct Cores {
    n: usize,
    alone: Vec<f64>,
    together: Vec<f64>,
}

impl Cores {
    /// To see whether `n` cores are free.
    pub(crate) fn new(n: usize) -> Cores {
        Cores {
            n,
            alone: Vec::new(),
            together: Vec::new(),
        }
    }

    /// Looks once more.
    pub(crate) fn look(&mut self) {
        if self.n > 1 {
            self.alone.push(counted(1));
            self.together.push(counted(self.n));
        }
    }

    /// How many were free, as a rule; `None` where one is all that was asked for.
    pub(crate) fn n_free(&self) -> Option<f64> {
        // Alone it counts as fast as a core can, at its best.
        let core = self.alone.iter().copied().fold(0.0, f64::max);
        (core > 0.0).then(|| median(&self.together) / core)
    }
}

/// How far `n` threads count together in a second.
fn counted(n: usize) -> f64 {
    let barrier = Barrier::new(n);
    let count = || {
        barrier.wait();
        let start = Instant::now();
        let mut n_turns = 0_u32;
        loop {
            // Each step needs the one before, so that two threads on one core's halves take no
            // time from each other.
            (0..1000).fold(1_u64, |state, n| black_box(state.wrapping_mul(5) + n));
            n_turns += 1;
            let elapsed = start.elapsed();
            if elapsed >= LENGTH {
                return f64::from(n_turns) / elapsed.as_secs_f64();
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n).map(|_| scope.spawn(count)).collect();
        let rates = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0.0));
        rates.sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_part_of_two_cores_is_free_and_one_needs_no_look() {
        let mut cores = Cores::new(2);
        cores.look();
        assert!(cores.n_free().unwrap() > 0.0);
        let mut one = Cores::new(1);
        one.look();
        assert_eq!(one.n_free(), None);
    }

    #[test]
    fn the_best_of_one_is_what_many_are_compared_with() {
        let cores = Cores {
            n: 2,
            alone: vec![1.0, 2.0, 1.5],
            together: vec![3.0, 4.0, 2.0],
        };
        assert_eq!(cores.n_free(), Some(1.5));
    }
}
