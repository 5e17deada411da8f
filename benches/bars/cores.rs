//! Cores: whether as many are free as there are workers.
//!
//! A figure of two workers means nothing while another program has one of the two cores. So the same
//! loop is timed on one thread and on all at once: where cores are free, both take equally long.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::setting::N_WORKERS;

/// How much longer the threads together may take than one alone.
const TOLERANCE: f64 = 1.12;

/// Turns of the loop: a few milliseconds.
const N_TURNS: u64 = 4_000_000;

/// The shortest time that the loop ever took on one thread, here.
static ALONE: Mutex<Duration> = Mutex::new(Duration::MAX);

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
    let alone = {
        let mut alone = ALONE.lock().expect("nothing panics with it");
        *alone = (*alone).min(turns());
        *alone
    };
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
