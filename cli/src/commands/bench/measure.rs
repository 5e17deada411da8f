//! Measure: the first calls, and the rounds that measure everything in turn.

use std::hint::black_box;
use std::time::Instant;

use owngil::{Error, Function, Payload, Value};

use super::agreement::same;
use super::cores::Cores;
use super::figures::{self, Crossing, Figures, Plain, Quantiles, Start, median};
use super::pools::Pools;
use super::sample::{Sample, TEXT_MAX, gcd};
use super::{BenchPlan, BenchProgress};
use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::Input;
use crate::input::call::binding::Binding;
use crate::options::jobs::n_cores;
use crate::options::plan::no_inputs;
use crate::session::Session;

/// The most inputs that are used, and bytes of arguments and results that are held.
const N_USED_MAX: usize = 4096;
const HELD_BYTES_MAX: usize = 64 << 20;

/// The shortest calls that a clock can time one by one.
const SHORTEST: f64 = 1e-6;

/// How many values are encoded and decoded between two looks at the clock.
const CLOCK_STRIDE: u32 = 16;

/// From which time per call on each call of the plain loop is timed; the clock takes less than 1 %.
const EACH_FROM: f64 = 20e-6;

/// Measures what the plan asks for.
pub(crate) fn measure(
    plan: BenchPlan,
    session: &Session,
    progress: &BenchProgress,
) -> Result<Figures, Fatal> {
    let pools = Pools::start(&plan, session, progress)?;
    progress.say("reading inputs");
    let (reference, function) = (plan.calls.reference.clone(), plan.calls.function);
    let name = plan.calls.inputs.name.clone();
    let binding = Binding::new(&pools.list[pools.widest], &function, &plan.process, session);
    let inputs = Sample::read(plan.calls.blocks(binding), &name, TEXT_MAX)?;
    if inputs.len() == 0 {
        return Err(no_inputs("bench"));
    }
    let n_rounds = plan.n_rounds;
    // One for each point of the curve, one for the plain loop, one for what crossing takes.
    let n_slices = n_rounds * (pools.list.len() + 2);
    let slice = plan.seconds / n_slices as f64;
    let mut bench = Bench {
        reference,
        function,
        inputs,
        used: Vec::new(),
        pools,
        progress,
        slice,
        argument_bytes: 0,
        result_bytes: 0,
        is_slow: false,
    };
    let keeps_results = bench.find()?;
    let results = bench.try_inputs()?;
    let is_repeatable = bench.compare(&results)?;
    bench.hand_out(&results)?;
    let mut rounds = bench.warm_up(results)?;
    let start = Instant::now();
    bench.run(&mut rounds, n_rounds, plan.seconds)?;
    let seconds = start.elapsed().as_secs_f64();
    bench.figures(rounds, seconds, is_repeatable, keeps_results)
}

/// A function of the harness.
fn harness(name: &str) -> Function {
    const SOURCE: &str = concat!(
        include_str!("../../python/loaded.py"),
        include_str!("harness.py")
    );
    Function::source(SOURCE, name)
}

struct Bench<'a> {
    reference: String,
    function: Function,
    inputs: Sample,
    /// Those that are used, with their numbers.
    used: Vec<(usize, Input)>,
    pools: Pools,
    progress: &'a BenchProgress,
    /// How long one measurement should take, in seconds.
    slice: f64,
    argument_bytes: usize,
    result_bytes: usize,
    /// Whether one call fills a slice: then every call that has been made was warm-up enough.
    is_slow: bool,
}

/// Calls through a pool, and how many of them are made at once.
struct Series {
    pool: usize,
    function: Function,
    /// How long a measurement should take, in seconds.
    slice: f64,
    n_calls: usize,
    /// The time per call of each round.
    times: Vec<f64>,
}

