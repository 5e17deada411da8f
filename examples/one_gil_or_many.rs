//! The same pure-Python work on one GIL and on many: what `make run` runs.
//!
//! The work is real: over files of Python's standard library, find the words that are a keystroke
//! away from a frequent one (one_gil_or_many.py). Both pools have one worker per core; they differ
//! only in where their Python code runs, on threads of one interpreter or in an interpreter each.
//! Rounds alternate, so that what else the machine does hits both alike, and medians are compared.
//! Starting CPython, loading the function and a pass to warm up come before the clock.
//!
//! `OWNGIL_EXAMPLES=small` makes it a matter of a second, for the tests.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use owngil::{Backend, Function, Pool};

/// What a call gives: words that occur once, each with the frequent one that it looks like.
type Pairs = Vec<(String, String)>;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/one_gil_or_many.py");

fn main() -> ExitCode {
    match compare() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => eprintln!("error: the two did not find the same"),
        Err(error) => eprintln!("error: {error}"),
    }
    ExitCode::FAILURE
}

/// Prints the comparison; returns whether both pools found the same.
fn compare() -> owngil::Result<bool> {
    let is_small = std::env::var("OWNGIL_EXAMPLES").is_ok_and(|size| size == "small");
    let (n_files, n_rounds) = if is_small { (16, 1) } else { (80, 5) };

    let many = Pool::new()?;
    let n = many.n_workers();
    let one = Pool::builder()
        .backend(Backend::Thread)
        .workers(n)
        .build()?;
    let paths: Vec<String> = many.call(&Function::file(SCRIPT, "sources"), n_files)?;
    println!(
        "Python {}: look-alike words in {} files of the standard library, {n} workers\n",
        owngil::runtime_info()?.version,
        paths.len()
    );

    let work = Function::file(SCRIPT, "look_alikes");
    let expected = run(&one, &work, &paths)?.0;
    let mut is_same = run(&many, &work, &paths)?.0 == expected;

    println!("   round    one GIL   {n:>2} GILs");
    let (mut on_one, mut on_many) = (Vec::new(), Vec::new());
    let before = Load::now();
    for round in 1..=n_rounds {
        let (found_by_one, time_one) = run(&one, &work, &paths)?;
        let (found_by_many, time_many) = run(&many, &work, &paths)?;
        is_same &= found_by_one == expected && found_by_many == expected;
        println!(
            "   {round:>5}   {} {}",
            seconds(time_one),
            seconds(time_many)
        );
        on_one.push(time_one);
        on_many.push(time_many);
    }
    let load = before.zip(Load::now());

    let (time_one, time_many) = (median(on_one), median(on_many));
    let ratio = time_one.as_secs_f64() / time_many.as_secs_f64();
    println!("  median   {} {}\n", seconds(time_one), seconds(time_many));
    println!("{n} GILs are {ratio:.2} times as fast as one.");
    if is_same {
        let n_pairs: usize = expected.iter().map(Vec::len).sum();
        println!("Both found the same {n_pairs} pairs.");
    }
    println!("{}", verdict(n, load));
    Ok(is_same)
}

/// Runs all calls; what they gave, and how long it took.
fn run(pool: &Pool, work: &Function, paths: &[String]) -> owngil::Result<(Vec<Pairs>, Duration)> {
    let start = Instant::now();
    let found: owngil::Result<Vec<Pairs>> = pool.map(work, paths).collect();
    Ok((found?, start.elapsed()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn seconds(time: Duration) -> String {
    format!("{:>6.2} s", time.as_secs_f64())
}

/// The processor time that has been used, in seconds, as Linux counts it.
struct Load {
    at: Instant,
    n_cores: usize,
    /// By everything on this machine; what a hypervisor took away is counted too.
    by_all: f64,
    by_us: f64,
}

impl Load {
    /// Reads `/proc`; `None` on a system that has none.
    fn now() -> Option<Load> {
        const TICKS_PER_SECOND: f64 = 100.0;
        let ticks = |text: Option<&str>| text?.parse::<f64>().ok();
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let mut by_all = 0.0;
        // cpu user nice system idle iowait irq softirq steal …
        for (place, field) in machine.lines().next()?.split_whitespace().enumerate() {
            if matches!(place, 1..=3 | 6..=8) {
                by_all += ticks(Some(field))?;
            }
        }
        let us = std::fs::read_to_string("/proc/self/stat").ok()?;
        // What follows the program's name, which may hold anything: field 3 and on.
        let mut fields = us.rsplit_once(')')?.1.split_whitespace().skip(11);
        let by_us = ticks(fields.next())? + ticks(fields.next())?;
        Some(Load {
            at: Instant::now(),
            n_cores: machine
                .lines()
                .filter(|line| line.starts_with("cpu"))
                .count()
                - 1,
            by_all: by_all / TICKS_PER_SECOND,
            by_us: by_us / TICKS_PER_SECOND,
        })
    }
}

/// Whether the workers had a core each while the clock ran.
fn verdict(n_workers: usize, load: Option<(Load, Load)>) -> String {
    let Some((before, after)) = load else {
        return "Whether the cores were free cannot be told on this system.".to_owned();
    };
    let elapsed = after.at.duration_since(before.at).as_secs_f64();
    let by_us = after.by_us - before.by_us;
    let by_others = (after.by_all - before.by_all - by_us).max(0.0) / elapsed;
    let n_free = after.n_cores as f64 - by_others;
    if n_free > 0.95 * n_workers as f64 {
        "The cores were free.".to_owned()
    } else {
        format!(
            "The cores were not free: others used {by_others:.1} of {}, so the ratio says little.",
            after.n_cores
        )
    }
}
