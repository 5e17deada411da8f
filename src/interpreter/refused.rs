//! Refused: where a batch stopped since its next call cannot be made in an interpreter of its own.

use crate::error::Error;
use crate::post::Post;
use crate::task::{Batch, Job, Promise, Results};

/// A call that is to be made elsewhere, and with it the rest of its batch.
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
    pub(super) fn move_on(self, batch: Batch, mut promise: Promise, made: Results, post: &Post) {
        promise.keep_part(made);
        let batch = batch.rest(self.n_made, self.at);
        post.move_on(Job { batch, promise }, &self.reason);
    }
}

/// Why the call that ended so is to be made elsewhere, if it is. One that was interrupted is not.
#[cold]
pub(super) fn refused(error: &Error, post: &Post) -> Option<String> {
    let reason = post.moves(error)?;
    post.stopped().is_none().then_some(reason)
}
