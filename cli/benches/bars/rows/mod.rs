//! Rows: the table that `ROWS=` chooses from, one file for each kind of measurement.

mod buffers;
mod command;
mod control;
mod extensions;
pub(crate) mod instructions;
mod latency;
pub(crate) mod memory;
mod placement;
mod processes;
mod scaling;
pub(crate) mod start;
mod tasks;
mod throughput;
mod values;

use crate::Result;
use crate::report::line::Line;
use crate::setting::Setting;

/// One row of the table.
pub(crate) struct Row {
    /// What `ROWS=` names it by.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) run: fn(&Setting) -> Result<Vec<Line>>,
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
        id: "host",
        title: "calls of host functions",
        run: latency::host,
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

/// Where a row stands among all.
pub(crate) fn place_of(id: &str) -> usize {
    let place = ROWS.iter().position(|row| row.id == id);
    place.unwrap_or(ROWS.len())
}
