//! Chart: the speed-up as an SVG picture, for light and dark pages.

use std::fmt::Write;

use super::figures::{Figures, Point};
use super::svg::Svg;
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
.curve{fill:none;stroke-width:2.5}.end{text-anchor:end}.middle{text-anchor:middle}";

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
    let title = shortened(&figures.function);
    let mut svg = Svg::new((WIDTH, HEIGHT), &title, STYLE);
    svg.element(
        "rect",
        "page",
        format_args!("width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\""),
    );
    let python = format!("Python {}, {} cores", figures.python, figures.cores);
    svg.text("title", (LEFT, 32.0), &title);
    svg.text("quiet end", (RIGHT, 32.0), &python);
    grid(&mut svg, figures, &scale, step);
    legend(&mut svg, figures);
    own_gils(&mut svg, figures, &scale);
    for (class, point) in [("one", &figures.one_gil), ("process", &figures.processes)] {
        whisker(&mut svg, class, point, &scale);
        let (x, y) = (scale.x(point.workers), scale.y(point.speed_up));
        square(&mut svg, class, x, y);
        svg.text("", (x + 9.0, y - 7.0), &times(point.speed_up));
    }
    svg.finish()
}

/// The curve, beside the ideal one and the plain loop.
fn own_gils(svg: &mut Svg, figures: &Figures, scale: &Scale) {
    let points = &figures.own_gils;
    let curve = |speed_up: &dyn Fn(&Point) -> f64| {
        path(
            points
                .iter()
                .map(|point| (scale.x(point.workers), scale.y(speed_up(point)))),
        )
    };
    let ideal = curve(&|point| figures.ideal(point.workers));
    svg.element("path", "ideal", format_args!("d=\"{ideal}\""));
    let plain = scale.y(1.0);
    svg.line("plain", (LEFT, plain), (RIGHT, plain));
    let own = curve(&|point| point.speed_up);
    svg.element("path", "own curve", format_args!("d=\"{own}\""));
    for point in points {
        whisker(svg, "own", point, scale);
        let (x, y) = (scale.x(point.workers), scale.y(point.speed_up));
        circle(svg, "own", x, y);
        svg.text("end", (x - 8.0, y - 10.0), &times(point.speed_up));
    }
}

/// Lines across, with the speed-ups beside them and the numbers of workers below.
fn grid(svg: &mut Svg, figures: &Figures, scale: &Scale, step: f64) {
    for at in 0..=(scale.most / step).round() as u32 {
        let at = f64::from(at) * step;
        let y = scale.y(at);
        svg.line("grid", (LEFT, y), (RIGHT, y));
        let digits = usize::from(step < 1.0);
        let label = format!("{at:.digits$}");
        svg.text("quiet end", (LEFT - 8.0, y + 4.0), &label);
    }
    let mut last = f64::NEG_INFINITY;
    let points = figures.own_gils.iter().chain([&figures.one_gil]);
    for point in points {
        let x = scale.x(point.workers);
        // Small numbers of many workers would stand on one another.
        if x - last >= 20.0 {
            let label = point.workers.to_string();
            svg.text("quiet middle", (x, BOTTOM + 20.0), &label);
            last = x;
        }
    }
    let middle = (LEFT + RIGHT) / 2.0;
    svg.text("quiet middle", (middle, BOTTOM + 42.0), "workers");
}

fn legend(svg: &mut Svg, figures: &Figures) {
    let y = 60.0;
    let mut x = LEFT;
    if !figures.own_gils.is_empty() {
        circle(svg, "own", x + 8.0, y - 4.0);
        svg.text("", (x + 20.0, y), "own GILs");
        x += 90.0;
        svg.line("ideal", (x, y - 4.0), (x + 24.0, y - 4.0));
        svg.text("", (x + 32.0, y), "ideal");
        x += 80.0;
    }
    for (class, name, width) in [
        ("one", "threads, one GIL", 140.0),
        ("process", "processes", 100.0),
    ] {
        square(svg, class, x + 6.0, y - 4.0);
        svg.text("", (x + 18.0, y), name);
        x += width;
    }
    svg.line("plain", (x, y - 4.0), (x + 24.0, y - 4.0));
    svg.text("", (x + 32.0, y), "plain loop = 1");
}

fn whisker(svg: &mut Svg, class: &str, point: &Point, scale: &Scale) {
    let x = scale.x(point.workers);
    let (low, high) = (scale.y(point.speed_up_low), scale.y(point.speed_up_high));
    svg.line(class, (x, low), (x, high));
}

fn square(svg: &mut Svg, class: &str, x: f64, y: f64) {
    let (x, y) = (x - 4.0, y - 4.0);
    svg.element(
        "rect",
        class,
        format_args!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\""),
    );
}

fn circle(svg: &mut Svg, class: &str, x: f64, y: f64) {
    svg.element(
        "circle",
        class,
        format_args!("cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
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
