//! Event: what becomes of inputs, as the scheduler reports it.

use std::time::{Duration, SystemTime};

use owngil::{Error, Timing};

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
    /// An item has come of the call of that index among all calls, for the input of the other.
    Item {
        call: u64,
        index: u64,
        item: T,
    },
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
    pub(super) kind: ResultKind,
    /// Whether it would have been tried again, if the run were not ending.
    pub(super) is_unfinished: bool,
    /// The digest of the input and how it is shown, where there is an account.
    pub(super) named: Option<(u64, String)>,
}

/// What an outcome is, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultKind {
    Value,
    Failed,
    TimedOut,
    Lost,
}

impl ResultKind {
    pub(super) fn of<T>(result: &owngil::Result<T>) -> ResultKind {
        match result {
            Ok(_) => ResultKind::Value,
            Err(Error::TimedOut { .. }) => ResultKind::TimedOut,
            Err(Error::WorkerLost(_)) => ResultKind::Lost,
            Err(_) => ResultKind::Failed,
        }
    }
}
