//! Progress: how far a run is, while it runs: lines below the messages on a terminal, or JSON for machines.
//!
//! `indicatif` does not serve: it writes under a lock of its own, and the end of the process must not wait for the
//! lock of a thread that is blocked on a full pipe (see `stderr`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, ValueEnum};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use owngil::{Pool, WorkerStacks};
use serde_json::json;

use super::screen::{EIGHTHS, Screen, columns, split_at_column};
use super::stderr::Stderr;
use super::units::percent;
use crate::terminal::total::NInputs;
use crate::terminal::units::grouped;

/// How often the lines are renewed.
const TICK: Duration = Duration::from_millis(200);

/// How often a line of JSON is written.
const TICK_OF_JSON: Duration = Duration::from_secs(1);

/// How often workers are looked at: that attaches to their interpreters for a moment.
const LOOK: Duration = Duration::from_secs(1);

/// From how many columns on there is a line for each worker.
const WIDE: usize = 100;

/// How long the rate remembers.
const MEMORY_SECONDS: f64 = 10.0;

/// The columns of a bar: as many as there is room for.
const BAR: std::ops::RangeInclusive<usize> = 10..=40;

/// What is reported about a run while it runs, and after it.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Python and messages")]
pub(crate) struct ProgressArgs {
    /// Progress on standard error: `auto` shows it on a terminal, `json` writes one JSON object per
    /// second, `none` nothing
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: How,

    /// Print a summary at the end: speed, workers, slow inputs and failures (-v prints it too)
    #[arg(long)]
    pub(crate) summary: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    #[default]
    Auto,
    Json,
    None,
}

/// What has ended so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) n_ended: AtomicU64,
    pub(crate) n_failed: AtomicU64,
    pub(crate) n_retried: AtomicU64,
    pub(crate) n_cut_short: AtomicU64,
    /// Of all inputs, those that are not for this run.
    pub(crate) n_passed: AtomicU64,
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show it; without a thread there is none, and that is all.
    pub(crate) fn show(
        is_json: bool,
        stderr: &Arc<Stderr>,
        counts: &Arc<Counts>,
        total: NInputs,
        pool: Weak<Pool>,
    ) -> Progress {
        let mut watch = Watch {
            stderr: Arc::clone(stderr),
            counts: Arc::clone(counts),
            started: Instant::now(),
            pool,
            total,
            moment: Moment::default(),
            looked: None,
        };
        let (stop, stopped) = bounded::<()>(0);
        let tick = if is_json { TICK_OF_JSON } else { TICK };
        let show = move || {
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                watch.tick(is_json);
            }
            match is_json {
                // The last line has the last word.
                true => watch.tick(is_json),
                false => watch.stderr.set_status(String::new()),
            }
        };
        let thread = thread::Builder::new().name("progress".to_owned());
        Progress {
            stop: Some(stop),
            thread: thread.spawn(show).ok(),
        }
    }
}

impl Drop for Progress {
    /// Waits for its thread: that may hold the pool for a moment, which should end with the run.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watch {
    stderr: Arc<Stderr>,
    counts: Arc<Counts>,
    total: NInputs,
    started: Instant,
    pool: Weak<Pool>,
    moment: Moment,
    /// When workers were looked at, and for how long each had been busy by then.
    looked: Option<(Instant, Vec<Duration>)>,
}

impl Watch {
    fn tick(&mut self, is_json: bool) {
        let window = Window::find();
        self.moment.go_on(self.started.elapsed(), &self.counts);
        self.moment.total = self.total.get().copied();
        if is_json || window.n_worker_lines() > 0 {
            self.look(is_json);
        }
        if is_json {
            let line = format!("{}\n", self.moment.json());
            return self.stderr.write(line.as_bytes());
        }
        self.stderr.set_status(self.moment.lines(window));
    }

