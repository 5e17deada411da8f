//! Figures: what was measured and what follows from it by arithmetic. Times are in seconds.

use serde::Serialize;

/// All that a run of `owngil bench` has found, as `--json` writes it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) owngil: &'static str,
    pub(crate) python: String,
    pub(crate) function: String,
    /// The most workers.
    pub(crate) workers: usize,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    pub(crate) inputs: InputFigures,
    pub(crate) rounds: usize,
    /// How long the rounds took together.
    pub(crate) seconds: f64,
    pub(crate) plain_loop: Plain,
    pub(crate) one_gil: Point,
    /// As many workers, each in a process.
    pub(crate) processes: Point,
    /// By the number of workers; empty where the function loads in no interpreter with its own GIL.
    pub(crate) own_gils: Vec<Point>,
    /// Why it loads in none.
    pub(crate) refused: Option<String>,
    pub(crate) crossing: Crossing,
    pub(crate) start: Start,
    /// What each worker added to the process, its function loaded.
    pub(crate) worker_bytes: Option<u64>,
    /// From which time per call on the workers are faster than a plain loop. `None`: never.
    pub(crate) pays_from_seconds: Option<f64>,
    /// How many cores' worth of work that many spinning threads did.
    pub(crate) cores_free: Option<f64>,
    /// Whether a call gives the same twice.
    pub(crate) is_repeatable: bool,
    /// Whether the function keeps its results, as `functools.lru_cache` does.
    pub(crate) keeps_results: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct InputFigures {
    pub(crate) given: usize,
    pub(crate) used: usize,
    /// Whether there were more than memory was set aside for.
    pub(crate) is_cut: bool,
}

/// A loop in one interpreter, with nothing crossing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plain {
    pub(crate) calls_per_second: f64,
    pub(crate) mean_seconds: f64,
    /// `None` for calls that are too short for a clock.
    pub(crate) quantiles: Option<Quantiles>,
    /// The part of that time that a processor worked for it.
    pub(crate) cpu_share: f64,
}

/// The time of single calls.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50_seconds: f64,
    pub(crate) p99_seconds: f64,
}

impl Quantiles {
    /// Of these times in nanoseconds, if there are any.
    pub(crate) fn of(mut nanoseconds: Vec<u64>) -> Option<Quantiles> {
        nanoseconds.sort_unstable();
        let last = nanoseconds.len().checked_sub(1)?;
        let part = |part: f64| nanoseconds[(part * last as f64).round() as usize] as f64 / 1e9;
        Some(Quantiles {
            p50_seconds: part(0.5),
            p99_seconds: part(0.99),
        })
    }
}

/// So many workers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) workers: usize,
    pub(crate) calls_per_second: f64,
    /// Against the plain loop of the same round: the median of the rounds, the least and the most.
    pub(crate) speed_up: f64,
    pub(crate) speed_up_low: f64,
    pub(crate) speed_up_high: f64,
}

/// What it costs to bring a call to a worker and its value back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Crossing {
    /// On both sides together.
    pub(crate) seconds: f64,
    /// Of the time of a call and its crossing.
    pub(crate) share: f64,
    /// What one worker's calls take longer by than a plain loop's.
    pub(crate) worker_seconds: f64,
    /// What encoding arguments and decoding results takes in the thread that makes the calls.
    pub(crate) caller_seconds: f64,
    /// The time per call that the widest pool needs for calls that do nothing.
    pub(crate) floor_seconds: f64,
    /// The mean size of an argument and of a result, encoded.
    pub(crate) argument_bytes: u64,
    pub(crate) result_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) python_seconds: f64,
    /// Until all workers are ready.
    pub(crate) workers_seconds: f64,
    /// Until all of them have loaded the function.
    pub(crate) function_seconds: f64,
    /// After how many calls the workers have made up for their start. `None`: never.
    pub(crate) pays_after_calls: Option<u64>,
}

