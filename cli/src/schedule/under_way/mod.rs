//! UnderWay: the calls of a schedule that have begun and have not ended: each gives a value, or item after item.

mod streams;

use crossbeam_channel::Receiver;
use owngil::{Completed, Result, TaskBuilder, TaskSet};
use serde::Serialize;
use serde::de::DeserializeOwned;

use streams::Streams;

pub(crate) use streams::Each;
pub(super) use streams::Taken;

/// The calls that are under way.
#[derive(Debug)]
pub(super) enum UnderWay<T> {
    Values {
        tasks: TaskSet<T>,
        /// One that has ended, and is taken next.
        first: Option<Completed<T>>,
    },
    Items(Streams<T>),
}

impl<T: DeserializeOwned + Clone> UnderWay<T> {
    pub(super) fn new(each: Option<Each<T>>) -> UnderWay<T> {
        match each {
            None => UnderWay::Values {
                tasks: TaskSet::new(),
                first: None,
            },
            Some(each) => UnderWay::Items(Streams::new(each)),
        }
    }

    /// Begins a call; returns its index.
    pub(super) fn begin<A: Serialize>(&mut self, call: TaskBuilder<'_, A>) -> Result<u64> {
        match self {
            UnderWay::Values { tasks, .. } => Ok(tasks.push(call.submit()?)),
            UnderWay::Items(streams) => streams.begin(call.stream()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            UnderWay::Values { tasks, .. } => tasks.len(),
            UnderWay::Items(streams) => streams.n_under_way(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            UnderWay::Values { tasks, first } => tasks.is_empty() && first.is_none(),
            UnderWay::Items(streams) => streams.is_empty(),
        }
    }

    /// Ends one call.
    pub(super) fn cancel(&self, index: u64) {
        match self {
            UnderWay::Values { tasks, .. } => {
                if let Some(task) = tasks.get(index) {
                    task.cancel();
                }
            }
            UnderWay::Items(streams) => streams.interrupt(index),
        }
    }

    /// Ends all calls.
    pub(super) fn cancel_all(&self) {
        match self {
            UnderWay::Values { tasks, .. } => tasks.cancel(),
            UnderWay::Items(streams) => streams.interrupt_all(),
        }
    }

    /// Takes no more items of that call, which then ends.
    pub(super) fn close(&mut self, index: u64) {
        if let UnderWay::Items(streams) = self {
            streams.close(index);
        }
    }

    /// The indices of calls of which something may have come, each to `look` at.
    pub(super) fn ready(&self) -> &Receiver<u64> {
        match self {
            UnderWay::Values { tasks, .. } => tasks.ended(),
            UnderWay::Items(streams) => streams.ready(),
        }
    }

    /// Looks at a call of which something may have come.
    pub(super) fn look(&mut self, index: u64) {
        match self {
            UnderWay::Values { tasks, first } => *first = tasks.wait(index),
            UnderWay::Items(streams) => streams.look(index),
        }
    }

    /// What has come of a call, and its index.
    pub(super) fn next(&mut self) -> Option<(u64, Taken<T>)> {
        match self {
            UnderWay::Values { tasks, first } => {
                let Completed {
                    index,
                    result,
                    timing,
                    ..
                } = first.take().or_else(|| tasks.try_next())?;
                Some((index, Taken::End(result, timing)))
            }
            UnderWay::Items(streams) => streams.next(),
        }
    }
}
