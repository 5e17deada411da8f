//! Cores: whether as many are free as there are workers.
//!
//! A figure of two workers means nothing while another program has one of the two cores. So before and
//! after a round the same loop is timed on one thread and on all at once: where cores are free, both
//! take equally long. And over the round the processor time of this machine is compared with that of
//! the processes which take part.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::peers;
use crate::setting::N_WORKERS;

/// How much longer the threads together may take than one alone.
const TOLERANCE: f64 = 1.12;

/// How much of a core others may use.
const OTHERS_MAX: f64 = 0.12;

/// Turns of the loop: a few milliseconds.
const N_TURNS: u64 = 4_000_000;

/// Whether each worker would have a core to itself at this moment.
pub(crate) fn are_free() -> bool {
    // Twice: a moment's work of the system's own is no load.
    together() || together()
}

/// Waits for free cores, but not for long; whether they are free in the end.
pub(crate) fn wait_until_free() -> bool {
    for _ in 0..8 {
        if are_free() {
            return true;
        }
        thread::sleep(Duration::from_millis(250));
    }
    false
}

fn together() -> bool {
    // Now, not once for all: what a virtual machine is given changes with the minutes.
    let alone = turns().min(turns());
    let meeting = Meeting::new(N_WORKERS);
    let longest = thread::scope(|scope| {
        let others: Vec<_> = (1..N_WORKERS)
            .map(|_| {
                scope.spawn(|| {
                    meeting.wait();
                    turns()
                })
            })
            .collect();
        meeting.wait();
        let own = turns();
        let others = others.into_iter().filter_map(|other| other.join().ok());
        others.fold(own, Duration::max)
    });
    longest.as_secs_f64() < TOLERANCE * alone.as_secs_f64()
}

fn turns() -> Duration {
    let start = Instant::now();
    let mut state = 1_u64;
    for turn in 0..N_TURNS {
        state = black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(turn),
        );
    }
    black_box(state);
    start.elapsed()
}

/// The processor time that was used up to a moment, in seconds, as Linux counts it.
pub(crate) struct Usage {
    at: Instant,
    by_all: f64,
    by_ours: f64,
}

impl Usage {
    /// Reads `/proc`; `None` where that cannot be read. Ours are the processes with this mark.
    pub(crate) fn now(mark: &str) -> Option<Usage> {
        const TICKS_PER_SECOND: f64 = 100.0;
        let ticks = |text: &str| text.parse::<f64>().ok();
        let by_ours = peers::marked(mark).into_iter().filter_map(|id| {
            let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // What follows the program's name, which may hold anything: field 3 and on. Fields 14 to
            // 17 are the process's own time and that of children which it has waited for.
            let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
            Some(fields.filter_map(ticks).sum::<f64>())
        });
        let by_ours: f64 = by_ours.sum();
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        // cpu user nice system idle iowait irq softirq steal …
        let fields = machine.lines().next()?.split_whitespace().enumerate();
        let busy = fields.filter(|(place, _)| matches!(place, 1..=3 | 6..=8));
        let by_all: f64 = busy.filter_map(|(_, field)| ticks(field)).sum();
        Some(Usage {
            at: Instant::now(),
            by_all: by_all / TICKS_PER_SECOND,
            by_ours: by_ours / TICKS_PER_SECOND,
        })
    }

    /// Whether others used a good part of a core since then. A time too short to tell is none.
    pub(crate) fn others_ran(&self, mark: &str) -> bool {
        let Some(now) = Usage::now(mark) else {
            return false;
        };
        let elapsed = (now.at - self.at).as_secs_f64();
        let by_others = (now.by_all - self.by_all) - (now.by_ours - self.by_ours);
        elapsed > 0.3 && by_others > OTHERS_MAX * elapsed
    }
}

/// Where threads wait for one another without going to sleep, so that all leave at the same moment.
pub(crate) struct Meeting {
    n_expected: usize,
    n_arrived: AtomicUsize,
}

impl Meeting {
    pub(crate) fn new(n_expected: usize) -> Meeting {
        Meeting {
            n_expected,
            n_arrived: AtomicUsize::new(0),
        }
    }

    pub(crate) fn wait(&self) {
        self.n_arrived.fetch_add(1, Ordering::AcqRel);
        while self.n_arrived.load(Ordering::Acquire) < self.n_expected {
            std::hint::spin_loop();
        }
    }
}
