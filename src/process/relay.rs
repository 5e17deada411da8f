//! Relay: sends the items of a stream from a worker process to its pool.
//!
//! A thread sends what has come, and waits until the pool has room for it. Meanwhile the next items gather. Thus many
//! small ones travel together where the consumer is slower, and one travels at once where it waits.

use std::io;
use std::sync::Arc;
use std::thread;

use super::host_calls::RemoteResponder;
use crate::task::{Capacity, ItemBuffer};

/// Makes a place for the items of that job, and starts to send them on.
pub(super) fn start(
    capacity: Capacity,
    job: u64,
    sending: &Arc<RemoteResponder>,
) -> io::Result<Arc<ItemBuffer>> {
    let items = Arc::new(ItemBuffer::relayed(capacity));
    let (taken, sending) = (Arc::clone(&items), Arc::clone(sending));
    let thread = thread::Builder::new().name("owngil-items".to_owned());
    thread.spawn(move || {
        owngil_ffi::block_signals();
        while let Some(results) = taken.take() {
            if sending
                .send_items(job, results.bytes(), results.len())
                .is_err()
            {
                break;
            }
        }
        taken.close();
    })?;
    Ok(items)
}
