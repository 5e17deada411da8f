//! Args: the options that decide which inputs are run, when, how often and for how long.

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
    /// How long a call may run: 30, 500ms, 2m; or a share of what is usual, such as 300% of the median
    #[arg(long, value_name = "TIME|N%")]
    pub(crate) timeout: Option<Timeout>,

    /// How often an input that fails is tried, the first time included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) retries: Option<u32>,

    /// How long to wait before the second try; twice as long before each further one, up to MAX
    #[arg(long, value_name = "TIME[..MAX]", requires = "retries")]
    pub(crate) retry_delay: Option<Pauses>,

    /// When to end early: `soon` finishes what runs, `now` interrupts it, once so many inputs have ended
    /// so: now,fail=1 or soon,fail=10% or now,success=1 or soon,done=50%
    #[arg(long, value_name = "WHEN,WHAT=N|P%")]
    pub(crate) halt: Option<Halt>,

    /// Let so much time pass between the begins of two calls
    #[arg(long, value_name = "TIME", value_parser = size::time)]
    pub(crate) delay: Option<Duration>,

    /// Begin nothing while less memory than this is available: 500M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size::size)]
    pub(crate) memfree: Option<u64>,

    /// How much memory the interpreter of each worker may use; beyond it a call sees MemoryError
    #[arg(long, value_name = "SIZE", value_parser = size::size)]
    pub(crate) memory_limit: Option<u64>,

    /// A function that every worker calls once, before its first input
    #[arg(long, value_name = "FILE.py:NAME|MODULE:NAME")]
    pub(crate) init: Option<String>,

    /// Run the inputs in an order left to chance; all of them are read first
    #[arg(long)]
    pub(crate) shuf: bool,

    /// The order of --shuf that this number stands for
    #[arg(long, value_name = "N", requires = "shuf")]
    pub(crate) seed: Option<u64>,

    /// Run every N-th input alone, from the K-th on; `auto` asks the scheduler of an array job (Slurm,
    /// AWS Batch, Grid Engine), `auto/N` Kubernetes
    #[arg(long, value_name = "K/N|auto|auto/N")]
    pub(crate) shard: Option<ShardArg>,

    /// Show the first calls, the Python that is chosen and where the calls would run, and make none
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
    /// A namespace; modules stay loaded.
    #[default]
    Namespace,
    /// An interpreter.
    Interpreter,
}
