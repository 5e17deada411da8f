//! Histogram: how often which length of time came, to within a thirtieth.
//!
//! Each power of two of nanoseconds has a row of 16 buckets of the same width. So noting a time is one
//! addition at a place that a few shifts give, and two of them are merged by adding. A row has memory once
//! a time falls into it: a worker's times need few, and there may be a thousand workers.

use std::time::Duration;

/// Buckets for each power of two, as a power of two.
const FINE: u32 = 4;
const N_FINE: usize = 1 << FINE;

/// From 0 to `u64::MAX` nanoseconds.
const N_ROWS: usize = 64 - FINE as usize + 1;

/// How often which length of time came.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    rows: [Option<Box<[u64; N_FINE]>>; N_ROWS],
    n: u64,
    sum: Duration,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            rows: [const { None }; N_ROWS],
            n: 0,
            sum: Duration::ZERO,
            max: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Notes a time that came `n` times.
    #[inline]
    pub(crate) fn note(&mut self, time: Duration, n: u32) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let at = bucket(nanoseconds);
        self.rows[at / N_FINE].get_or_insert_default()[at % N_FINE] += u64::from(n);
        self.n += u64::from(n);
        self.sum = self.sum.saturating_add(time.saturating_mul(n));
        self.max = self.max.max(time);
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        for (row, other) in self.rows.iter_mut().zip(&other.rows) {
            if let Some(other) = other {
                let row = row.get_or_insert_default();
                row.iter_mut()
                    .zip(other.iter())
                    .for_each(|(count, more)| *count += more);
            }
        }
        self.n += other.n;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many times were noted.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    pub(crate) fn mean(&self) -> Duration {
        match self.n {
            0 => Duration::ZERO,
            n => Duration::from_nanos((self.sum.as_nanos() / u128::from(n)) as u64),
        }
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// The time that so many of a thousand do not exceed.
    pub(crate) fn quantile(&self, per_mille: u64) -> Duration {
        let rank = (u128::from(self.n) * u128::from(per_mille)).div_ceil(1000);
        let mut n_so_far = 0;
        for (number, row) in self.rows.iter().enumerate() {
            for (at, count) in row.iter().flat_map(|row| row.iter()).enumerate() {
                n_so_far += u128::from(*count);
                if n_so_far >= rank.max(1) {
                    return Duration::from_nanos(middle(number * N_FINE + at)).min(self.max);
                }
            }
        }
        Duration::ZERO
    }
}

/// The place of a number of nanoseconds.
#[inline]
fn bucket(nanoseconds: u64) -> usize {
    if nanoseconds < N_FINE as u64 {
        return nanoseconds as usize;
    }
    let shift = nanoseconds.ilog2() - FINE;
    (shift as usize * N_FINE) + (nanoseconds >> shift) as usize
}

/// What stands for all numbers of a bucket.
fn middle(bucket: usize) -> u64 {
    if bucket < 2 * N_FINE {
        return bucket as u64;
    }
    let shift = bucket / N_FINE - 1;
    let first = ((bucket % N_FINE + N_FINE) as u64) << shift;
    first + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_near_the_middle_of_its_bucket() {
        let mut last = 0;
        let powers = (0..64).map(|power| 1_u64 << power);
        let near = powers.flat_map(|power| [power - 1, power, power + power / 3]);
        for number in near.chain([u64::MAX]) {
            let at = bucket(number);
            assert!(at >= last && at < N_ROWS * N_FINE, "{number}: {at}");
            last = at;
            let off = middle(at).abs_diff(number);
            assert!(off <= number / 30, "{number} is shown as {}", middle(at));
        }
        assert_eq!(last, N_ROWS * N_FINE - 1);
    }

    #[test]
    fn quantiles_of_two_that_are_merged() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|number| low.note(Duration::from_micros(number), 1));
        (501..=1000).for_each(|number| high.note(Duration::from_micros(number), 1));
        high.note(Duration::from_secs(1), 0);
        low.add(&high);
        assert_eq!((low.n(), low.mean()), (1000, Duration::from_nanos(500_500)));
        for (per_mille, expected) in [(500, 500), (990, 990), (1, 1), (1000, 1000)] {
            let expected = Duration::from_micros(expected);
            let off = low.quantile(per_mille).abs_diff(expected);
            assert!(
                off <= expected / 30,
                "{per_mille}: {:?}",
                low.quantile(per_mille)
            );
        }
        assert_eq!(Histogram::default().quantile(500), Duration::ZERO);
    }
}
