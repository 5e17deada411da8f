//! Control: how long after its deadline the outcome of a stuck call arrives, how long its worker is missing, and what a
//! time limit costs.

use std::time::{Duration, Instant};

use owngil::{Error, Function, Pool};

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::TINY;
use crate::report::line::{Line, Role, Unit};
use crate::rows::throughput::pool;
use crate::setting::{N_WORKERS, Setting};

const OURS: &str = "owngil";

/// Calls that do not end by themselves, or only after half a minute; those in C code after a second or two,
/// so that they do not take the cores from the next round.
const STUCK: [(&str, &str); 9] = [
    ("a loop", "def f():\n    while True: pass"),
    (
        "a generator in sum",
        "def f():\n    def g():\n        while True: yield 1\n    sum(g())",
    ),
    ("time.sleep", "import time\ndef f(): time.sleep(30)"),
    (
        "Event().wait",
        "import threading\ndef f(): threading.Event().wait(30)",
    ),
    (
        "a blocking read",
        "import os\ndef f():\n    r, w = os.pipe()\n    os.read(r, 1)",
    ),
    ("sum of a range", "def f(): sum(range(10**8))"),
    (
        "a regular expression",
        "import re\ndef f(): re.match(r'(a+)+$', 'a' * 25 + 'b')",
    ),
    (
        "asyncio.sleep",
        "import asyncio\ndef f(): asyncio.run(asyncio.sleep(30))",
    ),
    (
        "except BaseException in a loop",
        "def f():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    ),
];

const DEADLINE: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_millis(200);

/// How long after its deadline the caller has the outcome of each stuck call, and how long after it all
/// workers serve again.
pub(crate) fn deadlines(setting: &Setting) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, source) in STUCK {
        let function = Function::source(source, "f");
        let mut contest = Contest::new();
        contest.add(Role::Ours, "outcome delivered", || {
            Ok(miss(&function)?.0.as_secs_f64())
        });
        contest.add(Role::Ours, "all workers in service", || {
            Ok(miss(&function)?.1.as_secs_f64())
        });
        let held = contest.hold(setting, setting.pick(5, 3));
        let title = format!("stuck in {name}");
        let mut line = Line::new("deadlines", title, Unit::Seconds);
        held.enter(&mut line);
        let delivered = line.median("outcome delivered").unwrap_or(f64::NAN);
        line.at_most(
            0.1,
            "after the deadline, with its outcome",
            delivered,
            Unit::Seconds,
        );
        let served = line.median("all workers in service").unwrap_or(f64::NAN);
        let bound = (GRACE + Duration::from_millis(100)).as_secs_f64();
        line.at_most(
            bound,
            "after the deadline, at full size",
            served,
            Unit::Seconds,
        );
        lines.push(line);
    }
    Ok(lines)
}

/// By how much the outcome of a stuck call misses its deadline, and by how much the pool's being whole
/// again.
fn miss(function: &Function) -> Result<(Duration, Duration)> {
    let pool = Pool::builder().workers(N_WORKERS).grace(GRACE).build()?;
    pool.load(function)?;
    let f = Function::source(TINY, "f");
    pool.load(&f)?;
    let start = Instant::now();
    let task = pool.task(function).deadline(DEADLINE).submit::<()>()?;
    let outcome = task.wait();
    let delivered = start.elapsed().saturating_sub(DEADLINE);
    if !matches!(outcome, Err(Error::TimedOut { .. })) {
        return Err(format!("the outcome is {outcome:?}").into());
    }
    // Every worker makes a call.
    for value in pool.broadcast::<i64, _>(&f, 1)? {
        value?;
    }
    let whole = start.elapsed().saturating_sub(DEADLINE);
    // What still burns a core would be taken for part of the next round.
    let until = Instant::now() + Duration::from_secs(3);
    while pool.stats().n_lost > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((delivered, whole))
}

/// What limits cost: tiny calls with and without a time limit.
pub(crate) fn limits(setting: &Setting) -> Result<Vec<Line>> {
    const N: i64 = 200_000;
    let f = Function::source(TINY, "f");
    let free = pool()?;
    let limited = Pool::builder().workers(N_WORKERS);
    let limited = limited.time_limit(Duration::from_secs(10)).build()?;
    let mut lines = Vec::new();
    for way in ["map", "submit"] {
        let mut contest = Contest::new();
        for (name, pool) in [(OURS, &free), ("owngil, with a time limit", &limited)] {
            contest.add(Role::Ours, name, move || {
                let start = Instant::now();
                let sum: i64 = match way {
                    "map" => pool.map::<i64, _>(&f, 0..N).sum::<owngil::Result<i64>>()?,
                    _ => {
                        let tasks: owngil::Result<Vec<_>> =
                            (0..N).map(|x| pool.submit::<i64, _>(&f, x)).collect();
                        let values = tasks?.into_iter().map(owngil::Task::wait);
                        values.sum::<owngil::Result<i64>>()?
                    }
                };
                if sum != N * (N + 1) / 2 {
                    return Err(format!("the sum of the results is {sum}").into());
                }
                Ok(N as f64 / start.elapsed().as_secs_f64())
            });
        }
        let held = contest.hold(setting, setting.pick(7, 3));
        let title = format!("tiny calls with a time limit, {way}");
        let mut line = Line::new("limits", title, Unit::PerSecond);
        held.enter(&mut line);
        if way == "map" {
            line.notes.push(
                "A time limit applies to a single call, so each call travels alone.".to_owned(),
            );
        }
        lines.push(line);
    }
    lines.push(memory(setting)?);
    Ok(lines)
}

/// What a memory limit costs code that does little but allocate.
fn memory(setting: &Setting) -> Result<Line> {
    const N: i64 = 400;
    let blocks = "def f(x):\n    for _ in range(2000): bytes(600)\n    return x";
    let f = Function::source(blocks, "f");
    let free = pool()?;
    let limited = Pool::builder().workers(N_WORKERS);
    let limited = limited.memory_limit(64 << 20).build()?;
    let mut contest = Contest::new();
    for (name, pool) in [(OURS, &free), ("owngil, with a memory limit", &limited)] {
        contest.add(Role::Ours, name, move || {
            let start = Instant::now();
            let sum: i64 = pool.map::<i64, _>(&f, 0..N).sum::<owngil::Result<i64>>()?;
            if sum != N * (N - 1) / 2 {
                return Err(format!("the sum of the results is {sum}").into());
            }
            Ok((N * 2000) as f64 / start.elapsed().as_secs_f64())
        });
    }
    let held = contest.hold(setting, setting.pick(9, 3));
    let title = "blocks of 600 bytes allocated, with a memory limit";
    let mut line = Line::new("limits", title, Unit::PerSecond);
    held.enter(&mut line);
    Ok(line)
}
