//! Table: the report in a terminal, with the speed-up as bars.

use super::advice::Advice;
use super::figures::{Figures, Point};
use crate::terminal::screen::{EIGHTHS, MARK, Screen, wrapped};
use crate::terminal::units::{bytes, count, duration, percent, rate, times};

impl Screen {
    /// A bar of that many columns, and what is marked behind it.
    fn bar(self, length: f64, mark: Option<f64>) -> String {
        let eighths = (length.max(0.0) * 8.0).round() as usize;
        let mut bar = EIGHTHS[7].to_string().repeat(eighths / 8);
        let mut n_columns = eighths / 8;
        match eighths % 8 {
            0 => {}
            part if self.is_utf8 => {
                bar.push(EIGHTHS[part - 1]);
                n_columns += 1;
            }
            part if part >= 4 => {
                bar.push(EIGHTHS[7]);
                n_columns += 1;
            }
            _ => {}
        }
        let at = mark.map_or(0, |mark| mark.round() as usize);
        if at > n_columns {
            bar.push_str(&" ".repeat(at - n_columns - 1));
            bar.push(MARK);
        }
        bar
    }
}

/// The whole report.
pub(crate) fn report(
    figures: &Figures,
    warnings: &[Advice],
    advice: &[Advice],
    screen: Screen,
) -> String {
    let mut text = head(figures);
    text.push_str(&curve(figures, screen));
    text.push('\n');
    text.push_str(&costs(figures));
    for (word, all) in [("warning", warnings), ("advice", advice)] {
        for one in all {
            text.push('\n');
            text.push_str(&wrapped(&format!("{word}: {}", one.text), screen.width));
        }
    }
    screen.fit(text)
}

fn head(figures: &Figures) -> String {
    let inputs = &figures.inputs;
    let n = match inputs.used == inputs.given {
        true => count(inputs.given as u64),
        false => format!(
            "{} of {}",
            count(inputs.used as u64),
            count(inputs.given as u64)
        ),
    };
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    format!(
        "{}\n{n} input{}, {} round{}, {} core{}, Python {}\n\n",
        figures.function,
        plural(inputs.given),
        figures.rounds,
        plural(figures.rounds),
        figures.cores,
        plural(figures.cores),
        figures.python
    )
}

