//! Start: how long it takes until the first result, of a pool and of the command.
//!
//! CPython starts once per process, so every sample is a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crossbeam_channel::unbounded;
use owngil::Function;
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, TINY, function, work};
use crate::measure::peers::{self, Peer};
use crate::measure::spawn;
use crate::report::line::{Line, Role, Unit, median};
use crate::rows::throughput;
use crate::setting::{N_WORKERS, Setting};

const OURS: &str = "owngil";

/// Two interpreters ready and a first result, against the bare C calls in parallel.
pub(crate) fn interpreters(setting: &Setting) -> Result<Vec<Line>> {
    const BARE: &str = "bare interpreters";
    let mut contest = Contest::new().peers_for(setting.pick(5, 1)).with_strays();
    contest.add(Role::Limit, BARE, || spawn::figure(&["start-bare"]));
    contest.add(Role::Ours, OURS, || spawn::figure(&["start-pool"]));
    let with_start = [
        peers::INTERPRETERS,
        peers::POOL,
        peers::PROCESSES,
        peers::THREADS,
        peers::JOBLIB,
        peers::MPIRE,
    ];
    for peer in with_start {
        // A round tells what is missing: each sample has a new Python.
        contest.add(Role::Peer, peer.name, move || first_result(setting, &peer));
    }
    let held = contest.hold(setting, setting.pick(25, 9));
    let mut line = Line::new("start", "2 interpreters ready, first result", Unit::Seconds);
    held.enter(&mut line);
    let ratio = held.ratio(OURS, BARE);
    line.at_most(1.15, "the bare interpreters", ratio, Unit::Times);
    line.notes
        .push("CPython is already running in each case.".to_owned());
    Ok(vec![line])
}

fn first_result(setting: &Setting, peer: &Peer) -> Result<f64> {
    peer.start(setting)?.figure("start", json!({}))
}

/// The child that makes a pool.
pub(crate) fn pool_child() -> Result<f64> {
    owngil::runtime_info()?;
    let f = Function::source(TINY, "f");
    let start = Instant::now();
    let pool = throughput::pool()?;
    let value: i64 = pool.call(&f, 1)?;
    let elapsed = start.elapsed();
    if value != 2 {
        return Err("1 + 1 is 2".into());
    }
    Ok(elapsed.as_secs_f64())
}

/// The child that makes bare interpreters.
pub(crate) fn bare_child() -> Result<f64> {
    owngil::runtime_info()?;
    let start = Instant::now();
    let bare = Bare::start(TINY)?;
    let (_, value) = bare.some(1, |_| {
        work(|attached, globals| {
            let value = function(globals, "f")?.call(&[attached.int(1)?])?;
            Ok(value.as_i64().unwrap_or(0) as f64)
        })
    })?;
    let elapsed = start.elapsed();
    if value != 2.0 {
        return Err("1 + 1 is 2".into());
    }
    Ok(elapsed.as_secs_f64())
}

/// The command, from its start to its first line, against a Python that does nothing.
pub(crate) fn command(setting: &Setting) -> Result<Vec<Line>> {
    const PYTHON: &str = "python -c pass";
    const FIRST: &str = "owngil map, first result";
    let file = setting.peers().join("tiny.py");
    let function = format!("{}:f", file.display());
    let mut contest = Contest::new();
    contest.add(Role::Limit, PYTHON, || {
        let start = Instant::now();
        let status = Command::new(&setting.python)
            .args(["-c", "pass"])
            .status()?;
        if !status.success() {
            return Err(format!("python ended with {status}").into());
        }
        Ok(start.elapsed().as_secs_f64())
    });
    contest.add(Role::Ours, FIRST, || {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_owngil"))
            .args(["map", "--input", "jsonl", &function, "1", "1"])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(output).read_line(&mut line)?;
        let elapsed = start.elapsed();
        let status = child.wait()?;
        if line != "2\n" {
            return Err(format!("owngil printed {line:?} and ended with {status}").into());
        }
        Ok(elapsed.as_secs_f64())
    });
    let held = contest.hold(setting, setting.pick(31, 11));
    let mut line = Line::new("command", "the command, first result", Unit::Seconds);
    held.enter(&mut line);
    let more = held.pairs(FIRST, PYTHON, |ours, python| ours - python);
    let more = median(&more).unwrap_or(f64::NAN);
    line.at_most(0.025, &format!("over {PYTHON}"), more, Unit::Seconds);
    line.notes
        .push(format!("With {N_WORKERS} inputs, and so as many workers."));
    Ok(vec![line])
}

/// As many bare interpreters as that, on threads of their own, which then wait.
pub(crate) fn idle_interpreters(n: usize) -> Result<Vec<crossbeam_channel::Sender<()>>> {
    let runtime = owngil_ffi::Runtime::start(&owngil_ffi::Config::default())?;
    let (ready, started) = unbounded();
    let mut threads = Vec::new();
    for _ in 0..n {
        let (keep, ended) = unbounded::<()>();
        let ready = ready.clone();
        std::thread::Builder::new()
            .stack_size(owngil_ffi::STACK_SIZE)
            .spawn(move || {
                let mut made = owngil_ffi::Interpreter::new(runtime).ok();
                // As CPython makes them, which runs `site`.
                let run_site = |attached: owngil_ffi::Attached<'_>| {
                    attached
                        .site()
                        .and_then(|site| site.invoke("main", &[]))
                        .is_ok()
                };
                let is_ready = made.as_mut().is_some_and(|made| made.attach(run_site));
                let _ = ready.send(is_ready);
                let _ = ended.recv();
            })?;
        threads.push(keep);
    }
    for _ in 0..n {
        if !started.recv()? {
            return Err("an interpreter could not be made".into());
        }
    }
    Ok(threads)
}
