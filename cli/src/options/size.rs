//! Size: durations and sizes, as they are written on the command line.

use std::time::Duration;

/// The longest time that may be named: a hundred years.
const SECONDS_MAX: f64 = 100.0 * 365.0 * 86_400.0;

/// `1.5`, `200ms`, `30s`, `2m`, `1h`, `1d`
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: write 1.5, 200ms, 30s, 2m, 1h or 1d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    match digits.parse::<f64>() {
        Ok(number) if (0.0..=SECONDS_MAX).contains(&(number * unit)) => {
            Ok(Duration::from_secs_f64(number * unit))
        }
        _ => Err(wrong()),
    }
}

/// `4096`, `512K`, `1.5G`: in units of 1024, as in GNU parallel; in lower case, of 1000.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write 4096, 512K, 100M or 1.5G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let letters = text[digits.len()..]
        .trim_end_matches("iB")
        .trim_end_matches('B');
    let power = match letters.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    let base: f64 = match letters.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => 1000.0,
        false => 1024.0,
    };
    match digits.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => {
            let bytes = number * base.powi(power);
            // What no memory holds is the most that there is.
            Ok(bytes as u64)
        }
        _ => Err(wrong()),
    }
}

/// `1.5 G`, of a number of bytes.
pub(crate) fn shown(n_bytes: u64) -> String {
    let n_bytes = n_bytes as f64;
    for (power, unit) in [(4, "T"), (3, "G"), (2, "M"), (1, "K")] {
        let number = n_bytes / 1024_f64.powi(power);
        if number >= 1.0 {
            return format!("{number:.1}{unit}");
        }
    }
    format!("{n_bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_unless_a_unit_says_otherwise() {
        for (text, milliseconds) in [
            ("0", 0),
            ("1.5", 1500),
            ("200ms", 200),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "-1", "1 s", "1w", "inf", "nan", "1e300", "x"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_unless_a_unit_says_otherwise() {
        for (text, n) in [
            ("0", 0),
            ("4096", 4096),
            ("512K", 512 << 10),
            ("100M", 100 << 20),
            ("1.5G", 3 << 29),
            ("1GiB", 1 << 30),
            ("1GB", 1 << 30),
            ("1g", 1_000_000_000),
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(n), "{text}");
        }
        for text in ["", "G", "-1", "1X", "nan", "1 G"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(shown(3 << 29), "1.5G");
        assert_eq!(shown(100), "100 bytes");
    }
}
