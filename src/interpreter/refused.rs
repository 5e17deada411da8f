//! Refused: where a batch stopped because its next call cannot be made in an interpreter of its own.

use std::ops::ControlFlow;

use owngil_ffi::Object;

use super::refusals::Refusals;
use super::state::InterpreterState;
use crate::error::{Error, Result};
use crate::monitor::JobMonitor;
use crate::task::{Batch, Job, Promise, Results};

/// A call that moves elsewhere, and with it the rest of its batch.
#[derive(Debug)]
pub(super) struct Refused {
    /// How many calls of the batch were made before.
    pub(super) n_made: u32,
    /// Where its arguments start.
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Refused {
    /// Tells the results of the calls before it, and hands the rest on. May wait.
    pub(super) fn move_on(
        self,
        batch: Batch,
        mut promise: Promise,
        made: Results,
        monitor: &JobMonitor,
    ) {
        promise.keep_part(made);
        let batch = batch.rest(self.n_made, self.at);
        monitor.move_on(Job { batch, promise }, &self.reason);
    }
}

/// Why the call that ended so moves elsewhere, if it does. One that was interrupted does not.
#[cold]
fn refused(error: &Error, monitor: &JobMonitor) -> Option<String> {
    let reason = monitor.moves(error)?;
    monitor.stopped().is_none().then_some(reason)
}

impl InterpreterState {
    /// Whether an extension module was refused and has not been accounted for.
    #[inline]
    pub(super) fn has_refused(&self) -> bool {
        self.refusals.as_ref().is_some_and(Refusals::any)
    }

    /// What was refused since it was asked last.
    ///
    /// What asked for it in vain has left something behind, whether or not it raised: a package that noted its first
    /// attempt does not try again, and half of its modules are imported. So the interpreter serves no other call.
    #[inline]
    fn take_refused(&mut self) -> Option<String> {
        let texts = self.refusals.as_ref().map(Refusals::take);
        let texts = texts.unwrap_or_default();
        self.is_tainted |= !texts.is_empty();
        texts.into_iter().next()
    }

    /// The error of a function that was loaded, if it was not loaded as it is in plain Python.
    pub(super) fn loaded(&mut self, callable: &Result<Object<'_>>) -> Result<()> {
        let raised = callable.as_ref().err().cloned();
        match (raised, self.take_refused()) {
            (Some(error), Some(_)) if error.needs_process().is_some() => Err(error),
            (_, Some(text)) => Err(Error::refused(&text)),
            (Some(error), None) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// What a call ended with, or the reason why it moves elsewhere.
    pub(super) fn unless_refused(
        &mut self,
        outcome: Result<()>,
        monitor: &JobMonitor,
    ) -> ControlFlow<String, Result<()>> {
        let raised = outcome.as_ref().err();
        let raised = raised.and_then(|error| refused(error, monitor));
        let text = self.take_refused();
        if let Some(reason) = raised.as_ref().or(text.as_ref())
            && monitor.items().is_some_and(|items| items.n_put() > 0)
        {
            self.is_tainted = true;
            let reason = format!(
                "{reason}; the stream does not move to a worker process, since it has yielded items"
            );
            return ControlFlow::Continue(Err(Error::refused(&reason)));
        }
        if let Some(reason) = raised {
            self.is_tainted = true;
            return ControlFlow::Break(reason);
        }
        let Some(text) = text else {
            return ControlFlow::Continue(outcome);
        };
        let error = Error::refused(&text);
        match refused(&error, monitor) {
            Some(reason) => ControlFlow::Break(reason),
            None => ControlFlow::Continue(Err(error)),
        }
    }
}
