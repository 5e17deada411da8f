//! Page: docs/benchmarks.md and its charts, which a full run of all rows writes.
//!
//! What stands between the two marks is kept by hand: why a row does not pass, with its profile.

use std::fmt::Write;
use std::path::Path;

use crate::Result;
use crate::report::chart::{Chart, ChartRow, Group, Scale};
use crate::report::line::{Entry, Line, Role, Unit, Verdict};
use crate::report::printed::Run;

const KEPT_FROM: &str = "<!-- kept by hand: from here -->";
const KEPT_TO: &str = "<!-- kept by hand: to here -->";

/// The sections of the page, with the rows whose lines they show.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Tiny tasks", &["map", "submit", "call"]),
    ("Tasks of all lengths", &["tasks"]),
    ("Values", &["dicts", "bytes", "buffers", "dataclass"]),
    ("Start", &["start", "command"]),
    ("Memory", &["idle", "thousand", "flat"]),
    ("Worker processes", &["processes"]),
    ("Control", &["deadlines", "limits"]),
    ("Cost as the pool grows", &["instructions"]),
    ("Scaling of CPU-bound work", &["scaling"]),
    ("Extension modules", &["extensions", "placement"]),
];

const METHOD: &str = "\
Each row runs in a process of its own, with two workers.
The *limit* (a bare loop or copy that nothing can beat), owngil and its peers take turns in rounds; the first round warms up and does not count.
Ratios are computed within a round, and the median over the rounds is compared with the bar.
Before and after each round, the same loop runs on one thread and on two at once. If the two times differ, other programs use the cores, and the round is repeated; a row that never finds idle cores is marked.

- *Bare calls* are a Rust loop in each of two interpreters at once: create an int, vectorcall `f`, read an int. `f` is `def f(x): return x + 1`.
- *The bare hand-over* is a message over a crossbeam channel to another thread and back.
- *Ideal* is half of the tasks' busy time, measured in the same round with two bare interpreters that take the same tasks from a counter.
- *Copies* are measured in the same run, into memory as fresh as the pool's.
- Peers run on the same Python with two workers, warm pools, and a chunk size that suits them: 256 for `multiprocessing.Pool.imap`, `ProcessPoolExecutor.map` and mpire, and joblib's own choice for joblib. For tasks of all lengths the chunk size is 1, or mpire's and joblib's own choice. owngil always chooses by itself.
- Peers take part in fewer rounds, and with fewer tasks in long rows.
";

const NOT: &str = "\
They do not predict the gain of your program. With tasks of a millisecond and more and small arguments, all pools of interpreters or processes are nearly equal, and the work itself decides.
They do not show many cores: the machine had two, and the instruction counts stand in for more.
Absolute figures differ more between machines and builds of Python than between versions of owngil; ratios are more portable.
";

/// The chart of a row.
struct Drawn {
    row: &'static str,
    title: &'static str,
    subtitle: &'static str,
    unit: Unit,
    scale: Scale,
    marks: &'static [(f64, &'static str)],
}

