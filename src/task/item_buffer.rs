//! ItemBuffer: where the items of a stream wait, between the code that yields them and the consumer.
//!
//! One thread puts items in and waits while the buffer is full; one thread or future takes them out and waits while it
//! is empty. What is taken out is all that has come, so that the two meet once per many items where the consumer is
//! slower, and once per item where it waits.
//!
//! In a worker process there is a second one, whose consumer sends the items on to the first.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Results;
use crate::bytes::Bytes;
use crate::payload::Encoding;
use crate::spin::spin;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Up to how many bytes of small items are copied behind one another.
const CHUNK: usize = 64 << 10;

/// How many items may wait, and how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Capacity {
    pub(crate) n_items: usize,
    pub(crate) n_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity {
            n_items: 1024,
            n_bytes: 8 << 20,
        }
    }
}

impl Capacity {
    /// Half of it: as much may wait in the buffer as the consumer has taken out of it.
    fn half(self) -> Capacity {
        Capacity {
            n_items: (self.n_items / 2).max(1),
            n_bytes: self.n_bytes / 2,
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct ItemBuffer {
    /// What the consumer may have and what may wait, together.
    capacity: Capacity,
    /// How long the code may take for an item.
    item_limit: Option<Duration>,
    /// Whether its consumer sends the items on.
    is_relayed: bool,
    state: Mutex<State>,
    /// Whether there is something to take, or nothing will come: to be read without the lock.
    is_ready: AtomicBool,
    /// Something has come for the consumer.
    arrived: Condvar,
    /// There is room, or no item is wanted any more.
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    n_items: usize,
    n_bytes: usize,
    /// The code that yields has begun.
    has_begun: bool,
    /// How many items were put in.
    n_put: u64,
    /// The consumer is gone.
    is_closed: bool,
    /// No items will come.
    is_ended: bool,
    /// A thread waits for items.
    is_awaited: bool,
    /// A thread waits for room.
    is_full: bool,
    /// The future that waits for items.
    waker: Option<Waker>,
    /// Since when the code computes the next item; `None` while it waits for the consumer, or has yielded none.
    computes_since: Option<Instant>,
}

/// Items that were encoded one after the other.
#[derive(Debug, Default)]
struct Chunk {
    values: Encoding,
    n: u32,
}

impl ItemBuffer {
    pub(crate) fn new(capacity: Capacity, item_limit: Option<Duration>) -> ItemBuffer {
        ItemBuffer {
            capacity,
            item_limit,
            is_relayed: false,
            state: Mutex::default(),
            is_ready: AtomicBool::new(false),
            arrived: Condvar::new(),
            left: Condvar::new(),
        }
    }

    /// One whose consumer sends the items on to another, and then closes it.
    pub(crate) fn relayed(capacity: Capacity) -> ItemBuffer {
        ItemBuffer {
            is_relayed: true,
            ..ItemBuffer::new(capacity, None)
        }
    }

    /// What the consumer may have and what may wait, together.
    pub(crate) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// How long the code may take for an item.
    pub(crate) fn item_limit(&self) -> Option<Duration> {
        self.item_limit
    }

    /// The code that yields begins.
    pub(crate) fn begin(&self) {
        self.lock().has_begun = true;
    }

    /// Whether the code that yields has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().has_begun
    }

    /// How many items were put in.
    pub(crate) fn n_put(&self) -> u64 {
        self.lock().n_put
    }

    /// Whether the code that yields waits for room.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().is_full
    }

    /// Until when the next item must come, if the code computes one and has yielded one before.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.lock().computes_since?.checked_add(self.item_limit?)
    }

    /// Puts items in, and leaves `values` empty. Waits for room. Returns `false` if the consumer is gone, or the task has its outcome.
    pub(crate) fn put(&self, values: &mut Encoding, n: u32) -> bool {
        let mut state = self.lock();
        state.computes_since = None;
        while !state.has_room(self.capacity.half(), values.n_bytes(), n) {
            state.is_full = true;
            state = wait(&self.left, state);
        }
        state.is_full = false;
        if state.is_over() {
            return false;
        }
        state.add(values, n);
        state.computes_since = self.item_limit.map(|_| Instant::now());
        self.wake_consumer(state);
        true
    }

