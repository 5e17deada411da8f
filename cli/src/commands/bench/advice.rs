//! Advice: what follows from the figures, in words. The first piece is the verdict.

use serde::Serialize;

use super::figures::{Figures, Point};
use crate::terminal::units::{bytes, count, duration, percent, rate, times};

/// From which speed-up on something brings anything at all.
const GAIN: f64 = 1.3;

/// From which part of what could be had on a speed-up is a good one.
const GOOD: f64 = 0.7;

/// From how many bytes on a call's data is what makes crossing dear, and not the call.
const LARGE: u64 = 4096;

/// One piece, with an id that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Advice {
    pub(crate) id: &'static str,
    pub(crate) text: String,
}

fn advice(id: &'static str, text: impl Into<String>) -> Advice {
    let text = text.into();
    Advice { id, text }
}

/// What the person should do.
pub(crate) fn advise(figures: &Figures) -> Vec<Advice> {
    let mut all = vec![verdict(figures)];
    all.extend(fewer_workers(figures));
    all
}

/// What makes the figures unreliable, or less than they seem.
pub(crate) fn warn(figures: &Figures) -> Vec<Advice> {
    let mut all = Vec::new();
    if let Some(free) = figures.cores_free.filter(|_| figures.was_busy()) {
        let n = figures.workers.min(figures.cores);
        all.push(advice(
            "busy",
            format!(
                "the machine was busy: only {free:.1} of {n} cores were free, so the figures are \
                 unreliable"
            ),
        ));
    }
    if figures.rounds < 3 {
        let n = figures.rounds;
        let rounds = if n == 1 { "one round" } else { "two rounds" };
        all.push(advice(
            "few-rounds",
            format!("the time was only enough for {rounds}: use --seconds to measure for longer"),
        ));
    }
    if figures.keeps_results {
        all.push(advice(
            "keeps-results",
            "the function caches its results (cache_info), and the inputs repeat: the figures are those \
             of the cache",
        ));
    }
    if !figures.is_repeatable {
        all.push(advice(
            "varies",
            "the function does not return the same result twice, so workers could not be compared",
        ));
    }
    if figures.inputs.is_cut {
        let n = count(figures.inputs.given as u64);
        let text = format!("only the first {n} inputs (256 MiB) were read");
        all.push(advice("cut", text));
    }
    all
}

fn verdict(figures: &Figures) -> Advice {
    let Some(widest) = figures.widest() else {
        return refused(figures);
    };
    let n = figures.workers;
    let best = best(&figures.own_gils, widest);
    let one_gil = &figures.one_gil;
    // Not by chance: in every round.
    let threads_gain = one_gil.speed_up >= GAIN && one_gil.speed_up_low >= 1.1;
    // Where processes do much better, threads do not as well: they wait for one another, or for a core.
    let is_enough = figures.processes.speed_up < 1.3 * one_gil.speed_up;
    if threads_gain && is_enough && one_gil.speed_up >= 0.85 * best.speed_up {
        return waits(figures, best);
    }
    let ideal = figures.ideal(n);
    // Crossing is the reason where it allows no more, or next to no more.
    let allowed = figures.allowed_by_crossing();
    let explains = figures.crossing.share >= 0.15 && best.speed_up >= GOOD * allowed;
    if best.speed_up < GOOD * ideal && (allowed < GOOD * ideal || explains) {
        return crossing(figures, best);
    }
    if n == 1 || figures.cores == 1 {
        return single(figures);
    }
    let up = times(widest.speed_up);
    if best.speed_up >= GOOD * ideal {
        return scales(figures, best);
    }
    if figures.was_busy() {
        return advice(
            "unclear",
            format!(
                "{n} own GILs were {up} times as fast as a plain loop, but other programs used part \
                 of the cores: measure again when the machine is idle."
            ),
        );
    }
    let processes = &figures.processes;
    if processes.speed_up >= 1.2 * best.speed_up && processes.speed_up >= GAIN {
        return advice(
            "processes",
            format!(
                "Worker processes do better: {n} are {} times as fast as a plain loop, {n} own GILs \
                 {up} times. Something that the whole process shares slows workers down, such as a \
                 lock in C code or in its allocator. Use --backend process.",
                times(processes.speed_up)
            ),
        );
    }
    advice(
        "contended",
        format!(
            "{n} own GILs are {up} times as fast as a plain loop, although crossing takes only {} of \
             the time: something else is shared, such as memory bandwidth, a file, or a lock in C \
             code or in the system. More workers do not help until you find it.",
            percent(figures.crossing.share)
        ),
    )
}

