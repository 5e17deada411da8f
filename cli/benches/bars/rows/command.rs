//! Command: the command against what else runs a script over many inputs, and from pipe to pipe.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::Result;
use crate::measure::contest::Contest;
use crate::report::line::{Line, Role, Unit};
use crate::rows::start;
use crate::setting::{N_WORKERS, Setting};

const ROW: &str = "command";
const OURS: &str = "owngil run";
const XARGS: &str = "xargs -P";
const PARALLEL: &str = "GNU parallel";
const POOL: &str = "multiprocessing.Pool and runpy";

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    let mut lines = start::command(setting)?;
    lines.push(five_lines(setting)?);
    lines.push(with_imports(setting)?);
    lines.push(cpu_bound(setting)?);
    lines.extend(from_pipe_to_pipe(setting)?);
    Ok(lines)
}

/// A script over many inputs.
struct Job {
    script: PathBuf,
    python: PathBuf,
    n: usize,
    /// Of them for those that start a process for each.
    n_for_processes: usize,
}

fn five_lines(setting: &Setting) -> Result<Line> {
    let job = Job {
        script: setting.peers().join("scripts/five_lines.py"),
        python: setting.python.clone(),
        n: 10_000,
        n_for_processes: setting.pick(1000, 200),
    };
    let mut line = job.line(setting, "10 000 runs of a script of 5 lines")?;
    let (ours, xargs) = (line.median(OURS), line.median(XARGS));
    let times = ours.unwrap_or(f64::NAN) / xargs.unwrap_or(f64::NAN);
    line.at_least(100.0, "as fast as xargs -P", times, Unit::Times);
    Ok(line)
}

fn with_imports(setting: &Setting) -> Result<Line> {
    let job = Job {
        script: setting.peers().join("scripts/with_imports.py"),
        python: setting.python.clone(),
        n: 1000,
        n_for_processes: setting.pick(200, 50),
    };
    job.line(setting, "1 000 runs of a script with imports")
}

fn cpu_bound(setting: &Setting) -> Result<Line> {
    let n = setting.pick(100, 50);
    let job = Job {
        script: setting.peers().join("scripts/cpu_bound.py"),
        python: setting.python.clone(),
        n,
        n_for_processes: n,
    };
    let mut line = job.line(setting, "100 CPU-bound runs of a script")?;
    let peers = [XARGS, PARALLEL, POOL].map(|peer| line.median(peer));
    let best = peers.into_iter().flatten().fold(f64::NAN, f64::max);
    let times = line.median(OURS).unwrap_or(f64::NAN) / best;
    line.at_least(1.0, "as fast as the best peer", times, Unit::Times);
    Ok(line)
}

impl Job {
    fn line(&self, setting: &Setting, title: &str) -> Result<Line> {
        let jobs = N_WORKERS.to_string();
        let lines = |n: usize| names(n).collect::<Vec<_>>().join("\n") + "\n";
        let (input, all) = (lines(self.n_for_processes), lines(self.n));
        let mut contest = Contest::new().with_strays().peers_for(setting.pick(3, 1));
        contest.add(Role::Ours, OURS, || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_owngil"));
            command.args(["run", "-j", &jobs, "--python"]);
            command.arg(&self.python).arg(&self.script).arg(":::");
            command.args(names(self.n));
            self.rate(self.n, command, "")
        });
        contest.add(Role::Peer, XARGS, || {
            let mut command = Command::new("xargs");
            command.args(["-P", &jobs, "-n", "1"]);
            command.arg(&self.python).arg(&self.script);
            self.rate(self.n_for_processes, command, &input)
        });
        match is_gnu_parallel() {
            true => contest.add(Role::Peer, PARALLEL, || {
                let mut command = Command::new("parallel");
                command.args(["--will-cite", "-j", &jobs]);
                command.arg(&self.python).arg(&self.script);
                self.rate(self.n_for_processes, command, &input)
            }),
            false => {
                let reason = "skipped: it is not installed (Debian's package is `parallel`)";
                eprintln!("{title}: {PARALLEL} {reason}");
                contest.add_missing(PARALLEL, reason.to_owned());
            }
        }
        contest.add(Role::Peer, POOL, || {
            let mut command = Command::new(&self.python);
            command.arg(setting.peers().join("script_pool.py"));
            command.arg(&self.script).arg(&jobs);
            self.rate(self.n, command, &all)
        });
        let held = contest.hold(setting, setting.pick(3, 2));
        let mut line = Line::new(ROW, title, Unit::PerSecond);
        held.enter(&mut line);
        line.notes.push(
            "Runs per second, with the start of the command; each has two workers.".to_owned(),
        );
        if self.n_for_processes < self.n {
            let n = self.n_for_processes;
            line.notes.push(format!(
                "{XARGS} and {PARALLEL} make the first {n} of the runs, since each of theirs costs the same."
            ));
        }
        Ok(line)
    }

    /// Runs the command, which must print a line for each of `n` inputs; how many it makes in a second.
    fn rate(&self, n: usize, mut command: Command, input: &str) -> Result<f64> {
        let start = Instant::now();
        let mut child = command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no standard input")?;
        let input = input.to_owned();
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let mut output = String::new();
        let mut stdout = child.stdout.take().ok_or("no standard output")?;
        stdout.read_to_string(&mut output)?;
        let status = child.wait()?;
        let elapsed = start.elapsed().as_secs_f64();
        let _ = writer.join();
        let n_lines = output.lines().count();
        if !status.success() || n_lines != n {
            return Err(format!("{n_lines} lines of {n}, and {status}").into());
        }
        Ok(n as f64 / elapsed)
    }
}

