//! Chart: the speed-up as an SVG picture, for light and dark pages.

use std::fmt::Write;

use super::figures::{Figures, Point};
use crate::terminal::units::times;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;

/// The sides of the area in which the curve is.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 340.0;

const STYLE: &str = "\
.page{fill:#fff}text{font:13px system-ui,sans-serif;fill:#1f2328}.quiet{fill:#59636e}\
.title{font-size:16px;font-weight:600}.grid{stroke:#d1d9e0}.ideal,.plain{stroke:#818b98}\
.own{stroke:#0969da;fill:#0969da}.one{stroke:#bc4c00;fill:#bc4c00}\
.process{stroke:#8250df;fill:#8250df}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#e6edf3}.quiet{fill:#9198a1}\
.grid{stroke:#2f353d}.ideal,.plain{stroke:#7d8590}.own{stroke:#4493f8;fill:#4493f8}\
.one{stroke:#f0883e;fill:#f0883e}.process{stroke:#ab7df8;fill:#ab7df8}}.ideal{fill:none;stroke-dasharray:5 4}\
.curve{fill:none;stroke-width:2.5}";

/// Where things are on the picture.
struct Scale {
    n_workers: f64,
    most: f64,
}

impl Scale {
    fn x(&self, workers: usize) -> f64 {
        if self.n_workers <= 1.0 {
            return (LEFT + RIGHT) / 2.0;
        }
        // Room on both sides, for the whiskers and what is written there.
        let (left, right) = (LEFT + 40.0, RIGHT - 40.0);
        left + (workers as f64 - 1.0) / (self.n_workers - 1.0) * (right - left)
    }

    fn y(&self, speed_up: f64) -> f64 {
        BOTTOM - speed_up / self.most * (BOTTOM - TOP)
    }
}