    /// Finds out what workers do.
    fn look(&mut self, is_json: bool) {
        let is_due = |(at, _): &(Instant, _)| at.elapsed() >= LOOK;
        if !is_json && self.looked.as_ref().is_some_and(|looked| !is_due(looked)) {
            return;
        }
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        let busy: Vec<Duration> = pool.stats().workers.iter().map(|one| one.busy).collect();
        let shares = self.looked.as_ref().map(|(at, before)| {
            let seconds = now.duration_since(*at).as_secs_f64().max(0.001);
            let before = before
                .iter()
                .copied()
                .chain(std::iter::repeat(Duration::ZERO));
            let gained = busy.iter().zip(before);
            let share = |(now, before): (&Duration, Duration)| {
                (now.saturating_sub(before).as_secs_f64() / seconds).min(1.0)
            };
            gained.map(share).collect()
        });
        self.moment.busy = shares.unwrap_or_default();
        self.looked = Some((now, busy));
        // On a free-threaded Python a look at the stacks stops all workers.
        if !is_json && owngil::Backend::default() != owngil::Backend::Thread {
            self.moment.workers = pool.stacks().workers.iter().map(doing).collect();
        }
    }
}

/// What a worker does, in words.
fn doing(worker: &WorkerStacks) -> String {
    let Some((function, time)) = &worker.running else {
        return "idle".to_owned();
    };
    let seconds = time.as_secs_f64();
    let frames = worker
        .threads
        .iter()
        .flatten()
        .filter(|thread| thread.is_home);
    let innermost = frames.flat_map(|thread| &thread.frames).next_back();
    match innermost {
        Some(frame) => {
            let file = frame.file.rsplit('/').next().unwrap_or(&frame.file);
            let (line, name) = (frame.line, &frame.function);
            format!("{seconds:.1} s  {function}, {file}:{line} in {name}")
        }
        None => format!("{seconds:.1} s  {function}"),
    }
}

/// A terminal's size and what it can show.
#[derive(Clone, Copy, Debug)]
struct Window {
    n_columns: usize,
    n_rows: usize,
    screen: Screen,
}

impl Window {
    /// That of standard error, as it is now: a person may resize it.
    fn find() -> Window {
        let size = terminal_size::terminal_size_of(io::stderr());
        let (n_columns, n_rows) = size.map_or((80, 24), |(width, height)| (width.0, height.0));
        Window {
            n_columns: usize::from(n_columns),
            n_rows: usize::from(n_rows),
            screen: Screen::find(),
        }
    }

    /// How many workers there is a line for.
    fn n_worker_lines(self) -> usize {
        if self.n_columns < WIDE {
            return 0;
        }
        self.n_rows / 3
    }
}

/// How far a run is.
#[derive(Debug, Default)]
struct Moment {
    elapsed: Duration,
    n_ended: u64,
    n_failed: u64,
    n_retried: u64,
    n_passed: u64,
    /// All inputs, those that are passed over among them.
    total: Option<u64>,
    /// Lately.
    per_second: f64,
    /// How busy each worker was lately.
    busy: Vec<f64>,
    /// What each worker does.
    workers: Vec<String>,
}

impl Moment {
    fn go_on(&mut self, elapsed: Duration, counts: &Counts) {
        let n_ended = counts.n_ended.load(Ordering::Relaxed);
        self.n_failed = counts.n_failed.load(Ordering::Relaxed);
        self.n_retried = counts.n_retried.load(Ordering::Relaxed);
        self.n_passed = counts.n_passed.load(Ordering::Relaxed);
        let all = elapsed.as_secs_f64().max(0.001);
        let step = elapsed
            .saturating_sub(self.elapsed)
            .as_secs_f64()
            .max(0.001);
        let lately = n_ended.saturating_sub(self.n_ended) as f64 / step;
        // A mean over all as long as there is no more to remember.
        let weight = step / all.min(MEMORY_SECONDS).max(step);
        self.per_second += weight * (lately - self.per_second);
        self.elapsed = elapsed;
        self.n_ended = n_ended;
    }

    /// How many inputs this run has, as far as that is known: what is passed over is found on the way.
    fn n_inputs(&self) -> Option<u64> {
        Some(self.total?.saturating_sub(self.n_passed))
    }

