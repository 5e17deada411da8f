//! Retry: how often an input is tried, and how long it waits before the next try.

use std::str::FromStr;
use std::time::Duration;

use crate::options::size;

/// The longest pause before another try, where none is named.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// How often an input is tried, and with which pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// As in GNU parallel, the first one counts.
    n_tries: u32,
    pauses: Pauses,
}

/// `SECONDS` or `SECONDS..MAX`: the first pause, and the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses {
    first: Duration,
    longest: Duration,
}

impl Retry {
    pub(crate) fn new(n_tries: Option<u32>, pauses: Option<Pauses>) -> Retry {
        Retry {
            n_tries: n_tries.unwrap_or(1).max(1),
            pauses: pauses.unwrap_or_default(),
        }
    }

    /// How long to wait before another try, of an input that has failed so often; `None` if there is none.
    pub(crate) fn pause(&self, n_failed: u32) -> Option<Duration> {
        (n_failed < self.n_tries).then(|| self.pauses.before(n_failed))
    }
}

impl Pauses {
    /// Each is twice the last.
    fn before(&self, n_failed: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(n_failed.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

impl FromStr for Pauses {
    type Err = String;

    fn from_str(text: &str) -> Result<Pauses, String> {
        let (first, longest) = match text.split_once("..") {
            Some((first, longest)) => (size::time(first)?, size::time(longest)?),
            None => {
                let first = size::time(text)?;
                (first, first.max(PAUSE_MAX))
            }
        };
        match first <= longest {
            true => Ok(Pauses { first, longest }),
            false => Err(format!(
                "{text:?}: the longest pause is shorter than the first"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(n_tries: u32, text: &str) -> Vec<Option<u64>> {
        let retry = Retry::new(Some(n_tries), Some(text.parse().unwrap()));
        let pause = |n| retry.pause(n).map(|pause| pause.as_secs());
        (1..=n_tries).map(pause).collect()
    }

    #[test]
    fn the_first_try_counts() {
        assert_eq!(Retry::new(None, None).pause(1), None);
        assert_eq!(pauses(1, "1"), [None]);
        assert_eq!(pauses(3, "0"), [Some(0), Some(0), None]);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let some = |pauses: &[u64]| -> Vec<Option<u64>> {
            let pauses = pauses.iter().copied().map(Some);
            pauses.chain([None]).collect()
        };
        assert_eq!(pauses(6, "1..5"), some(&[1, 2, 4, 5, 5]));
        assert_eq!(pauses(4, "200"), some(&[200, 300, 300]));
        assert_eq!(pauses(2, "1h"), some(&[3600]));
        assert_eq!(Retry::new(Some(9), "1".parse().ok()).pause(u32::MAX), None);
    }

    #[test]
    fn what_is_no_pause_is_refused() {
        for text in ["", "x", "2..1", "1..", "..1", "-1"] {
            assert!(text.parse::<Pauses>().is_err(), "{text}");
        }
    }
}
