//! Placement: the command on a function that imports numpy and pandas, in interpreters with private
//! copies, which it chooses by itself, and in worker processes.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::measure::contest::Contest;
use crate::report::line::{Entry, Line, Role, Unit};
use crate::setting::{N_WORKERS, Setting};

const ROW: &str = "placement";

/// The arguments of the command, besides function and inputs.
const PLACES: [(&str, Role, &[&str]); 2] = [
    ("owngil", Role::Ours, &[]),
    ("--backend process", Role::Peer, &["--backend", "process"]),
];

/// What a run takes.
struct Taken {
    /// From the command's start to its last result, in seconds.
    time: f64,
    /// Of all its processes together once everything is done, in bytes: their proportional share.
    memory: f64,
}

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    let title = "owngil map over numpy and pandas";
    if let Err(reason) = setting.python_with_packages() {
        return Ok(vec![Line::not_measured(ROW, title, &reason.to_string())]);
    }
    let n_inputs = setting.pick(400, 100);
    let memory: [RefCell<Vec<f64>>; 2] = Default::default();
    let mut contest = Contest::new();
    for ((name, role, options), memory) in PLACES.iter().zip(&memory) {
        contest.add(*role, *name, move || {
            let taken = run(setting, options, n_inputs)?;
            memory.borrow_mut().push(taken.memory);
            Ok(taken.time)
        });
    }
    let held = contest.hold(setting, setting.pick(9, 3));

    let mut time = Line::new(ROW, format!("{title}: time"), Unit::Seconds);
    held.enter(&mut time);
    time.notes.push(format!(
        "{n_inputs} inputs, from the command's start to its last result, imports included."
    ));
    let mut share = Line::new(ROW, format!("{title}: memory"), Unit::Bytes);
    for ((name, role, _), memory) in PLACES.iter().zip(&memory) {
        share.entries.push(Entry::of(name, *role, &memory.borrow()));
    }
    share.notes.push(format!(
        "Proportional set size (PSS) of the command and {N_WORKERS} workers, summed over all processes, after the last result."
    ));
    Ok(vec![time, share])
}

fn run(setting: &Setting, options: &[&str], n_inputs: usize) -> Result<Taken> {
    let function = format!("{}:both", setting.peers().join("packages.py").display());
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_owngil"))
        .args(["map", "-q", "-j", &N_WORKERS.to_string()])
        .args(options)
        .args(["--input", "jsonl", "--python"])
        .arg(setting.python_with_packages()?)
        .arg(function)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    let output = child.stdout.take().ok_or("no standard output")?;
    input.write_all("2\n".repeat(n_inputs).as_bytes())?;
    input.flush()?;
    // The input stays open: the command's workers live until it has been measured.
    let n_results = BufReader::new(output).lines().take(n_inputs).count();
    let time = start.elapsed().as_secs_f64();
    let memory = share(child.id());
    drop(input);
    let status = child.wait()?;
    if n_results != n_inputs || !status.success() {
        return Err(format!("{n_results} results of {n_inputs}, {status}").into());
    }
    Ok(Taken {
        time,
        memory: memory? as f64,
    })
}

/// The proportional share of a process and of all that descend from it, in bytes.
fn share(id: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let mut bytes = kib.ok_or("no Pss in smaps_rollup")?.parse::<u64>()? << 10;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        for child in fs::read_to_string(thread?.path().join("children"))?.split_whitespace() {
            bytes += share(child.parse()?)?;
        }
    }
    Ok(bytes)
}