    /// How long it still takes, if that is known.
    fn seconds_left(&self) -> Option<f64> {
        let left = self.n_inputs()?.checked_sub(self.n_ended)?;
        (self.per_second > 0.0).then(|| left as f64 / self.per_second)
    }

    /// `[01:23] ████▌     81 204/100 000 done, 3 failed, 6 712/s, 3 s left`, and a line for each worker.
    fn lines(&self, window: Window) -> String {
        let [hours, minutes, seconds] = clock(self.elapsed.as_secs());
        let hours = if hours > 0 {
            format!("{hours}:")
        } else {
            String::new()
        };
        let head = format!("[{hours}{minutes:02}:{seconds:02}] ");
        let total = self.n_inputs().map(|total| format!("/{}", grouped(total)));
        let mut tail = format!(
            "{}{} done",
            grouped(self.n_ended),
            total.unwrap_or_default()
        );
        for (n, what) in [(self.n_failed, "failed"), (self.n_retried, "retried")] {
            if n > 0 {
                tail.push_str(&format!(", {} {what}", grouped(n)));
            }
        }
        tail.push_str(&match self.per_second {
            rate @ ..10.0 => format!(", {rate:.1}/s"),
            rate => format!(", {}/s", grouped(rate as u64)),
        });
        if let Some(left) = self.seconds_left() {
            tail.push_str(&format!(", {} left", roughly(left)));
        }
        // A line that fills the last column may be broken there.
        let width = window.n_columns.saturating_sub(1);
        let room = width.saturating_sub(columns(&head) + columns(&tail) + 1);
        let bar = match self.n_inputs() {
            Some(total) if total > 0 && room >= *BAR.start() => {
                let part = self.n_ended as f64 / total as f64;
                bar(part.min(1.0), room.min(*BAR.end()), window.screen.is_utf8) + " "
            }
            _ => String::new(),
        };
        let mut lines = cut(&format!("{head}{bar}{tail}"), width);
        let n_lines = self.workers.len().min(window.n_worker_lines());
        for (n, doing) in self.workers.iter().take(n_lines).enumerate() {
            let busy = self
                .busy
                .get(n)
                .map_or(String::new(), |busy| percent(*busy) + " busy");
            let line = window
                .screen
                .fit(format!("  worker {n:<3} {busy:<13} {doing}"));
            lines.push('\n');
            lines.push_str(&cut(&line, width));
        }
        lines
    }

    fn json(&self) -> String {
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        let busy: Vec<f64> = self.busy.iter().copied().map(rounded).collect();
        let progress = json!({
            "seconds": rounded(self.elapsed.as_secs_f64()),
            "done": self.n_ended,
            "failed": self.n_failed,
            "retried": self.n_retried,
            "total": self.n_inputs(),
            "per_second": rounded(self.per_second),
            "seconds_left": self.seconds_left().map(rounded),
            "busy": busy,
        });
        json!({ "progress": progress }).to_string()
    }
}

/// Hours, minutes and seconds.
fn clock(seconds: u64) -> [u64; 3] {
    [seconds / 3600, seconds / 60 % 60, seconds % 60]
}

/// `3 s`, `4 min`, `2 h 30 min`
fn roughly(seconds: f64) -> String {
    match seconds {
        ..99.0 => format!("{:.0} s", seconds.ceil()),
        ..5970.0 => format!("{:.0} min", seconds / 60.0),
        _ => {
            let [hours, minutes, _] = clock(seconds as u64);
            format!("{} h {minutes} min", grouped(hours))
        }
    }
}

fn bar(part: f64, n_columns: usize, is_utf8: bool) -> String {
    let n_eighths = (part * n_columns as f64 * 8.0) as usize;
    let (n_full, rest) = (n_eighths / 8, n_eighths % 8);
    let mut bar = match is_utf8 {
        true => EIGHTHS[7].to_string().repeat(n_full),
        false => "#".repeat(n_full),
    };
    if is_utf8 && rest > 0 {
        bar.push(EIGHTHS[rest - 1]);
    }
    let n = bar.chars().count();
    bar + &" ".repeat(n_columns.saturating_sub(n))
}