/// A line for each configuration.
fn curve(figures: &Figures, screen: Screen) -> String {
    let mut rows = vec![SpeedRow {
        label: "plain loop".to_owned(),
        rate: figures.plain_loop.calls_per_second,
        speed_up: 1.0,
        spread: String::new(),
        mark: None,
    }];
    let n = figures.one_gil.workers;
    let threads = format!("{n} thread{}, one GIL", if n == 1 { "" } else { "s" });
    rows.push(SpeedRow::new(threads, &figures.one_gil, None));
    for point in &figures.own_gils {
        let label = match point.workers {
            1 => "1 own GIL".to_owned(),
            n => format!("{n} own GILs"),
        };
        let ideal = figures.ideal(point.workers);
        rows.push(SpeedRow::new(label, point, Some(ideal)));
    }
    let processes = format!("{n} process{}", if n == 1 { "" } else { "es" });
    let ideal = figures.ideal(n);
    rows.push(SpeedRow::new(processes, &figures.processes, Some(ideal)));
    let label_width = rows.iter().map(|row| row.label.len()).max().unwrap_or(0);
    let spread_width = rows.iter().map(|row| row.spread.chars().count()).max();
    let spread_width = spread_width.unwrap_or(0);
    let used = label_width + 2 + 8 + 2 + 8 + 2 + spread_width + 2;
    let most = rows
        .iter()
        .map(|row| row.speed_up.max(row.mark.unwrap_or(0.0)));
    let most = most.fold(1.0, f64::max);
    let unit = screen.width.saturating_sub(used).max(8) as f64 / most;

    let mut lines = vec![format!(
        "{:label_width$}  {:>8}  {:>8}  spread",
        "", "calls", "speed-up"
    )];
    for row in rows {
        let bar = screen.bar(row.speed_up * unit, row.mark.map(|mark| mark * unit));
        let line = format!(
            "{:label_width$}  {:>8}  {:>8}  {:<spread_width$}  {bar}",
            row.label,
            rate(row.rate),
            times(row.speed_up),
            row.spread
        );
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

struct SpeedRow {
    label: String,
    rate: f64,
    speed_up: f64,
    spread: String,
    mark: Option<f64>,
}

impl SpeedRow {
    fn new(label: String, point: &Point, mark: Option<f64>) -> SpeedRow {
        SpeedRow {
            label,
            rate: point.calls_per_second,
            speed_up: point.speed_up,
            spread: format!(
                "{}–{}",
                times(point.speed_up_low),
                times(point.speed_up_high)
            ),
            mark,
        }
    }
}

/// What things take, a line each.
fn costs(figures: &Figures) -> String {
    let (plain, crossing, start) = (&figures.plain_loop, &figures.crossing, &figures.start);
    let quantiles = plain.quantiles.as_ref().map(|quantiles| {
        let (p50, p99) = (quantiles.p50_seconds, quantiles.p99_seconds);
        format!(", median {}, p99 {}", duration(p50), duration(p99))
    });
    let mut lines = vec![
        (
            "a call",
            format!(
                "{}{}, {} of it on a core",
                duration(plain.mean_seconds),
                quantiles.unwrap_or_default(),
                percent(plain.cpu_share)
            ),
        ),
        (
            "crossing",
            format!(
                "{} a call, {} of the time: {} in, {} out",
                duration(crossing.seconds),
                percent(crossing.share),
                bytes(crossing.argument_bytes),
                bytes(crossing.result_bytes)
            ),
        ),
        (
            "start",
            format!(
                "Python {}, {} worker{} {}, the function {}",
                duration(start.python_seconds),
                figures.workers,
                if figures.workers == 1 { "" } else { "s" },
                duration(start.workers_seconds),
                duration(start.function_seconds)
            ),
        ),
    ];
    if let Some(n) = figures.worker_bytes {
        lines.push(("memory", format!("{} a worker", bytes(n))));
    }
    let pays = match figures.pays_from_seconds {
        Some(seconds) => format!("from {} a call on, with such data", duration(seconds)),
        None if figures.refused.is_some() => "never: it loads in no own GIL".to_owned(),
        None => "never: nothing runs in parallel".to_owned(),
    };
    lines.push(("pays", pays));
    let line = |(name, what): (&str, String)| format!("{name:8}  {what}\n");
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::advice::{advise, warn};
    use super::super::figures::tests::figures;
    use super::*;

    const WIDE: Screen = Screen {
        width: 80,
        is_utf8: true,
        has_color: false,
    };

    #[test]
    fn bars_have_eighths_and_end_before_what_is_ideal() {
        assert_eq!(WIDE.bar(0.0, None), "");
        assert_eq!(WIDE.bar(2.0, None), "██");
        assert_eq!(WIDE.bar(2.5, None), "██▌");
        assert_eq!(WIDE.bar(0.01, Some(4.0)), "   │");
        assert_eq!(WIDE.bar(2.5, Some(5.0)), "██▌ │");
        assert_eq!(WIDE.bar(4.9, Some(5.0)), "████▉");
        assert_eq!(WIDE.bar(f64::NAN, None), "");
        let plain = Screen {
            is_utf8: false,
            ..WIDE
        };
        assert_eq!(plain.fit(plain.bar(2.5, Some(5.0))), "### |");
        assert_eq!(plain.fit(plain.bar(2.2, Some(5.0))), "##  |");
    }

    #[test]
    fn a_report_keeps_to_its_width() {
        let own = [(1, 1.0), (2, 1.94), (4, 3.8), (64, 55.0)];
        let mut figures = figures(30e-3, 20e-6, 0.98, &own);
        figures.cores_free = Some(10.0);
        let (warnings, advice) = (warn(&figures), advise(&figures));
        for width in [72, 80, 100] {
            for is_utf8 in [true, false] {
                let screen = Screen {
                    width,
                    is_utf8,
                    has_color: false,
                };
                let text = report(&figures, &warnings, &advice, screen);
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                    assert_eq!(line, line.trim_end());
                }
                assert!(is_utf8 || text.is_ascii(), "{text}");
                let bar = text.lines().find(|line| line.starts_with("64 own"));
                let end = if is_utf8 { '│' } else { '|' };
                assert!(bar.unwrap().ends_with(end), "{text}");
            }
        }
    }

    #[test]
    fn a_report_says_what_was_found() {
        let figures = figures(30e-3, 20e-6, 0.98, &[(1, 1.0), (2, 1.94)]);
        let text = report(&figures, &[], &advise(&figures), WIDE);
        for part in [
            "a.py:f\n10 inputs, 5 rounds, 2 cores, Python 3.14.2\n",
            "\nplain loop            33.3/s      1.00             ██",
            "\n2 threads, one GIL    32.7/s      0.98  0.97–0.99  ██",
            "\n2 own GILs            64.7/s      1.94  1.92–1.96  ██",
            "\ncrossing  20.0 µs a call, 0.1 % of the time: 20 B in, 20 B out\n",
            "\nmemory    2.40 MB a worker\n",
            "\npays      from 20.0 µs a call on, with such data\n",
            "\n\nadvice: Own GILs pay: 2 are 1.94 times as fast",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
