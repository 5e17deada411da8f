//! Report: what a run prints, and the JSON file that it leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::line::{Bar, Bound, Entry, Line, Role, Verdict};
use crate::setting::Setting;

/// What a run found, with where and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) quick: bool,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Report {
    colours: bool,
}

impl Report {
    pub(crate) fn begin(setting: &Setting) -> Result<Report> {
        use std::io::IsTerminal;
        println!(
            "{} run, Python 3.{}\n",
            setting.pick("Full", "Quick"),
            setting.minor
        );
        Ok(Report {
            colours: std::io::stdout().is_terminal(),
        })
    }

    /// A line of the table: the verdict and owngil's figure, then the bars, then who else was there.
    pub(crate) fn print(&self, line: &Line) {
        let word = match line.verdict() {
            Verdict::Pass => self.paint("32", "pass"),
            Verdict::Fail => self.paint("31;1", "FAIL"),
            Verdict::Open => self.paint("33", "open"),
        };
        let ours: Vec<_> = line
            .of_role(Role::Ours)
            .map(|entry| shown(line, entry))
            .collect();
        println!("{word}  {:<44} {}", line.title, ours.join(" · "));
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

    /// Prints the sum of it all, and writes the file.
    pub(crate) fn end(&self, setting: &Setting, lines: &[Line], _all: bool) -> Result<()> {
        let count = |verdict| {
            lines
                .iter()
                .filter(|line| line.verdict() == verdict)
                .count()
        };
        println!(
            "\n{} pass, {} fail, {} open",
            count(Verdict::Pass),
            count(Verdict::Fail),
            count(Verdict::Open)
        );
        let path = setting.json();
        let read = std::fs::read(&path).ok();
        let read = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut runs: BTreeMap<String, Run> = read.unwrap_or_default();
        let run = Run {
            quick: setting.quick,
            lines: lines.to_vec(),
        };
        runs.insert(format!("3.{}", setting.minor), run);
        std::fs::write(&path, serde_json::to_vec_pretty(&runs)?)?;
        println!("{}", path.display());
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
