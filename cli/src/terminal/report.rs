//! Report: the messages about a run, on standard error.

use super::units::{counted, grouped};
use crate::failure::{Failure, Spent, append_lines};
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use owngil::Pool;

use super::progress::{Counts, Progress};
use super::stderr::Stderr;
use super::summary::{Summary, Total};
use super::traceback;
use crate::exit::Exit;
use crate::failures::FailedInputs;
use crate::terminal::total::NInputs;

/// A run that is over sooner needs no line that says how long it took.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// How many different hints are given, each once.
const HINTS_MAX: usize = 100;

/// How much is reported about a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    /// Neither counts nor warnings.
    pub(crate) is_quiet: bool,
    /// Tracebacks with all their frames.
    pub(crate) has_all_frames: bool,
    /// How many failures are shown.
    pub(crate) n_shown: u64,
    pub(crate) summary: SummaryLevel,
}

/// What is reported at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SummaryLevel {
    #[default]
    Nothing,
    /// One line.
    Line,
    Everything,
}

/// Writes the messages about a run, and counts them.
#[derive(Debug)]
pub(crate) struct Report {
    stderr: Arc<Stderr>,
    detail: Detail,
    /// What is counted: `input`.
    noun: &'static str,
    counts: Arc<Counts>,
    started: Instant,
    pool: Weak<Pool>,
    progress: Option<Progress>,
    summary: Mutex<Summary>,
    /// The hints that have been given.
    hints: Mutex<HashSet<String>>,
    n_not_finite: u64,
    failed_inputs: Option<FailedInputs>,
}

impl Report {
    pub(crate) fn new(
        stderr: Arc<Stderr>,
        detail: Detail,
        noun: &'static str,
        pool: Weak<Pool>,
    ) -> Report {
        Report {
            stderr,
            detail,
            noun,
            counts: Arc::default(),
            started: Instant::now(),
            pool,
            progress: None,
            summary: Mutex::default(),
            hints: Mutex::default(),
            n_not_finite: 0,
            failed_inputs: None,
        }
    }

    /// From now on writes down which inputs fail.
    pub(crate) fn keep_failed(&mut self, inputs: FailedInputs) {
        self.failed_inputs = Some(inputs);
    }

    /// Shows how far the run is, to its end.
    pub(crate) fn show_progress(&mut self, is_json: bool, total: NInputs) {
        let pool = Weak::clone(&self.pool);
        let progress = Progress::show(is_json, &self.stderr, &self.counts, total, pool);
        self.progress = Some(progress);
    }

    /// What the task that `label` names took.
    pub(crate) fn took(&self, spent: Spent, label: impl FnOnce() -> String) {
        let n_more = u64::from(spent.n_tries.saturating_sub(1));
        self.counts.n_retried.fetch_add(n_more, Ordering::Relaxed);
        if let Some(elapsed) = spent.elapsed
            && self.detail.summary == SummaryLevel::Everything
        {
            let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.took(elapsed, label);
        }
    }

    /// An input is not for this run.
    pub(crate) fn passed(&self) {
        self.counts.n_passed.fetch_add(1, Ordering::Relaxed);
    }

