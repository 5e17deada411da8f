//! Schedule: which inputs run, when, how often and for how long, and when the run ends.
//!
//! The options are in `args`. `selection` says which input comes next, `rate_limit` when it may begin, `timeout` how
//! long it may take, `retry` whether it is tried again, `reorder` in which order what has ended is reported,
//! and `halt` whether to go on; `scheduler` makes the calls. They are `under_way` until they end. A run that asks for none of this needs no
//! schedule, and is a map.

pub(crate) mod args;
pub(crate) mod dry_run;
pub(crate) mod ending;
pub(crate) mod event;
pub(crate) mod halt;
pub(crate) mod in_flight;
pub(crate) mod rate_limit;
pub(crate) mod reorder;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod scheduler;
pub(crate) mod selection;
pub(crate) mod shard;
pub(crate) mod timeout;
mod under_way;

use std::env;

use fastrand::Rng;
use owngil::Backend;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::options::args::CommonArgs;
use shard::Shard;

pub(crate) use args::{Isolate, ScheduleArgs};
pub(crate) use ending::Ending;
pub(crate) use event::Verdict;
pub(crate) use run::{CallOutcome, Calls, Came, Wanted};
pub(crate) use under_way::Each;

/// What a run asks for, with what is wrong about it found.
#[derive(Debug)]
pub(crate) struct Schedule<'a> {
    args: &'a ScheduleArgs,
    is_ordered: bool,
    shard: Option<Shard>,
    rng: Option<Rng>,
    total: Option<u64>,
}

impl<'a> Schedule<'a> {
    /// `total` is the number of inputs, where it is known.
    pub(crate) fn new(common: &'a CommonArgs, total: Option<usize>) -> Result<Schedule<'a>, Fatal> {
        let args = &common.schedule;
        let usage = |message: String| Fatal::new(Exit::Usage, message);
        if let Some(halt) = args
            .halt
            .filter(|halt| halt.needs_total() && total.is_none())
        {
            let message =
                format!("--halt {halt}: the number of inputs is unknown until they are read");
            return Err(usage(message).hint("name them on the command line, or give a number"));
        }
        if args.memfree.is_some() && rate_limit::available_memory().is_none() {
            return Err(usage(
                "--memfree: this system does not report its available memory".to_owned(),
            ));
        }
        if args.isolate == Isolate::Interpreter && common.backend() == Backend::Thread {
            let message =
                "--isolate interpreter: workers of the backend thread share one interpreter";
            return Err(usage(message.to_owned()).hint("omit --backend"));
        }
        let variable = |name: &str| env::var(name).ok();
        let shard = args.shard.map(|shard| shard.resolve(variable)).transpose();
        let shard = shard.map_err(|problem| {
            usage("--shard auto: cannot tell which shard this is".to_owned()).cause(problem)
        })?;
        Ok(Schedule {
            args,
            is_ordered: common.keep_order,
            shard,
            rng: args
                .shuf
                .then(|| args.seed.map_or_else(Rng::new, Rng::with_seed)),
            total: total.map(|n| n as u64),
        })
    }

    /// Whether it asks for nothing that a map does not do.
    pub(crate) fn is_plain(&self) -> bool {
        let ScheduleArgs {
            timeout: None,
            retries: None,
            halt: None,
            delay: None,
            memfree: None,
            shuf: false,
            shard: None,
            isolate: Isolate::Modules | Isolate::Namespace,
            ..
        } = self.args
        else {
            return false;
        };
        true
    }

    /// Whether all inputs must be in memory.
    pub(crate) fn holds_all(&self) -> bool {
        self.rng.is_some()
    }
}
