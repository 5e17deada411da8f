//! Instructions: what a task costs in owngil's own code, counted by valgrind as the pool grows.
//!
//! No machine at hand has 64 cores; an instruction count does not need them, and does not drift. It
//! counts what is in this program's file alone, the standard library and the channels that are compiled
//! into it included, CPython and the C library not. Two runs of different length are counted, and their
//! difference divided, so that what a run costs once falls out.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use owngil::{Function, Pool};

use crate::Result;
use crate::measure::limits::TINY;
use crate::report::line::{Entry, Line, Role, Unit};
use crate::setting::Setting;

const N_WORKERS: [usize; 4] = [1, 2, 8, 64];

/// Tasks in the shorter run of submissions; the longer one has three times as many.
const N_TASKS: usize = 10_000;

/// The same of a map, whose batches grow at first.
const N_MAPPED: usize = 100_000;

/// Where the counting is cut: valgrind writes down what it counted since the last cut.
#[inline(never)]
fn owngil_bench_cut(number: u32) -> u32 {
    black_box(number)
}

/// The child that valgrind watches.
pub(crate) fn child(n_workers: usize) -> Result<f64> {
    let pool = Pool::builder().workers(n_workers).build()?;
    let f = Function::source(TINY, "f");
    pool.load(&f)?;
    let map = |n: usize| -> Result<()> {
        for value in pool.map(&f, 0..n) {
            let _: usize = value?;
        }
        Ok(())
    };
    let submit = |n: usize| -> Result<()> {
        // In runs that fit into the queue, so that no thread waits for room.
        for _ in 0..n / 500 {
            let tasks: owngil::Result<Vec<_>> = (0..500_usize)
                .map(|x| pool.submit::<usize, _>(&f, x))
                .collect();
            for task in tasks? {
                task.wait()?;
            }
        }
        Ok(())
    };
    map(N_MAPPED)?;
    submit(N_TASKS)?;
    owngil_bench_cut(0);
    map(N_MAPPED)?;
    owngil_bench_cut(1);
    map(3 * N_MAPPED)?;
    owngil_bench_cut(2);
    submit(N_TASKS)?;
    owngil_bench_cut(3);
    submit(3 * N_TASKS)?;
    owngil_bench_cut(4);
    Ok(0.0)
}

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    const TITLES: [&str; 2] = [
        "own instructions per task, map",
        "own instructions per task, submit",
    ];
    let valgrind = std::env::var_os("VALGRIND").map_or_else(|| "valgrind".into(), PathBuf::from);
    if Command::new(&valgrind).arg("--version").output().is_err() {
        let missing = |title: &&str| {
            Line::not_measured("instructions", *title, "not measured here: no valgrind")
        };
        return Ok(TITLES.iter().map(missing).collect());
    }
    let mut counted: Vec<(String, [f64; 2])> = Vec::new();
    // Most of the time goes into starting 64 interpreters.
    for &n in &N_WORKERS[..setting.pick(4, 3)] {
        let name = if n == 1 {
            "1 worker".to_owned()
        } else {
            format!("{n} workers")
        };
        counted.push((name, count(setting, &valgrind, n)?));
    }
    let mut lines = Vec::new();
    for (place, title) in TITLES.iter().enumerate() {
        let mut line = Line::new("instructions", *title, Unit::Instructions);
        let figures: Vec<f64> = counted.iter().map(|(_, both)| both[place]).collect();
        for (name, both) in &counted {
            line.entries
                .push(Entry::of(name, Role::Ours, &[both[place]]));
        }
        let most = figures.iter().copied().fold(f64::MIN, f64::max);
        let least = figures.iter().copied().fold(f64::MAX, f64::min);
        line.at_most(1.1, "from the least to the most", most / least, Unit::Times);
        lines.push(line);
    }
    Ok(lines)
}

/// Instructions per task of a map, and of single submissions.
fn count(setting: &Setting, valgrind: &Path, n_workers: usize) -> Result<[f64; 2]> {
    let folder = setting
        .root
        .join(format!("target/callgrind-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--dump-before=*owngil_bench_cut*"])
        .arg(format!("--callgrind-out-file={}/out", folder.display()))
        .arg(std::env::current_exe()?)
        .args(["--child", "instructions", &n_workers.to_string()])
        .output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = errors.lines().last().unwrap_or_default();
        return Err(format!("valgrind ended with {}: {last}", output.status).into());
    }
    // The part before cut n is file n + 1; the first is the start.
    let program = std::env::current_exe()?;
    let part = |number: u32| {
        let text = std::fs::read_to_string(folder.join(format!("out.{number}")))?;
        own_instructions(&text, &program.to_string_lossy())
    };
    let per_task = |short: f64, long: f64, n: usize| (long - short) / (2 * n) as f64;
    let figures = [
        per_task(part(2)?, part(3)?, N_MAPPED),
        per_task(part(4)?, part(5)?, N_TASKS),
    ];
    let _ = std::fs::remove_dir_all(&folder);
    Ok(figures)
}

/// The instructions of a callgrind file that are in this program's own code: the cost lines under its
/// object's name, without those that follow a `calls=` line, which tell the callee's cost.
fn own_instructions(text: &str, program: &str) -> Result<f64> {
    let mut own_id = None;
    let (mut is_own, mut is_callee, mut sum) = (false, false, 0_u64);
    for line in text.lines() {
        if let Some(object) = line
            .strip_prefix("ob=")
            .or_else(|| line.strip_prefix("cob="))
        {
            // `(7) /path/of/the/object` at first, `(7)` afterwards.
            let (id, name) = object.split_once(' ').unwrap_or((object, ""));
            if name == program {
                own_id = Some(id);
            }
            if line.starts_with("ob=") {
                is_own = own_id == Some(id);
            }
        } else if line.starts_with("calls=") {
            is_callee = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*')) {
            if is_own && !is_callee {
                let cost = line
                    .split(' ')
                    .nth(1)
                    .and_then(|cost| cost.parse::<u64>().ok());
                sum += cost.unwrap_or(0);
            }
            is_callee = false;
        }
    }
    if own_id.is_none() {
        return Err("valgrind's file does not name this program".into());
    }
    Ok(sum as f64)
}