/// The whole picture.
pub(crate) fn chart(figures: &Figures) -> String {
    let points = || {
        let own = figures.own_gils.iter();
        own.chain([&figures.one_gil, &figures.processes])
    };
    let tops = points().map(|point| point.speed_up_high.max(point.speed_up));
    let most = tops.fold(figures.ideal(figures.workers).max(1.0), f64::max);
    let step = step(most);
    let scale = Scale {
        n_workers: figures.workers as f64,
        most: (most * 1.05 / step).ceil() * step,
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\n"
    );
    let python = format!("Python {}, {} cores", figures.python, figures.cores);
    text(
        &mut svg,
        "title",
        LEFT,
        32.0,
        "start",
        &shortened(&figures.function),
    );
    text(&mut svg, "quiet", RIGHT, 32.0, "end", &python);
    grid(&mut svg, figures, &scale, step);
    legend(&mut svg, figures);

    let ideal = path(figures.own_gils.iter().map(|point| {
        let ideal = figures.ideal(point.workers);
        (scale.x(point.workers), scale.y(ideal))
    }));
    let _ = writeln!(svg, "<path class=\"ideal\" d=\"{ideal}\"/>");
    line(
        &mut svg,
        "plain",
        (LEFT, scale.y(1.0)),
        (RIGHT, scale.y(1.0)),
    );
    let curve = figures.own_gils.iter();
    let curve = path(curve.map(|point| (scale.x(point.workers), scale.y(point.speed_up))));
    let _ = writeln!(svg, "<path class=\"own curve\" d=\"{curve}\"/>");
    for point in &figures.own_gils {
        whisker(&mut svg, "own", point, &scale);
        let (x, y) = (scale.x(point.workers), scale.y(point.speed_up));
        let _ = writeln!(
            svg,
            "<circle class=\"own\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
        );
        text(
            &mut svg,
            "",
            x - 8.0,
            y - 10.0,
            "end",
            &times(point.speed_up),
        );
    }
    for (class, point) in [("one", &figures.one_gil), ("process", &figures.processes)] {
        whisker(&mut svg, class, point, &scale);
        let (x, y) = (scale.x(point.workers), scale.y(point.speed_up));
        square(&mut svg, class, x, y);
        text(
            &mut svg,
            "",
            x + 9.0,
            y - 7.0,
            "start",
            &times(point.speed_up),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Lines across, with the speed-ups beside them and the numbers of workers below.
fn grid(svg: &mut String, figures: &Figures, scale: &Scale, step: f64) {
    for at in 0..=(scale.most / step).round() as u32 {
        let at = f64::from(at) * step;
        let y = scale.y(at);
        line(svg, "grid", (LEFT, y), (RIGHT, y));
        let digits = usize::from(step < 1.0);
        let label = format!("{at:.digits$}");
        text(svg, "quiet", LEFT - 8.0, y + 4.0, "end", &label);
    }
    let mut last = f64::NEG_INFINITY;
    let points = figures.own_gils.iter().chain([&figures.one_gil]);
    for point in points {
        let x = scale.x(point.workers);
        // Small numbers of many workers would stand on one another.
        if x - last >= 20.0 {
            let label = point.workers.to_string();
            text(svg, "quiet", x, BOTTOM + 20.0, "middle", &label);
            last = x;
        }
    }
    let middle = (LEFT + RIGHT) / 2.0;
    text(svg, "quiet", middle, BOTTOM + 42.0, "middle", "workers");
}

fn legend(svg: &mut String, figures: &Figures) {
    let y = 60.0;
    let mut x = LEFT;
    if !figures.own_gils.is_empty() {
        let _ = writeln!(
            svg,
            "<circle class=\"own\" cx=\"{}\" cy=\"{}\" r=\"4\"/>",
            x + 8.0,
            y - 4.0
        );
        text(svg, "", x + 20.0, y, "start", "own GILs");
        x += 90.0;
        line(svg, "ideal", (x, y - 4.0), (x + 24.0, y - 4.0));
        text(svg, "", x + 32.0, y, "start", "ideal");
        x += 80.0;
    }
    for (class, name, width) in [
        ("one", "threads, one GIL", 140.0),
        ("process", "processes", 100.0),
    ] {
        square(svg, class, x + 6.0, y - 4.0);
        text(svg, "", x + 18.0, y, "start", name);
        x += width;
    }
    line(svg, "plain", (x, y - 4.0), (x + 24.0, y - 4.0));
    text(svg, "", x + 32.0, y, "start", "plain loop = 1");
}

fn whisker(svg: &mut String, class: &str, point: &Point, scale: &Scale) {
    let x = scale.x(point.workers);
    let (low, high) = (scale.y(point.speed_up_low), scale.y(point.speed_up_high));
    line(svg, class, (x, low), (x, high));
}

fn square(svg: &mut String, class: &str, x: f64, y: f64) {
    let (x, y) = (x - 4.0, y - 4.0);
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\"/>"
    );
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(text)
    );
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

/// 1, 2 or 5 times a power of ten, of which at most six make `most`.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 6.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fits = steps.into_iter().find(|step| most / step <= 6.0);
    fits.unwrap_or(10.0 * power)
}

/// The end of what a function is called, which says most of it.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 44;
    let n = name.chars().count();
    match n <= LONGEST {
        true => name.to_owned(),
        false => format!("…{}", name.chars().skip(n - LONGEST).collect::<String>()),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no place for these.
            c if c.is_control() => safe.push('\u{FFFD}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    /// The names of all elements, each of which is closed where it must be.
    fn elements(svg: &str) -> Vec<String> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag has an end");
            assert!(!text.contains('>'), "{part}");
            for (at, _) in text.match_indices('&') {
                let known = ["amp;", "lt;", "gt;", "quot;"];
                assert!(
                    known.iter().any(|name| text[at + 1..].starts_with(name)),
                    "{text}"
                );
            }
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name));
                continue;
            }
            let name = tag.split([' ', '/']).next().unwrap().to_owned();
            let attributes = tag.trim_end_matches('/')[name.len()..].trim();
            for (place, piece) in attributes.split('"').enumerate() {
                let is_name = piece.is_empty() || (piece.ends_with('=') && !piece.contains('&'));
                assert!(place % 2 == 1 || is_name, "{tag}");
            }
            if !tag.ends_with('/') {
                open.push(name.clone());
            }
            all.push(name);
        }
        assert!(open.is_empty(), "{open:?}");
        all
    }

    /// All places, which must be on the picture.
    fn places(svg: &str) -> Vec<f64> {
        let mut all = Vec::new();
        for name in ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy"] {
            for part in svg.split(&format!(" {name}=\"")).skip(1) {
                all.push(part.split('"').next().unwrap().parse().unwrap());
            }
        }
        all
    }

    #[test]
    fn it_is_well_formed_whatever_the_function_is_called() {
        for own in [
            &[(1, 1.0)][..],
            &[(1, 0.98), (2, 1.94)],
            &[(1, 0.1), (2, 0.2), (4, 0.3), (64, 0.001)],
            &[(1, 0.9), (64, 61.3), (100, 320.0)],
        ] {
            let mut figures = figures(1e-3, 1e-6, 1.5, own);
            figures.function = "/a <b> & \"c\"\u{1}/é.py:f".to_owned();
            let svg = chart(&figures);
            let elements = elements(&svg);
            let n = |name: &str| elements.iter().filter(|one| *one == name).count();
            // One more in the legend.
            assert_eq!(n("circle"), own.len() + 1);
            assert!(svg.contains("/a &lt;b&gt; &amp; &quot;c&quot;\u{FFFD}/é.py:f"));
            for place in places(&svg) {
                assert!((0.0..=WIDTH).contains(&place), "{place}\n{svg}");
            }
        }
    }

    #[test]
    fn a_refused_function_has_threads_alone() {
        let mut figures = figures(1e-3, 1e-6, 1.5, &[(1, 1.0), (4, 3.0)]);
        figures.own_gils.clear();
        let svg = chart(&figures);
        assert!(!elements(&svg).contains(&"circle".to_owned()));
        assert!(svg.contains("threads, one GIL"));
    }

    #[test]
    fn lines_across_are_few_and_round() {
        let steps = [0.5, 1.0, 2.0, 4.0, 6.0, 7.0, 64.0].map(step);
        let expected = [0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 20.0];
        for (found, wanted) in steps.into_iter().zip(expected) {
            assert!((found - wanted).abs() < 1e-9, "{steps:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        let name = format!("/{}/module.py:function", "deep/".repeat(30));
        let short = shortened(&name);
        assert_eq!(short.chars().count(), 45);
        assert!(short.starts_with('…') && short.ends_with("/module.py:function"));
    }
}
