//! Throughput: how many tiny tasks a second, as a map and one by one.

use std::time::Instant;

use owngil::{Function, Pool};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, TINY};
use crate::measure::peers::{self, Running};
use crate::report::line::{Line, Role, Unit};
use crate::setting::{N_WORKERS, Setting};

const OURS: &str = "owngil";
const BARE: &str = "bare calls";

/// A pool like the peers': two workers, all else as it comes.
pub(crate) fn pool() -> Result<Pool> {
    Ok(Pool::builder().workers(N_WORKERS).build()?)
}

/// Adds every peer that can be had; what it is asked for is the same for all.
pub(crate) fn add_peers<'a>(
    contest: &mut Contest<'a>,
    setting: &Setting,
    peers: &[peers::Peer],
    ask: impl Fn(&mut Running) -> Result<f64> + Copy + 'a,
) {
    for peer in peers {
        match peer.start(setting) {
            Ok(mut running) => contest.add(Role::Peer, peer.name, move || ask(&mut running)),
            Err(reason) => contest.add_missing(peer.name, reason.to_string()),
        }
    }
}

/// `map` over 4 million integers, against the same number of bare calls in two interpreters at once.
pub(crate) fn map(setting: &Setting) -> Result<Vec<Line>> {
    const N: i64 = 4_000_000;
    let bare = Bare::start(TINY)?;
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut contest = Contest::new().peers_for(setting.pick(5, 1));
    contest.add(Role::Limit, BARE, || bare.tiny_calls(N));
    contest.add(Role::Ours, OURS, || {
        let start = Instant::now();
        let mut sum = 0_i64;
        for value in pool.map(&f, 0..N) {
            let value: i64 = value?;
            sum += value;
        }
        let elapsed = start.elapsed();
        if sum != N * (N + 1) / 2 {
            return Err(format!("the sum of the results is {sum}").into());
        }
        Ok(N as f64 / elapsed.as_secs_f64())
    });
    let seconds = setting.pick(0.3, 0.15);
    add_peers(&mut contest, setting, &peers::ALL, move |peer| {
        peer.figure("map", json!({ "seconds": seconds }))
    });
    let held = contest.hold(setting, setting.pick(11, 5));
    let mut line = Line::new("map", "map of 4 M ints", Unit::PerSecond);
    held.enter(&mut line);
    line.at_least(0.6, "of bare calls", held.ratio(OURS, BARE), Unit::Percent);
    Ok(vec![line])
}

/// `submit` from one thread, then waiting for the results.
pub(crate) fn submit(setting: &Setting) -> Result<Vec<Line>> {
    const N: i64 = 300_000;
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut contest = Contest::new().peers_for(setting.pick(5, 1));
    contest.add(Role::Ours, OURS, || {
        let mut tasks = Vec::with_capacity(N as usize);
        let start = Instant::now();
        for x in 0..N {
            tasks.push(pool.submit::<i64, _>(&f, x)?);
        }
        let mut sum = 0;
        for task in tasks {
            sum += task.wait()?;
        }
        let elapsed = start.elapsed();
        if sum != N * (N + 1) / 2 {
            return Err(format!("the sum of the results is {sum}").into());
        }
        Ok(N as f64 / elapsed.as_secs_f64())
    });
    let seconds = setting.pick(0.3, 0.15);
    let with_submit = [
        peers::INTERPRETERS,
        peers::POOL,
        peers::PROCESSES,
        peers::THREADS,
        peers::MPIRE,
    ];
    add_peers(&mut contest, setting, &with_submit, move |peer| {
        peer.figure("submit", json!({ "seconds": seconds }))
    });
    let held = contest.hold(setting, setting.pick(11, 5));
    let mut line = Line::new(
        "submit",
        "submit one by one, results collected",
        Unit::PerSecond,
    );
    held.enter(&mut line);
    let ours = line.median(OURS).unwrap_or(f64::NAN);
    line.at_least(1.5e6, "one by one", ours, Unit::PerSecond);
    if let Some(best) = held.best_peer() {
        let of = format!("the best peer's ({best})");
        line.at_least(8.0, &of, held.ratio(OURS, best), Unit::Times);
    }
    Ok(vec![line])
}
