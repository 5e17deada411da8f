//! Scaling: how much faster two workers are than one, over workloads of many kinds.

use std::cell::RefCell;
use std::fs;
use std::time::Instant;

use owngil::{Function, Pool};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, function, work};
use crate::measure::peers;
use crate::report::line::{Entry, Line, Role, Unit, median};
use crate::rows::throughput::pool;
use crate::setting::{N_WORKERS, Setting};

/// The functions of `cli/benches/peers/workloads.py`, each of which takes the number of its repetitions.
const WORKLOADS: [&str; 21] = [
    "nbody",
    "spectral_norm",
    "int_loop",
    "dict_heavy",
    "small_strings",
    "big_blocks",
    "middle_blocks",
    "objects_with_slots",
    "constants",
    "attributes",
    "compiling",
    "json_text",
    "pickling",
    "regular_expressions",
    "sqlite",
    "hashing",
    "decimals",
    "exceptions",
    "closures_and_generators",
    "keyword_calls",
    "new_types",
];

const OURS: &str = "owngil";

/// What the machine gives: the same calls in two interpreters without anything around them.
const BARE: &str = "bare interpreters";

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    let pool = pool()?;
    let file = setting.peers().join("workloads.py");
    let seconds = setting.pick(0.12, 0.04);
    let beside = [peers::PROCESSES, peers::THREADS];
    let beside = beside.map(|peer| (peer.name, peer.start(setting).map(RefCell::new)));
    let bare = Bare::start(fs::read_to_string(&file)?.leak())?;
    let mut lines = Vec::new();
    for name in WORKLOADS {
        let function = Function::file(&file, name);
        pool.load(&function)?;
        let n = repetitions(&pool, &function, seconds)?;
        let mut contest = Contest::new();
        contest.add(Role::Ours, OURS, || both_by_one(&pool, &function, n));
        contest.add(Role::Limit, BARE, || bare_by_one(&bare, name, n));
        for (peer, running) in &beside {
            match running {
                Ok(running) => contest.add(Role::Peer, *peer, move || {
                    let arguments = json!({ "name": name, "n": n });
                    running.borrow_mut().figure("pair", arguments)
                }),
                Err(reason) => contest.add_missing(peer, reason.to_string()),
            }
        }
        let held = contest.hold(setting, setting.pick(7, 3));
        let title = format!("scaling: {}", name.replace('_', " "));
        let mut line = Line::new("scaling", title, Unit::Times);
        held.enter(&mut line);
        let ours = line.median(OURS).unwrap_or(f64::NAN);
        line.at_least(1.75, "the speed of one worker", ours, Unit::Times);
        let of = "of bare interpreters in the same rounds";
        line.at_least(0.95, of, held.ratio(OURS, BARE), Unit::Percent);
        lines.push(line);
    }
    let mut all = Line::new("scaling", "scaling: median of all 21", Unit::Times);
    let entrants = [
        (OURS, Role::Ours),
        (BARE, Role::Limit),
        (peers::PROCESSES.name, Role::Peer),
        (peers::THREADS.name, Role::Peer),
    ];
    for (name, role) in entrants {
        let medians: Vec<f64> = lines.iter().filter_map(|line| line.median(name)).collect();
        all.entries.push(Entry::of(name, role, &medians));
    }
    all.on_busy_cores = lines.iter().any(|line| line.on_busy_cores);
    let ours = all.median(OURS).unwrap_or(f64::NAN);
    all.at_least(1.9, "the speed of one worker", ours, Unit::Times);
    lines.insert(0, all);
    Ok(lines)
}

/// For how many repetitions one task takes about so long.
fn repetitions(pool: &Pool, function: &Function, seconds: f64) -> Result<u64> {
    let mut n = 1;
    loop {
        let took = one(pool, function, n)?;
        if took > seconds / 4.0 {
            return Ok(((n as f64) * seconds / took).ceil() as u64);
        }
        n *= 2;
    }
}

/// How long one task takes alone.
fn one(pool: &Pool, function: &Function, n: u64) -> Result<f64> {
    let start = Instant::now();
    pool.call::<(), _>(function, n)?;
    Ok(start.elapsed().as_secs_f64())
}

/// The speed of two bare interpreters together, in that of one.
fn bare_by_one(bare: &Bare, name: &'static str, n: u64) -> Result<f64> {
    let call = |_| {
        work(move |attached, globals| {
            function(globals, name)?.call(&[attached.int(n as i64)?])?;
            Ok(0.0)
        })
    };
    let alone = || -> Result<f64> { Ok(bare.some(1, call)?.0.as_secs_f64()) };
    let before = alone()?;
    let (together, _) = bare.all(call)?;
    let alone = median(&[before, alone()?]).unwrap_or(f64::NAN);
    Ok(N_WORKERS as f64 * alone / together.as_secs_f64())
}

/// The speed of all workers together, in that of one.
fn both_by_one(pool: &Pool, function: &Function, n: u64) -> Result<f64> {
    let before = one(pool, function, n)?;
    let start = Instant::now();
    let tasks: owngil::Result<Vec<_>> = (0..N_WORKERS)
        .map(|_| pool.submit::<(), _>(function, n))
        .collect();
    for task in tasks? {
        task.wait()?;
    }
    let together = start.elapsed().as_secs_f64();
    // Before and after, since the machine is not equally fast at all times.
    let after = one(pool, function, n)?;
    let alone = median(&[before, after]).unwrap_or(f64::NAN);
    Ok(N_WORKERS as f64 * alone / together)
}
