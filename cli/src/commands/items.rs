//! Items: results that come one by one, several of each input.

use std::collections::HashMap;

use owngil::Value;

use crate::failure::Failure;
use crate::output::Values;
use crate::schedule::Verdict;
use crate::terminal::stdout::Stdout;

/// What has become of the items of inputs that have not ended.
#[derive(Debug)]
pub(super) struct Items {
    /// Whether ends of inputs are recorded.
    is_recorded: bool,
    /// The input of the last one that was written.
    last: Option<u64>,
    /// Why an item of an input cannot be written.
    unfit: HashMap<u64, Failure>,
    /// An input was ended from outside after some of its items, with an account to keep: what is written from here on
    /// would count as theirs.
    pub(super) is_torn: bool,
}

impl Items {
    pub(super) fn new(is_recorded: bool) -> Items {
        Items {
            is_recorded,
            last: None,
            unfit: HashMap::new(),
            is_torn: false,
        }
    }

    /// Writes an item of that input to `stdout` in the format of `values`; returns how many floats in it JSON has no
    /// number for.
    ///
    /// # Errors
    ///
    /// Says whether the input has failed, where no more items are wanted of it.
    pub(super) fn write(
        &mut self,
        (index, item): (u64, &Value),
        values: &mut Values,
        stdout: &Stdout,
    ) -> Result<u64, Verdict> {
        if self.is_torn {
            return Err(Verdict::CutShort);
        }
        if self.unfit.contains_key(&index) {
            return Err(Verdict::Failed(1));
        }
        let written = stdout.append(|out| values.write(item, out));
        written
            .inspect(|_| self.last = Some(index))
            .map_err(|failure| {
                self.unfit.insert(index, failure);
                Verdict::Failed(1)
            })
    }

    /// Why an item of that input could not be written, if the input ended for that.
    pub(super) fn take_unfit(&mut self, index: u64) -> Option<Failure> {
        self.unfit.remove(&index)
    }

    /// That input was ended from outside.
    pub(super) fn cut_short(&mut self, index: u64) {
        self.is_torn |= self.is_recorded && self.last == Some(index);
    }
}
