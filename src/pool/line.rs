//! Line: the batches of a map that are out, in the order of their inputs, and the results that have come.

use std::collections::VecDeque;

use crate::error::Error;
use crate::task::{Items, Results};

/// Batches between their being handed out and their results' being yielded.
#[derive(Debug)]
pub(super) struct Line {
    ordered: bool,
    /// The number of the batch in the first place.
    first: u64,
    places: VecDeque<Place>,
    /// Results that may be yielded, each with the index of its first.
    ready: VecDeque<(u64, Results)>,
    /// How many results are held, and how many bytes of them.
    n_results: usize,
    n_bytes: usize,
}

/// One batch, with the index of its first call.
#[derive(Debug)]
enum Place {
    Out(u64, u32),
    /// Its results have come, before those of an earlier one.
    Early(u64, Results),
    Done,
}

impl Line {
    pub(super) fn new(ordered: bool) -> Self {
        Line {
            ordered,
            first: 0,
            places: VecDeque::new(),
            ready: VecDeque::new(),
            n_results: 0,
            n_bytes: 0,
        }
    }

    /// Adds a batch of `n` calls, the first of which has this index; gives the batch's number.
    pub(super) fn push(&mut self, index: u64, n: u32) -> u64 {
        self.places.push_back(Place::Out(index, n));
        self.first + self.places.len() as u64 - 1
    }

    /// Takes the results of the batch of that number.
    pub(super) fn arrived(&mut self, number: u64, results: Results) {
        self.put(number, results);
        self.move_up();
    }

    fn put(&mut self, number: u64, results: Results) {
        self.n_results += results.len() as usize;
        self.n_bytes += results.n_bytes();
        let place = &mut self.places[(number - self.first) as usize];
        let Place::Out(index, _) = *place else {
            unreachable!("each batch has its results once");
        };
        *place = match self.ordered {
            true => Place::Early(index, results),
            false => {
                self.ready.push_back((index, results));
                Place::Done
            }
        };
    }

    fn move_up(&mut self) {
        while let Some(Place::Early(..) | Place::Done) = self.places.front() {
            if let Some(Place::Early(index, results)) = self.places.pop_front() {
                self.ready.push_back((index, results));
            }
            self.first += 1;
        }
    }

    /// Ends all calls that are out with this error; their results do not come any more.
    pub(super) fn give_up(&mut self, error: &Error) {
        for place in 0..self.places.len() {
            if let Place::Out(_, n) = self.places[place] {
                let number = self.first + place as u64;
                self.put(number, Results::all_failed(n, error));
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
        Results::all_failed(n, &Error::Cancelled(None))
    }

    /// The indices that are yielded when batches of 3, 1 and 2 calls come back in that order.
    fn yielded(ordered: bool, order: [usize; 3]) -> Vec<Vec<u64>> {
        let mut line = Line::new(ordered);
        let sizes = [3, 1, 2];
        let numbers = [(0, 3), (3, 1), (4, 2)].map(|(index, n)| line.push(index, n));
        let yielded = order.map(|place| {
            line.arrived(numbers[place], results(sizes[place]));
            let mut indices = Vec::new();
            while let Some(mut items) = line.take() {
                while let Some(item) = items.next_item::<()>() {
                    indices.push(item.index);
                }
            }
            indices
        });
        assert_eq!((line.n_results(), line.n_bytes(), line.first), (0, 0, 3));
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
    fn another_yields_what_comes() {
        assert_eq!(
            yielded(false, [2, 0, 1]),
            [vec![4, 5], vec![0, 1, 2], vec![3]]
        );
    }
}