/// The rows that have a chart, which is named after its row.
const DRAWN: &[Drawn] = &[
    Drawn {
        row: "map",
        title: "Tiny tasks through map",
        subtitle: "tasks per second, logarithmic: further right is better",
        unit: Unit::PerSecond,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "submit",
        title: "Tiny tasks, submitted one by one",
        subtitle: "tasks per second, logarithmic: further right is better",
        unit: Unit::PerSecond,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "call",
        title: "One call at a time",
        subtitle: "round trip, median, logarithmic: further left is better",
        unit: Unit::Seconds,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "tasks",
        title: "Share of the workers' time spent in tasks",
        subtitle: "share of two workers' time: further right is better",
        unit: Unit::Percent,
        scale: Scale::Linear,
        marks: &[(0.97, "97 %")],
    },
    Drawn {
        row: "dicts",
        title: "A thousand dicts of 6 keys",
        subtitle: "time: further left is better",
        unit: Unit::Seconds,
        scale: Scale::Linear,
        marks: &[],
    },
    Drawn {
        row: "bytes",
        title: "Bytes, copied",
        subtitle: "time per call, logarithmic: further left is better",
        unit: Unit::Seconds,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "buffers",
        title: "Bytes, without a copy",
        subtitle: "time per call, logarithmic: further left is better",
        unit: Unit::Seconds,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "start",
        title: "Two workers, from nothing to the first result",
        subtitle: "time, logarithmic: further left is better",
        unit: Unit::Seconds,
        scale: Scale::Logarithmic,
        marks: &[],
    },
    Drawn {
        row: "idle",
        title: "Memory of an idle worker",
        subtitle: "resident memory: further left is better",
        unit: Unit::Bytes,
        scale: Scale::Linear,
        marks: &[],
    },
    Drawn {
        row: "instructions",
        title: "owngil's own instructions per task",
        subtitle: "counted by valgrind: shorter is better; equal lengths show that the cost stays flat",
        unit: Unit::Instructions,
        scale: Scale::Linear,
        marks: &[],
    },
    Drawn {
        row: "scaling",
        title: "Speed of two workers, relative to one",
        subtitle: "pure Python and standard library: further right is better",
        unit: Unit::Times,
        scale: Scale::Linear,
        marks: &[(1.75, "1.75"), (1.9, "1.9")],
    },
];