/// What the rounds have given.
struct Rounds {
    /// What the inputs that are used have given.
    results: Vec<Payload>,
    plain: Vec<f64>,
    /// The plain loop of calls that do nothing.
    stand_in: Vec<f64>,
    /// What the thread that makes the calls does for each.
    caller: Vec<f64>,
    cpu_shares: Vec<f64>,
    /// Of single calls, in nanoseconds.
    durations: Vec<u64>,
    each: bool,
    curve: Vec<Series>,
    /// Calls that do nothing, through one worker and through all.
    crossing: [Series; 2],
    cores: Cores,
}

impl Bench<'_> {
    /// Finds the function in the interpreters that measure it by itself; returns whether it keeps
    /// its results.
    fn find(&self) -> Result<bool, Fatal> {
        let (find, reference) = (harness("find"), self.function.to_string());
        let mut keeps = false;
        for at in [self.pools.alone(), self.pools.widest] {
            for result in self.pools.list[at].broadcast::<bool, _>(&find, &reference)? {
                keeps |= result?;
            }
        }
        Ok(keeps)
    }

    /// Calls the function for inputs from all over, as many as will be used; returns the results,
    /// by the numbers of the inputs.
    fn try_inputs(&mut self) -> Result<Vec<Payload>, Fatal> {
        self.progress.say("first calls");
        let start = Instant::now();
        let mut tried = Vec::new();
        for number in self.inputs.spread().take(N_USED_MAX) {
            let input = self.inputs.get(number)?;
            let argument = Payload::new(&*input.whole()).map_err(Error::from)?;
            let result: Payload = self.pools.list[self.pools.alone()]
                .call(&self.function, &input)
                .map_err(|error| self.failed(number, &error))?;
            self.argument_bytes += argument.as_bytes().len();
            self.result_bytes += result.as_bytes().len();
            tried.push((number, input, result));
            let n_bytes = self.argument_bytes.max(self.result_bytes);
            if n_bytes >= HELD_BYTES_MAX || start.elapsed().as_secs_f64() >= self.slice {
                break;
            }
        }
        self.is_slow = start.elapsed().as_secs_f64() / tried.len() as f64 >= self.slice;
        tried.sort_by_key(|(number, ..)| *number);
        let mut results = Vec::with_capacity(tried.len());
        for (number, input, result) in tried {
            self.used.push((number, input));
            results.push(result);
        }
        Ok(results)
    }

    /// Calls it again, here and on every worker; returns whether a call gives the same twice.
    ///
    /// Where it does, all workers must agree.
    fn compare(&self, results: &[Payload]) -> Result<bool, Fatal> {
        self.progress.say("comparing workers");
        let start = Instant::now();
        let n = self.used.len();
        let some = [0, n / 2, n - 1, n / 4].into_iter();
        let mut compared = Vec::new();
        for place in some {
            if compared.contains(&place) {
                continue;
            }
            compared.push(place);
            let (number, input) = &self.used[place];
            let expected: Value = results[place].decode().map_err(Error::from)?;
            for at in 0..self.pools.list.len() {
                let given = self.pools.list[at].broadcast::<Value, _>(&self.function, input)?;
                for (worker, result) in given.into_iter().enumerate() {
                    let value = result.map_err(|error| self.failed(*number, &error))?;
                    if same(&value, &expected) {
                        continue;
                    }
                    if at == self.pools.alone() {
                        return Ok(false);
                    }
                    return Err(self.disagrees(at, worker, *number));
                }
            }
            if start.elapsed().as_secs_f64() >= self.slice {
                break;
            }
        }
        Ok(true)
    }

    fn disagrees(&self, at: usize, worker: usize, number: usize) -> Fatal {
        let (pool, label) = (self.pools.name(at), self.inputs.label(number));
        let alone = self.pools.name(self.pools.alone());
        let message = format!(
            "{label}: worker {} of {pool} gives another result than {alone}",
            worker + 1
        );
        let hint = "the function depends on which thread or interpreter it runs in, or on how \
                    often it was called there; see what it keeps in its module";
        Fatal::new(Exit::Failed, message).hint(hint)
    }

    fn failed(&self, number: usize, error: &Error) -> Fatal {
        let label = self.inputs.label(number);
        let text = error.to_string();
        let Some(python) = error.python() else {
            return Fatal::from(error.clone()).cause(format!("it was the call of {label}"));
        };
        let what = text.lines().next().unwrap_or_default();
        let fatal = Fatal::new(Exit::Failed, format!("{label}: {what}"));
        let fatal = fatal.cause(python.traceback());
        match error.hint() {
            Some(hint) => fatal.hint(hint),
            None => fatal,
        }
    }

    /// Gives inputs and results to the interpreters that play them again.
    fn hand_out(&self, results: &[Payload]) -> Result<(), Fatal> {
        let (add, add_result) = (harness("add"), harness("add_result"));
        let (alone, widest) = (self.pools.alone(), self.pools.widest);
        let mut pools = vec![alone];
        // The threads of one interpreter share what they are given.
        if widest != alone && self.pools.refused.is_none() {
            pools.push(widest);
        }
        for ((_, input), result) in self.used.iter().zip(results) {
            for &at in &pools {
                let pool = &self.pools.list[at];
                let added = pool.broadcast::<(), _>(&add, input)?;
                let answered = pool.broadcast::<(), _>(&add_result, (result,))?;
                added
                    .into_iter()
                    .chain(answered)
                    .collect::<owngil::Result<()>>()?;
            }
        }
        Ok(())
    }

    /// Runs everything once, and finds out how many calls fill a slice.
    fn warm_up(&self, results: Vec<Payload>) -> Result<Rounds, Fatal> {
        self.progress.say("warming up");
        let (alone, widest) = (self.pools.alone(), self.pools.widest);
        let slice = self.slice;
        let mut durations = Vec::new();
        let each = self.is_slow || {
            let per_call = self.plain(slice / 4.0, false, false)?.per_call;
            if (SHORTEST..EACH_FROM).contains(&per_call) {
                durations = self.plain(slice, false, true)?.durations;
            }
            per_call >= EACH_FROM
        };
        let skipped = |at: &usize| self.pools.refused.is_some() && *at == alone;
        let curve = (0..self.pools.list.len()).filter(|at| !skipped(at));
        let curve = curve.map(|at| self.series(at, self.function, slice, self.is_slow));
        let stand_in = harness("replay");
        Ok(Rounds {
            results,
            plain: Vec::new(),
            stand_in: Vec::new(),
            caller: Vec::new(),
            cpu_shares: Vec::new(),
            durations,
            each,
            curve: curve.collect::<Result<_, _>>()?,
            crossing: [
                self.series(alone, stand_in, slice / 3.0, false)?,
                self.series(widest, stand_in, slice / 3.0, false)?,
            ],
            cores: Cores::new(self.pools.list[widest].n_workers().min(n_cores())),
        })
    }

    /// A series whose number of calls is found by trying; a slow one starts with one per worker.
    fn series(
        &self,
        pool: usize,
        function: Function,
        slice: f64,
        is_slow: bool,
    ) -> Result<Series, Fatal> {
        let mut series = Series {
            pool,
            function,
            slice,
            n_calls: self.pools.list[pool].n_workers(),
            times: Vec::new(),
        };
        let mut is_known = is_slow;
        while !is_known {
            let per_call = self.calls(&series)?;
            let elapsed = per_call * series.n_calls as f64;
            // What a few calls took says little of what many will.
            let most = 16.0 * series.n_calls as f64;
            let wanted = (slice / per_call).min(most);
            series.n_calls = rounded(wanted, self.used.len(), self.pools.list[pool].n_workers());
            is_known = elapsed >= slice / 8.0;
        }
        Ok(series)
    }

    fn run(&self, rounds: &mut Rounds, n_rounds: usize, seconds: f64) -> Result<(), Fatal> {
        let start = Instant::now();
        for round in 0..n_rounds {
            let begun = Instant::now();
            self.round(rounds, round, n_rounds)?;
            let next_end = start.elapsed() + begun.elapsed();
            if next_end.as_secs_f64() > 1.2 * seconds {
                break;
            }
        }
        rounds.cores.look();
        Ok(())
    }

    /// Everything once more; every other time in the other order.
    fn round(&self, rounds: &mut Rounds, round: usize, n_rounds: usize) -> Result<(), Fatal> {
        let n_curve = rounds.curve.len();
        let mut steps: Vec<usize> = (0..n_curve + 2).collect();
        if round % 2 == 1 {
            steps.reverse();
        }
        rounds.cores.look();
        for step in steps {
            let what = match step {
                0 => "plain loop".to_owned(),
                _ if step <= n_curve => self.pools.name(rounds.curve[step - 1].pool),
                _ => "crossing".to_owned(),
            };
            self.progress
                .say(&format!("round {} of {n_rounds}: {what}", round + 1));
            if step == 0 {
                let mut plain = self.plain(self.slice, false, rounds.each)?;
                rounds.plain.push(plain.per_call);
                rounds.cpu_shares.push(plain.cpu_share);
                rounds.durations.append(&mut plain.durations);
            } else if step <= n_curve {
                self.measure(&mut rounds.curve[step - 1])?;
            } else {
                let stand_in = self.plain(self.slice / 4.0, true, false)?;
                rounds.stand_in.push(stand_in.per_call);
                rounds.caller.push(self.caller(&rounds.results)?);
                for series in &mut rounds.crossing {
                    self.measure(series)?;
                }
            }
        }
        Ok(())
    }

    /// Calls the function, or its stand-in, in a plain loop inside an interpreter.
    fn plain(&self, seconds: f64, stands_in: bool, each: bool) -> Result<Measured, Fatal> {
        let pool = &self.pools.list[self.pools.alone()];
        let measured: Result<(u64, f64, f64, Vec<u64>), Error> =
            pool.call(&harness("measure"), (seconds, stands_in, each));
        let (n, elapsed, used, durations) = measured?;
        Ok(Measured {
            per_call: elapsed / n as f64,
            cpu_share: (used / elapsed).min(1.0),
            durations,
        })
    }

    /// Encodes arguments and decodes results, as the thread that makes the calls does; returns the
    /// time for one of each.
    fn caller(&self, results: &[Payload]) -> Result<f64, Fatal> {
        let wholes: Vec<_> = self.used.iter().map(|(_, input)| input.whole()).collect();
        let start = Instant::now();
        let mut n = 0;
        for (whole, result) in wholes.iter().zip(results).cycle() {
            black_box(Payload::new(whole).map_err(Error::from)?);
            black_box(result.decode::<Value>().map_err(Error::from)?);
            n += 1;
            // The clock takes longer than a short value.
            if n % CLOCK_STRIDE == 1 && start.elapsed().as_secs_f64() >= self.slice / 10.0 {
                break;
            }
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(n))
    }

    /// Measures a series once more; what that shows decides how many calls come next.
    fn measure(&self, series: &mut Series) -> Result<(), Fatal> {
        let per_call = self.calls(series)?;
        series.times.push(per_call);
        let n_workers = self.pools.list[series.pool].n_workers();
        series.n_calls = rounded(series.slice / per_call, self.used.len(), n_workers);
        Ok(())
    }

    /// Calls through a pool; returns the time per call.
    fn calls(&self, series: &Series) -> Result<f64, Fatal> {
        let inputs = self.used.iter().map(|(_, input)| input);
        let calls = inputs.cycle().take(series.n_calls);
        let pool = &self.pools.list[series.pool];
        let start = Instant::now();
        for completed in pool
            .map_unordered::<Value, _>(&series.function, calls)
            .completed()
        {
            if let Err(error) = completed.result {
                let place = completed.index as usize % self.used.len();
                return Err(self.failed(self.used[place].0, &error));
            }
        }
        Ok(start.elapsed().as_secs_f64() / series.n_calls as f64)
    }

    fn figures(
        &self,
        rounds: Rounds,
        seconds: f64,
        is_repeatable: bool,
        keeps_results: bool,
    ) -> Result<Figures, Fatal> {
        let Pools { list, .. } = &self.pools;
        let mean = median(&rounds.plain);
        let [one, all] = &rounds.crossing;
        let worker = (median(&one.times) - median(&rounds.stand_in)).max(0.0);
        let crossing = Crossing::new(worker, median(&rounds.caller), mean);
        let floor = median(&all.times);
        let n_workers = list[list.len() - 1].n_workers();
        let n_used = self.used.len();
        let mut points: Vec<_> = rounds
            .curve
            .iter()
            .map(|series| {
                let n = list[series.pool].n_workers();
                figures::point(n, &series.times, &rounds.plain)
            })
            .collect();
        let processes = points.pop().expect("processes are always measured");
        let one_gil = points.pop().expect("threads are always measured");
        let extra = self.pools.workers_time
            + self
                .pools
                .function_time
                .saturating_sub(self.pools.function_time_alone);
        let widest = points.last().unwrap_or(&one_gil);
        let pays_after = figures::pays_after(extra.as_secs_f64(), mean, mean / widest.speed_up);
        let mut figures = Figures {
            owngil: env!("CARGO_PKG_VERSION"),
            python: self.pools.python.clone(),
            function: self.reference.clone(),
            workers: n_workers,
            cores: n_cores(),
            inputs: figures::InputFigures {
                given: self.inputs.len(),
                used: n_used,
                is_cut: self.inputs.is_cut,
            },
            rounds: rounds.plain.len(),
            seconds,
            plain_loop: Plain {
                calls_per_second: 1.0 / mean,
                mean_seconds: mean,
                quantiles: Quantiles::of(rounds.durations),
                cpu_share: median(&rounds.cpu_shares),
            },
            one_gil,
            processes,
            own_gils: points,
            refused: self.pools.refused.clone(),
            crossing: Crossing {
                floor_seconds: floor,
                argument_bytes: (self.argument_bytes / n_used) as u64,
                result_bytes: (self.result_bytes / n_used) as u64,
                ..crossing
            },
            start: Start {
                python_seconds: self.pools.python_time.as_secs_f64(),
                workers_seconds: self.pools.workers_time.as_secs_f64(),
                function_seconds: self.pools.function_time.as_secs_f64(),
                pays_after_calls: pays_after,
            },
            worker_bytes: self.pools.worker_bytes,
            pays_from_seconds: None,
            cores_free: rounds.cores.n_free(),
            is_repeatable,
            keeps_results,
        };
        figures.pays_from_seconds = figures.pays_from();
        Ok(figures)
    }
}

