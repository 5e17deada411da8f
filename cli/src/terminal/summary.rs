//! Summary: the last lines of a run: how fast it was, what its workers did, what was slow, what failed, and
//! what to do about it.

use std::time::Duration;

use owngil::Stats;

use super::units::{duration, percent, rate};
use crate::terminal::units::{counted, grouped};

/// How many of the slowest inputs are listed.
const N_SLOWEST: usize = 5;

/// How many kinds of failures are counted apart.
const N_KINDS: usize = 20;

/// What is remembered of a run for its summary.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// The slowest first.
    slowest: Vec<(Duration, String)>,
    kinds: Vec<FailureKind>,
    n_of_other_kinds: u64,
}

/// Failures that are alike.
#[derive(Debug)]
struct FailureKind {
    /// The type of the exception, or what else it was.
    name: String,
    n: u64,
    /// Of the first of them.
    label: String,
    details: String,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Total<'a> {
    /// What is counted: `input`.
    pub(crate) noun: &'a str,
    pub(crate) elapsed: Duration,
    pub(crate) n_ended: u64,
    pub(crate) n_failed: u64,
}

impl Summary {
    /// How long an input took, if it is among the slowest; `label` names it.
    pub(crate) fn took(&mut self, elapsed: Duration, label: impl FnOnce() -> String) {
        let is_full = self.slowest.len() == N_SLOWEST;
        if is_full
            && self
                .slowest
                .last()
                .is_some_and(|(least, _)| *least >= elapsed)
        {
            return;
        }
        let at = self.slowest.partition_point(|(known, _)| *known >= elapsed);
        self.slowest.insert(at, (elapsed, label()));
        self.slowest.truncate(N_SLOWEST);
    }

    /// An input has failed.
    pub(crate) fn failed(&mut self, kind: &str, label: &str, details: &str) {
        if let Some(known) = self.kinds.iter_mut().find(|known| known.name == kind) {
            known.n += 1;
        } else if self.kinds.len() < N_KINDS {
            self.kinds.push(FailureKind {
                name: kind.to_owned(),
                n: 1,
                label: label.to_owned(),
                details: details.to_owned(),
            });
        } else {
            self.n_of_other_kinds += 1;
        }
    }

    /// All of it, in whole lines.
    pub(crate) fn text(&self, total: Total<'_>, stats: Option<&Stats>) -> String {
        let mut text = total.line();
        if let Some(stats) = stats {
            text.push_str(&of_workers(stats, total.elapsed));
        }
        for (n, (elapsed, label)) in self.slowest.iter().enumerate() {
            let head = if n == 0 { "slowest:" } else { "" };
            let time = duration(elapsed.as_secs_f64());
            text.push_str(&format!("{head:9}{time:>8}  {label}\n"));
        }
        text.push_str(&self.failures());
        if let Some(advice) = stats.and_then(|stats| self.advice(total, stats)) {
            text.push_str(&format!("advice:  {advice}\n"));
        }
        text
    }