/// Writes the page and the charts.
pub(crate) fn write(root: &Path, run: &Run) -> Result<()> {
    let path = root.join("docs/benchmarks.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let charts = root.join("docs/benchmarks");
    let _ = std::fs::remove_dir_all(&charts);
    std::fs::create_dir_all(&charts)?;
    let mut page = head(run);
    let _ = writeln!(page, "{KEPT_FROM}\n{}\n{KEPT_TO}\n", kept(&before));
    for (title, rows) in SECTIONS {
        let lines: Vec<&Line> = run
            .lines
            .iter()
            .filter(|line| rows.contains(&&*line.row))
            .collect();
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(page, "## {title}\n");
        for (name, chart) in charts_of(rows, &lines) {
            std::fs::write(charts.join(format!("{name}.svg")), chart.svg())?;
            let _ = writeln!(page, "![{}](benchmarks/{name}.svg)\n", chart.title);
        }
        table(&mut page, &lines);
    }
    let _ = write!(
        page,
        "## How it was measured\n\n{METHOD}\n## What these figures are not\n\n{NOT}"
    );
    std::fs::write(path, page)?;
    Ok(())
}

fn head(run: &Run) -> String {
    let machine = &run.machine;
    let count = |verdict| {
        run.lines
            .iter()
            .filter(|line| line.verdict() == verdict)
            .count()
    };
    let packages = machine
        .packages
        .iter()
        .map(|package| format!(", {package}"));
    format!(
        "# Benchmarks\n\n\
        `make bench` writes this page; only the section on rows that do not pass is written by hand.\n\
        Each path through owngil has a bar to pass, and is shown next to its physical limit and its peers.\n\n\
        **{pass} figures pass, {fail} fail{open}.**{busy}\n\n\
        | | |\n|---|---|\n\
        | machine | {on} |\n\
        | Python | {python}, {build} |\n\
        | with | {rust}{packages} |\n\
        | commit | {commit}, {day} |\n\
        | hand-over between threads | {hand_over} there and back |\n\n\
        ## Rows that do not pass\n\n",
        pass = count(Verdict::Pass),
        fail = count(Verdict::Fail),
        open = match count(Verdict::Open) {
            0 => String::new(),
            n => format!(", {n} could not be measured"),
        },
        busy = match run.lines.iter().filter(|line| line.on_busy_cores).count() {
            0 => String::new(),
            n =>
                format!("\nOther programs ran during {n} of them, so these figures are unreliable."),
        },
        on = machine.show(),
        python = machine.python,
        build = machine.python_build,
        rust = machine.rust,
        packages = packages.collect::<String>(),
        commit = machine.commit,
        day = machine.day(),
        hand_over = Unit::Seconds.show(machine.hand_over),
    )
}

/// What stands between the marks of the page as it was.
fn kept(before: &str) -> &str {
    let from = before.split_once(KEPT_FROM).map(|(_, after)| after);
    let kept = from.and_then(|after| after.split_once(KEPT_TO));
    match kept.map(|(kept, _)| kept.trim()) {
        Some(kept) if !kept.is_empty() => kept,
        _ => "No notes yet.",
    }
}

fn table(page: &mut String, lines: &[&Line]) {
    page.push_str("| | owngil | result | limit and peers |\n|---|---|---|---|\n");
    for line in lines {
        let verdict = match line.verdict() {
            Verdict::Pass => "**pass**",
            Verdict::Fail => "**FAIL**",
            Verdict::Open => "open",
        };
        let figures = |roles: &[Role]| {
            let entries = line
                .entries
                .iter()
                .filter(|entry| roles.contains(&entry.role));
            let shown = entries.map(|entry| figure(line, entry));
            shown.collect::<Vec<_>>().join("<br>")
        };
        let mut judged = vec![verdict.to_owned()];
        judged.extend(line.not_measured.clone());
        judged.extend(line.bars.iter().map(|bar| bar.show()));
        if line.on_busy_cores {
            judged.push("*measured on busy cores*".to_owned());
        }
        let notes = line
            .notes
            .iter()
            .map(|note| format!("<br><sub>{note}</sub>"));
        let _ = writeln!(
            page,
            "| {}{} | {} | {} | {} |",
            line.title,
            notes.collect::<String>(),
            figures(&[Role::Ours]),
            judged.join("<br>"),
            figures(&[Role::Limit, Role::Peer]),
        );
    }
    page.push('\n');
}

/// The figure, with a name where it is not just owngil's.
fn figure(line: &Line, entry: &Entry) -> String {
    let value = match (entry.spread, &entry.missing) {
        (Some(spread), _) => line.unit.show(spread.median),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "no figure".to_owned(),
    };
    if entry.name == "owngil" {
        value
    } else {
        format!("{}: {value}", entry.name)
    }
}

/// The charts of a section, with their files' names.
fn charts_of(rows: &[&str], lines: &[&Line]) -> Vec<(&'static str, Chart)> {
    let drawn = rows
        .iter()
        .filter_map(|row| DRAWN.iter().find(|drawn| drawn.row == *row));
    let charts = drawn.filter_map(|drawn| {
        let lines: Vec<&Line> = lines
            .iter()
            .copied()
            .filter(|line| line.row == drawn.row)
            .collect();
        let has_figures = lines.iter().any(|line| !line.entries.is_empty());
        has_figures.then(|| (drawn.row, drawn.chart(&lines)))
    });
    charts.collect()
}

impl Drawn {
    fn chart(&self, lines: &[&Line]) -> Chart {
        Chart {
            title: self.title,
            subtitle: self.subtitle.to_owned(),
            unit: self.unit,
            scale: self.scale,
            groups: match self.row {
                // 21 groups of three would be a wall.
                "scaling" => vec![one_group(lines)],
                _ => lines.iter().map(|line| group(line)).collect(),
            },
            marks: self
                .marks
                .iter()
                .map(|(value, label)| (*value, (*label).to_owned()))
                .collect(),
        }
    }
}

fn group(line: &Line) -> Group {
    let rows = line.entries.iter().filter_map(|entry| {
        let spread = entry.spread?;
        Some(ChartRow {
            name: entry.name.clone(),
            role: entry.role,
            value: spread.median,
            range: Some((spread.low, spread.high)),
        })
    });
    Group {
        title: line.title.clone(),
        rows: rows.collect(),
    }
}

/// owngil's own figure of each line, as one group.
fn one_group(lines: &[&Line]) -> Group {
    let rows = lines.iter().filter_map(|line| {
        let ours = line.entries.iter().find(|entry| entry.role == Role::Ours)?;
        Some(ChartRow {
            name: line.title.trim_start_matches("scaling: ").to_owned(),
            role: Role::Ours,
            value: ours.spread?.median,
            range: None,
        })
    });
    Group {
        title: String::new(),
        rows: rows.collect(),
    }
}
