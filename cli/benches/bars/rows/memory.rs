//! Memory: what a worker takes while it is idle, whether a thousand of them live, and whether
//! memory stays flat over many tasks.

use std::collections::VecDeque;
use std::time::Instant;

use owngil::{Function, Pool};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::TINY;
use crate::measure::{peers, spawn};
use crate::report::line::{Line, Role, Unit};
use crate::rows::start;
use crate::rows::throughput::{add_peers, pool};
use crate::setting::Setting;

const OURS: &str = "owngil";

/// An idle worker, against an idle bare interpreter on a thread.
pub(crate) fn idle(setting: &Setting) -> Result<Vec<Line>> {
    let mut contest = Contest::new().peers_for(1);
    contest.add(Role::Limit, "bare interpreter", || {
        each("idle-interpreters")
    });
    contest.add(Role::Ours, OURS, || each("idle-workers"));
    add_peers(
        &mut contest,
        setting,
        &[peers::INTERPRETERS, peers::PROCESSES],
        |peer| peer.figure("memory", json!({})),
    );
    let held = contest.hold(setting, setting.pick(5, 2));
    let mut line = Line::new("idle", "memory of an idle worker", Unit::Bytes);
    held.enter(&mut line);
    let ours = line.median(OURS).unwrap_or(f64::NAN);
    line.at_most(2.6e6, "for each worker", ours, Unit::Bytes);
    line.notes.push(
        "Resident memory; for processes, the proportional share. Forked processes share pages that they have not written."
            .to_owned(),
    );
    Ok(vec![line])
}

/// What each of 32 takes beyond the first two.
fn each(child: &str) -> Result<f64> {
    let (few, many) = (
        spawn::figure(&[child, "2"])?,
        spawn::figure(&[child, "34"])?,
    );
    Ok((many - few) / 32.0)
}

pub(crate) fn idle_workers(n: usize) -> Result<f64> {
    let pool = Pool::builder().workers(n).build()?;
    let resident = resident();
    drop(pool);
    resident
}

pub(crate) fn idle_interpreters(n: usize) -> Result<f64> {
    let _interpreters = start::idle_interpreters(n)?;
    resident()
}

/// A pool of 1 000, all of which answer.
pub(crate) fn thousand(_setting: &Setting) -> Result<Vec<Line>> {
    const N: f64 = 1000.0;
    let mut contest = Contest::new();
    let answers = std::cell::Cell::new(0.0);
    contest.add(Role::Ours, OURS, || {
        let start = Instant::now();
        answers.set(spawn::figure(&["many-workers", "1000"])?);
        Ok(start.elapsed().as_secs_f64())
    });
    let held = contest.hold_once();
    let title = "a pool of 1 000: created, called, shut down";
    let mut line = Line::new("thousand", title, Unit::Seconds);
    held.enter(&mut line);
    line.at_least(N, "workers answered", answers.get(), Unit::Count);
    Ok(vec![line])
}

/// How many workers answer, each from its own interpreter.
pub(crate) fn many_workers(n: usize) -> Result<f64> {
    let pool = Pool::builder().workers(n).build()?;
    let f = Function::source(TINY, "f");
    let mut n_answers = 0;
    for value in pool.broadcast::<i64, _>(&f, 1)? {
        n_answers += usize::from(value? == 2);
    }
    pool.shutdown();
    Ok(n_answers as f64)
}

/// Ten million tasks; by how much memory grew after the first ten thousand.
pub(crate) fn flat(_setting: &Setting) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (what, child) in [("map", "flat-map"), ("submit", "flat-submit")] {
        let mut contest = Contest::new();
        contest.add(Role::Ours, OURS, || spawn::figure(&[child, "10000000"]));
        let held = contest.hold_once();
        let title = format!("growth over 10 M tasks, {what}");
        let mut line = Line::new("flat", title, Unit::Bytes);
        held.enter(&mut line);
        let grown = line.median(OURS).unwrap_or(f64::NAN);
        line.at_most(1e6, "more after the first 10 000", grown, Unit::Bytes);
        lines.push(line);
    }
    Ok(lines)
}

const N_FIRST: usize = 10_000;
const N_BETWEEN: usize = 100_000;

/// The largest resident memory that is seen, less that after the first tasks.
struct Growth {
    n_tasks: usize,
    first: f64,
    most: f64,
}

impl Growth {
    fn new() -> Growth {
        Growth {
            n_tasks: 0,
            first: 0.0,
            most: 0.0,
        }
    }

    /// Counts a task that is done.
    fn count(&mut self) -> Result<()> {
        self.n_tasks += 1;
        if self.n_tasks == N_FIRST {
            self.first = resident()?;
        }
        if self.n_tasks.is_multiple_of(N_BETWEEN) {
            self.most = self.most.max(resident()?);
        }
        Ok(())
    }

    fn bytes(&self) -> f64 {
        (self.most - self.first).max(0.0)
    }
}

pub(crate) fn flat_map(n: usize) -> Result<f64> {
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut growth = Growth::new();
    for value in pool.map(&f, 0..n) {
        let _: usize = value?;
        growth.count()?;
    }
    Ok(growth.bytes())
}

/// With at most a thousand tasks that have not been waited for.
pub(crate) fn flat_submit(n: usize) -> Result<f64> {
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut growth = Growth::new();
    let mut waiting = VecDeque::new();
    for x in 0..n {
        waiting.push_back(pool.submit::<usize, _>(&f, x)?);
        if waiting.len() > 1000
            && let Some(task) = waiting.pop_front()
        {
            task.wait()?;
            growth.count()?;
        }
    }
    Ok(growth.bytes())
}

/// This process's resident memory, in bytes.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(figure.ok_or("no resident memory")?.parse::<f64>()? * 1024.0)
}
