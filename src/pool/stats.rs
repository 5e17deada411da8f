//! Stats: what the workers of a pool have done so far, in numbers.
//!
//! Each worker counts for itself, in memory that only it writes (see `monitor::counters`); this adds it up when it is
//! asked. A worker that takes another's place goes on from its numbers.

use std::fmt;
use std::time::Duration;

use owngil_ffi::PrivateCopy;

use super::Pool;
use super::shared::Shared;
use crate::monitor::{Activity, Histogram, WorkerCounters};
use crate::worker::Backend;

/// Statistics of a pool. See [`Pool::stats`]. Its text is a table for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// In the workers' order. For a lazy pool, the workers that were started.
    pub workers: Vec<WorkerStats>,
    /// The number of batches in the queue. A task is one batch; a map sends many calls in one.
    pub queue_len: usize,
    /// The number of workers that were lost and are not back.
    pub n_lost: usize,
    /// The number of interpreters of this process that were left in memory, because threads that tasks had started
    /// (daemon threads, and those of C code) still ran when their workers ended.
    pub n_left_running: u64,
    /// How long calls waited, from their submission to the start of their batch.
    pub wait: Percentiles,
    /// How long calls ran, crossing included. Each call of a batch counts as the mean of its batch.
    pub run: Percentiles,
}

/// Statistics of one worker, and of its predecessors in the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Where the worker runs calls.
    pub backend: Backend,
    /// The number of calls that the worker began and that have their outcomes.
    pub n_tasks: u64,
    /// How many of those calls gave no value: they raised, were interrupted, timed out, or could not cross.
    pub n_failed: u64,
    /// Whether the worker runs something right now.
    pub is_busy: bool,
    /// Whether that is a [stream](Pool::stream) which waits for you to take its items. If all workers do, and calls are
    /// queued, these wait for you too.
    pub is_suspended: bool,
    /// The total time spent running calls, crossing included.
    pub busy: Duration,
    /// The total time spent waiting for calls.
    pub waiting: Duration,
    /// The total time spent decoding arguments and encoding values. Estimated by sampling: one in 64 calls under 20 µs,
    /// one in 512 under 1 µs. Correct on average; noisy for small samples or on busy cores.
    pub crossing: Duration,
    /// The CPU time of the worker's thread, including the start of its interpreter. `None` if the system does not
    /// report it. Does not include threads that Python code starts.
    pub cpu: Option<Duration>,
    /// The bytes that the worker's interpreter has in use, if they are counted: see
    /// [`PoolBuilder::count_memory`](super::PoolBuilder::count_memory).
    pub memory: Option<u64>,
    /// How often a worker in this place was lost and replaced: it was abandoned, it panicked, or its process died.
    pub n_restarts: u64,
}

/// The distribution of a duration, accurate to 4 %. The mean and the maximum are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// The number of samples.
    pub n: u64,
    /// Half of the samples took no longer.
    pub median: Duration,
    /// 90 % of the samples took no longer.
    pub p90: Duration,
    /// 99 % of the samples took no longer.
    pub p99: Duration,
    /// 99.9 % of the samples took no longer.
    pub p999: Duration,
    /// The longest sample.
    pub max: Duration,
    /// The mean of the samples.
    pub mean: Duration,
}

impl Percentiles {
    fn of(histogram: &Histogram) -> Percentiles {
        Percentiles {
            n: histogram.n(),
            median: histogram.quantile(500),
            p90: histogram.quantile(900),
            p99: histogram.quantile(990),
            p999: histogram.quantile(999),
            max: histogram.max(),
            mean: histogram.mean(),
        }
    }
}

impl Pool {
    /// Returns what the workers have done so far, how long calls wait and run, and how many batches are queued.
    ///
    /// You can call it at any time, and it disturbs no call: it waits for no call and no GIL. The workers' numbers are
    /// read one after another, not at a single moment.
    pub fn stats(&self) -> Stats {
        let mut all = WorkerCounters::default();
        let (mut workers, mut queue_len, mut n_lost) = (Vec::new(), 0, 0);
        for part in self.shared.parts() {
            queue_len += part.queue.len();
            n_lost += part.supervisor.n_lost();
            part.add_stats(&mut workers, &mut all);
        }
        Stats {
            workers,
            queue_len,
            n_lost,
            n_left_running: owngil_ffi::Interpreter::n_left_running(),
            wait: Percentiles::of(&all.wait),
            run: Percentiles::of(&all.run),
        }
    }
}

