//! Chart: horizontal bars as SVG, readable on light and dark pages.

use std::fmt::Write;

use crate::line::{Role, Unit};

/// Bars in groups, on one scale.
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What is better, and the kind of scale.
    pub(crate) subtitle: String,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
    pub(crate) groups: Vec<Group>,
    /// Lines across all groups, such as a bar that is to be reached.
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
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
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
        let mut body = String::new();
        let axis = self.axis();
        let top = 58.0 + if self.marks.is_empty() { 0.0 } else { 18.0 };
        let mut y = top;
        for group in &self.groups {
            if !group.title.is_empty() {
                y += GROUP;
                text(&mut body, 16.0, y - 7.0, "group", &group.title);
            }
            for row in &group.rows {
                self.row(&mut body, &axis, row, y);
                y += ROW;
            }
        }
        let bottom = y + 6.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n",
            height = bottom + 30.0,
            title = escape(self.title),
        );
        text(&mut svg, 16.0, 24.0, "title", self.title);
        text(&mut svg, 16.0, 43.0, "faint", &self.subtitle);
        for tick in &axis.ticks {
            let x = axis.x(*tick);
            line(&mut svg, "grid", (x, top), (x, bottom));
            let label = self.unit.show(*tick);
            text(&mut svg, x, bottom + 16.0, "faint middle", &label);
        }
        svg.push_str(&body);
        for (value, label) in &self.marks {
            let x = axis.x(*value);
            line(&mut svg, "mark", (x, top - 4.0), (x, bottom));
            text(&mut svg, x, top - 8.0, "marked middle", label);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn row(&self, svg: &mut String, axis: &Axis, row: &Row, y: f64) {
        let ours = if row.role == Role::Ours {
            " strong"
        } else {
            ""
        };
        let middle = y + ROW / 2.0 + 4.0;
        text(svg, LEFT - 8.0, middle, &format!("right{ours}"), &row.name);
        let (start, end) = (axis.x(axis.low), axis.x(row.value));
        let _ = writeln!(
            svg,
            "<rect class=\"{:?}\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            row.role,
            y + 3.0,
            (end - start).max(1.5),
            ROW - 6.0,
        );
        let mut right = end;
        if let Some((low, high)) = row.range.filter(|(low, high)| high > low) {
            let (low, high) = (axis.x(low), axis.x(high));
            right = right.max(high);
            let at = y + ROW / 2.0;
            line(svg, "range", (low, at), (high, at));
        }
        let label = self.unit.show(row.value);
        text(svg, right + 8.0, middle, ours.trim(), &label);
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

fn text(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
    );
}

fn line(svg: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
