//! Units: figures in a readable form.

/// `70 ns`, `1.31 µs`, `30.1 ms`, `2.5 s`
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        ..0.9995e-6 => format!("{:.0} ns", seconds * 1e9),
        ..0.9995e-3 => format!("{} µs", digits(seconds * 1e6)),
        ..0.9995 => format!("{} ms", digits(seconds * 1e3)),
        _ => format!("{} s", digits(seconds)),
    }
}

/// `33.3 M/s`, `12.5 k/s`, `7.14/s`
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        ..999.5 => format!("{}/s", digits(per_second)),
        ..999.5e3 => format!("{} k/s", digits(per_second / 1e3)),
        _ => format!("{} M/s", digits(per_second / 1e6)),
    }
}

/// `20 B`, `1.5 kB`, `1.05 MB`
pub(crate) fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        ..1e3 => format!("{n} B"),
        ..999.5e3 => format!("{} kB", digits(n / 1e3)),
        ..999.5e6 => format!("{} MB", digits(n / 1e6)),
        _ => format!("{} GB", digits(n / 1e9)),
    }
}

/// `3`, `12 345`
pub(crate) fn count(n: u64) -> String {
    grouped(n)
}

/// `97 %`
pub(crate) fn percent(part: f64) -> String {
    match part * 100.0 {
        small @ 0.05..0.95 => format!("{small:.1} %"),
        99.5..100.0 => "over 99 %".to_owned(),
        other => format!("{other:.0} %"),
    }
}

/// How many times as fast: `<0.001`, `0.002`, `0.15`, `1.94`, `62`
pub(crate) fn times(factor: f64) -> String {
    match factor {
        ..0.0005 => "<0.001".to_owned(),
        ..0.0095 => format!("{factor:.3}"),
        ..9.995 => format!("{factor:.2}"),
        _ => format!("{factor:.0}"),
    }
}

/// Three digits, where a whole number does not have more.
fn digits(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// `1 input`, `2 000 inputs`
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// A number with a space between each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place >= first && (place - first).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_their_unit() {
        for (seconds, text) in [
            (0.0, "0 ns"),
            (7.04e-8, "70 ns"),
            (9.9999e-7, "1.00 µs"),
            (1.308e-6, "1.31 µs"),
            (0.0301, "30.1 ms"),
            (0.345, "345 ms"),
            (0.99999, "1.00 s"),
            (123.4, "123 s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (per_second, text) in [
            (7.142, "7.14/s"),
            (999.9, "1.00 k/s"),
            (12_510.0, "12.5 k/s"),
            (33.33e6, "33.3 M/s"),
        ] {
            assert_eq!(rate(per_second), text);
        }
        for (n, text) in [
            (20, "20 B"),
            (1500, "1.50 kB"),
            (1 << 20, "1.05 MB"),
            (5_000_000_000, "5.00 GB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(
            [percent(0.003), percent(0.0), percent(0.97)],
            ["0.3 %", "0 %", "97 %"]
        );
        assert_eq!(
            [times(0.0021), times(0.154), times(2.0)],
            ["0.002", "0.15", "2.00"]
        );
        assert_eq!(
            [times(1.939), times(61.7), times(1e-5)],
            ["1.94", "62", "<0.001"]
        );
        assert_eq!([percent(0.9999), percent(1.0)], ["over 99 %", "100 %"]);
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (12345, "12 345"),
            (123456, "123 456"),
            (1234567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
