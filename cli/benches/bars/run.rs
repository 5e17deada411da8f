//! Run: all rows, each in a process of its own.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Result;
use crate::measure::peers;
use crate::report::line::Line;
use crate::report::printed::Report;
use crate::rows::{ROWS, Row};
use crate::setting::{MARK, Setting};

/// How long a row may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(420);

/// Runs the rows, one after the other; whether all of them ran to their end, bars passed or not.
pub(crate) fn run_all(setting: &Setting, wanted: &[String]) -> Result<bool> {
    let known: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    if let Some(unknown) = wanted.iter().find(|id| !known.contains(id.as_str())) {
        let known: Vec<_> = ROWS.iter().map(|row| row.id).collect();
        return Err(format!("no row {unknown:?}; there are {}", known.join(", ")).into());
    }
    end_children_on_signal(setting.mark.clone())?;
    peers::prepare(setting);
    let report = Report::begin(setting);
    let mut lines = Vec::new();
    let mut all_ran = true;
    let rows = ROWS
        .iter()
        .filter(|row| wanted.is_empty() || wanted.iter().any(|id| id == row.id));
    for row in rows {
        let of_row = run_apart(setting, row).unwrap_or_else(|error| {
            all_ran = false;
            vec![Line::not_measured(
                row.id,
                row.title,
                &format!("FAILED: {error}"),
            )]
        });
        for line in &of_row {
            report.print(line);
        }
        lines.extend(of_row);
    }
    report.end(setting, lines, wanted.is_empty())?;
    Ok(all_ran)
}

/// Runs a row in a process of its own, which is ended with all its children if it takes too long.
fn run_apart(setting: &Setting, row: &Row) -> Result<Vec<Line>> {
    let mark = format!("{}{}.", setting.mark, row.id);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--row", row.id]).env(MARK, &mark);
    // Workers, not the threads of libraries, are what is compared.
    command.envs([("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1")]);
    if setting.quick {
        command.arg("--quick");
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let reader = thread::spawn(move || std::io::read_to_string(output));
    let start = Instant::now();
    while child.try_wait()?.is_none() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    let in_time = child.try_wait()?;
    peers::end_all(&mark);
    let status = child.wait()?;
    let text = reader
        .join()
        .map_err(|_| "its output could not be read")??;
    match in_time {
        None => Err("it took too long".into()),
        Some(_) if !status.success() => Err(format!("it ended with {status}").into()),
        Some(_) => Ok(serde_json::from_str(
            text.lines().last().unwrap_or_default(),
        )?),
    }
}

/// Runs a row in this process, and prints its lines as JSON.
pub(crate) fn run_here(setting: &Setting, id: &str) -> Result<()> {
    let row = ROWS.iter().find(|row| row.id == id).ok_or("no such row")?;
    let lines = (row.run)(setting)?;
    println!("{}", serde_json::to_string(&lines)?);
    // What else runs in this process is of no use any more.
    owngil::exit(0)
}

fn end_children_on_signal(mark: String) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // This process has no mark of its own.
            peers::end_all(&mark);
            std::process::exit(130);
        }
    });
    Ok(())
}