    /// The kinds of failures, the most frequent first, each with its first one's traceback.
    fn failures(&self) -> String {
        let mut kinds: Vec<&FailureKind> = self.kinds.iter().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.n));
        let mut text = String::new();
        for (n, kind) in kinds.iter().enumerate() {
            let head = if n == 0 { "failed:" } else { "" };
            let n = grouped(kind.n);
            text.push_str(&format!(
                "{head:9}{n:>8}  {}, first: {}\n",
                kind.name, kind.label
            ));
            for line in kind.details.lines() {
                text.push_str(&format!("{:19}{line}\n", ""));
            }
        }
        if self.n_of_other_kinds > 0 {
            let n = grouped(self.n_of_other_kinds);
            text.push_str(&format!("{:9}{n:>8}  of other kinds\n", ""));
        }
        text
    }

    /// What the numbers suggest, if they suggest something.
    fn advice(&self, total: Total<'_>, stats: &Stats) -> Option<String> {
        let n_workers = stats.workers.len();
        let seconds = total.elapsed.as_secs_f64();
        // Shorter runs are over before anything pays.
        if n_workers == 0 || seconds < 1.0 || total.n_ended == 0 {
            return None;
        }
        let share = Shares::of(stats, total.elapsed);
        if total.n_failed == total.n_ended && total.n_ended > 1 && self.kinds.len() == 1 {
            return Some(format!(
                "every {} failed in the same way: try one alone",
                total.noun
            ));
        }
        if share.crossing > 0.5 {
            let crossing = percent(share.crossing);
            return Some(format!(
                "moving arguments and results takes {crossing} of the workers' time: let a call do \
                 more, or send less"
            ));
        }
        let longest = stats.run.max.as_secs_f64();
        if n_workers > 1 && share.busy < 0.7 && longest > 0.5 * seconds && total.n_ended > 1 {
            let longest = duration(longest);
            return Some(format!(
                "one {} took {longest} while other workers had nothing to do: begin with the long \
                 ones, or divide them",
                total.noun
            ));
        }
        if share.busy > 0.7 && share.cpu.is_some_and(|cpu| cpu < 0.3) {
            let cpu = percent(share.cpu.unwrap_or_default());
            let more = n_workers * 4;
            return Some(format!(
                "calls wait most of their time, and compute for {cpu} of it: more workers (-j \
                 {more}) would wait at the same time"
            ));
        }
        if share.busy < 0.3 && n_workers > 1 {
            let busy = percent(share.busy);
            return Some(format!(
                "the workers were busy for {busy} of the time: inputs come, or results go, more \
                 slowly than calls are made"
            ));
        }
        None
    }
}

impl Total<'_> {
    /// `summary: 10 000 inputs in 12.3 s, 813/s, 3 failed`
    pub(crate) fn line(self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let ended = counted(self.n_ended, self.noun);
        let (time, per_second) = (
            duration(seconds),
            rate(self.n_ended as f64 / seconds.max(1e-9)),
        );
        let failed = match self.n_failed {
            0 => String::new(),
            n => format!(", {} failed", grouped(n)),
        };
        format!("summary: {ended} in {time}, {per_second}{failed}\n")
    }
}

/// Parts of the time that the workers had.
#[derive(Clone, Copy, Debug)]
struct Shares {
    /// Of the run.
    busy: f64,
    /// Of what they were busy.
    crossing: f64,
    /// Of what they were busy; `None` where it is not known.
    cpu: Option<f64>,
}

impl Shares {
    fn of(stats: &Stats, elapsed: Duration) -> Shares {
        let sum = |of: fn(&owngil::WorkerStats) -> Duration| -> f64 {
            stats
                .workers
                .iter()
                .map(|worker| of(worker).as_secs_f64())
                .sum()
        };
        let busy = sum(|worker| worker.busy);
        let cpu: Option<Duration> = stats.workers.iter().map(|worker| worker.cpu).sum();
        let part = |of: f64, all: f64| if all > 0.0 { (of / all).min(1.0) } else { 0.0 };
        let all = elapsed.as_secs_f64() * stats.workers.len() as f64;
        Shares {
            busy: part(busy, all),
            crossing: part(sum(|worker| worker.crossing), busy),
            cpu: cpu.map(|cpu| part(cpu.as_secs_f64(), busy)),
        }
    }
}