/// The line, as far as it has room. What moves the cursor would disturb the other lines.
fn cut(line: &str, width: usize) -> String {
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    split_at_column(&line, width).0.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(n_columns: usize, locale: &'static str) -> Window {
        let variable = |name: &str| (name == "LANG").then(|| locale.to_owned());
        Window {
            n_columns,
            n_rows: 24,
            screen: Screen::new(n_columns, false, variable),
        }
    }

    fn moment(n_ended: u64, total: Option<u64>) -> Moment {
        Moment {
            elapsed: Duration::from_secs(75),
            n_ended,
            total,
            per_second: 2000.0,
            ..Moment::default()
        }
    }

    #[test]
    fn the_line_shows_time_counts_rate_and_what_is_left() {
        let failing = Moment {
            n_failed: 3,
            n_retried: 1,
            ..moment(150_000, Some(200_000))
        };
        let utf8 = window(90, "C.UTF-8");
        let tail = "150 000/200 000 done, 3 failed, 1 retried, 2 000/s, 25 s left";
        assert_eq!(
            failing.lines(utf8),
            format!("[01:15] ██████████████▎     {tail}")
        );
        assert_eq!(
            failing.lines(window(90, "C")),
            format!("[01:15] ##############      {tail}")
        );
        // No room for a bar, and then not for all.
        assert_eq!(failing.lines(window(80, "C")), format!("[01:15] {tail}"));
        assert_eq!(failing.lines(window(20, "C")).len(), 19);
        let open = moment(150, None);
        assert_eq!(open.lines(utf8), "[01:15] 150 done, 2 000/s");
    }

    #[test]
    fn a_wide_window_has_a_line_for_each_worker_as_far_as_there_is_room() {
        let many = Moment {
            busy: vec![0.97, 0.0],
            workers: (0..20)
                .map(|n| format!("{n}.0 s  f\x1b[2J, a.py:7 in f"))
                .collect(),
            ..moment(1, Some(2))
        };
        let lines = many.lines(window(120, "C"));
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 1 + 8);
        assert_eq!(
            lines[1],
            "  worker 0   97 % busy     0.0 s  f[2J, a.py:7 in f"
        );
        assert!(lines.iter().all(|line| line.len() < 120));
        assert_eq!(many.lines(window(99, "C")).lines().count(), 1);
    }

    #[test]
    fn the_rate_is_a_mean_at_first_and_that_of_late_later() {
        let counts = Counts::default();
        let mut moment = moment(0, Some(10_000));
        moment.elapsed = Duration::ZERO;
        let mut go_on = |seconds: u64, n: u64| {
            counts.n_ended.store(n, Ordering::Relaxed);
            moment.go_on(Duration::from_secs(seconds), &counts);
            moment.per_second
        };
        assert_eq!(go_on(1, 100), 100.0);
        assert_eq!(go_on(2, 300), 150.0);
        // Nothing for a long time.
        let rates: Vec<f64> = (3..60).map(|second| go_on(second, 300)).collect();
        assert!(
            rates.is_sorted_by(|a, b| a > b) && rates[56] < 5.0,
            "{rates:?}"
        );
        assert!(moment.seconds_left().unwrap() > 1000.0);
    }

    #[test]
    fn json_has_all_of_it_and_null_for_what_is_not_known() {
        let line = moment(150, None).json();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let progress = &value["progress"];
        assert_eq!(progress["done"], 150);
        assert_eq!(progress["per_second"], 2000.0);
        assert!(progress["total"].is_null() && progress["seconds_left"].is_null());
        assert!(!line.contains('\n'));
    }

    #[test]
    fn what_is_left_is_shown_roughly() {
        for (seconds, text) in [
            (0.4, "1 s"),
            (98.5, "99 s"),
            (240.0, "4 min"),
            (9000.0, "2 h 30 min"),
        ] {
            assert_eq!(roughly(seconds), text);
        }
    }
}
