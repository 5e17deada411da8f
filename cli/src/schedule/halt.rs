//! Halt: when a run ends before its inputs do.

use std::fmt;
use std::str::FromStr;

use super::event::Verdict;

/// How many must have failed, or succeeded, before a share of them says anything.
const N_TELLING: u64 = 3;

/// `now|soon,fail|success|done=N|P%`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Halt {
    pub(crate) when: When,
    what: What,
    limit: Limit,
}

/// What becomes of the calls that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// They are interrupted.
    Now,
    /// They are finished.
    Soon,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Fail,
    Success,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Count(u64),
    Percent(f64),
}

/// How many inputs have ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutcomeCounts {
    pub(crate) n_failed: u64,
    pub(crate) n_succeeded: u64,
}

impl OutcomeCounts {
    /// Counts one.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Succeeded => self.n_succeeded += 1,
            Verdict::Failed(_) => self.n_failed += 1,
            Verdict::CutShort => {}
        }
    }
}

impl Halt {
    /// Whether the number of inputs must be known.
    pub(crate) fn needs_total(&self) -> bool {
        self.what == What::Done && matches!(self.limit, Limit::Percent(_))
    }

    /// Whether failures are what it waits for.
    pub(crate) fn is_for_failures(&self) -> bool {
        self.what == What::Fail
    }

    /// Whether it is to be success that it waits for.
    pub(crate) fn is_for_success(&self) -> bool {
        self.what == What::Success
    }

    /// Whether the run is to end. A share is one of the inputs that have ended; `done` is one of `total`.
    pub(crate) fn is_reached(&self, counts: OutcomeCounts, total: Option<u64>) -> bool {
        let n_ended = counts.n_failed + counts.n_succeeded;
        let n = match self.what {
            What::Fail => counts.n_failed,
            What::Success => counts.n_succeeded,
            What::Done => n_ended,
        };
        match (self.limit, self.what) {
            (Limit::Count(limit), _) => n >= limit,
            (Limit::Percent(percent), What::Done) => {
                total.is_some_and(|total| n as f64 * 100.0 >= percent * total as f64)
            }
            (Limit::Percent(percent), _) => {
                n >= N_TELLING && n as f64 * 100.0 >= percent * n_ended as f64
            }
        }
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Halt, String> {
        let wrong = || {
            format!(
                "{text:?} must be WHEN,WHAT=N or WHEN,WHAT=P%, such as now,fail=1 or soon,fail=10%"
            )
        };
        let (when, rest) = text.split_once(',').ok_or_else(wrong)?;
        let (what, limit) = rest.split_once('=').ok_or_else(wrong)?;
        let when = match when {
            "now" => When::Now,
            "soon" => When::Soon,
            _ => return Err(wrong()),
        };
        let what = match what {
            "fail" => What::Fail,
            "success" => What::Success,
            "done" => What::Done,
            _ => return Err(wrong()),
        };
        let limit = match limit.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) && percent > 0.0 => {
                    Limit::Percent(percent)
                }
                _ => return Err(wrong()),
            },
            None => match limit.parse() {
                Ok(n) if n > 0 => Limit::Count(n),
                _ => return Err(wrong()),
            },
        };
        Ok(Halt { when, what, limit })
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Now => "now",
            When::Soon => "soon",
        };
        let what = match self.what {
            What::Fail => "fail",
            What::Success => "success",
            What::Done => "done",
        };
        match self.limit {
            Limit::Count(n) => write!(f, "{when},{what}={n}"),
            Limit::Percent(percent) => write!(f, "{when},{what}={percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(text: &str, n_failed: u64, n_succeeded: u64, total: Option<u64>) -> bool {
        let counts = OutcomeCounts {
            n_failed,
            n_succeeded,
        };
        text.parse::<Halt>().unwrap().is_reached(counts, total)
    }

    #[test]
    fn numbers_are_of_failures_successes_or_both() {
        assert!(!reached("now,fail=2", 1, 100, None));
        assert!(reached("now,fail=2", 2, 0, None));
        assert!(!reached("soon,success=1", 100, 0, None));
        assert!(reached("soon,success=1", 0, 1, None));
        assert!(!reached("soon,done=3", 1, 1, None));
        assert!(reached("soon,done=3", 1, 2, None));
    }

    #[test]
    fn shares_are_of_what_has_ended_and_not_of_the_first_few() {
        assert!(!reached("soon,fail=10%", 1, 0, Some(100)));
        assert!(!reached("soon,fail=10%", 2, 0, Some(100)));
        assert!(reached("soon,fail=10%", 3, 27, Some(100)));
        assert!(!reached("soon,fail=10%", 3, 28, Some(100)));
        assert!(reached("now,success=50%", 3, 3, None));
        assert!(reached("now,done=50%", 25, 25, Some(100)));
        assert!(!reached("now,done=50%", 25, 24, Some(100)));
        assert!("now,done=50%".parse::<Halt>().unwrap().needs_total());
    }

    #[test]
    fn what_is_none_is_refused_and_what_is_one_is_shown_as_it_was() {
        for text in [
            "",
            "never",
            "now",
            "now,fail",
            "now,fail=",
            "now,fail=0",
            "now,fail=0%",
            "now,fail=101%",
            "later,fail=1",
            "now,lost=1",
            "now,fail=-1",
            "now,fail=1.5",
            "now,fail=x%",
        ] {
            assert!(text.parse::<Halt>().is_err(), "{text}");
        }
        for text in ["now,fail=1", "soon,success=12", "soon,done=2.5%"] {
            assert_eq!(text.parse::<Halt>().unwrap().to_string(), text);
        }
    }
}
