//! Replay: output of a call that runs again, which is not shown twice.

use crate::joblog::{digest, digest_on};

/// What of a call's output has been passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    n_bytes: usize,
    digest: u64,
}

impl Default for Passed {
    fn default() -> Passed {
        Passed {
            n_bytes: 0,
            digest: digest(b""),
        }
    }
}

impl Passed {
    pub(super) fn add(&mut self, text: &[u8]) {
        self.n_bytes += text.len();
        self.digest = digest_on(self.digest, text);
    }
}

/// Output that is compared with what the call has printed before, as far as that was passed on.
#[derive(Debug)]
pub(super) struct Replay {
    before: Passed,
    now: Passed,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplayProgress {
    /// There is more to come before anything can be said.
    GoesOn,
    /// All of it was passed on before.
    Same(Passed),
    Different,
}

impl Replay {
    /// `None` where nothing has been passed on.
    pub(super) fn of(before: Passed) -> Option<Replay> {
        (before.n_bytes > 0).then(|| Replay {
            before,
            now: Passed::default(),
        })
    }

    /// What has been passed on, whatever has come again of it.
    pub(super) fn before(&self) -> Passed {
        self.before
    }

    /// Takes what belongs to the replay from the front of a text.
    pub(super) fn take<'a>(&mut self, text: &mut &'a [u8]) -> &'a [u8] {
        let n_left = self.before.n_bytes - self.now.n_bytes;
        let (taken, rest) = text.split_at(text.len().min(n_left));
        *text = rest;
        self.now.add(taken);
        taken
    }

    pub(super) fn progress(&self) -> ReplayProgress {
        if self.now.n_bytes < self.before.n_bytes {
            ReplayProgress::GoesOn
        } else if self.now == self.before {
            ReplayProgress::Same(self.before)
        } else {
            ReplayProgress::Different
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(before: &[&str], now: &[&str]) -> (ReplayProgress, String) {
        let mut passed = Passed::default();
        before.iter().for_each(|text| passed.add(text.as_bytes()));
        let mut replay = Replay::of(passed).unwrap();
        let mut rest = String::new();
        for text in now {
            let mut text = text.as_bytes();
            replay.take(&mut text);
            rest += std::str::from_utf8(text).unwrap();
        }
        (replay.progress(), rest)
    }

    #[test]
    fn what_comes_again_is_known_however_it_is_cut() {
        let (progress, rest) = replay(&["a\nb", "c\n"], &["a", "\nbc\nd\n", "e\n"]);
        assert!(matches!(progress, ReplayProgress::Same(_)));
        assert_eq!(rest, "d\ne\n");
        assert_eq!(replay(&["a\n"], &["a"]).0, ReplayProgress::GoesOn);
        assert_eq!(replay(&["a\n"], &["b\n"]).0, ReplayProgress::Different);
        assert!(Replay::of(Passed::default()).is_none());
    }
}
