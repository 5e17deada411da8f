//! Collector: where the results of several batches arrive.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Results;
use crate::bell::Bell;

/// The end that results are put into, with the index of their batch's first call. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Collector(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    results: Sender<(u64, Results)>,
    /// Rings when results have arrived.
    bell: Option<Arc<Bell>>,
}

impl Collector {
    /// Both ends of a new one.
    pub(crate) fn new() -> (Collector, Receiver<(u64, Results)>) {
        Collector::with_bell(None)
    }

    /// Both ends of one that rings a bell.
    pub(crate) fn with_bell(bell: Option<Arc<Bell>>) -> (Collector, Receiver<(u64, Results)>) {
        let (results, arriving) = unbounded();
        (Collector(Arc::new(Shared { results, bell })), arriving)
    }

    /// Both ends of another one, which rings the same bell.
    pub(crate) fn another(&self) -> (Collector, Receiver<(u64, Results)>) {
        Collector::with_bell(self.0.bell.clone())
    }

    /// Puts results into it.
    #[inline]
    pub(crate) fn put(&self, first: u64, results: Results) {
        // If the other end is gone, they have no use.
        let _ = self.0.results.send((first, results));
        if let Some(bell) = &self.0.bell {
            bell.ring();
        }
    }
}
