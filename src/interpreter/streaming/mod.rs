//! Streaming: a call whose value is iterated over, where each item goes to the consumer when it is yielded.

use owngil_ffi::{Attached, Kept, Object, PyResult};

use super::calling::Callee;
use super::functions::named;
use super::raised::{python_error, result_error};
use super::refusals::Refusals;
use super::setup::programs::ITERATE;
use crate::children;
use crate::error::{Error, Result};
use crate::monitor::{JobMonitor, Unmeasured};
use crate::payload::{Encoding, Reader};
use crate::task::ItemBuffer;

/// What an interpreter keeps for streams.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    /// `opened` of iterate.py.
    opened: Option<Kept>,
    /// Serves one item after the other.
    values: Encoding,
}

/// What a stream runs in.
#[derive(Clone, Copy)]
pub(super) struct Around<'s> {
    pub(super) monitor: &'s JobMonitor,
    /// What the interpreter refuses, if that moves calls.
    pub(super) refusals: Option<&'s Refusals>,
}

/// What a function has returned, while it is iterated over.
struct Iteration<'a> {
    /// Gives the next item, or its argument.
    step: Object<'a>,
    /// Ends it before the last; None if there is nothing to end.
    close: Object<'a>,
    /// What `step` gives after the last.
    end: Object<'a>,
}

impl Streaming {
    /// Makes one call, and puts the items of what it returns where those of the running job go. The value of the call
    /// is None.
    #[cold]
    pub(super) fn run<'a>(
        &mut self,
        callee: Callee<'_, 'a>,
        arguments: &mut Reader<'_>,
        out: &mut Encoding,
        around: Around<'_>,
    ) -> Result<()> {
        let attached = callee.attached;
        let items = around.monitor.items();
        let items = items.ok_or_else(|| Error::lost("a stream had nowhere to put its items"))?;
        let opened = self.opened(attached);
        let opened = opened.map_err(|raised| python_error(&raised))?;
        let value = callee.value(arguments, &mut Unmeasured)?;
        let pair = callee.held(|| opened.call(&[value]))?;
        let iteration = Iteration::new(attached, &pair);
        let iteration = iteration.map_err(|raised| python_error(&raised))?;
        drop(pair);
        self.iterate(callee, &iteration, &items, around)
            .inspect_err(|_| self.values.reset())?;
        callee.encode(&attached.none(), out).map_err(result_error)
    }

    fn opened<'a>(&mut self, attached: Attached<'a>) -> PyResult<'a, Object<'a>> {
        if let Some(opened) = &self.opened {
            return Ok(opened.get(attached));
        }
        let program = attached.dict()?;
        ITERATE.run(attached, &program)?;
        let opened = named(attached, &program, "opened")?;
        self.opened = Some(opened.keep());
        Ok(opened)
    }

    fn iterate<'a>(
        &mut self,
        callee: Callee<'_, 'a>,
        iteration: &Iteration<'a>,
        items: &ItemBuffer,
        around: Around<'_>,
    ) -> Result<()> {
        let attached = callee.attached;
        for n in 0_u64.. {
            let end = iteration.end.clone();
            let item = callee.held(|| iteration.step.call(&[end]))?;
            if item.is(&iteration.end) {
                break;
            }
            if around.refusals.is_some_and(Refusals::any) {
                // It is not the item that plain Python gives. What becomes of the call is decided where it ends.
                iteration.close(callee);
                return Err(Error::refused(
                    "what the stream needs was refused, and it went on without",
                ));
            }
            if children::is_forked() {
                // What takes the items is in the process that it was forked from.
                return Err(Error::lost(
                    "a process that a task forked off cannot yield items",
                ));
            }
            if let Err(error) = callee.encode(&item, &mut self.values) {
                iteration.close(callee);
                return Err(Error::Value(error.root(&format!("items[{n}]"))));
            }
            drop(item);
            let values = &mut self.values;
            let is_taken = attached.detach(|| around.monitor.put_items(items, values, 1));
            // A stream may go on for long, and so lend much.
            callee.codec.lending().take_back(attached);
            if !is_taken {
                // What ended the wait may have interrupted the code too, which does not run: it would hit `finally`.
                around.monitor.take_back_interrupt(attached);
                iteration.close(callee);
                return Err(Error::cancelled(None));
            }
        }
        Ok(())
    }
}

impl<'a> Iteration<'a> {
    fn new(attached: Attached<'a>, pair: &Object<'a>) -> PyResult<'a, Iteration<'a>> {
        let part = |place| {
            let part = pair.item(place);
            part.ok_or_else(|| attached.raise_type_error("iterate.py gives two functions"))
        };
        Ok(Iteration {
            step: part(0)?,
            close: part(1)?,
            end: attached.list([])?,
        })
    }

    /// Ends it, where the outcome is known already: what that raises is of no use.
    fn close(&self, callee: Callee<'_, 'a>) {
        if !self.close.is_none() {
            let _ = callee.held(|| self.close.call(&[]));
        }
    }
}
