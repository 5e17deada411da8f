//! Schedule: what decides which inputs are run, when, how often and for how long, and when the run ends.
//!
//! The options are in `args`. `selection` says which input comes next, `rate_limit` when it may begin, `timeout` how
//! long it may take, `retry` whether it is tried again, `reorder` in which order what has ended is told,
//! and `halt` whether to go on; `scheduler` makes the calls. A run that asks for none of this needs no
//! schedule, and is a map.

pub(crate) mod args;
pub(crate) mod dry_run;
pub(crate) mod ending;
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

use std::env;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use owngil::{Backend, Error, Timing};
use serde::Serialize;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::options::args::CommonArgs;
use shard::Shard;

pub(crate) use args::{Isolate, ScheduleArgs};
pub(crate) use ending::Ending;
pub(crate) use run::{Calls, Outcome};

/// An input, as a schedule needs to know it.
pub(crate) trait Material: Serialize {
    /// Tells it from other inputs, today and in later releases.
    fn fingerprint(&self) -> u64;

    /// As a shell would be given it.
    fn shown(&self) -> String;
}

/// What was made of an input's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Succeeded,
    /// With the exit status, of a script.
    Failed(i32),
    /// It was ended from outside, and counts as not run.
    CutShort,
}

/// What becomes of inputs.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// The input of that index is not for this run.
    Passed(u64),
    Ended(Ended<T>),
    /// Something to be said, in whole lines.
    Noted(String),
}

/// How an input ended for good.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    /// Of the input among all inputs, from 0.
    pub(crate) index: u64,
    pub(crate) result: owngil::Result<T>,
    pub(crate) timing: Option<Timing>,
    pub(crate) trail: Trail,
}

/// What the account says of an input beside its result.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) index: u64,
    pub(crate) begun: SystemTime,
    pub(crate) elapsed: Duration,
    pub(crate) n_tries: u32,
    kind: Kind,
    /// Whether it would have been tried again, if the run were not ending.
    is_unfinished: bool,
    /// The digest of the input and how it is shown, where there is an account.
    named: Option<(u64, String)>,
}

/// What an outcome is, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Value,
    Failed,
    TimedOut,
    Lost,
}

impl Kind {
    fn of<T>(result: &owngil::Result<T>) -> Kind {
        match result {
            Ok(_) => Kind::Value,
            Err(Error::TimedOut(_)) => Kind::TimedOut,
            Err(Error::WorkerLost(_)) => Kind::Lost,
            Err(_) => Kind::Failed,
        }
    }
}

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
            let message = format!(
                "--halt {halt}: how many inputs there are is not known before they are read"
            );
            return Err(usage(message).hint("name them on the command line, or give a number"));
        }
        if args.memfree.is_some() && rate_limit::available_memory().is_none() {
            return Err(usage(
                "--memfree: this system does not tell how much memory is available".to_owned(),
            ));
        }
        if args.isolate == Isolate::Interpreter && common.backend() == Backend::Thread {
            let message = "--isolate interpreter: on the backend thread all share one interpreter";
            return Err(usage(message.to_owned()).hint("leave --backend out"));
        }
        let variable = |name: &str| env::var(name).ok();
        let shard = args.shard.map(|shard| shard.resolve(variable)).transpose();
        let shard = shard.map_err(|problem| {
            usage("--shard auto: which shard this is cannot be told".to_owned()).cause(problem)
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
            isolate: Isolate::Namespace,
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
