//! Pieces: a stream cut into large inputs, each of which ends where a record ends.

use std::io::{self, Read};

use crate::input::block::{Block, Entry, Format};

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// The pieces of a stream, each a block of one input.
pub(crate) struct Pieces<R> {
    stream: R,
    /// What ends a record.
    end: u8,
    /// How long a piece should be.
    size: usize,
    /// What was read and not handed on, and how much of it holds no end that counts.
    rest: Vec<u8>,
    n_searched: usize,
    n_records: u64,
    has_ended: bool,
    /// Comes after what was read before it.
    trouble: Option<io::Error>,
}

impl<R: Read> Pieces<R> {
    pub(crate) fn new(stream: R, end: u8, size: usize) -> Pieces<R> {
        Pieces {
            stream,
            end,
            size: size.max(1),
            rest: Vec::new(),
            n_searched: 0,
            n_records: 0,
            has_ended: false,
            trouble: None,
        }
    }

    /// Where a piece ends that is long enough: at the last end within its size, else at the first one.
    fn cut(&mut self) -> Option<usize> {
        if self.rest.len() < self.size {
            return None;
        }
        let is_end = |byte: &u8| *byte == self.end;
        if self.n_searched == 0
            && let Some(at) = self.rest[..self.size].iter().rposition(is_end)
        {
            return Some(at + 1);
        }
        let from = self.n_searched.max(self.size);
        let found = self.rest[from..].iter().position(is_end);
        self.n_searched = self.rest.len();
        found.map(|at| from + at + 1)
    }

    fn piece(&mut self, n: usize) -> Block {
        let rest = self.rest.split_off(n);
        let text = std::mem::replace(&mut self.rest, rest);
        self.n_searched = 0;
        let line = self.n_records + 1;
        self.n_records += text.iter().filter(|byte| **byte == self.end).count() as u64;
        let entry = Entry {
            start: 0,
            end: text.len(),
            line,
        };
        Block::new(text, vec![entry], Format::Text)
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        loop {
            if let Some(n) = self.cut() {
                return Some(Ok(self.piece(n)));
            }
            if self.has_ended {
                break;
            }
            let before = self.rest.len();
            self.rest.resize(before + READ_SIZE, 0);
            let read = self.stream.read(&mut self.rest[before..]);
            self.rest.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(n) => self.has_ended = n == 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.has_ended = true;
                    self.trouble = Some(error);
                }
            }
        }
        match self.rest.len() {
            0 => self.trouble.take().map(Err),
            n => Some(Ok(self.piece(n))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, size: usize) -> Vec<(u64, String)> {
        let pieces = Pieces::new(text.as_bytes(), b'\n', size).map(Result::unwrap);
        let shown = pieces.map(|block| {
            let text = String::from_utf8(block.record(0).to_vec()).unwrap();
            (block.entries[0].line, text)
        });
        shown.collect()
    }

    #[test]
    fn pieces_end_where_records_end_and_hold_all_of_the_stream() {
        let owned = |list: &[(u64, &str)]| -> Vec<(u64, String)> {
            list.iter()
                .map(|(line, text)| (*line, (*text).to_owned()))
                .collect()
        };
        assert_eq!(
            pieces("aa\nbb\ncc\ndd", 6),
            owned(&[(1, "aa\nbb\n"), (3, "cc\ndd")])
        );
        // A record that is longer than a piece is a piece.
        assert_eq!(
            pieces("a\nbbbbbbbbbb\nc\n", 4),
            owned(&[(1, "a\n"), (2, "bbbbbbbbbb\n"), (3, "c\n")])
        );
        assert_eq!(pieces("", 4), []);
        let text: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        let found = pieces(&text, 100_000);
        assert!(
            found
                .iter()
                .all(|(_, piece)| piece.len() <= 100_000 && piece.ends_with('\n'))
        );
        let together: String = found.into_iter().map(|(_, piece)| piece).collect();
        assert_eq!(together, text);
    }
}
