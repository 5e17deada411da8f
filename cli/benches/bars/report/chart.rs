//! Chart: horizontal bars as SVG, readable on light and dark pages.

use super::line::{Role, Unit};
use super::svg::Svg;

/// Bars in groups, on one scale.
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What is better, and the kind of scale.
    pub(crate) subtitle: String,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
    pub(crate) groups: Vec<Group>,
    /// Lines across all groups, such as a bar to reach.
    pub(crate) marks: Vec<(f64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From nothing.
    Linear,
    /// By powers of ten.
    Logarithmic,
}

pub(crate) struct Group {
    /// Empty where the chart has only one.
    pub(crate) title: String,
    pub(crate) rows: Vec<ChartRow>,
}

pub(crate) struct ChartRow {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) value: f64,
    /// The lowest and the highest round.
    pub(crate) range: Option<(f64, f64)>,
}

const WIDTH: f64 = 800.0;
/// Where bars begin and end; names are left of it, values right.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 690.0;
const ROW: f64 = 22.0;
const GROUP: f64 = 26.0;

const STYLE: &str = "\
:root { --text: #1f2328; --faint: #656d76; --line: #d0d7de; --ours: #0969da; --limit: #8c959f; --peer: #c8d1da; --mark: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --faint: #8d96a0; --line: #30363d; --ours: #4493f8; --limit: #8d96a0; --peer: #444c56; --mark: #f0883e; } }
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: var(--text); }
.title { font-size: 16px; font-weight: 600; } .faint { fill: var(--faint); font-size: 12px; } .group { font-weight: 600; }
.right { text-anchor: end; } .middle { text-anchor: middle; } .strong { font-weight: 600; }
.Ours { fill: var(--ours); } .Limit { fill: var(--limit); } .Peer { fill: var(--peer); }
.grid { stroke: var(--line); } .range { stroke: var(--text); stroke-opacity: .55; } .mark { stroke: var(--mark); stroke-dasharray: 4 3; stroke-width: 1.5; }
.marked { fill: var(--mark); font-size: 12px; }";

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let axis = self.axis();
        let top = 58.0 + if self.marks.is_empty() { 0.0 } else { 18.0 };
        let titles = self.groups.iter().filter(|group| !group.title.is_empty());
        let n_rows: usize = self.groups.iter().map(|group| group.rows.len()).sum();
        let bottom = top + titles.count() as f64 * GROUP + n_rows as f64 * ROW + 6.0;

        let mut svg = Svg::new((WIDTH, bottom + 30.0), self.title, STYLE);
        svg.text("title", (16.0, 24.0), self.title);
        svg.text("faint", (16.0, 43.0), &self.subtitle);
        for tick in &axis.ticks {
            let x = axis.x(*tick);
            svg.line("grid", (x, top), (x, bottom));
            svg.text("faint middle", (x, bottom + 16.0), &self.unit.show(*tick));
        }
        let mut y = top;
        for group in &self.groups {
            if !group.title.is_empty() {
                y += GROUP;
                svg.text("group", (16.0, y - 7.0), &group.title);
            }
            for row in &group.rows {
                self.row(&mut svg, &axis, row, y);
                y += ROW;
            }
        }
        for (value, label) in &self.marks {
            let x = axis.x(*value);
            svg.line("mark", (x, top - 4.0), (x, bottom));
            svg.text("marked middle", (x, top - 8.0), label);
        }
        svg.finish()
    }

    fn row(&self, svg: &mut Svg, axis: &Axis, row: &ChartRow, y: f64) {
        let ours = match row.role {
            Role::Ours => " strong",
            _ => "",
        };
        let middle = y + ROW / 2.0 + 4.0;
        svg.text(&format!("right{ours}"), (LEFT - 8.0, middle), &row.name);
        let (start, end) = (axis.x(axis.low), axis.x(row.value));
        svg.element(
            "rect",
            &format!("{:?}", row.role),
            format_args!(
                "x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"",
                y + 3.0,
                (end - start).max(1.5),
                ROW - 6.0,
            ),
        );
        let mut right = end;
        if let Some((low, high)) = row.range.filter(|(low, high)| high > low) {
            let (low, high) = (axis.x(low), axis.x(high));
            right = right.max(high);
            let at = y + ROW / 2.0;
            svg.line("range", (low, at), (high, at));
        }
        let label = self.unit.show(row.value);
        svg.text(ours.trim(), (right + 8.0, middle), &label);
    }

    /// A scale that holds all values, with round numbers on it.
    fn axis(&self) -> Axis {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        let values = rows.flat_map(|row| [row.value, row.range.map_or(row.value, |range| range.1)]);
        let values: Vec<f64> = values.chain(self.marks.iter().map(|mark| mark.0)).collect();
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let least = positive.fold(most, f64::min);
        match self.scale {
            Scale::Logarithmic => {
                // A little below the least, so that its bar can be seen.
                let first = (least * 0.7).log10().floor() as i32;
                let last = most.log10().ceil() as i32;
                Axis {
                    scale: self.scale,
                    low: 10_f64.powi(first),
                    high: 10_f64.powi(last.max(first + 1)),
                    ticks: (first..=last.max(first + 1))
                        .map(|power| 10_f64.powi(power))
                        .collect(),
                }
            }
            Scale::Linear => {
                let raw = most / 5.0;
                let power = 10_f64.powf(raw.log10().floor());
                let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|size| size * power);
                let step = step.into_iter().find(|step| *step >= raw).unwrap_or(raw);
                let n_steps = (most / step).ceil() as u32;
                Axis {
                    scale: self.scale,
                    low: 0.0,
                    high: f64::from(n_steps) * step,
                    ticks: (0..=n_steps).map(|tick| f64::from(tick) * step).collect(),
                }
            }
        }
    }
}

struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn x(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}