fn of_workers(stats: &Stats, elapsed: Duration) -> String {
    let share = Shares::of(stats, elapsed);
    let time = |of: Duration| duration(of.as_secs_f64());
    let mut text = format!(
        "workers: {}, busy for {} of the time, {} of that crossing\n",
        stats.workers.len(),
        percent(share.busy),
        percent(share.crossing),
    );
    let restarts: u64 = stats.workers.iter().map(|worker| worker.n_restarts).sum();
    if restarts > 0 {
        let n = counted(restarts, "time");
        text.push_str(&format!("{:9}a worker was lost and replaced {n}\n", ""));
    }
    if stats.run.n > 0 {
        let (run, wait) = (&stats.run, &stats.wait);
        text.push_str(&format!(
            "calls:   median {}, 90 % {}, 99 % {}, longest {}; waited for a worker: median {}\n",
            time(run.median),
            time(run.p90),
            time(run.p99),
            time(run.max),
            time(wait.median),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(n_ended: u64, n_failed: u64, seconds: f64) -> Total<'static> {
        Total {
            noun: "input",
            elapsed: Duration::from_secs_f64(seconds),
            n_ended,
            n_failed,
        }
    }

    /// Two workers, with these seconds each.
    fn stats(busy: f64, crossing: f64, cpu: f64, longest: f64) -> Stats {
        let seconds = Duration::from_secs_f64;
        let mut stats = Stats::default();
        for _ in 0..2 {
            let mut worker = owngil::WorkerStats::default();
            worker.busy = seconds(busy);
            worker.crossing = seconds(crossing);
            worker.cpu = Some(seconds(cpu));
            stats.workers.push(worker);
        }
        stats.run.n = 1;
        stats.run.max = seconds(longest);
        stats
    }

    #[test]
    fn the_slowest_are_kept_in_order_and_only_they_are_named() {
        let mut summary = Summary::default();
        let mut n_named = 0;
        for number in (0..100).map(|n: u64| n * 37 % 101) {
            summary.took(Duration::from_millis(number), || {
                n_named += 1;
                format!("input {number}")
            });
        }
        let shown: Vec<u128> = summary
            .slowest
            .iter()
            .map(|(time, _)| time.as_millis())
            .collect();
        assert_eq!(shown, [100, 99, 98, 97, 96]);
        assert!(n_named < 50, "{n_named}");
    }

    #[test]
    fn failures_are_grouped_with_the_first_ones_traceback() {
        let mut summary = Summary::default();
        summary.failed(
            "KeyError",
            "input 3 (\"x\")",
            "Traceback\n  File\nKeyError: 1\n",
        );
        for n in 0..1200 {
            summary.failed(
                "ValueError",
                &format!("input {n}"),
                "Traceback\nValueError\n",
            );
        }
        let expected = "failed:     1 200  ValueError, first: input 0\n                   Traceback\n\
            \u{20}                  ValueError\n                1  KeyError, first: input 3 (\"x\")\n\
            \u{20}                  Traceback\n                     File\n                   KeyError: 1\n";
        assert_eq!(summary.failures(), expected);
        (0..N_KINDS as u32).for_each(|n| summary.failed(&n.to_string(), "", ""));
        assert!(summary.failures().ends_with("       2  of other kinds\n"));
    }

    #[test]
    fn the_text_shows_speed_workers_and_percentiles() {
        let mut summary = Summary::default();
        summary.took(Duration::from_millis(302), || {
            "input 17 (\"text\")".to_owned()
        });
        let text = summary.text(total(10_000, 3, 12.5), Some(&stats(12.0, 1.2, 12.0, 0.302)));
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap();
        assert_eq!(next(), "summary: 10 000 inputs in 12.5 s, 800/s, 3 failed");
        assert_eq!(
            next(),
            "workers: 2, busy for 96 % of the time, 10 % of that crossing"
        );
        assert!(next().starts_with("calls:   median 0 ns, 90 % 0 ns, 99 % 0 ns, longest 302 ms; "));
        assert_eq!(next(), "slowest:   302 ms  input 17 (\"text\")");
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn advice_follows_from_the_numbers_or_there_is_none() {
        let summary = Summary::default();
        let advice = |total, stats: Stats| summary.advice(total, &stats).unwrap_or_default();
        let many = total(1000, 0, 10.0);
        assert_eq!(advice(many, stats(9.5, 0.5, 9.0, 0.1)), "");
        assert!(advice(many, stats(9.5, 6.0, 9.0, 0.1)).contains("63 % of the workers' time"));
        assert!(advice(many, stats(6.0, 0.1, 6.0, 8.0)).contains("begin with the long ones"));
        assert!(advice(many, stats(9.9, 0.1, 0.5, 0.1)).contains("(-j 8)"));
        assert!(advice(many, stats(1.0, 0.1, 0.9, 0.1)).contains("busy for 10 %"));
        // Too short to matter.
        assert_eq!(advice(total(1000, 0, 0.5), stats(0.1, 0.1, 0.1, 0.1)), "");
        let mut failing = Summary::default();
        failing.failed("KeyError", "", "");
        let advice = failing.advice(total(9, 9, 2.0), &stats(1.9, 0.0, 1.9, 0.1));
        assert_eq!(
            advice.unwrap(),
            "every input failed in the same way: try one alone"
        );
    }
}
