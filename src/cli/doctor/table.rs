//! Table: the verdicts in a terminal.

use owngil::doctor::{Import, Need, Report, Subject};

use super::super::screen::{Color, Screen, wrapped};
use super::advice::advise;

/// The fewest columns that reasons may have beside the rest.
const WHY_MIN: usize = 36;

/// The whole report.
pub(super) fn table(subject: &Subject, report: &Report, verbose: bool, screen: Screen) -> String {
    let version = report.python.split_whitespace().next().unwrap_or_default();
    let n = report.imports.len();
    let plural = if n == 1 { "" } else { "s" };
    let mut text = wrapped(
        &format!("{subject}: {n} import{plural}, Python {version}"),
        screen.width,
    );
    if n == 0 {
        return screen.fit(text + "\nIt imports nothing.\n");
    }
    text.push('\n');
    let rows: Vec<Row> = report.imports.iter().map(Row::of).collect();
    let widest =
        |of: fn(&Row) -> usize, head: &str| rows.iter().map(of).max().unwrap_or(0).max(head.len());
    let columns = [
        widest(|row| row.name.chars().count(), HEAD[0]),
        widest(|row| row.need.as_str().len(), HEAD[1]),
        widest(|row| row.native.len(), HEAD[2]),
    ];
    let [name, need, native] = columns;
    let indent = name + 2 + need + 2 + native + 2;
    text.push_str(&format!(
        "{:name$}  {:need$}  {:>native$}  {}\n",
        HEAD[0], HEAD[1], HEAD[2], HEAD[3]
    ));
    for (row, import) in rows.iter().zip(&report.imports) {
        let word = screen.paint(color(row.need), row.need.as_str());
        let pad = " ".repeat(need - row.need.as_str().len());
        text.push_str(&format!(
            "{:name$}  {word}{pad}  {:>native$}",
            row.name, row.native
        ));
        // Beside it where there is room, else below.
        let (start, width) = match screen.width.checked_sub(indent) {
            Some(width) if width >= WHY_MIN => (indent, width),
            _ => {
                text.push('\n');
                (4, screen.width - 4)
            }
        };
        let mut is_first = start == indent;
        for paragraph in &row.why {
            for line in wrapped(paragraph, width).lines() {
                let pad = if is_first { 2 } else { start };
                text.push_str(&format!("{}{line}\n", " ".repeat(pad)));
                is_first = false;
            }
        }
        if verbose {
            text.push_str(&natives(import, screen));
        }
    }
    let told = legend(report);
    if !told.is_empty() {
        text.push('\n');
        text.push_str(&told);
    }
    let advice = advise(subject, report);
    if !advice.is_empty() {
        text.push('\n');
        text.push_str(&wrapped(&format!("advice: {advice}"), screen.width));
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    screen.fit(lines.join("\n") + "\n")
}

const HEAD: [&str; 4] = ["import", "needs", "native", "why"];

/// What stands in the table of an import.
struct Row {
    name: String,
    need: Need,
    native: String,
    /// Each begins on a line of its own.
    why: Vec<String>,
}

impl Row {
    fn of(import: &Import) -> Row {
        let mut why = vec![import.why.clone()];
        why.extend(way(import));
        why.extend(standing(import));
        Row {
            name: name(import),
            need: import.need,
            native: match import.native.len() {
                0 => "-".to_owned(),
                n => n.to_string(),
            },
            why,
        }
    }
}

/// As the script has it, or as it was installed.
fn name(import: &Import) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    match (&import.distribution, &import.targets[..]) {
        (Some(distribution), _) => {
            let installed = distribution.split(' ').next().unwrap_or_default();
            match plain(installed) == plain(&import.name) {
                true => distribution.clone(),
                false => format!("{distribution} ({})", import.name),
            }
        }
        (None, [target]) => target.split(' ').next().unwrap_or_default().to_owned(),
        (None, _) => import.name.clone(),
    }
}

/// By which imports the decisive native module comes in, without the module itself.
fn way(import: &Import) -> Option<String> {
    let decisive = import.decisive.as_ref()?;
    let native = import
        .native
        .iter()
        .find(|native| native.name == *decisive)?;
    match native.chain.split_last() {
        Some((_, before)) if before.len() > 1 => Some(format!("by {}", shortened(before))),
        _ => None,
    }
}

/// The chain of imports, its middle left out where it is long.
fn shortened(chain: &[String]) -> String {
    match chain {
        [first, second, .., last] if chain.len() > 4 => {
            format!("{first} → {second} → … → {last}")
        }
        _ => chain.join(" → "),
    }
}

/// Where the script imports it, if that matters.
fn standing(import: &Import) -> Option<String> {
    let lines: Vec<String> = import.lines.iter().map(u32::to_string).collect();
    let lines = match &lines[..] {
        [] => String::new(),
        [line] => format!(" (line {line})"),
        lines => format!(" (lines {})", lines.join(", ")),
    };
    let text = match (import.is_optional, import.is_lazy) {
        (true, _) => "optional: its ImportError is caught",
        (false, true) => "late: imported inside a function",
        // Of what cannot run one wants to know where it is.
        (false, false) if !import.need.is_met() && !lines.is_empty() => "imported at the top",
        (false, false) => return None,
    };
    Some(format!("{text}{lines}"))
}

/// Each native module of an import.
fn natives(import: &Import, screen: Screen) -> String {
    let mut text = String::new();
    let width = import
        .native
        .iter()
        .map(|native| native.name.chars().count())
        .max()
        .unwrap_or(0);
    for native in &import.native {
        let word = screen.paint(color(native.need), native.need.as_str());
        let pad = " ".repeat("private copy".len() - native.need.as_str().len());
        let line = format!("  {word}{pad}  {:width$}  ", native.name);
        text.push_str(line.trim_end());
        text.push('\n');
        if native.need != Need::Strict {
            let why = wrapped(&native.why, screen.width - 16);
            why.lines()
                .for_each(|line| text.push_str(&format!("{:16}{line}\n", "")));
        }
        if native.chain.len() > 1 {
            let chain = wrapped(
                &format!("by {}", native.chain.join(" → ")),
                screen.width - 16,
            );
            chain
                .lines()
                .for_each(|line| text.push_str(&format!("{:16}{line}\n", "")));
        }
    }
    text
}

fn color(need: Need) -> Color {
    match need {
        Need::Strict | Need::PrivateCopy => Color::Green,
        Need::Missing | Need::Broken => Color::Red,
        _ => Color::Yellow,
    }
}

/// The words of the table that are no English.
fn legend(report: &Report) -> String {
    let words = [
        (
            Need::Strict,
            "loads in an interpreter with its own GIL, as it is",
        ),
        (
            Need::PrivateCopy,
            "loads there from a copy of its own, which no other interpreter uses",
        ),
        (
            Need::Process,
            "loads in no such interpreter; it takes a process, or one GIL for all",
        ),
        (Need::Unknown, "nobody has tried"),
    ];
    let occurs = |need: Need| report.imports.iter().any(|import| import.need == need);
    let told = words.into_iter().filter(|(need, _)| occurs(*need));
    told.map(|(need, words)| format!("{:12}  {words}\n", need.as_str()))
        .collect()
}