fn names(n: usize) -> impl Iterator<Item = String> {
    (1..=n).map(|number| number.to_string())
}

/// Others have given other programs the same name.
fn is_gnu_parallel() -> bool {
    let output = Command::new("parallel").arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("GNU parallel"))
}

/// A million short lines in, a million results out.
fn from_pipe_to_pipe(setting: &Setting) -> Result<Vec<Line>> {
    const N: usize = 1_000_000;
    const NAME: &str = "owngil map";
    let function = format!("{}:f", setting.peers().join("tiny.py").display());
    let mut grown = Vec::new();
    let mut contest = Contest::new();
    contest.add(Role::Ours, NAME, || {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_owngil"))
            .args(["map", "-j", &N_WORKERS.to_string(), "--input", "jsonl"])
            .args(["--output", "jsonl", "--python"])
            .arg(&setting.python)
            .arg(&function)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no standard input")?;
        let writer = thread::spawn(move || {
            let lines: String = (0..N).map(|number| format!("{number}\n")).collect();
            stdin.write_all(lines.as_bytes())
        });
        let memory = read_results(&mut child, N)?;
        grown.push(memory);
        let status = child.wait()?;
        let elapsed = start.elapsed().as_secs_f64();
        let _ = writer.join();
        match status.success() {
            true => Ok(N as f64 / elapsed),
            false => Err(format!("it ended with {status}").into()),
        }
    });
    let held = contest.hold(setting, setting.pick(7, 3));
    let title = "1 M short inputs, from pipe to pipe";
    let mut rate = Line::new(ROW, title, Unit::PerSecond);
    held.enter(&mut rate);
    let median = rate.median(NAME).unwrap_or(f64::NAN);
    rate.at_least(500_000.0, "from start to end", median, Unit::PerSecond);
    let grown = grown.into_iter().fold(f64::NAN, f64::max);
    let mut memory = Line::new(ROW, "memory over 1 M short inputs", Unit::Bytes);
    memory.on_busy_cores = held.on_busy_cores();
    let entry = crate::report::line::Entry::of(NAME, Role::Ours, &[grown]);
    memory.entries.push(entry);
    memory.at_most(8e6, "more after the first 100 000", grown, Unit::Bytes);
    Ok(vec![rate, memory])
}

/// Reads all results, which must be right; by how many bytes the most memory that was used grew after the
/// first tenth.
fn read_results(child: &mut Child, n: usize) -> Result<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut output = BufReader::with_capacity(64 << 10, child.stdout.take().ok_or("no output")?);
    let (mut early, mut late) = (0.0, 0.0);
    let (mut line, mut sum) = (String::new(), 0);
    for number in 0..n {
        line.clear();
        output.read_line(&mut line)?;
        sum += line.trim_end().parse::<usize>()?;
        if number == n / 10 {
            early = peak(Path::new(&status))?;
        } else if number == n - n / 50 {
            late = peak(Path::new(&status))?;
        }
    }
    match sum == n * (n + 1) / 2 {
        true => Ok(late - early),
        false => Err(format!("the sum of the results is {sum}").into()),
    }
}

fn peak(status: &Path) -> Result<f64> {
    let status = fs::read_to_string(status)?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(figure.ok_or("no VmHWM")?.parse::<f64>()? * 1024.0)
}
