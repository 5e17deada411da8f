//! Groups: several sources of inputs, combined with each other or linked one to one.

use crate::fatal::Fatal;
use crate::input::block::{Block, Blocks, Columns, Entry, Format};

/// How much goes into one block.
const BLOCK_SIZE: usize = 64 << 10;

/// One source among several.
pub(super) struct Group {
    pub(super) blocks: Blocks,
    /// Whether it goes side by side with the one before, as `:::+` has it.
    pub(super) is_linked: bool,
}

/// The fields of one input, or of the part of it that linked sources give.
type Combination = Vec<Vec<u8>>;

/// The combinations of several sources.
///
/// The first sources that are linked are read as they are needed; the others are gone through again
/// and again, and held in memory. The last one changes fastest.
pub(super) struct Groups {
    first: Linked,
    rest_unread: Vec<Linked>,
    rest: Vec<Vec<Combination>>,
    /// The row of the first that is being combined, and the number of the combination.
    current: Option<(Combination, u64)>,
    columns: Columns,
    format: Format,
    n_inputs: u64,
}

impl Groups {
    pub(super) fn new(groups: Vec<Group>, format: Format) -> Groups {
        let columns = Columns {
            n: groups.len(),
            names: None,
        };
        let mut sets: Vec<Linked> = Vec::new();
        for group in groups {
            let records = Records {
                blocks: group.blocks,
                current: None,
            };
            match sets.last_mut() {
                Some(set) if group.is_linked => set.0.push(records),
                _ => sets.push(Linked(vec![records])),
            }
        }
        let rest_unread = sets.split_off(sets.len().min(1));
        Groups {
            first: sets.pop().unwrap_or(Linked(Vec::new())),
            rest_unread,
            rest: Vec::new(),
            current: None,
            columns,
            format,
            n_inputs: 0,
        }
    }

    /// How many combinations there are with one row of the first.
    fn n_combinations(&self) -> u64 {
        let lengths = self.rest.iter().map(|rows| rows.len() as u64);
        lengths.fold(1, u64::saturating_mul)
    }

    fn fill(&mut self, block: &mut Block) -> Result<(), Fatal> {
        for mut set in std::mem::take(&mut self.rest_unread) {
            let mut rows = Vec::new();
            while let Some(row) = set.next()? {
                rows.push(row);
            }
            self.rest.push(rows);
        }
        let n_combinations = self.n_combinations();
        while block.n_bytes() < BLOCK_SIZE && block.len() < BLOCK_SIZE {
            let (row, number) = match self.current.take() {
                Some((row, number)) if number < n_combinations => (row, number),
                // The next one may be long in coming.
                _ if self.first.may_wait() && block.len() > 0 => break,
                _ => match self.first.next()? {
                    Some(row) => (row, 0),
                    None => break,
                },
            };
            if number < n_combinations {
                self.push(&row, number, block);
            }
            self.current = Some((row, number + 1));
        }
        Ok(())
    }

    fn push(&mut self, row: &Combination, number: u64, block: &mut Block) {
        let mut left = number;
        let mut chosen: Vec<&Combination> = Vec::with_capacity(self.rest.len() + 1);
        for rows in self.rest.iter().rev() {
            chosen.push(&rows[(left % rows.len() as u64) as usize]);
            left /= rows.len() as u64;
        }
        chosen.push(row);
        let start = block.text.len();
        for field in chosen.into_iter().rev().flatten() {
            block.text.extend_from_slice(field);
            block.field_ends.push(block.text.len());
        }
        self.n_inputs += 1;
        block.entries.push(Entry {
            start,
            end: block.text.len(),
            line: self.n_inputs,
        });
    }
}

impl Iterator for Groups {
    type Item = Result<Block, Fatal>;

    fn next(&mut self) -> Option<Result<Block, Fatal>> {
        let mut block = Block::new(Vec::new(), Vec::new(), self.format);
        block.columns = Some(self.columns.clone());
        match self.fill(&mut block) {
            Err(fatal) => Some(Err(fatal)),
            Ok(()) => (block.len() > 0).then_some(Ok(block)),
        }
    }
}

/// Sources that go side by side, as far as the shortest.
struct Linked(Vec<Records>);

impl Linked {
    fn next(&mut self) -> Result<Option<Combination>, Fatal> {
        let fields = self.0.iter_mut().map(Records::next);
        fields.collect()
    }

    /// Whether what comes next has not been read yet.
    fn may_wait(&self) -> bool {
        self.0.iter().any(|records| records.current.is_none())
    }
}

/// The records of a source, one by one.
struct Records {
    blocks: Blocks,
    current: Option<(Block, usize)>,
}

impl Records {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Fatal> {
        let (block, place) = match self.current.take() {
            Some(current) => current,
            None => match self.blocks.next() {
                Some(block) => (block?, 0),
                None => return Ok(None),
            },
        };
        let record = block.record(place).to_vec();
        if place + 1 < block.len() {
            self.current = Some((block, place + 1));
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(groups: &[(&[&str], bool)]) -> Vec<String> {
        let groups = groups.iter().map(|(words, is_linked)| Group {
            blocks: {
                let words = words.iter().map(|word| word.as_bytes().to_vec());
                let block = Block::of_words(words, Format::Text);
                Box::new((block.len() > 0).then_some(Ok(block)).into_iter())
            },
            is_linked: *is_linked,
        });
        let blocks = Groups::new(groups.collect(), Format::Text).map(Result::unwrap);
        let rows = |block: Block| -> Vec<String> {
            let row = |place| -> Vec<&[u8]> { block.fields(place).collect() };
            let rows = (0..block.len()).map(|place| row(place).join(&b' '));
            rows.map(|row| String::from_utf8(row).unwrap()).collect()
        };
        blocks.flat_map(rows).collect()
    }

    #[test]
    fn every_combination_is_an_input_and_the_last_group_changes_fastest() {
        let two = inputs(&[(&["a", "b"], false), (&["1", "2"], false)]);
        assert_eq!(two, ["a 1", "a 2", "b 1", "b 2"]);
        let three = inputs(&[(&["a", "b"], false), (&["x"], false), (&["1", "2"], false)]);
        assert_eq!(three, ["a x 1", "a x 2", "b x 1", "b x 2"]);
        assert!(inputs(&[(&["a"], false), (&[], false)]).is_empty());
        assert!(inputs(&[(&[], false), (&["a"], false)]).is_empty());
    }

    #[test]
    fn linked_groups_go_side_by_side_as_far_as_the_shortest() {
        let linked = inputs(&[(&["a", "b", "c"], false), (&["1", "2"], true)]);
        assert_eq!(linked, ["a 1", "b 2"]);
        let both = inputs(&[
            (&["a", "b"], false),
            (&["x", "y"], false),
            (&["1", "2"], true),
        ]);
        assert_eq!(both, ["a x 1", "a y 2", "b x 1", "b y 2"]);
    }

    #[test]
    fn combinations_are_made_as_they_are_asked_for() {
        let words: Vec<Vec<u8>> = (0..1000).map(|n: u32| n.to_string().into_bytes()).collect();
        let group = || Group {
            blocks: Box::new(std::iter::once(Ok(Block::of_words(
                words.clone(),
                Format::Text,
            )))),
            is_linked: false,
        };
        // A million million million of them.
        let mut groups = Groups::new((0..6).map(|_| group()).collect(), Format::Text);
        let block = groups.next().unwrap().unwrap();
        assert!(block.n_bytes() < 2 * BLOCK_SIZE);
        assert!(groups.next().is_some());
    }
}