    /// Says that no items come after these. If they are sent on, waits until they are.
    pub(crate) fn flush(&self) {
        if !self.is_relayed {
            self.lock().computes_since = None;
            return;
        }
        self.end();
        let mut state = self.lock();
        while !state.is_closed {
            state = wait(&self.left, state);
        }
    }

    /// The outcome is there: no items come any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.is_ended = true;
        state.computes_since = None;
        self.left.notify_all();
        self.wake_consumer(state);
    }

    /// The consumer is gone. Drops what waits.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let chunks = mem::take(&mut state.chunks);
        (state.n_items, state.n_bytes) = (0, 0);
        self.left.notify_all();
        drop(state);
        drop(chunks);
    }

    /// Waits for items, and takes some. Returns `None` in the end.
    pub(crate) fn take(&self) -> Option<Results> {
        spin(|| self.is_ready.load(Ordering::Acquire).then_some(()));
        let mut state = self.lock();
        loop {
            if let Poll::Ready(taken) = self.try_take(&mut state) {
                return taken;
            }
            state.is_awaited = true;
            state = wait(&self.arrived, state);
        }
    }

    /// Takes some items; `Ready(None)` in the end. While it is pending, the waker is woken when items have come.
    pub(crate) fn poll_take(&self, waker: &Waker) -> Poll<Option<Results>> {
        let mut state = self.lock();
        let taken = self.try_take(&mut state);
        if taken.is_pending() {
            match &mut state.waker {
                Some(known) => known.clone_from(waker),
                None => state.waker = Some(waker.clone()),
            }
        }
        taken
    }

    fn try_take(&self, state: &mut State) -> Poll<Option<Results>> {
        let Some(mut chunk) = state.chunks.pop_front() else {
            return match state.is_ended {
                true => Poll::Ready(None),
                false => Poll::Pending,
            };
        };
        state.n_items -= chunk.n as usize;
        state.n_bytes -= chunk.values.n_bytes();
        if state.chunks.is_empty() && !state.is_ended {
            self.is_ready.store(false, Ordering::Release);
        }
        if mem::take(&mut state.is_full) {
            self.left.notify_all();
        }
        let values = Bytes::take_from(&mut chunk.values);
        Poll::Ready(Some(Results::of(values, chunk.n, Vec::new(), Vec::new())))
    }

    /// Wakes who waits for items, without the lock: a waker may poll at once.
    fn wake_consumer(&self, mut state: MutexGuard<'_, State>) {
        self.is_ready.store(true, Ordering::Release);
        let is_awaited = mem::take(&mut state.is_awaited);
        let waker = state.waker.take();
        drop(state);
        if is_awaited {
            self.arrived.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.is_closed || self.is_ended
    }

    /// Whether these fit in. An item that is larger than all room fits in alone.
    fn has_room(&self, room: Capacity, n_bytes: usize, n: u32) -> bool {
        self.is_over()
            || self.n_items == 0
            || self.n_items + n as usize <= room.n_items && self.n_bytes + n_bytes <= room.n_bytes
    }

    /// Copies small items behind those before them; each value stands for itself unless it refers to buffers.
    fn add(&mut self, values: &mut Encoding, n: u32) {
        self.n_items += n as usize;
        self.n_bytes += values.n_bytes();
        self.n_put += u64::from(n);
        let fits = |last: &&mut Chunk| {
            let are_plain = last.values.buffers().is_empty() && values.buffers().is_empty();
            are_plain && last.values.len() + values.len() <= CHUNK
        };
        match self.chunks.back_mut().filter(fits) {
            Some(last) => {
                last.values.extend_from_slice(values);
                last.n += n;
                values.reset();
            }
            None => self.chunks.push_back(Chunk {
                values: mem::take(values),
                n,
            }),
        }
    }
}

