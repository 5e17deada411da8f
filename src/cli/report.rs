//! Report: what a person is told of a run, on standard error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use owngil::Error;

use super::exit::Exit;
use super::stderr::Stderr;

/// How often the status line is renewed.
const TICK: Duration = Duration::from_millis(200);

/// What is told of a run, and what of it is counted.
#[derive(Debug)]
pub(crate) struct Report {
    stderr: Arc<Stderr>,
    quiet: bool,
    /// What is counted: `input`.
    noun: &'static str,
    counts: Arc<Counts>,
    n_not_finite: u64,
}

/// What has ended so far.
#[derive(Debug, Default)]
struct Counts {
    n_ended: AtomicU64,
    n_failed: AtomicU64,
    n_cut_short: AtomicU64,
}

/// Why a task failed, in words.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line.
    pub(crate) what: String,
    /// Lines that say more.
    pub(crate) details: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            details: String::new(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &str) -> Failure {
        self.hint = Some(hint.to_owned());
        self
    }

    /// The message about the failure of what `label` names.
    fn message(&self, label: &str) -> String {
        let mut message = format!("error: {label}: {}\n", self.what);
        message.push_str(&self.details);
        end_line(&mut message);
        if let Some(hint) = &self.hint {
            message.push_str(&format!("hint: {hint}\n"));
        }
        message
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        let text = error.to_string();
        let python = error.python().map(|python| python.traceback());
        let what = match python {
            // All of a message of several lines is in the traceback.
            Some(_) => text.lines().next().unwrap_or_default().to_owned(),
            None => text,
        };
        Failure {
            what,
            details: python.unwrap_or_default().to_owned(),
            hint: error.hint(),
        }
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Appends a task's output, with a newline where its last line lacks one.
pub(crate) fn append_lines(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    if text.last().is_some_and(|last| *last != b'\n') {
        out.push(b'\n');
    }
}

impl Report {
    pub(crate) fn new(stderr: Arc<Stderr>, quiet: bool, noun: &'static str) -> Report {
        Report {
            stderr,
            quiet,
            noun,
            counts: Arc::default(),
            n_not_finite: 0,
        }
    }

    /// Shows how far the run is, until the process ends.
    pub(crate) fn show_progress(&self, total: Option<u64>) {
        let (stderr, counts) = (Arc::clone(&self.stderr), Arc::clone(&self.counts));
        let started = Instant::now();
        let show = move || {
            loop {
                thread::sleep(TICK);
                let n_ended = counts.n_ended.load(Ordering::Relaxed);
                let n_failed = counts.n_failed.load(Ordering::Relaxed);
                if total.is_some_and(|total| n_ended >= total) {
                    return;
                }
                stderr.set_status(status(started.elapsed(), n_ended, n_failed, total));
            }
        };
        // Without it there is no status line, and that is all.
        let _ = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(show);
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
    pub(crate) fn failed(&self, label: &str, failure: &Failure, printed: &[u8]) {
        self.counts.n_ended.fetch_add(1, Ordering::Relaxed);
        self.counts.n_failed.fetch_add(1, Ordering::Relaxed);
        self.tell(printed, &failure.message(label));
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
    pub(crate) fn finish(self, interrupted: Option<Exit>) -> Exit {
        self.stderr.set_status(String::new());
        let n_ended = self.counts.n_ended.load(Ordering::Relaxed);
        let n_failed = self.counts.n_failed.load(Ordering::Relaxed);
        let mut text = String::new();
        if self.n_not_finite > 0 {
            let n = grouped(self.n_not_finite);
            let line = format!("warning: JSON has no NaN and no infinity: {n} became null\n");
            text.push_str(&line);
        }
        let ended = counted(n_ended, self.noun);
        if n_failed > 0 {
            text.push_str(&format!("error: {} of {ended} failed\n", grouped(n_failed)));
        }
        if interrupted.is_some() {
            let n_cut_short = self.counts.n_cut_short.load(Ordering::Relaxed);
            let cut_short = match n_cut_short {
                0 => String::new(),
                n => format!(", {} cut short", grouped(n)),
            };
            text.push_str(&format!("interrupted: {ended} done{cut_short}\n"));
        }
        if !self.quiet && !text.is_empty() {
            self.stderr.write(text.as_bytes());
        }
        interrupted.unwrap_or(match n_failed {
            0 => Exit::Success,
            _ => Exit::Failed,
        })
    }
}

/// `1 input`, `2 000 inputs`
fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// `[01:23] 81 204/100 000 done, 3 failed, 6 712/s`
fn status(elapsed: Duration, n_ended: u64, n_failed: u64, total: Option<u64>) -> String {
    let seconds = elapsed.as_secs();
    let total = total.map_or(String::new(), |total| format!("/{}", grouped(total)));
    let failed = match n_failed {
        0 => String::new(),
        n => format!(", {} failed", grouped(n)),
    };
    let rate = n_ended as f64 / elapsed.as_secs_f64().max(0.001);
    let rate = match rate {
        ..10.0 => format!("{rate:.1}"),
        _ => grouped(rate as u64),
    };
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let n_ended = grouped(n_ended);
    format!("[{minutes:02}:{seconds:02}] {n_ended}{total} done{failed}, {rate}/s")
}

/// A number with a space between each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place >= first && (place - first).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (12345, "12 345"),
            (123456, "123 456"),
            (1234567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_status_line_tells_time_count_failures_and_rate() {
        let minute = Duration::from_secs(75);
        assert_eq!(
            status(minute, 150_000, 3, Some(200_000)),
            "[01:15] 150 000/200 000 done, 3 failed, 2 000/s"
        );
        assert_eq!(status(minute, 150, 0, None), "[01:15] 150 done, 2.0/s");
    }

    #[test]
    fn a_failure_is_one_line_then_what_says_more() {
        let failure = Failure::new("broken").hint("mend it");
        assert_eq!(
            failure.message("input 3"),
            "error: input 3: broken\nhint: mend it\n"
        );
        let failure = Failure {
            details: "Traceback\nmore".to_owned(),
            ..Failure::new("bad")
        };
        assert_eq!(
            failure.message("input 3"),
            "error: input 3: bad\nTraceback\nmore\n"
        );
    }
}
