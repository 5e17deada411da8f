//! Reorder: what has ended, in the order in which it is reported.

use std::collections::{BTreeMap, VecDeque};

/// How far the last input that has begun may be ahead of the first that has not ended, where the order is
/// kept: that many results can wait.
const N_AHEAD_MAX: u64 = 4096;

/// What has ended and was not reported.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<E> {
    /// Reported next, in this order.
    ready: VecDeque<E>,
    /// What waits for what was before it.
    early: BTreeMap<u64, E>,
    next: u64,
    n_begun: u64,
    is_ordered: bool,
}

impl<E> ReorderBuffer<E> {
    pub(crate) fn new(is_ordered: bool) -> ReorderBuffer<E> {
        ReorderBuffer {
            ready: VecDeque::new(),
            early: BTreeMap::new(),
            next: 0,
            n_begun: 0,
            is_ordered,
        }
    }

    /// Whether another may begin.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_ordered || self.n_begun - self.next < N_AHEAD_MAX
    }

    /// The place of one that begins.
    pub(crate) fn begin(&mut self) -> u64 {
        self.n_begun += 1;
        self.n_begun - 1
    }

    /// The one that began at that place has ended.
    pub(crate) fn end(&mut self, place: u64, ended: E) {
        if !self.is_ordered {
            return self.ready.push_back(ended);
        }
        self.early.insert(place, ended);
        while let Some(next) = self.early.remove(&self.next) {
            self.ready.push_back(next);
            self.next += 1;
        }
    }

    /// An event to report that has no place.
    pub(crate) fn push(&mut self, event: E) {
        self.ready.push_back(event);
    }

    /// How many can be reported now.
    pub(crate) fn n_ready(&self) -> usize {
        self.ready.len()
    }

    /// What is reported next.
    pub(crate) fn take(&mut self) -> Option<E> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_begins_where_it_is_kept() {
        for (is_ordered, expected) in [(true, [0, 1, 2, 3]), (false, [3, 1, 0, 2])] {
            let mut reorder = ReorderBuffer::new(is_ordered);
            let places: Vec<u64> = (0..4).map(|_| reorder.begin()).collect();
            [3, 1, 0, 2]
                .into_iter()
                .for_each(|place| reorder.end(places[place], place));
            let reported: Vec<usize> = std::iter::from_fn(|| reorder.take()).collect();
            assert_eq!(reported, expected);
        }
    }

    #[test]
    fn what_waits_has_a_bound() {
        let mut reorder = ReorderBuffer::new(true);
        while reorder.has_room() {
            reorder.begin();
        }
        (1..N_AHEAD_MAX).for_each(|place| reorder.end(place, place));
        assert!(reorder.take().is_none() && !reorder.has_room());
        reorder.end(0, 0);
        assert!(reorder.has_room());
        assert_eq!(
            std::iter::from_fn(|| reorder.take()).count() as u64,
            N_AHEAD_MAX
        );
    }
}