impl Shared {
    fn add_stats(&self, workers: &mut Vec<WorkerStats>, all: &mut WorkerCounters) {
        for handle in self.supervisor.workers().iter() {
            let (own, activity) = handle.monitor.counters();
            let mut counters = handle.before.clone();
            counters.add(&own);
            workers.push(WorkerStats {
                backend: match self.settings.worker.backend {
                    Backend::Auto => Backend::Interpreter,
                    backend => backend,
                },
                n_tasks: counters.n_calls,
                n_failed: counters.n_failed,
                is_busy: activity != Activity::Idle,
                is_suspended: activity == Activity::Suspended,
                busy: counters.busy,
                waiting: counters.life.saturating_sub(counters.busy),
                crossing: counters.crossing.min(counters.busy),
                cpu: counters.cpu,
                memory: handle.monitor.memory_in_use().map(|bytes| bytes as u64),
                n_restarts: handle.n_restarts,
            });
            all.add(&counters);
        }
    }
}

impl Pool {
    /// Returns the extension modules that each worker has loaded from private copies so far, in the workers' order;
    /// see [`Extensions::Private`](crate::Extensions::Private).
    pub fn private_copies(&self) -> Vec<Vec<PrivateCopy>> {
        let monitors = self.shared.supervisor.monitors();
        monitors
            .iter()
            .map(|monitor| monitor.private_copies())
            .collect()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.workers.len();
        let n_busy = self.workers.iter().filter(|worker| worker.is_busy).count();
        write!(f, "{n} workers, {n_busy} busy")?;
        let suspended = self.workers.iter().filter(|worker| worker.is_suspended);
        match suspended.count() {
            0 => {}
            n_suspended => write!(f, ", {n_suspended} of them suspended")?,
        }
        write!(f, "; {} queued", self.queue_len)?;
        match self.n_lost {
            0 => writeln!(f)?,
            n_lost => writeln!(f, "; {n_lost} lost and not back")?,
        }
        write!(
            f,
            "worker      tasks     failed       busy   crossing    waiting        CPU"
        )?;
        writeln!(f, "     memory  restarts")?;
        for (number, worker) in self.workers.iter().enumerate() {
            write!(f, "{number:>6}")?;
            write!(f, " {:>10} {:>10}", worker.n_tasks, worker.n_failed)?;
            for time in [worker.busy, worker.crossing, worker.waiting] {
                write!(f, " {:>10}", rounded(time))?;
            }
            let cpu = worker.cpu.map_or_else(|| "-".to_owned(), rounded);
            let memory = worker.memory.map_or_else(
                || "-".to_owned(),
                |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
            );
            writeln!(f, " {cpu:>10} {memory:>10} {:>9}", worker.n_restarts)?;
        }
        writeln!(f, "calls waited: {}", self.wait)?;
        write!(f, "calls ran:    {}", self.run)
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = [
            ("median", self.median),
            ("90 %", self.p90),
            ("99 %", self.p99),
            ("99.9 %", self.p999),
            ("longest", self.max),
        ];
        for (name, time) in times {
            write!(f, "{name} {}, ", rounded(time))?;
        }
        write!(f, "mean {}", rounded(self.mean))
    }
}

/// A length of time with about three digits.
fn rounded(time: Duration) -> String {
    let nanoseconds = time.as_nanos() as f64;
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units.iter().find(|(unit, _)| nanoseconds >= *unit);
    let Some((unit, name)) = unit else {
        return format!("{nanoseconds} ns");
    };
    let number = nanoseconds / unit;
    let digits = match number {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{number:.digits$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (56_780_000, "56.8 ms"),
            (123_456_000_000, "123 s"),
        ] {
            assert_eq!(rounded(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