    /// A task has succeeded.
    pub(crate) fn succeeded(&self) {
        self.counts.n_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A task's values held floats that JSON has no number for.
    pub(crate) fn not_finite(&mut self, n: u64) {
        self.n_not_finite += n;
    }

    /// A task has failed; what it printed stands before the reason, and nothing between.
    pub(crate) fn failed(
        &self,
        label: &str,
        input: &dyn Fn() -> Vec<u8>,
        failure: &Failure,
        printed: &[u8],
    ) {
        self.counts.n_ended.fetch_add(1, Ordering::Relaxed);
        let n_before = self.counts.n_failed.fetch_add(1, Ordering::Relaxed);
        if let Some(inputs) = &self.failed_inputs {
            inputs.add(&input());
        }
        let details = match self.detail.has_all_frames {
            true => failure.details.clone(),
            false => traceback::trimmed(&failure.details),
        };
        if self.detail.summary == SummaryLevel::Everything {
            let kind = failure.kind.as_ref().unwrap_or(&failure.what);
            let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.failed(kind, label, &details);
        }
        if n_before >= self.detail.n_shown {
            return self.tell(printed, "");
        }
        // What helps with one helps with all that have failed so.
        let hint = failure.hint.as_deref().filter(|hint| {
            let mut given = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            given.len() < HINTS_MAX && given.insert((*hint).to_owned())
        });
        self.tell(printed, &failure.message(label, &details, hint));
    }

    /// A task was cancelled; one that had begun counts.
    pub(crate) fn cut_short(&self, has_begun: bool) {
        let n = u64::from(has_begun);
        self.counts.n_cut_short.fetch_add(n, Ordering::Relaxed);
    }

    /// What a task printed that succeeded.
    pub(crate) fn printed(&self, printed: &[u8]) {
        self.tell(printed, "");
    }

    fn tell(&self, printed: &[u8], message: &str) {
        let mut text = Vec::new();
        append_lines(&mut text, printed);
        text.extend_from_slice(message.as_bytes());
        if !text.is_empty() {
            self.stderr.write(&text);
        }
    }

    /// Tells what became of the whole, and what the process is to end with.
    pub(crate) fn finish(mut self, interrupted: Option<Exit>) -> Exit {
        // No line of it may come after what follows.
        drop(self.progress.take());
        let n_ended = self.counts.n_ended.load(Ordering::Relaxed);
        let n_failed = self.counts.n_failed.load(Ordering::Relaxed);
        let mut text = String::new();
        if self.n_not_finite > 0 {
            let n = grouped(self.n_not_finite);
            let line = format!("warning: JSON has no NaN and no infinity: {n} became null\n");
            text.push_str(&line);
        }
        let ended = counted(n_ended, self.noun);
        if n_failed > self.detail.n_shown {
            let n = grouped(n_failed - self.detail.n_shown);
            let line = format!("note: {n} more failures are not shown (--max-errors-shown)\n");
            text.push_str(&line);
        }
        if n_failed > 0 {
            text.push_str(&format!("error: {} of {ended} failed\n", grouped(n_failed)));
        }
        let inputs = self.failed_inputs.as_ref();
        if let Some(error) = inputs.and_then(FailedInputs::finish) {
            text.push_str(&format!("error: --failed: not all is there: {error}\n"));
        }
        if interrupted.is_some() {
            let n_cut_short = self.counts.n_cut_short.load(Ordering::Relaxed);
            let cut_short = match n_cut_short {
                0 => String::new(),
                n => format!(", {} cut short", grouped(n)),
            };
            text.push_str(&format!("interrupted: {ended} done{cut_short}\n"));
        }
        text = self.summed_up(n_ended, n_failed) + &text;
        if !self.detail.is_quiet && !text.is_empty() {
            self.stderr.write(text.as_bytes());
        }
        interrupted.unwrap_or(match n_failed {
            0 => Exit::Success,
            _ => Exit::Failed,
        })
    }

    fn summed_up(&mut self, n_ended: u64, n_failed: u64) -> String {
        let total = Total {
            noun: self.noun,
            elapsed: self.started.elapsed(),
            n_ended,
            n_failed,
        };
        match self.detail.summary {
            SummaryLevel::Nothing => String::new(),
            SummaryLevel::Line if total.elapsed < WORTH_A_LINE => String::new(),
            SummaryLevel::Line => total.line(),
            SummaryLevel::Everything => {
                let stats = self.pool.upgrade().map(|pool| pool.stats());
                let summary = self.summary.get_mut();
                let summary = summary.unwrap_or_else(PoisonError::into_inner);
                summary.text(total, stats.as_ref())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_then_what_says_more() {
        let failure = Failure::new("broken").hint("fix it");
        assert_eq!(
            failure.message("input 3", &failure.details, failure.hint.as_deref()),
            "error: input 3: broken\nhint: fix it\n"
        );
        let failure = Failure {
            details: "Traceback\nmore".to_owned(),
            ..Failure::new("bad")
        };
        assert_eq!(
            failure.message("input 3", &failure.details, failure.hint.as_deref()),
            "error: input 3: bad\nTraceback\nmore\n"
        );
    }
}
