//! Report: statistics as Python values.

use std::time::Duration;

use owngil_ffi::{Attached, Object, PyResult};

use crate::pool::{Moved, Stats, WorkerStats};

/// As `_native.Stats` describes it.
pub(super) fn stats<'a>(
    attached: Attached<'a>,
    stats: &Stats,
    moved: &[Moved],
) -> PyResult<'a, Object<'a>> {
    let report = attached.dict()?;
    let workers: PyResult<'a, Vec<_>> = stats
        .workers
        .iter()
        .map(|stats| worker(attached, stats))
        .collect();
    let places = attached.dict()?;
    for Moved { function, reason } in moved {
        places.insert(
            &attached.str(&function.to_string())?,
            &attached.str(reason)?,
        )?;
    }
    let entries = [
        ("workers", attached.list(workers?)?),
        ("queue_len", attached.int(stats.queue_len as i64)?),
        ("n_lost", attached.int(stats.n_lost as i64)?),
        ("moved", places),
        ("text", attached.str(&stats.to_string())?),
    ];
    fill(attached, &report, entries)?;
    Ok(report)
}

fn worker<'a>(attached: Attached<'a>, stats: &WorkerStats) -> PyResult<'a, Object<'a>> {
    let report = attached.dict()?;
    let seconds = |time: Duration| attached.float(time.as_secs_f64());
    let count = |n: u64| attached.int(n as i64);
    let entries = [
        ("backend", attached.str(&stats.backend.to_string())?),
        ("n_tasks", count(stats.n_tasks)?),
        ("n_failed", count(stats.n_failed)?),
        ("is_busy", attached.bool(stats.is_busy)),
        ("busy", seconds(stats.busy)?),
        ("waiting", seconds(stats.waiting)?),
        ("crossing", seconds(stats.crossing)?),
        (
            "cpu",
            stats.cpu.map_or_else(|| Ok(attached.none()), seconds)?,
        ),
        (
            "memory",
            stats.memory.map_or_else(|| Ok(attached.none()), count)?,
        ),
        ("n_restarts", count(stats.n_restarts)?),
    ];
    fill(attached, &report, entries)?;
    Ok(report)
}

fn fill<'a, const N: usize>(
    attached: Attached<'a>,
    dict: &Object<'a>,
    entries: [(&str, Object<'a>); N],
) -> PyResult<'a, ()> {
    for (name, value) in entries {
        dict.insert(&attached.str(name)?, &value)?;
    }
    Ok(())
}
