//! Window: how far a generator may get ahead of its consumer, and how long it may take for an item.

use std::time::Duration;

use crate::task::Capacity;

/// The settings of a stream, and of each stream of a `FlatMap`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub(super) capacity: Capacity,
    pub(super) item_limit: Option<Duration>,
}

impl Window {
    /// So many items may wait; at least one, without which none would come.
    pub(super) fn set_items(&mut self, n_items: usize) {
        self.capacity.n_items = n_items.max(1);
    }

    pub(super) fn set_bytes(&mut self, n_bytes: usize) {
        self.capacity.n_bytes = n_bytes;
    }
}
