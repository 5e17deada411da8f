//! Row: the rows of the table, each run in a process of its own.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::line::Line;
use crate::setting::{MARK, Setting};
use crate::{Result, peers, report};
use crate::{
    buffers, command, control, extensions, instructions, latency, memory, placement, processes,
    scaling, start, tasks, throughput, values,
};

/// One row of the table.
pub(crate) struct Row {
    /// What `ROWS=` names it by.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    run: fn(&Setting) -> Result<Vec<Line>>,
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        id: "map",
        title: "map of 4 M ints",
        run: throughput::map,
    },
    Row {
        id: "submit",
        title: "submit one by one, results collected",
        run: throughput::submit,
    },
    Row {
        id: "call",
        title: "call, one at a time",
        run: latency::call,
    },
    Row {
        id: "tasks",
        title: "map over tasks of all lengths",
        run: tasks::lines,
    },
    Row {
        id: "dicts",
        title: "1 000 dicts of 6 keys, in and out",
        run: values::dicts,
    },
    Row {
        id: "bytes",
        title: "bytes in and out",
        run: buffers::bytes,
    },
    Row {
        id: "buffers",
        title: "bytes in and out, without a copy",
        run: buffers::shared,
    },
    Row {
        id: "dataclass",
        title: "dataclass holding 16 MB",
        run: buffers::dataclass,
    },
    Row {
        id: "start",
        title: "2 interpreters ready, first result",
        run: start::interpreters,
    },
    Row {
        id: "command",
        title: "the command",
        run: command::lines,
    },
    Row {
        id: "idle",
        title: "memory of an idle worker",
        run: memory::idle,
    },
    Row {
        id: "thousand",
        title: "a pool of 1 000",
        run: memory::thousand,
    },
    Row {
        id: "flat",
        title: "growth over 10 M tasks",
        run: memory::flat,
    },
    Row {
        id: "instructions",
        title: "own instructions per task",
        run: instructions::lines,
    },
    Row {
        id: "deadlines",
        title: "stuck calls and their deadlines",
        run: control::deadlines,
    },
    Row {
        id: "limits",
        title: "what a time limit costs",
        run: control::limits,
    },
    Row {
        id: "processes",
        title: "worker processes",
        run: processes::lines,
    },
    Row {
        id: "scaling",
        title: "scaling over 21 workloads",
        run: scaling::lines,
    },
    Row {
        id: "extensions",
        title: "extension modules in private copies",
        run: extensions::lines,
    },
    Row {
        id: "placement",
        title: "numpy and pandas in the command",
        run: placement::lines,
    },
];

/// How long a row may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(420);

/// Where a row stands among all.
pub(crate) fn place_of(id: &str) -> usize {
    let place = ROWS.iter().position(|row| row.id == id);
    place.unwrap_or(ROWS.len())
}

/// Runs the rows, one after the other; whether all of them ran to their end, bars passed or not.
pub(crate) fn run_all(setting: &Setting, wanted: &[String]) -> Result<bool> {
    let known: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    if let Some(unknown) = wanted.iter().find(|id| !known.contains(id.as_str())) {
        let known: Vec<_> = ROWS.iter().map(|row| row.id).collect();
        return Err(format!("no row {unknown:?}; there are {}", known.join(", ")).into());
    }
    end_children_on_signal(setting.mark.clone())?;
    peers::prepare(setting);
    let report = report::Report::begin(setting);
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
