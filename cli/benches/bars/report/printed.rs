//! Report: what a run prints, and the JSON file that it leaves.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::machine::Machine;
use crate::report::line::{Bar, Bound, Entry, Line, Role, Unit, Verdict};
use crate::report::page;
use crate::setting::Setting;
use crate::{Result, rows};

/// What the rows gave, with where and how. The file has one of these for each Python.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) lines: Vec<Line>,
}

/// Prints a run as it goes.
pub(crate) struct Report {
    colours: bool,
    machine: Machine,
}

impl Report {
    pub(crate) fn begin(setting: &Setting) -> Report {
        let machine = Machine::here(setting);
        println!("{}", machine.show());
        println!("Python {}, {}", machine.python, machine.python_build);
        println!(
            "commit {}, {}",
            machine.commit,
            setting.pick("full run", "quick run")
        );
        let hand_over = Unit::Seconds.show(machine.hand_over);
        println!("hand-over between threads {hand_over}, both ways\n");
        Report {
            colours: std::io::stdout().is_terminal(),
            machine,
        }
    }

    /// A line of the table: the verdict and owngil's figure, then the bars, then who else was there.
    pub(crate) fn print(&self, line: &Line) {
        let (word, colour) = match line.verdict() {
            Verdict::Pass => ("pass", "32"),
            Verdict::Fail => ("FAIL", "31;1"),
            Verdict::Open => ("open", "33"),
        };
        let doubt = if line.on_busy_cores { '?' } else { ' ' };
        let word = self.paint(colour, &format!("{word}{doubt}"));
        let ours: Vec<_> = line
            .of_role(Role::Ours)
            .map(|entry| shown(line, entry))
            .collect();
        println!("{word} {:<44} {}", line.title, ours.join(" · "));
        if let Some(reason) = &line.not_measured {
            println!("        {reason}");
        }
        for bar in &line.bars {
            let text = format!("{}{}", bar.show(), shortfall(bar));
            let text = if bar.holds() {
                text
            } else {
                self.paint("31", &text)
            };
            println!("        {text}");
        }
        for role in [Role::Limit, Role::Peer] {
            let others: Vec<_> = line.of_role(role).map(|entry| shown(line, entry)).collect();
            if !others.is_empty() {
                println!("        {}", others.join(" · "));
            }
        }
        for note in &line.notes {
            println!("        {note}");
        }
        if line.on_busy_cores {
            println!(
                "        {}",
                self.paint("33", "measured on busy cores: other programs ran")
            );
        }
    }

    /// Prints the sum of it all, and writes the file; so does a full run the page, with the rows that it left out as they were.
    pub(crate) fn end(self, setting: &Setting, mut lines: Vec<Line>, all_rows: bool) -> Result<()> {
        let count = |verdict| {
            lines
                .iter()
                .filter(|line| line.verdict() == verdict)
                .count()
        };
        println!(
            "\n{} pass, {} fail, {} not measured; {} of them on busy cores, which says little",
            count(Verdict::Pass),
            count(Verdict::Fail),
            count(Verdict::Open),
            lines.iter().filter(|line| line.on_busy_cores).count()
        );
        for line in lines.iter().filter(|line| line.verdict() == Verdict::Fail) {
            let bars = line.bars.iter().filter(|bar| !bar.holds());
            let bars: Vec<_> = bars
                .map(|bar| format!("{}{}", bar.show(), shortfall(bar)))
                .collect();
            let reason = line.not_measured.clone().unwrap_or_default();
            println!("  {}: {}{reason}", line.title, bars.join("; "));
        }
        let path = setting.json();
        let mut runs = read(&path);
        let name = format!("3.{}", setting.minor);
        fill_in(&mut lines, &runs, &name);
        let mut run = Run {
            machine: self.machine,
            quick: setting.quick,
            lines,
        };
        let mut is_full = all_rows && !setting.quick;
        if !all_rows && let Some(before) = runs.remove(&name) {
            is_full = !setting.quick && !before.quick;
            // The rows that were left out stay as they are.
            let is_new = |row: &str| run.lines.iter().any(|line| line.row == row);
            let old = before.lines.into_iter();
            let old: Vec<Line> = old.filter(|line| !is_new(&line.row)).collect();
            run.lines.extend(old);
            run.lines.sort_by_key(|line| rows::place_of(&line.row));
        }
        // A page without some of its rows would be one that lost them.
        let has = |row: &rows::Row| run.lines.iter().any(|line| line.row == row.id);
        if is_full && rows::ROWS.iter().all(has) {
            page::write(&setting.root, &run)?;
            println!("wrote docs/benchmarks.md");
        }
        runs.insert(name, run);
        std::fs::write(&path, serde_json::to_vec_pretty(&runs)?)?;
        println!("wrote {}", path.display());
        Ok(())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `multiprocessing.Pool 4.69 M/s`
fn shown(line: &Line, entry: &Entry) -> String {
    match (entry.spread, &entry.missing) {
        (Some(spread), _) => format!("{} {}", entry.name, line.unit.show(spread.median)),
        (None, Some(reason)) => format!("{} ({reason})", entry.name),
        (None, None) => format!("{} (no figure)", entry.name),
    }
}

/// How far a figure is from its bar.
fn shortfall(bar: &Bar) -> String {
    let Some(figure) = bar.figure.filter(|_| !bar.holds()) else {
        return String::new();
    };
    let factor = match bar.bound {
        Bound::AtLeast(bound) => bound / figure,
        Bound::AtMost(bound) => figure / bound,
    };
    format!(", short by a factor of {factor:.2}")
}

fn read(path: &Path) -> BTreeMap<String, Run> {
    let bytes = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Takes figures that this Python's machine has no tool for from the run of another Python on it, and
/// says so.
fn fill_in(lines: &mut [Line], runs: &BTreeMap<String, Run>, name: &str) {
    let others: Vec<&Run> = runs
        .iter()
        .filter(|(other, _)| *other != name)
        .map(|(_, run)| run)
        .collect();
    for line in lines
        .iter_mut()
        .filter(|line| line.not_measured.is_some() && !line.failed())
    {
        let same = others.iter().find_map(|run| {
            let mut same = run.lines.iter().filter(|other| other.title == line.title);
            Some((*run, same.find(|other| other.not_measured.is_none())?))
        });
        if let Some((run, same)) = same {
            *line = same.clone();
            let (python, commit) = (&run.machine.python, &run.machine.commit);
            line.notes
                .push(format!("Measured on Python {python}, commit {commit}."));
        }
    }
}
