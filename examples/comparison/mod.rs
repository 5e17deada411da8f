//! Comparison: the same work done in several places, in turns, with the time of each, and whether the cores were free.
//!
//! Each place does it once to warm up. In the rounds after that all take their turn, every other time in the
//! other order, so that what else the machine does hits them alike; medians are compared. What they give
//! must be equal.

mod load;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::Load;

/// What goes wrong in an example, for a person to read.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// How an example ends: with what went wrong, if something did.
pub(crate) fn ended(result: Result<(), AnyError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this run is only to show that it works: `OWNGIL_EXAMPLES=small`, as the tests set it.
pub(crate) fn is_small() -> bool {
    std::env::var("OWNGIL_EXAMPLES").is_ok_and(|size| size == "small")
}

/// Does the work in each place, by its name; prints the times and how much faster than the first place the others
/// are, and gives what the work gave.
pub(crate) fn compare<P, T: PartialEq>(
    places: &[(&str, P)],
    mut work: impl FnMut(&P) -> Result<T, AnyError>,
) -> Result<T, AnyError> {
    let n_rounds = if is_small() { 1 } else { 5 };
    let mut expected = None;
    for (name, place) in places {
        check(name, work(place)?, &mut expected)?;
    }
    row("round", places.iter().map(|(name, _)| (*name).to_owned()));
    let mut times = vec![Vec::new(); places.len()];
    let before = Load::now();
    for round in 0..n_rounds {
        let mut order: Vec<usize> = (0..places.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            let (name, place) = &places[number];
            let start = Instant::now();
            let given = work(place)?;
            times[number].push(start.elapsed());
            check(name, given, &mut expected)?;
        }
        let last = times.iter().map(|times| duration(times[round]));
        row(&(round + 1).to_string(), last);
    }
    let load = before.zip(Load::now());
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    row("median", medians.iter().copied().map(duration));
    let base = medians[0].as_secs_f64();
    let ratios = medians.iter().map(|time| base / time.as_secs_f64());
    row("speed-up", ratios.map(|ratio| format!("{ratio:.2}")));
    println!("\n{}", load::verdict(load));
    expected.ok_or_else(|| "nothing to compare".into())
}

fn check<T: PartialEq>(name: &str, given: T, expected: &mut Option<T>) -> Result<(), AnyError> {
    match expected {
        Some(expected) if *expected != given => {
            Err(format!("{name} gave something else than the first").into())
        }
        Some(_) => Ok(()),
        None => {
            *expected = Some(given);
            Ok(())
        }
    }
}

fn row(name: &str, columns: impl Iterator<Item = String>) {
    print!("{name:>8}");
    columns.for_each(|column| print!("  {column:>16}"));
    println!();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// With three digits that count.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let n_decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.n_decimals$} {unit}")
}
