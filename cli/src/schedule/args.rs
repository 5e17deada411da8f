//! Args: the options that decide which inputs run, when, how often and for how long.

use std::time::Duration;

use clap::Args as ClapArgs;
use clap::ValueEnum;
use owngil::{Function, PoolBuilder};

use super::halt::Halt;
use super::retry::Pauses;
use super::shard::ShardArg;
use super::timeout::Timeout;
use crate::options::size;

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Running")]
pub(crate) struct ScheduleArgs {
    /// Time limit per call: 30, 500ms, 2m, or a share of the median so far, such as 300%
    #[arg(long, value_name = "TIME|N%")]
    pub(crate) timeout: Option<Timeout>,

    /// Number of tries per input, the first one included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) retries: Option<u32>,

    /// Delay before the second try; doubles for each further try, up to MAX
    #[arg(long, value_name = "TIME[..MAX]", requires = "retries")]
    pub(crate) retry_delay: Option<Pauses>,

    /// End early once a number or share of the inputs has ended: now,fail=1, soon,fail=10%,
    /// now,success=1, soon,done=50%. `soon` finishes running calls, `now` interrupts them
    #[arg(long, value_name = "WHEN,WHAT=N|P%")]
    pub(crate) halt: Option<Halt>,

    /// Minimum delay between starting two calls
    #[arg(long, value_name = "TIME", value_parser = size::time)]
    pub(crate) delay: Option<Duration>,

    /// Start no call while less than SIZE of memory is available: 500M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size::size)]
    pub(crate) memfree: Option<u64>,

    /// Memory limit per worker's interpreter; a call that exceeds it gets a MemoryError
    #[arg(long, value_name = "SIZE", value_parser = size::size)]
    pub(crate) memory_limit: Option<u64>,

    /// Function that each worker calls once, before its first input
    #[arg(long, value_name = "FILE.py:NAME|MODULE:NAME")]
    pub(crate) init: Option<String>,

    /// Shuffle the inputs (reads all of them first)
    #[arg(long)]
    pub(crate) shuf: bool,

    /// Seed that --shuf uses: the same number gives the same order
    #[arg(long, value_name = "N", requires = "shuf")]
    pub(crate) seed: Option<u64>,

    /// Run every N-th input, starting at the K-th; `auto` takes both from an array job (Slurm, AWS
    /// Batch, Grid Engine), `auto/N` from Kubernetes
    #[arg(long, value_name = "K/N|auto|auto/N")]
    pub(crate) shard: Option<ShardArg>,

    /// Print the first calls, the chosen Python and where the calls would run, without running any
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// What each input gets of its own. Of `run` alone.
    #[arg(skip)]
    pub(crate) isolate: Isolate,
}

impl ScheduleArgs {
    /// With what the pool itself sees to.
    pub(crate) fn applied(&self, mut builder: PoolBuilder) -> PoolBuilder {
        if let Some(n_bytes) = self.memory_limit {
            builder = builder.memory_limit(usize::try_from(n_bytes).unwrap_or(usize::MAX));
        }
        if let Some(reference) = &self.init {
            builder = builder.initializer(&Function::at(reference), ());
        }
        if self.isolate == Isolate::Interpreter {
            builder = builder.max_tasks_per_worker(1);
        }
        builder
    }
}

/// What each run of a script gets of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolate {
    /// Modules, but for those of the standard library.
    #[default]
    Modules,
    /// A namespace; the packages that it imports stay loaded.
    Namespace,
    /// An interpreter.
    Interpreter,
}
