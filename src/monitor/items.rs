//! Items: the items that a running job yields, and the time that it may take for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{JobMonitor, Running};
use crate::payload::Encoding;
use crate::task::{Batch, ItemBuffer, Promise};

/// Where the items of a job go, if it is a stream, which then begins.
#[inline]
pub(super) fn of(batch: &Batch, promise: &Promise) -> Option<Arc<ItemBuffer>> {
    let items = batch.is_stream().then(|| promise.items()).flatten()?;
    items.begin();
    Some(Arc::clone(items))
}

impl JobMonitor {
    /// Where the items of the running job go, if it is a stream.
    pub(crate) fn items(&self) -> Option<Arc<ItemBuffer>> {
        self.lock().running.as_ref()?.items.clone()
    }

    /// The same of the job of that number, which runs in another process.
    pub(crate) fn items_of_job(&self, number: u64) -> Option<Arc<ItemBuffer>> {
        self.running_call_of_job(number)?;
        let state = self.lock();
        let running = state.running.as_ref();
        running
            .filter(|running| running.number == number)?
            .items
            .clone()
    }

    /// Puts items of the running job where they go, and waits for room there. Returns `false` if the consumer is gone, or the task has its outcome.
    pub(crate) fn put_items(&self, items: &ItemBuffer, values: &mut Encoding, n: u32) -> bool {
        let is_taken = items.put(values, n);
        if let (Some(due), Some(wake)) = (items.next_due(), self.wake.get()) {
            wake.by(due);
        }
        is_taken
    }
}

impl Running {
    /// The limit that holds when the job begins: its own, or that of its first item.
    pub(super) fn first_limit(&self) -> Option<Duration> {
        let item = self.items.as_ref().and_then(|items| items.item_limit());
        self.limit.into_iter().chain(item).min()
    }

    /// The limit that counts from the beginning of the job.
    pub(super) fn limit_now(&self) -> Option<Duration> {
        let yields = self.items.as_ref().is_some_and(|items| items.n_put() > 0);
        match yields {
            true => self.limit,
            false => self.first_limit(),
        }
    }

    /// Until when the next item must come, if one has come before.
    pub(super) fn next_item_due(&self) -> Option<Instant> {
        self.items.as_ref()?.next_due()
    }
}