impl Crossing {
    /// From its two sides, for calls that take `mean` by themselves; without what is counted.
    pub(crate) fn new(worker: f64, caller: f64, mean: f64) -> Crossing {
        let seconds = worker + caller;
        Crossing {
            seconds,
            share: seconds / (seconds + mean),
            worker_seconds: worker,
            caller_seconds: caller,
            floor_seconds: 0.0,
            argument_bytes: 0,
            result_bytes: 0,
        }
    }
}

impl Figures {
    /// The speed-up that so many workers could bring to work that keeps a core busy.
    pub(crate) fn ideal(&self, workers: usize) -> f64 {
        workers.min(self.cores) as f64
    }

    /// The point with the most workers.
    pub(crate) fn widest(&self) -> Option<&Point> {
        self.own_gils.last()
    }

    /// What crossing takes from the cores that workers run on: where there is none to spare, the
    /// thread that makes the calls shares theirs.
    fn crossing_on_cores(&self) -> f64 {
        match self.workers < self.cores {
            true => self.crossing.worker_seconds,
            false => self.crossing.seconds,
        }
    }

    /// The speed-up that crossing alone would let the widest pool have.
    pub(crate) fn allowed_by_crossing(&self) -> f64 {
        let mean = self.plain_loop.mean_seconds;
        let per_call = (mean + self.crossing_on_cores()) / self.ideal(self.workers);
        mean / per_call.max(self.crossing.floor_seconds)
    }

    /// The time per call from which on the widest pool is faster than a loop: where crossing allows
    /// a speed-up of 1.
    pub(crate) fn pays_from(&self) -> Option<f64> {
        let ideal = self.ideal(self.workers);
        let pays = self.crossing_on_cores() / (ideal - 1.0);
        (ideal > 1.0 && self.refused.is_none()).then(|| pays.max(self.crossing.floor_seconds))
    }

    /// Whether so much else ran that the figures say little.
    pub(crate) fn was_busy(&self) -> bool {
        let n = self.ideal(self.workers);
        self.cores_free.is_some_and(|free| free < 0.8 * n)
    }
}

/// After how many calls `start` has been made up for.
pub(crate) fn pays_after(start: f64, plain: f64, workers: f64) -> Option<u64> {
    let gain = plain - workers;
    (gain > 0.0).then(|| (start / gain).ceil() as u64)
}

