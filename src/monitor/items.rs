//! Items: the items that a running job yields, and the time that it may take for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use owngil_ffi::Attached;

use super::{JobMonitor, Running};
use crate::payload::Encoding;
use crate::task::{Batch, ItemBuffer, Promise, Why};

/// How long the job before a stream in another process may take to be reported. Items that come too early are lost, and
/// the stream with them, so the machine may be very busy.
const ITEMS_REPORTED: Duration = Duration::from_secs(60);

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
        self.running_call_of_job(number, ITEMS_REPORTED)?;
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

    /// Takes back an interrupt of the running job that was not raised yet.
    pub(crate) fn take_back_interrupt(&self, attached: Attached<'_>) {
        let state = self.lock();
        if state
            .running
            .as_ref()
            .is_some_and(|run| run.stopped.is_some())
        {
            attached.clear_interrupt();
        }
    }

    /// Reports the outcome of that job if it is a stream that waits until its items are taken. Returns whether it is.
    pub(crate) fn report_suspended(&self, epoch: u64, why: Why) -> bool {
        let is_suspended = {
            let state = self.lock();
            let running = state.running.as_ref().filter(|_| state.epoch == epoch);
            running.is_some_and(Running::is_suspended)
        };
        if is_suspended {
            self.report(epoch, why);
        }
        is_suspended
    }
}

impl Running {
    /// Whether it waits until its items are taken.
    pub(super) fn is_suspended(&self) -> bool {
        self.items.as_ref().is_some_and(|items| items.is_full())
    }

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
