//! Reorder: the batches of a map that are out, in the order of their inputs, and the results that have come.

use std::collections::VecDeque;

use crate::error::Error;
use crate::task::{Items, Results};

/// Batches between their being handed out and their results' being yielded.
#[derive(Debug)]
pub(super) struct ReorderBuffer {
    ordered: bool,
    places: VecDeque<BatchPlace>,
    /// Results that may be yielded, each with the index of its first.
    ready: VecDeque<(u64, Results)>,
    /// How many results are held, and how many bytes of them.
    n_results: usize,
    n_bytes: usize,
}

/// One batch. Its results come in one piece or, when its function moves elsewhere, in several.
#[derive(Debug)]
struct BatchPlace {
    /// The index of its first call.
    first: u64,
    /// The index of the first call whose result has not come.
    next: u64,
    /// How many have not.
    n_left: u32,
    /// Those that have come before the results of an earlier batch.
    early: Vec<(u64, Results)>,
}

impl ReorderBuffer {
    pub(super) fn new(ordered: bool) -> Self {
        ReorderBuffer {
            ordered,
            places: VecDeque::new(),
            ready: VecDeque::new(),
            n_results: 0,
            n_bytes: 0,
        }
    }

    /// Adds a batch of `n` calls, whose first one has this index; the batch is known by it.
    pub(super) fn push(&mut self, index: u64, n: u32) {
        self.places.push_back(BatchPlace {
            first: index,
            next: index,
            n_left: n,
            early: Vec::new(),
        });
    }

    /// Takes the next results of the batch whose first call has that index; says whether those were the
    /// last of it.
    pub(super) fn arrived(&mut self, first: u64, results: Results) -> bool {
        let after = self.places.partition_point(|place| place.first <= first);
        let is_whole = self.put(after - 1, results);
        self.move_up();
        is_whole
    }

    fn put(&mut self, number: usize, results: Results) -> bool {
        self.n_results += results.len() as usize;
        self.n_bytes += results.n_bytes();
        let place = &mut self.places[number];
        let index = place.next;
        place.next += u64::from(results.len());
        place.n_left -= results.len();
        match self.ordered && number > 0 {
            true => place.early.push((index, results)),
            false => self.ready.push_back((index, results)),
        }
        place.n_left == 0
    }

    fn move_up(&mut self) {
        while let Some(place) = self.places.front_mut() {
            self.ready.extend(place.early.drain(..));
            if place.n_left > 0 {
                return;
            }
            self.places.pop_front();
        }
    }

    /// Ends all calls that are out with this error; their results do not come any more.
    pub(super) fn give_up(&mut self, error: &Error) {
        for number in 0..self.places.len() {
            match self.places[number].n_left {
                0 => {}
                n_left => drop(self.put(number, Results::all_failed(n_left, error))),
            }
        }
        self.move_up();
    }

    /// The results to be yielded next.
    pub(super) fn take(&mut self) -> Option<Items> {
        let (index, results) = self.ready.pop_front()?;
        self.n_results -= results.len() as usize;
        self.n_bytes -= results.n_bytes();
        Some(results.into_items(index))
    }

    /// How many results are held.
    pub(super) fn n_results(&self) -> usize {
        self.n_results
    }

    /// How much memory they hold.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(n: u32) -> Results {
        Results::all_failed(n, &Error::cancelled(None))
    }

    /// The indices that are yielded when batches of 3, 1 and 2 calls come back in that order.
    fn yielded(ordered: bool, order: [usize; 3]) -> Vec<Vec<u64>> {
        let mut line = ReorderBuffer::new(ordered);
        let sizes = [3, 1, 2];
        let firsts = [0, 3, 4];
        (0..3).for_each(|place| line.push(firsts[place], sizes[place]));
        let yielded = order.map(|place| {
            line.arrived(firsts[place], results(sizes[place]));
            let mut indices = Vec::new();
            while let Some(mut items) = line.take() {
                while let Some(item) = items.next_item::<()>() {
                    indices.push(item.index);
                }
            }
            indices
        });
        assert_eq!((line.n_results(), line.n_bytes()), (0, 0));
        assert!(line.places.is_empty());
        yielded.into()
    }

    #[test]
    fn an_ordered_line_waits_for_the_first() {
        let all = (0..6).collect::<Vec<u64>>();
        assert_eq!(yielded(true, [2, 1, 0]), [vec![], vec![], all]);
        assert_eq!(
            yielded(true, [1, 0, 2]),
            [vec![], vec![0, 1, 2, 3], vec![4, 5]]
        );
    }

    #[test]
    fn a_batch_may_come_in_pieces() {
        for ordered in [true, false] {
            let mut line = ReorderBuffer::new(ordered);
            let firsts = [0, 3];
            line.push(0, 3);
            line.push(3, 2);
            let pieces = [(1, 1, false), (0, 2, false), (1, 1, true), (0, 1, true)];
            let mut yielded = Vec::new();
            for (place, n, is_last) in pieces {
                assert_eq!(line.arrived(firsts[place], results(n)), is_last);
                while let Some(mut items) = line.take() {
                    while let Some(item) = items.next_item::<()>() {
                        yielded.push(item.index);
                    }
                }
            }
            let expected = match ordered {
                true => [0, 1, 2, 3, 4],
                false => [3, 0, 1, 4, 2],
            };
            assert_eq!(yielded, expected);
        }
    }

    #[test]
    fn what_is_given_up_after_a_piece_is_the_rest() {
        let mut line = ReorderBuffer::new(true);
        line.push(0, 3);
        line.arrived(0, results(1));
        line.give_up(&Error::timed_out(None));
        let indices = std::iter::from_fn(|| line.take()).map(|mut items| {
            std::iter::from_fn(|| items.next_item::<()>())
                .map(|item| (item.index, item.result.unwrap_err()))
                .collect::<Vec<_>>()
        });
        let (cancelled, timed_out) = (Error::cancelled(None), Error::timed_out(None));
        let rest = vec![(1, timed_out.clone()), (2, timed_out)];
        assert_eq!(indices.collect::<Vec<_>>(), [vec![(0, cancelled)], rest]);
    }

    #[test]
    fn another_yields_what_comes() {
        assert_eq!(
            yielded(false, [2, 0, 1]),
            [vec![4, 5], vec![0, 1, 2], vec![3]]
        );
    }
}
