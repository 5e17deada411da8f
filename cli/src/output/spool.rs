//! Spool: text in memory as long as there is little of it, and in a file beyond that.
//!
//! There is one file for all texts, without a name, so that nothing is left of it however the process
//! ends. It is cut into blocks, which are used again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much text may be in memory, of all texts together.
const MEMORY_MAX: usize = 32 << 20;

const BLOCK_SIZE: usize = 4 << 10;

/// How much is read back at once, about.
const PIECE_SIZE: usize = 64 << 10;

/// Where texts are kept.
#[derive(Debug, Default)]
pub(super) struct Spool {
    n_in_memory: usize,
    /// How much may be, where that is not the usual.
    memory_max: Option<usize>,
    file: Option<File>,
    n_blocks: u64,
    free: Vec<u64>,
}

/// A text, which is to be taken or dropped.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// What comes first, in the file.
    extents: Vec<Extent>,
    /// What comes after that.
    rest: Vec<u8>,
}

/// Blocks that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    first: u64,
    n_blocks: u64,
    n_bytes: usize,
}

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.extents.is_empty() && self.rest.is_empty()
    }
}

impl Spool {
    /// Appends to a text.
    ///
    /// # Errors
    ///
    /// Those of writing to the file; the text is what it was.
    pub(super) fn append(&mut self, text: &mut Text, more: &[u8]) -> io::Result<()> {
        let max = self.memory_max.unwrap_or(MEMORY_MAX);
        if self.n_in_memory + more.len() > max {
            self.put_out(text)?;
            if self.n_in_memory + more.len() > max {
                return self.write(text, more);
            }
        }
        text.rest.extend_from_slice(more);
        self.n_in_memory += more.len();
        Ok(())
    }

    /// Hands over a text piece by piece; it stays.
    ///
    /// # Errors
    ///
    /// Those of reading the file, and of `give`.
    pub(super) fn read(
        &self,
        text: &Text,
        mut give: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut piece = Vec::new();
        for extent in &text.extents {
            let mut offset = extent.first * BLOCK_SIZE as u64;
            let mut n_left = extent.n_bytes;
            while n_left > 0 {
                piece.resize(n_left.min(PIECE_SIZE), 0);
                self.file()?.read_exact_at(&mut piece, offset)?;
                give(&piece)?;
                (offset, n_left) = (offset + piece.len() as u64, n_left - piece.len());
            }
        }
        match text.rest.is_empty() {
            true => Ok(()),
            false => give(&text.rest),
        }
    }

    /// Takes the first piece of what is left of a text; after the last one nothing is to be given back.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub(super) fn take(&mut self, text: &mut Text) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        let mut n_taken = 0;
        for extent in &text.extents {
            let start = piece.len();
            piece.resize(start + extent.n_bytes, 0);
            let offset = extent.first * BLOCK_SIZE as u64;
            self.file()?.read_exact_at(&mut piece[start..], offset)?;
            n_taken += 1;
            if piece.len() >= PIECE_SIZE {
                break;
            }
        }
        let later = text.extents.split_off(n_taken);
        let mut taken = Text {
            extents: std::mem::replace(&mut text.extents, later),
            rest: Vec::new(),
        };
        if text.extents.is_empty() && piece.len() < PIECE_SIZE {
            taken.rest = std::mem::take(&mut text.rest);
            piece.extend_from_slice(&taken.rest);
        }
        self.drop(taken);
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// Gives a text back.
    pub(super) fn drop(&mut self, text: Text) {
        self.n_in_memory -= text.rest.len();
        for extent in text.extents {
            self.free
                .extend((extent.first..extent.first + extent.n_blocks).rev());
        }
        if self.free.len() as u64 == self.n_blocks && self.n_blocks > 0 {
            // Nothing is in it: what it took is for others.
            self.free.clear();
            self.n_blocks = 0;
            if let Some(file) = &self.file {
                let _ = file.set_len(0);
            }
        }
    }

    /// Writes what of a text is in memory to the file.
    fn put_out(&mut self, text: &mut Text) -> io::Result<()> {
        let rest = std::mem::take(&mut text.rest);
        match self.write(text, &rest) {
            Ok(()) => {
                self.n_in_memory -= rest.len();
                Ok(())
            }
            Err(error) => {
                text.rest = rest;
                Err(error)
            }
        }
    }

