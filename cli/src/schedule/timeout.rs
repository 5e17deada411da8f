//! Timeout: how long a call may run, in seconds or relative to the median.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::str::FromStr;
use std::time::Duration;

use crate::options::size;

/// How many calls tell what is usual.
const N_TELLING: usize = 3;

/// A share of the median is never shorter: where calls take microseconds, some take thousands by chance.
const SHARE_MIN: Duration = Duration::from_millis(100);

/// `SECONDS` or `N%`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timeout {
    After(Duration),
    /// Of the median of the calls that succeeded.
    Percent(f64),
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Timeout, String> {
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent) if (100.0..=1e9).contains(&percent) => Ok(Timeout::Percent(percent)),
                _ => Err(format!("{text:?} must be 100% of the median or more")),
            },
            None => match size::time(text)? {
                Duration::ZERO => Err("it must be longer than nothing".to_owned()),
                time => Ok(Timeout::After(time)),
            },
        }
    }
}

/// The present limit.
#[derive(Debug)]
pub(crate) struct Limit {
    timeout: Option<Timeout>,
    median: Median,
}

impl Limit {
    pub(crate) fn new(timeout: Option<Timeout>) -> Limit {
        Limit {
            timeout,
            median: Median::default(),
        }
    }

    /// Whether it is a share of what calls take.
    pub(crate) fn is_relative(&self) -> bool {
        matches!(self.timeout, Some(Timeout::Percent(_)))
    }

    /// A call has succeeded in that time.
    pub(crate) fn learn(&mut self, elapsed: Duration) {
        if self.is_relative() {
            self.median.add(elapsed);
        }
    }

    /// How long a call may run, as far as is known now.
    pub(crate) fn present(&self) -> Option<Duration> {
        match self.timeout? {
            Timeout::After(time) => Some(time),
            Timeout::Percent(percent) if self.median.len() >= N_TELLING => {
                let median = self.median.value()?;
                Some(median.mul_f64(percent / 100.0).max(SHARE_MIN))
            }
            Timeout::Percent(_) => None,
        }
    }
}

/// The median of what was added.
#[derive(Debug, Default)]
struct Median {
    /// The lower half, or one more.
    lower: BinaryHeap<Duration>,
    upper: BinaryHeap<Reverse<Duration>>,
}

impl Median {
    fn add(&mut self, value: Duration) {
        self.lower.push(value);
        self.upper.extend(self.lower.pop().map(Reverse));
        if self.upper.len() > self.lower.len() {
            self.lower
                .extend(self.upper.pop().map(|Reverse(least)| least));
        }
    }

    fn len(&self) -> usize {
        self.lower.len() + self.upper.len()
    }

    fn value(&self) -> Option<Duration> {
        self.lower.peek().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let mut median = Median::default();
        assert_eq!(median.value(), None);
        let mut added = Vec::new();
        for n in 0..500_u64 {
            let value = Duration::from_millis(n * 7919 % 1009);
            median.add(value);
            added.push(value);
            added.sort();
            assert_eq!(median.value(), Some(added[(added.len() - 1) / 2]));
            assert_eq!(median.len(), added.len());
        }
    }

    #[test]
    fn a_share_holds_once_some_calls_have_succeeded() {
        let mut limit = Limit::new(Some("200%".parse().unwrap()));
        for _ in 0..3 {
            assert_eq!(limit.present(), None);
            limit.learn(Duration::from_secs(2));
        }
        assert_eq!(limit.present(), Some(Duration::from_secs(4)));
        (0..10).for_each(|_| limit.learn(Duration::from_micros(1)));
        assert_eq!(limit.present(), Some(SHARE_MIN));
    }

    #[test]
    fn seconds_hold_from_the_start() {
        let limit = Limit::new(Some("1.5".parse().unwrap()));
        assert_eq!(limit.present(), Some(Duration::from_millis(1500)));
        assert_eq!(Limit::new(None).present(), None);
        for text in ["0", "x", "50%", "%", "-1", "nan%"] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
    }
}