fn wait<'s>(condition: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(model)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::payload::Payload;

    fn buffer(n_items: usize, n_bytes: usize) -> Arc<ItemBuffer> {
        let capacity = Capacity { n_items, n_bytes };
        Arc::new(ItemBuffer::new(capacity, None))
    }

    fn encoded(n: u32) -> Encoding {
        Encoding::from(Payload::new(&n).unwrap().as_bytes().to_vec())
    }

    fn put(buffer: &ItemBuffer, n: u32) -> bool {
        buffer.put(&mut encoded(n), 1)
    }

    fn take_all(buffer: &ItemBuffer) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Some(results) = buffer.take() {
            let mut items = results.into_items(0);
            taken.extend(std::iter::from_fn(|| items.next_result::<u32>()).map(Result::unwrap));
        }
        taken
    }

    #[test]
    fn items_come_in_order_and_small_ones_together() {
        let buffer = buffer(100, 1 << 20);
        assert!((0..40).all(|n| put(&buffer, n)));
        let first = buffer.take().unwrap();
        assert_eq!(first.len(), 40);
        assert!(put(&buffer, 40));
        buffer.end();
        assert!(!put(&buffer, 41), "it has ended");
        assert_eq!(take_all(&buffer), [40]);
        assert_eq!(buffer.n_put(), 41);
    }

    #[test]
    fn no_more_wait_than_fit_in_by_number_and_by_bytes() {
        for (n_items, n_bytes, expected) in [(8, 1 << 20, 4), (1, 1 << 20, 1), (100, 4, 1)] {
            let buffer = buffer(n_items, n_bytes);
            let putting = {
                let buffer = Arc::clone(&buffer);
                thread::spawn(move || (1000..1050).all(|n| put(&buffer, n)))
            };
            while !buffer.lock().is_full {
                thread::yield_now();
            }
            assert_eq!(buffer.lock().n_items, expected);
            let first = buffer.take().unwrap();
            assert_eq!(first.len() as usize, expected);
            let taking = {
                let buffer = Arc::clone(&buffer);
                thread::spawn(move || take_all(&buffer).len())
            };
            assert!(putting.join().unwrap());
            buffer.end();
            assert_eq!(taking.join().unwrap(), 50 - expected);
        }
    }

    #[test]
    fn closing_ends_the_wait_for_room_and_the_end_that_for_items() {
        let buffer = buffer(1, 1);
        assert!(put(&buffer, 1));
        let putting = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || put(&buffer, 2))
        };
        while !buffer.lock().is_full {
            thread::yield_now();
        }
        buffer.close();
        assert!(!putting.join().unwrap());
        assert!(buffer.poll_take(Waker::noop()).is_pending());
        let taking = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || take_all(&buffer))
        };
        buffer.end();
        assert_eq!(taking.join().unwrap(), [0_u32; 0]);
    }

    #[test]
    fn a_relayed_buffer_is_flushed_when_its_consumer_has_closed_it() {
        let buffer = Arc::new(ItemBuffer::relayed(Capacity::default()));
        assert!(put(&buffer, 1) && put(&buffer, 2));
        let relay = {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                let taken = take_all(&buffer);
                buffer.close();
                taken
            })
        };
        buffer.flush();
        assert_eq!(relay.join().unwrap(), [1, 2]);
    }

    #[test]
    fn the_time_for_an_item_counts_while_one_is_computed() {
        let capacity = Capacity::default();
        let buffer = ItemBuffer::new(capacity, Some(Duration::from_secs(5)));
        assert_eq!(buffer.next_due(), None);
        assert!(put(&buffer, 1));
        let due = buffer.next_due().unwrap();
        assert!(due > Instant::now() + Duration::from_secs(4));
        buffer.flush();
        assert_eq!(buffer.next_due(), None);
    }
}

#[cfg(all(test, model))]
mod model {
    use std::sync::Arc;

    use loom::thread::{self, JoinHandle};

    use super::*;
    use crate::payload::Payload;
    use crate::sync::{Counted, check};