    /// Writes behind what of a text is in the file.
    fn write(&mut self, text: &mut Text, mut more: &[u8]) -> io::Result<()> {
        if self.file.is_none() && !more.is_empty() {
            self.file = Some(tempfile::tempfile()?);
        }
        let n_extents = text.extents.len();
        while !more.is_empty() {
            let extent = self.allocate(more.len());
            let (now, later) = more.split_at(extent.n_bytes);
            text.extents.push(extent);
            let written = self
                .file()
                .and_then(|file| file.write_all_at(now, extent.first * BLOCK_SIZE as u64));
            if let Err(error) = written {
                let unwritten = text.extents.split_off(n_extents);
                self.drop(Text {
                    extents: unwritten,
                    rest: Vec::new(),
                });
                return Err(error);
            }
            more = later;
        }
        Ok(())
    }

    /// Blocks for so many bytes, or for the first of them.
    fn allocate(&mut self, n_bytes: usize) -> Extent {
        // No longer than what is read back at once.
        let n_wanted = n_bytes.min(PIECE_SIZE).div_ceil(BLOCK_SIZE) as u64;
        let (first, n_blocks) = match self.free.pop() {
            None => {
                let first = self.n_blocks;
                self.n_blocks += n_wanted;
                (first, n_wanted)
            }
            Some(first) => {
                let mut n_blocks = 1;
                while n_blocks < n_wanted && self.free.last() == Some(&(first + n_blocks)) {
                    self.free.pop();
                    n_blocks += 1;
                }
                (first, n_blocks)
            }
        };
        Extent {
            first,
            n_blocks,
            n_bytes: n_bytes.min(n_blocks as usize * BLOCK_SIZE),
        }
    }

    fn file(&self) -> io::Result<&File> {
        self.file
            .as_ref()
            .ok_or_else(|| io::Error::other("there is no file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(spool: &mut Spool, mut text: Text) -> Vec<u8> {
        let mut read = Vec::new();
        let give = |piece: &[u8]| {
            read.extend_from_slice(piece);
            Ok(())
        };
        spool.read(&text, give).unwrap();
        let mut taken = Vec::new();
        while let Some(piece) = spool.take(&mut text).unwrap() {
            assert!(!piece.is_empty());
            taken.extend_from_slice(&piece);
        }
        assert!(text.is_empty() && read == taken);
        taken
    }

    fn bytes(seed: usize, n: usize) -> Vec<u8> {
        (0..n).map(|at| (at * 7 + seed) as u8).collect()
    }

    #[test]
    fn texts_come_back_as_they_were_from_memory_and_from_the_file() {
        for memory_max in [0, 100, 10_000, 1 << 30] {
            let mut spool = Spool {
                memory_max: Some(memory_max),
                ..Spool::default()
            };
            let sizes = [1, 4096, 0, 5000, 130_000, 17];
            for round in 0..5 {
                let mut texts: Vec<(Text, Vec<u8>)> = Vec::new();
                texts.resize_with(7, Default::default);
                for piece in 0..20 {
                    for (number, (text, expected)) in texts.iter_mut().enumerate() {
                        let more = bytes(round + number, sizes[(piece + number) % 6]);
                        spool.append(text, &more).unwrap();
                        expected.extend_from_slice(&more);
                        assert!(spool.n_in_memory <= memory_max);
                    }
                    // Some end while others go on.
                    let (text, expected) = std::mem::take(&mut texts[piece % 7]);
                    assert_eq!(whole(&mut spool, text), expected);
                }
                for (text, expected) in texts {
                    assert_eq!(whole(&mut spool, text), expected);
                }
                assert_eq!((spool.n_in_memory, spool.n_blocks), (0, 0));
                assert!(spool.free.is_empty());
            }
        }
    }

    #[test]
    fn blocks_are_used_again() {
        let mut spool = Spool {
            memory_max: Some(0),
            ..Spool::default()
        };
        let mut last = Text::default();
        spool.append(&mut last, b"stays").unwrap();
        for _ in 0..100 {
            let mut text = Text::default();
            spool.append(&mut text, &bytes(0, 50_000)).unwrap();
            assert_eq!(whole(&mut spool, text), bytes(0, 50_000));
        }
        assert_eq!(spool.n_blocks, 1 + 50_000_u64.div_ceil(4096));
        assert_eq!(whole(&mut spool, last), b"stays");
    }

    #[test]
    fn a_file_that_takes_no_more_is_an_error_and_leaves_the_text_as_it_was() {
        let full = File::options().read(true).write(true).open("/dev/full");
        let mut spool = Spool {
            memory_max: Some(10),
            file: Some(full.unwrap()),
            ..Spool::default()
        };
        let mut text = Text::default();
        spool.append(&mut text, b"0123456789").unwrap();
        let error = spool.append(&mut text, &bytes(0, 9000)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(whole(&mut spool, text), b"0123456789");
        assert_eq!((spool.n_in_memory, spool.n_blocks), (0, 0));
    }
}