/// The fewest workers that are about as good as any.
fn best<'a>(points: &'a [Point], widest: &'a Point) -> &'a Point {
    let most = points
        .iter()
        .map(|point| point.speed_up)
        .fold(0.0, f64::max);
    let good = |point: &&Point| point.speed_up >= 0.95 * most;
    // The widest, unless fewer workers are clearly better.
    match widest.speed_up >= 0.85 * most {
        true => widest,
        false => points.iter().find(good).unwrap_or(widest),
    }
}

fn scales(figures: &Figures, best: &Point) -> Advice {
    let (n, up) = (best.workers, times(best.speed_up));
    let part = percent(best.speed_up / figures.ideal(n));
    let start = duration(figures.start.workers_seconds + figures.start.function_seconds);
    let pays = match figures.start.pays_after_calls {
        Some(0 | 1) => " The first call makes up for that.".to_owned(),
        Some(calls) => format!(
            " {} calls ({} of work) make up for that.",
            count(calls),
            duration(calls as f64 * figures.plain_loop.mean_seconds)
        ),
        None => String::new(),
    };
    advice(
        "scales",
        format!(
            "Own GILs pay: {n} are {up} times as fast as a plain loop, {part} of what the cores \
             allow. Their start takes {start}.{pays}"
        ),
    )
}

fn waits(figures: &Figures, best: &Point) -> Advice {
    let n = figures.one_gil.workers;
    let up = times(figures.one_gil.speed_up);
    let own = times(best.speed_up);
    let busy = figures.plain_loop.cpu_share;
    let (why, more) = match busy < 0.5 {
        true => (
            format!("it waits ({} of its time on a core)", percent(busy)),
            " While calls wait, more workers than cores bring more: try -j.",
        ),
        false => ("it releases the GIL while it works".to_owned(), ""),
    };
    advice(
        "threads",
        format!(
            "Threads do as well: {n} threads of one GIL are {up} times as fast as a plain loop, \
             {} {own} times as fast, since {why}. --backend thread is enough here, starts faster \
             and takes less memory.{more}",
            are(best.workers, "own GIL", "own GILs")
        ),
    )
}

fn crossing(figures: &Figures, best: &Point) -> Advice {
    let crossing = &figures.crossing;
    let n_bytes = crossing.argument_bytes + crossing.result_bytes;
    let pays = match figures.pays_from_seconds {
        Some(seconds) if seconds > figures.plain_loop.mean_seconds => format!(
            " With such data own GILs pay from {} a call on.",
            duration(seconds)
        ),
        Some(_) if best.speed_up >= 1.05 => format!(
            " Even so {} {} times as fast as a plain loop.",
            are(best.workers, "own GIL", "own GILs"),
            times(best.speed_up)
        ),
        _ => String::new(),
    };
    let share = percent(crossing.share);
    if n_bytes >= LARGE {
        let remedy = match crossing.argument_bytes >= crossing.result_bytes {
            true => "Send less: a path or a key, and let the function read the data itself.",
            false => "Return less: a summary, or the path of a file that the function writes.",
        };
        return advice(
            "crossing",
            format!(
                "Crossing takes {share} of the time: {} in and {} out for a call of {}. \
                 {remedy}{pays}",
                bytes(crossing.argument_bytes),
                bytes(crossing.result_bytes),
                duration(figures.plain_loop.mean_seconds)
            ),
        );
    }
    advice(
        "tiny",
        format!(
            "The calls are too small: a plain loop does {}, and handing a call over takes {} where \
             the call itself takes {}. Let a call do more, such as a list of inputs instead of one; \
             otherwise a plain loop in one interpreter is best.{pays}",
            rate(figures.plain_loop.calls_per_second),
            duration(crossing.seconds),
            duration(figures.plain_loop.mean_seconds)
        ),
    )
}

fn single(figures: &Figures) -> Advice {
    let why = match figures.cores {
        1 => "This process has one core, where nothing runs in parallel",
        _ => "One worker runs nothing in parallel: omit -j 1 to compare all cores",
    };
    let share = percent(figures.crossing.share);
    let text = format!("{why}. Crossing would take {share} of the time.");
    advice("single", text)
}

