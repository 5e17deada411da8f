//! Tasks: how much of the workers' time is spent in tasks, from short ones to long ones and a mix.
//!
//! Ideal is half of the tasks' busy time, for two workers. The busy time is measured in the same
//! round: two bare interpreters at once take the same tasks off a counter, one by one, and add up how
//! long each call took. What two interpreters at once lose to each other (caches, the clock) is thus in
//! the ideal; what it costs to hand tasks over, and to wait for the last, is not.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use owngil::Function;
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, function, work};
use crate::measure::peers;
use crate::report::line::{Entry, Line, Role, Unit};
use crate::rows::throughput::{add_peers, pool};
use crate::setting::{N_WORKERS, Setting};

/// A task that is busy for the given number of turns.
const SOURCE: &str = "\
def spin(n):
    total = 0
    for i in range(n):
        total += i & 7
    return total
";

/// A length of tasks: its name, and how many microseconds each of them takes.
struct Length {
    title: &'static str,
    microseconds: Vec<f64>,
    /// The share of the tasks that peers get, which take much longer over short ones.
    peers_share: f64,
}

fn lengths(setting: &Setting) -> Vec<Length> {
    let scale = setting.pick(1.0, 0.5);
    let equal = |title, microseconds: f64, n: f64, peers_share| Length {
        title,
        microseconds: vec![microseconds; (n * scale) as usize],
        peers_share,
    };
    vec![
        equal("tasks of 10 µs", 10.0, 80_000.0, 0.05),
        equal("tasks of 100 µs", 100.0, 8000.0, 0.15),
        equal("tasks of 1 ms", 1000.0, 800.0, 0.2),
        equal("tasks of 10 ms", 10_000.0, 160.0, 0.2),
        Length {
            title: "tasks with heavy tails",
            microseconds: heavy_tails((20_000.0 * scale) as usize),
            peers_share: 0.2,
        },
    ]
}

/// Most take 10 µs; of a thousand, twenty take 500 µs and two take 10 ms, anywhere among the others.
/// Half of the time is in these two.
fn heavy_tails(n: usize) -> Vec<f64> {
    let mut state = 42_u64;
    let lengths = (0..n).map(|_| {
        // The high bits of a linear congruential generator: the same tasks each time.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match (state >> 33) % 1000 {
            0..2 => 10_000.0,
            2..22 => 500.0,
            _ => 10.0,
        }
    });
    lengths.collect()
}

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    const OURS: &str = "owngil";
    const IDEAL: &str = "ideal";
    let bare = Bare::start(SOURCE)?;
    let pool = pool()?;
    let spin = Function::source(SOURCE, "spin");
    let turns_per_microsecond = calibrate(&bare)?;
    let mut lines = Vec::new();
    for length in lengths(setting) {
        let turns = length.microseconds.iter();
        let turns: Arc<[i64]> = turns
            .map(|us| (us * turns_per_microsecond) as i64)
            .collect();
        let bare_share = Cell::new(Vec::new());
        let n_of_peers = (turns.len() as f64 * length.peers_share) as usize;
        // The last ones: no other than the first, but the heavy ones fall as they fall.
        let of_peers: Vec<i64> = turns[turns.len() - n_of_peers..].to_vec();
        let of_peers = &of_peers;
        let mut contest = Contest::new().peers_for(setting.pick(4, 1));
        contest.add(Role::Limit, IDEAL, || {
            let (elapsed, busy) = off_a_counter(&bare, &turns)?;
            let ideal = busy / N_WORKERS as f64;
            let mut shares = bare_share.take();
            shares.push(ideal / elapsed);
            bare_share.set(shares);
            Ok(ideal)
        });
        contest.add(Role::Ours, OURS, || {
            let start = Instant::now();
            for value in pool.map(&spin, turns.iter()) {
                let _: i64 = value?;
            }
            Ok(start.elapsed().as_secs_f64())
        });
        let with_tasks = [
            peers::INTERPRETERS,
            peers::POOL,
            peers::PROCESSES,
            peers::JOBLIB,
            peers::MPIRE,
        ];
        add_peers(&mut contest, setting, &with_tasks, move |peer| {
            peer.figure("tasks", json!({ "sizes": of_peers }))
        });
        let held = contest.hold(setting, setting.pick(9, 4));
        let mut line = Line::new("tasks", length.title, Unit::Percent);
        let shares = held.pairs(IDEAL, OURS, |ideal, elapsed| ideal / elapsed);
        line.entries.push(Entry::of(OURS, Role::Ours, &shares));
        let bare_share = bare_share.take();
        let off_a_counter = Entry::of("bare, off a counter", Role::Limit, &bare_share);
        line.entries.push(off_a_counter);
        line.entries.extend(held.entries(Role::Peer));
        line.on_busy_cores = held.on_busy_cores();
        line.at_least(0.97, "of ideal", held.ratio(IDEAL, OURS), Unit::Percent);
        lines.push(line);
    }
    Ok(lines)
}

/// How many turns take a microsecond.
fn calibrate(bare: &Bare) -> Result<f64> {
    const N: i64 = 2_000_000;
    let mut shortest = f64::INFINITY;
    for _ in 0..3 {
        let (elapsed, _) = bare.all(|_| {
            work(|attached, globals| {
                function(globals, "spin")?.call(&[attached.int(N)?])?;
                Ok(0.0)
            })
        })?;
        shortest = shortest.min(elapsed.as_secs_f64());
    }
    Ok(N as f64 / (shortest * 1e6))
}

/// Two interpreters take the tasks one by one; how long it took, and the sum of the calls' times.
fn off_a_counter(bare: &Bare, turns: &Arc<[i64]>) -> Result<(f64, f64)> {
    let next = Arc::new(AtomicUsize::new(0));
    let (elapsed, busy) = bare.all(|_| {
        let (turns, next) = (Arc::clone(turns), Arc::clone(&next));
        work(move |attached, globals| {
            let spin = function(globals, "spin")?;
            let mut busy = 0.0;
            while let Some(&n) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                spin.call(&[attached.int(n)?])?;
                busy += start.elapsed().as_secs_f64();
            }
            Ok(busy)
        })
    })?;
    Ok((elapsed.as_secs_f64(), busy))
}
