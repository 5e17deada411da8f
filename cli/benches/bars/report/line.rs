//! Line: what a row gives: figures side by side, and the bars that they are judged by.

use serde::{Deserialize, Serialize};

/// One line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The row that it belongs to.
    pub(crate) row: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// In the order in which they are shown; owngil's own first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) bars: Vec<Bar>,
    /// What a reader of the figures should know.
    pub(crate) notes: Vec<String>,
    /// Whether other programs used the cores meanwhile.
    pub(crate) on_busy_cores: bool,
    /// Why there are no figures.
    pub(crate) not_measured: Option<String>,
}

/// Who a figure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Ours,
    /// The fastest possible, measured in the same rounds.
    Limit,
    Peer,
}

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Of the rounds; none where it failed or was skipped.
    pub(crate) spread: Option<Spread>,
    /// Why there is no figure.
    pub(crate) missing: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) n_rounds: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    PerSecond,
    Seconds,
    Bytes,
    BytesPerSecond,
    Percent,
    Times,
    Instructions,
    Count,
}

/// What is asked of a figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bar {
    /// What the figure is: `of the bare limit`.
    pub(crate) of: String,
    /// None where something that it is made of is missing.
    pub(crate) figure: Option<f64>,
    pub(crate) bound: Bound,
    pub(crate) unit: Unit,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// No figure, or no bar.
    Open,
}

impl Line {
    pub(crate) fn new(row: &str, title: impl Into<String>, unit: Unit) -> Line {
        Line {
            row: row.to_owned(),
            title: title.into(),
            unit,
            entries: Vec::new(),
            bars: Vec::new(),
            notes: Vec::new(),
            on_busy_cores: false,
            not_measured: None,
        }
    }

    /// A line without figures, and why.
    pub(crate) fn not_measured(row: &str, title: impl Into<String>, reason: &str) -> Line {
        Line {
            not_measured: Some(reason.to_owned()),
            ..Line::new(row, title, Unit::Times)
        }
    }

    pub(crate) fn at_least(&mut self, bound: f64, of: &str, figure: f64, unit: Unit) {
        self.bar(of, figure, Bound::AtLeast(bound), unit);
    }

    pub(crate) fn at_most(&mut self, bound: f64, of: &str, figure: f64, unit: Unit) {
        self.bar(of, figure, Bound::AtMost(bound), unit);
    }

    fn bar(&mut self, of: &str, figure: f64, bound: Bound, unit: Unit) {
        self.bars.push(Bar {
            of: of.to_owned(),
            figure: Some(figure).filter(|figure| figure.is_finite()),
            bound,
            unit,
        });
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.failed() {
            Verdict::Fail
        } else if self.not_measured.is_some() || self.bars.is_empty() {
            Verdict::Open
        } else if self.bars.iter().all(Bar::holds) {
            Verdict::Pass
        } else {
            Verdict::Fail
        }
    }

    /// Whether its row crashed, or did not come to its end.
    pub(crate) fn failed(&self) -> bool {
        let reason = self.not_measured.as_deref();
        reason.is_some_and(|reason| reason.starts_with("FAILED"))
    }

    /// The figure of the entry with this name.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        entry.spread.map(|spread| spread.median)
    }

    pub(crate) fn of_role(&self, role: Role) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.role == role)
    }
}

impl Entry {
    pub(crate) fn of(name: &str, role: Role, values: &[f64]) -> Entry {
        Entry {
            name: name.to_owned(),
            role,
            spread: Spread::of(values),
            missing: None,
        }
    }

    pub(crate) fn missing(name: &str, role: Role, reason: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            role,
            spread: None,
            missing: Some(reason.to_owned()),
        }
    }
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.retain(|value| value.is_finite());
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            median: median(&sorted)?,
            low: *sorted.first()?,
            high: *sorted.last()?,
            n_rounds: sorted.len(),
        })
    }
}

impl Bar {
    /// A figure that is missing holds no bar.
    pub(crate) fn holds(&self) -> bool {
        self.figure.is_some_and(|figure| match self.bound {
            Bound::AtLeast(bound) => figure >= bound,
            Bound::AtMost(bound) => figure <= bound,
        })
    }

    /// `62 % of the bare limit (at least 60 %)`
    pub(crate) fn show(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        let figure = self.figure.map(|figure| self.unit.show(figure));
        let figure = figure.unwrap_or_else(|| "no figure".to_owned());
        let bound = self.unit.show(bound);
        format!("{figure} {} ({word} {bound})", self.of)
    }
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        let scaled = |steps: &[(f64, &str)]| {
            let fits = steps.iter().find(|(size, _)| value.abs() >= *size * 0.9995);
            let (size, name) = fits.or(steps.last()).copied().unwrap_or((1.0, ""));
            format!("{} {name}", digits(value / size))
        };
        match self {
            Unit::PerSecond => scaled(&[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
            Unit::Seconds => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]),
            Unit::Bytes => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
            Unit::BytesPerSecond => scaled(&[(1e9, "GB/s"), (1e6, "MB/s"), (1.0, "B/s")]),
            Unit::Percent => format!("{:.1} %", value * 100.0),
            Unit::Times => format!("{value:.2} ×"),
            Unit::Count => format!("{value}"),
            Unit::Instructions => format!("{value:.0}"),
        }
    }
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 || size == 0.0 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}