/// What a plain loop gave.
struct Measured {
    per_call: f64,
    cpu_share: f64,
    durations: Vec<u64>,
}

/// So many calls that every input comes equally often, and that no worker is idle at the end.
fn rounded(wanted: f64, n_used: usize, n_workers: usize) -> usize {
    let passes = (wanted / n_used as f64).round().max(1.0);
    let n = passes as usize * n_used;
    if n >= 8 * n_workers {
        return n;
    }
    // Whole passes that leave no worker idle, unless those would be many calls.
    let both = n_used / gcd(n_used, n_workers) * n_workers;
    match n.next_multiple_of(both) {
        whole if whole <= 2 * n.max(n_workers) => whole,
        _ => n.next_multiple_of(n_workers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_calls_is_fair_to_inputs_and_to_workers() {
        // Few calls: each worker gets as many, and each input if that is not too much.
        assert_eq!(rounded(0.2, 1, 2), 2);
        assert_eq!(rounded(3.0, 3, 2), 6);
        assert_eq!(rounded(1.0, 3, 64), 64);
        assert_eq!(rounded(5.0, 5, 4), 8);
        // Many calls: whole passes over the inputs.
        assert_eq!(rounded(1234.0, 100, 8), 1200);
        assert_eq!(rounded(10.0, 100, 2), 100);
    }
}