fn refused(figures: &Figures) -> Advice {
    let up = times(figures.one_gil.speed_up);
    let threads = are(figures.one_gil.workers, "thread", "threads");
    let processes = are(figures.one_gil.workers, "process", "processes");
    let only = match figures.one_gil.speed_up >= GAIN {
        true => "",
        false => "only ",
    };
    let elsewhere = format!(
        "With --backend thread, {threads} {only}{up} times as fast as a plain loop; with --backend \
         process, {processes} {} times as fast.",
        times(figures.processes.speed_up)
    );
    let why = figures.refused.as_deref().unwrap_or_default();
    advice(
        "refused",
        format!("It does not load in an interpreter with its own GIL ({why}). {elsewhere}"),
    )
}

/// The start of a sentence about `n` things.
fn are(n: usize, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one} is"),
        _ => format!("{n} {many} are"),
    }
}

fn fewer_workers(figures: &Figures) -> Option<Advice> {
    let widest = figures.widest()?;
    let best = best(&figures.own_gils, widest);
    (best.workers < widest.workers && best.speed_up >= GAIN).then(|| {
        advice(
            "fewer-workers",
            format!(
                "{} workers are better than {}: -j {}.",
                best.workers, widest.workers, best.workers
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    fn ids(all: &[Advice]) -> Vec<&'static str> {
        all.iter().map(|one| one.id).collect()
    }

    #[test]
    fn tiny_calls_are_to_do_more_each() {
        let figures = figures(30e-9, 300e-9, 0.05, &[(1, 0.1), (2, 0.15)]);
        let advice = advise(&figures);
        assert_eq!(ids(&advice), ["tiny"]);
        let text = &advice[0].text;
        assert!(
            text.contains("33.3 M/s") && text.contains("300 ns"),
            "{text}"
        );
        assert!(text.contains("pay from 300 ns a call on"), "{text}");
    }

    #[test]
    fn large_data_is_to_stay_where_it_is() {
        let mut figures = figures(50e-6, 400e-6, 0.1, &[(1, 0.1), (2, 0.2)]);
        figures.crossing.argument_bytes = 1 << 20;
        let all = advise(&figures);
        assert_eq!(ids(&all), ["crossing"]);
        assert!(
            all[0].text.contains("takes 89 % of the time"),
            "{}",
            all[0].text
        );
        assert!(all[0].text.contains("a path"), "{}", all[0].text);
        figures.crossing.result_bytes = 2 << 20;
        assert!(advise(&figures)[0].text.contains("Return less"));
        // Still faster, but far from what could be.
        let own = [(1, 0.6), (2, 1.1), (4, 2.0)];
        let mut figures = super::super::figures::tests::figures(1e-3, 7e-4, 0.9, &own);
        figures.crossing.argument_bytes = 1 << 20;
        let all = advise(&figures);
        assert_eq!(ids(&all), ["crossing"]);
        assert!(
            all[0].text.contains("4 own GILs are 2.00 times"),
            "{}",
            all[0].text
        );
    }

    #[test]
    fn work_on_the_cpu_scales() {
        let mut figures = figures(30e-3, 20e-6, 0.98, &[(1, 1.0), (2, 1.94)]);
        let all = advise(&figures);
        assert_eq!(ids(&all), ["scales"]);
        let text = &all[0].text;
        assert!(
            text.contains("1.94 times") && text.contains("97 %"),
            "{text}"
        );
        assert!(text.contains("3 calls (90.0 ms of work)"), "{text}");
        figures.start.pays_after_calls = Some(1);
        assert!(advise(&figures)[0].text.contains("The first call makes up"));
        assert!(warn(&figures).is_empty());
    }

    #[test]
    fn what_waits_or_releases_the_gil_needs_threads_only() {
        let mut figures = figures(20e-3, 20e-6, 1.97, &[(1, 1.0), (2, 1.99)]);
        let all = advise(&figures);
        assert_eq!(ids(&all), ["threads"]);
        assert!(all[0].text.contains("releases the GIL"), "{}", all[0].text);
        // What only some rounds show may be other programs' doing.
        figures.one_gil.speed_up_low = 0.6;
        assert_eq!(ids(&advise(&figures)), ["scales"]);
        figures.one_gil.speed_up_low = 1.9;
        figures.plain_loop.cpu_share = 0.01;
        let text = &advise(&figures)[0].text;
        assert!(
            text.contains("it waits (1 % of") && text.contains("-j"),
            "{text}"
        );
        // Where processes do much better they are not enough.
        figures.processes.speed_up = 3.0;
        assert_ne!(ids(&advise(&figures)), ["threads"]);
    }

    #[test]
    fn what_does_not_scale_without_reason_is_contended() {
        let own = [(1, 1.0), (2, 1.1), (4, 1.2)];
        let mut figures = figures(30e-3, 20e-6, 0.98, &own);
        assert_eq!(ids(&advise(&figures)), ["contended"]);
        // Unless there is a reason.
        figures.processes.speed_up = 3.6;
        assert_eq!(ids(&advise(&figures)), ["processes"]);
        figures.cores_free = Some(1.5);
        assert_eq!(ids(&advise(&figures)), ["unclear"]);
        assert_eq!(ids(&warn(&figures)), ["busy"]);
    }

    #[test]
    fn crossing_is_blamed_for_what_it_takes() {
        // It would allow 1.58; large data has costs beside, that the stand-in does not show.
        let mut figures = figures(600e-6, 160e-6, 0.8, &[(1, 0.8), (2, 1.21)]);
        figures.crossing.argument_bytes = 1 << 20;
        assert_eq!(ids(&advise(&figures)), ["crossing"]);
        figures.own_gils[1].speed_up = 0.9;
        assert_eq!(ids(&advise(&figures)), ["contended"]);
    }

    #[test]
    fn fewer_workers_are_named_where_they_are_better() {
        let own = [(1, 1.0), (2, 1.9), (4, 3.5), (8, 2.5)];
        let all = advise(&figures(30e-3, 20e-6, 0.98, &own));
        assert_eq!(all[1].id, "fewer-workers");
        assert!(all[1].text.contains("-j 4"), "{}", all[1].text);
        // More workers than cores are no reason.
        let mut figures = figures(30e-3, 20e-6, 0.98, &[(1, 1.0), (2, 1.95), (4, 1.9)]);
        figures.cores = 2;
        assert_eq!(ids(&advise(&figures)), ["scales"]);
    }

    #[test]
    fn the_thread_that_hands_out_can_be_what_holds_many_workers_up() {
        // 64 workers could take 64 calls of 2 µs at once; one thread hands out 4 a microsecond.
        let mut figures = figures(2e-6, 0.3e-6, 0.3, &[(1, 0.9), (64, 7.5)]);
        figures.crossing.floor_seconds = 0.25e-6;
        let all = advise(&figures);
        assert_eq!(ids(&all), ["tiny"]);
        assert!(
            all[0].text.contains("64 own GILs are 7.50 times"),
            "{}",
            all[0].text
        );
    }

    #[test]
    fn a_refused_function_is_sent_to_threads_as_far_as_they_help() {
        let mut figures = figures(1e-3, 1e-6, 1.9, &[(2, 1.0)]);
        figures.own_gils.clear();
        figures.refused = Some("module numpy does not support it".to_owned());
        let all = advise(&figures);
        assert_eq!(ids(&all), ["refused"]);
        assert!(
            all[0].text.contains("With --backend thread, "),
            "{}",
            all[0].text
        );
        figures.one_gil.speed_up = 1.0;
        let text = &advise(&figures)[0].text;
        assert!(
            text.contains("numpy")
                && text.contains("with --backend process, 2 processes are 1.00 times"),
            "{text}"
        );
        figures.one_gil.workers = 1;
        let text = &advise(&figures)[0].text;
        assert!(text.contains("1 thread is only 1.00 times"), "{text}");
    }

    #[test]
    fn one_core_or_worker_leaves_little_to_say() {
        assert_eq!(
            ids(&advise(&figures(1e-3, 1e-6, 1.0, &[(1, 1.0)]))),
            ["single"]
        );
        let mut figures = figures(1e-3, 1e-6, 1.0, &[(1, 1.0), (2, 1.0)]);
        figures.cores = 1;
        assert!(advise(&figures)[0].text.contains("one core"));
        // What is tiny is so on any machine.
        assert_eq!(
            ids(&advise(&super::super::figures::tests::figures(
                1e-7,
                1e-6,
                0.1,
                &[(1, 0.1)]
            ))),
            ["tiny"]
        );
    }

    #[test]
    fn unreliable_figures_come_with_a_warning() {
        let mut figures = figures(1e-3, 1e-6, 1.0, &[(1, 1.0), (2, 1.9)]);
        figures.cores_free = Some(1.2);
        figures.rounds = 1;
        figures.keeps_results = true;
        figures.is_repeatable = false;
        figures.inputs.is_cut = true;
        let reported = warn(&figures);
        let expected = ["busy", "few-rounds", "keeps-results", "varies", "cut"];
        assert_eq!(ids(&reported), expected);
        assert!(
            reported[0].text.contains("only 1.2 of 2 cores"),
            "{}",
            reported[0].text
        );
    }
}