/// The middle one, or the mean of the two that are.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// What workers did, from the times per call of its rounds and those of the plain loop.
pub(crate) fn point(workers: usize, times: &[f64], plain: &[f64]) -> Point {
    let pairs = times.iter().zip(plain);
    let ratios: Vec<f64> = pairs.map(|(time, plain)| plain / time).collect();
    Point {
        workers,
        calls_per_second: 1.0 / median(times),
        speed_up: median(&ratios),
        speed_up_low: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        speed_up_high: ratios.iter().copied().fold(0.0, f64::max),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Figures of a function that takes `mean` by itself and `crossing` more to be called, on so
    /// many cores, with these speed-ups of one GIL and of own ones.
    pub(crate) fn figures(mean: f64, crossing: f64, one_gil: f64, own: &[(usize, f64)]) -> Figures {
        let made = |workers: usize, speed_up: f64| Point {
            workers,
            calls_per_second: speed_up / mean,
            speed_up,
            speed_up_low: 0.99 * speed_up,
            speed_up_high: 1.01 * speed_up,
        };
        let workers = own.last().map_or(2, |last| last.0);
        let mut figures = Figures {
            owngil: "0.1.0",
            python: "3.14.2".to_owned(),
            function: "a.py:f".to_owned(),
            workers,
            cores: workers,
            inputs: InputFigures {
                given: 10,
                used: 10,
                is_cut: false,
            },
            rounds: 5,
            seconds: 10.0,
            plain_loop: Plain {
                calls_per_second: 1.0 / mean,
                mean_seconds: mean,
                quantiles: Some(Quantiles {
                    p50_seconds: mean,
                    p99_seconds: 1.5 * mean,
                }),
                cpu_share: 1.0,
            },
            one_gil: made(workers, one_gil),
            processes: made(workers, own.last().map_or(1.0, |last| last.1)),
            own_gils: own.iter().map(|&(workers, up)| made(workers, up)).collect(),
            refused: None,
            crossing: Crossing {
                floor_seconds: crossing / 2.0,
                argument_bytes: 20,
                result_bytes: 20,
                ..Crossing::new(crossing, 0.0, mean)
            },
            start: Start {
                python_seconds: 0.01,
                workers_seconds: 0.02,
                function_seconds: 0.001,
                pays_after_calls: Some(3),
            },
            worker_bytes: Some(2_400_000),
            pays_from_seconds: None,
            cores_free: Some(workers as f64),
            is_repeatable: true,
            keeps_results: false,
        };
        figures.pays_from_seconds = figures.pays_from();
        figures
    }

    #[test]
    fn the_middle_and_the_parts_of_a_list() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
        let quantiles = Quantiles::of((0..=100).rev().collect()).unwrap();
        assert_eq!(
            (quantiles.p50_seconds, quantiles.p99_seconds),
            (50e-9, 99e-9)
        );
        assert_eq!(Quantiles::of(vec![7]).unwrap().p99_seconds, 7e-9);
        assert!(Quantiles::of(Vec::new()).is_none());
    }

    #[test]
    fn each_round_is_compared_with_its_own_loop() {
        // The machine was half as fast in the second round, for both.
        let point = point(2, &[0.5, 1.0, 0.6], &[1.0, 2.0, 1.0]);
        assert_eq!(point.speed_up, 2.0);
        assert_eq!(point.speed_up_high, 2.0);
        assert!((point.speed_up_low - 1.0 / 0.6).abs() < 1e-9);
        assert!((point.calls_per_second - 1.0 / 0.6).abs() < 1e-9);
    }

    #[test]
    fn where_it_pays_the_model_says_as_fast_as_the_loop() {
        for (crossing, n_workers, n_cores) in [(1e-6, 2, 2), (1e-6, 8, 8), (5e-4, 4, 16)] {
            let mut figures = figures(1.0, crossing, 1.0, &[(n_workers, 1.0)]);
            figures.cores = n_cores;
            figures.crossing.seconds *= 1.5;
            figures.plain_loop.mean_seconds = figures.pays_from().unwrap();
            assert!((figures.allowed_by_crossing() - 1.0).abs() < 1e-9);
        }
        let alone = figures(1.0, 1e-6, 1.0, &[(1, 1.0)]);
        assert_eq!(alone.pays_from(), None);
    }

    #[test]
    fn the_thread_that_makes_the_calls_needs_a_core_too() {
        let mut figures = figures(300e-6, 100e-6, 0.9, &[(1, 0.8), (2, 1.2)]);
        figures.crossing = Crossing::new(100e-6, 100e-6, 300e-6);
        assert!((figures.allowed_by_crossing() - 1.2).abs() < 1e-9);
        // Where there is one more, it takes nothing from the workers.
        figures.cores = 4;
        assert!((figures.allowed_by_crossing() - 1.5).abs() < 1e-9);
        assert!((figures.crossing.share - 0.4).abs() < 1e-9);
    }

    #[test]
    fn a_start_is_made_up_for_by_calls_that_gain() {
        assert_eq!(pays_after(0.03, 0.01, 0.005), Some(6));
        assert_eq!(pays_after(0.03, 0.01, 0.01), None);
        assert_eq!(pays_after(0.03, 0.01, 0.02), None);
    }

    #[test]
    fn more_workers_than_cores_promise_no_more() {
        let mut figures = figures(1.0, 0.0, 1.0, &[(8, 2.0)]);
        figures.cores = 2;
        assert_eq!(figures.ideal(8), 2.0);
        assert_eq!(figures.allowed_by_crossing(), 2.0);
        figures.cores_free = Some(1.9);
        assert!(!figures.was_busy());
        figures.cores_free = Some(1.4);
        assert!(figures.was_busy());
    }
}
