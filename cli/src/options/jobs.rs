//! Jobs: how many workers `-j` asks for: a number, a share of the cores, or N more or fewer than there are cores.

use std::str::FromStr;
use std::thread;

/// What `-j` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Jobs {
    Exactly(usize),
    /// Of the cores.
    Percent(f64),
    /// As many as there are cores, and so many more or fewer.
    Beside(isize),
}

/// The most workers that can be asked for.
const N_MAX: usize = 10_000;

impl Jobs {
    /// How many workers that is here.
    pub(crate) fn n_workers(self) -> usize {
        self.of(n_cores())
    }

    /// At least one, as in GNU parallel.
    fn of(self, n_cores: usize) -> usize {
        let n = match self {
            Jobs::Exactly(n) => n,
            Jobs::Percent(percent) => (n_cores as f64 * percent / 100.0) as usize,
            Jobs::Beside(n) => n_cores.saturating_add_signed(n),
        };
        n.clamp(1, N_MAX)
    }
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Jobs, String> {
        let no_such = || "it must be a number, such as 4, 50%, +1 or -1".to_owned();
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().map_err(|_| no_such())?;
            return match percent {
                0.0.. if percent.is_finite() => Ok(Jobs::Percent(percent)),
                _ => Err(no_such()),
            };
        }
        if text.starts_with(['+', '-']) {
            return text.parse().map(Jobs::Beside).map_err(|_| no_such());
        }
        match text.parse() {
            Ok(0) => Err("there must be at least one worker; 100% is one per core".to_owned()),
            Ok(n @ ..=N_MAX) => Ok(Jobs::Exactly(n)),
            Ok(_) => Err(format!("{N_MAX} workers are the most")),
            Err(_) => Err(no_such()),
        }
    }
}

/// How many cores this process may use.
pub(crate) fn n_cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_number_a_share_and_so_many_more_or_fewer() {
        for (text, of_four) in [
            ("3", 3),
            ("100%", 4),
            ("50%", 2),
            ("12.5%", 1),
            ("200%", 8),
            ("0%", 1),
            ("+2", 6),
            ("+0", 4),
            ("-1", 3),
            ("-9", 1),
        ] {
            let jobs: Jobs = text.parse().unwrap();
            assert_eq!(jobs.of(4), of_four, "{text}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        for text in [
            "", "0", "x", "%", "-5%", "nan%", "inf%", "+", "--1", "1.5", "99999",
        ] {
            assert!(text.parse::<Jobs>().is_err(), "{text:?}");
        }
    }
}
