//! Table: the verdicts in a terminal.

use owngil::doctor::{Import, Need, Report, Subject};

use super::advice::advise;
use crate::terminal::screen::{self, Color, Screen, padded, wrapped};

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
    let rows: Vec<ImportRow> = report.imports.iter().map(ImportRow::of).collect();
    let widest = |of: fn(&ImportRow) -> usize, head: &str| {
        rows.iter().map(of).max().unwrap_or(0).max(head.len())
    };
    let columns = [
        widest(|row| screen::columns(&row.name), HEAD[0]),
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
            "{}  {word}{pad}  {:>native$}",
            padded(&row.name, name),
            row.native
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
    let reported = legend(report, screen);
    if !reported.is_empty() {
        text.push('\n');
        text.push_str(&reported);
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
struct ImportRow {
    name: String,
    need: Need,
    native: String,
    /// Each begins on a line of its own.
    why: Vec<String>,
}

impl ImportRow {
    fn of(import: &Import) -> ImportRow {
        let mut why = vec![import.why.clone()];
        why.extend(way(import));
        why.extend(standing(import));
        ImportRow {
            name: name(import),
            need: import.need,
            native: match import
                .native
                .iter()
                .filter(|native| !native.is_standard)
                .count()
            {
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
        [] => return None,
        [line] => format!("line {line}"),
        lines => format!("lines {}", lines.join(", ")),
    };
    match (import.is_optional, import.is_lazy) {
        (true, _) => Some(format!("optional, its ImportError is caught: {lines}")),
        (false, true) => Some(format!("late, inside a function: {lines}")),
        // Of what cannot run one wants to know where it is.
        (false, false) if !import.need.is_met() => Some(lines),
        (false, false) => None,
    }
}

/// Each native module of an import: those that load as they are in one go, the others with the reason and
/// the way there.
fn natives(import: &Import, screen: Screen) -> String {
    let mut text = String::new();
    let mut add = |need: Need, paragraphs: &[String]| {
        let mut head = format!("  {:12}  ", need.as_str());
        for paragraph in paragraphs {
            text.push_str(&hanging(&head, paragraph, screen));
            head = " ".repeat(head.len());
        }
    };
    let (strict, others): (Vec<_>, Vec<_>) = import
        .native
        .iter()
        .partition(|native| native.need == Need::Strict);
    for native in others {
        let mut paragraphs = vec![format!("`{}` {}", native.name, native.why)];
        if native.chain.len() > 1 {
            paragraphs.push(format!("by {}", native.chain.join(" → ")));
        }
        add(native.need, &paragraphs);
    }
    if !strict.is_empty() {
        let names: Vec<&str> = strict.iter().map(|native| &*native.name).collect();
        add(Need::Strict, &[names.join(", ")]);
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
fn legend(report: &Report, screen: Screen) -> String {
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
            "loads in no such interpreter, and runs in worker processes",
        ),
        (Need::Unknown, "untested"),
    ];
    let occurs = |need: Need| report.imports.iter().any(|import| import.need == need);
    let reported = words.into_iter().filter(|(need, _)| occurs(*need));
    let lines =
        reported.map(|(need, words)| hanging(&format!("{:12}  ", need.as_str()), words, screen));
    lines.collect()
}

/// The text behind a head, its further lines indented by as much.
fn hanging(head: &str, text: &str, screen: Screen) -> String {
    let mut start = head.to_owned();
    let mut lines = String::new();
    for line in wrapped(text, screen.width - head.len()).lines() {
        lines.push_str(&format!("{start}{line}\n"));
        start = " ".repeat(head.len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_chains_lose_their_middle() {
        let chain = |text: &str| shortened(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(chain("a b"), "a → b");
        assert_eq!(chain("a b c d"), "a → b → c → d");
        assert_eq!(chain("a b c d e"), "a → b → … → e");
    }

    #[test]
    fn further_lines_hang_behind_the_head() {
        let screen = Screen {
            width: 14,
            is_utf8: true,
            has_color: false,
        };
        assert_eq!(
            hanging("head  ", "one two three", screen),
            "head  one two\n      three\n"
        );
    }
}