    /// Room for one item, beside what the consumer has taken.
    fn buffer() -> Arc<ItemBuffer> {
        let capacity = Capacity {
            n_items: 1,
            n_bytes: 0,
        };
        Arc::new(ItemBuffer::new(capacity, None))
    }

    /// Works with the buffer on a thread of its own.
    fn beside<R: 'static>(
        buffer: &Arc<ItemBuffer>,
        work: impl FnOnce(&ItemBuffer) -> R + 'static,
    ) -> JoinHandle<R> {
        let buffer = Arc::clone(buffer);
        thread::spawn(move || work(&buffer))
    }

    fn put(buffer: &ItemBuffer, n: u32) -> bool {
        let payload = Payload::new(&n).unwrap();
        buffer.put(&mut Encoding::from(payload.as_bytes().to_vec()), 1)
    }

    /// The numbers up to the first that is not taken.
    fn put_up_to(buffer: &ItemBuffer, n: u32) -> u32 {
        (0..n).find(|n| !put(buffer, *n)).unwrap_or(n)
    }

    fn numbers(results: Results) -> Vec<u32> {
        let mut items = results.into_items(0);
        std::iter::from_fn(|| items.next_result().map(Result::unwrap)).collect()
    }

    fn take_all(buffer: &ItemBuffer) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Some(results) = buffer.take() {
            taken.extend(numbers(results));
        }
        taken
    }

    #[test]
    fn all_items_come_in_order_before_the_end() {
        check(3, || {
            let buffer = buffer();
            let putting = beside(&buffer, |buffer| {
                assert_eq!(put_up_to(buffer, 3), 3);
                buffer.end();
            });
            assert_eq!(take_all(&buffer), [0, 1, 2]);
            putting.join().unwrap();
        });
    }

    #[test]
    fn an_end_from_outside_ends_both_waits_and_loses_no_item_that_was_taken() {
        check(3, || {
            let buffer = buffer();
            let putting = beside(&buffer, |buffer| put_up_to(buffer, 2));
            let ending = beside(&buffer, |buffer| buffer.end());
            let taken = take_all(&buffer);
            ending.join().unwrap();
            assert!(taken.into_iter().eq(0..putting.join().unwrap()));
        });
    }

    #[test]
    fn a_consumer_that_goes_ends_the_wait_for_room() {
        check(4, || {
            let buffer = buffer();
            let putting = beside(&buffer, |buffer| put_up_to(buffer, 3));
            let taken = buffer.take().map(numbers);
            assert_eq!(taken, Some(vec![0]));
            buffer.close();
            assert!((1..3).contains(&putting.join().unwrap()));
            assert!(!put(&buffer, 4));
        });
    }

    #[test]
    fn a_future_that_waits_is_woken_for_an_item_and_for_the_end() {
        check(4, || {
            let buffer = buffer();
            let counted = Arc::new(Counted::default());
            let waker = Waker::from(Arc::clone(&counted));
            let putting = beside(&buffer, |buffer| {
                assert!(put(buffer, 0));
                buffer.end();
            });
            let first = buffer.poll_take(&waker);
            let n_before = counted.n_woken();
            putting.join().unwrap();
            let first = match first {
                Poll::Ready(first) => first,
                Poll::Pending => {
                    let n_woken = counted.n_woken();
                    assert!(n_before > 0 || n_woken > 0, "it was not woken");
                    buffer.take()
                }
            };
            assert_eq!(first.map(numbers), Some(vec![0]));
            assert!(matches!(buffer.poll_take(&waker), Poll::Ready(None)));
        });
    }

    #[test]
    fn items_that_are_sent_on_are_all_sent_when_they_are_flushed() {
        check(3, || {
            let buffer = Arc::new(ItemBuffer::relayed(Capacity {
                n_items: 1,
                n_bytes: 0,
            }));
            let relay = beside(&buffer, |buffer| {
                let taken = take_all(buffer);
                buffer.close();
                taken
            });
            assert_eq!(put_up_to(&buffer, 2), 2);
            buffer.flush();
            assert_eq!(relay.join().unwrap(), [0, 1]);
        });
    }
}
