//! Pools: the pools that are compared, and what it took to start them.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use owngil::{
    Backend, Error, Extensions, Function, LoadErrorKind, OutputPolicy, OutputStream, Pool,
    StartError,
};

use super::{BenchPlan, BenchProgress};
use crate::fatal::Fatal;
use crate::python::own_list;
use crate::session::Session;

/// The pools that are compared, and what starting them took.
pub(crate) struct Pools {
    pub(crate) python: String,
    pub(crate) python_time: Duration,
    /// By backend and size: one worker with its own GIL, two, four … all; then all on one GIL, and
    /// all in processes.
    pub(crate) list: Vec<Arc<Pool>>,
    /// The largest one in this process whose crossing counts.
    pub(crate) widest: usize,
    /// Why no worker has its own GIL.
    pub(crate) refused: Option<String>,
    pub(crate) workers_time: Duration,
    pub(crate) function_time: Duration,
    /// What `function_time` is for one worker alone.
    pub(crate) function_time_alone: Duration,
    pub(crate) worker_bytes: Option<u64>,
}

impl Pools {
    pub(crate) fn start(
        plan: &BenchPlan,
        session: &Session,
        progress: &BenchProgress,
    ) -> Result<Pools, Fatal> {
        let start = Instant::now();
        let python = session.start_python(&plan.process)?;
        let python_time = start.elapsed();
        let n = plan.n_workers;
        progress.say("starting workers");
        let (one, mut all) = match Started::new(Backend::Interpreter, 1, &plan.calls.function) {
            Ok(one) if n == 1 => (None, one),
            Ok(one) => (
                Some(one),
                Started::new(Backend::Interpreter, n, &plan.calls.function)?,
            ),
            Err(error) => return Pools::refused(error, plan, python, python_time),
        };
        let mut pools = Pools {
            python,
            python_time,
            list: Vec::new(),
            widest: 0,
            refused: None,
            workers_time: all.start,
            function_time: all.load,
            function_time_alone: one.as_ref().map_or(all.load, |one| one.load),
            worker_bytes: all.worker_bytes.take(),
        };
        pools.list.extend(one.map(|one| one.pool));
        for n in sizes(n) {
            let between = Started::new(Backend::Interpreter, n, &plan.calls.function)?;
            pools.list.push(between.pool);
        }
        pools.widest = pools.list.len();
        pools.list.push(all.pool);
        for backend in [Backend::Thread, Backend::Process] {
            let all = Started::new(backend, n, &plan.calls.function)?;
            pools.list.push(all.pool);
        }
        Ok(pools)
    }

    /// What is left where the function does not load with an own GIL: threads and processes, if it
    /// does there.
    fn refused(
        error: Error,
        plan: &BenchPlan,
        python: String,
        python_time: Duration,
    ) -> Result<Pools, Fatal> {
        let why = match &error {
            Error::Load(load) if load.kind == LoadErrorKind::Import => load.message.clone(),
            Error::Start(error) if **error == StartError::FreeThreaded => {
                "this Python is free-threaded".to_owned()
            }
            _ => return Err(error.into()),
        };
        let Ok(one) = Started::new(Backend::Thread, 1, &plan.calls.function) else {
            return Err(error.into());
        };
        let all = Started::new(Backend::Thread, plan.n_workers, &plan.calls.function)?;
        let processes = Started::new(Backend::Process, plan.n_workers, &plan.calls.function)?;
        Ok(Pools {
            python,
            python_time,
            list: vec![one.pool, all.pool, processes.pool],
            widest: 1,
            refused: Some(why),
            workers_time: all.start,
            function_time: all.load,
            function_time_alone: one.load,
            worker_bytes: all.worker_bytes,
        })
    }

    /// Where the plain loop runs.
    pub(crate) fn alone(&self) -> usize {
        0
    }

    /// What a message calls a pool.
    pub(crate) fn name(&self, at: usize) -> String {
        let pool = &self.list[at];
        match (pool.backend(), pool.n_workers()) {
            (Backend::Thread, 1) => "one thread".to_owned(),
            (Backend::Thread, n) if Backend::default() == Backend::Thread => {
                format!("{n} threads")
            }
            (Backend::Thread, n) => format!("{n} threads of one GIL"),
            (Backend::Process, 1) => "one process".to_owned(),
            (Backend::Process, n) => format!("{n} processes"),
            (_, 1) => "one own GIL".to_owned(),
            (_, n) => format!("{n} own GILs"),
        }
    }
}

/// A pool that has loaded the function.
struct Started {
    pool: Arc<Pool>,
    start: Duration,
    load: Duration,
    worker_bytes: Option<u64>,
}

impl Started {
    fn new(backend: Backend, n: usize, function: &Function) -> owngil::Result<Started> {
        let before = resident();
        let begun = Instant::now();
        // What the function prints would make the report unreadable.
        let nowhere = OutputPolicy::Sink(Arc::new(|_: OutputStream, _: &[u8]| {}));
        let builder = Pool::builder().backend(backend).workers(n);
        // As `owngil map` does by itself.
        let builder = builder
            .extensions(Extensions::Tested)
            .tested(own_list::read()?);
        let pool = builder.output(nowhere).build()?;
        let start = begun.elapsed();
        pool.load(function)?;
        let load = begun.elapsed() - start;
        let grown = resident()
            .zip(before)
            .map(|(now, then)| now.saturating_sub(then));
        Ok(Started {
            pool: Arc::new(pool),
            start,
            load,
            worker_bytes: grown.map(|bytes| bytes / n as u64),
        })
    }
}

/// The sizes of pools between one worker and `n`.
fn sizes(n: usize) -> impl Iterator<Item = usize> {
    (1..usize::BITS)
        .map(|power| 1 << power)
        .take_while(move |size| *size < n)
}

/// The memory that this process holds, in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_one_powers_of_two_and_all() {
        let between = |n| sizes(n).collect::<Vec<_>>();
        assert!(between(1).is_empty() && between(2).is_empty());
        assert_eq!(between(3), [2]);
        assert_eq!(between(8), [2, 4]);
        assert_eq!(between(12), [2, 4, 8]);
    }
}
