//! Feed: inputs on their way from where they are read to the map that makes calls of them.
//!
//! Reading has a thread of its own, so that a slow stream holds nothing up. Three things go from it
//! to the thread that runs the map: inputs, one by one, over a bounded channel; the blocks they are
//! in, for messages; and at the end what went wrong. Text that is in memory has a limit: the reader
//! waits until blocks whose calls have all ended give theirs back.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::{fs, thread};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::input::{Block, Cutter, Input};

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// How many inputs wait for the map.
const N_WAITING: usize = 1024;

/// Where inputs come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The command line.
    Words(Vec<Vec<u8>>),
    File(PathBuf, fs::File),
    Stdin,
}

impl Source {
    /// What a message calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::Words(_) => "the command line".to_owned(),
            Source::File(path, _) => path.display().to_string(),
            Source::Stdin => "standard input".to_owned(),
        }
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Taken away when inputs are no longer wanted. The reader borrows it for a block at a time: it
    /// may be waiting for a stream that never ends.
    inputs: Mutex<Option<Sender<Input>>>,
    /// Text that may still come into memory, in bytes.
    room: Mutex<usize>,
    more_room: Condvar,
    room_max: usize,
}

impl Feed {
    /// Starts to read; `room` is how many bytes of text may be in memory.
    pub(crate) fn start(
        source: Source,
        cutter: Cutter,
        room: usize,
    ) -> io::Result<(Arc<Feed>, Receiver<Input>, Ledger)> {
        let (inputs, received) = bounded(N_WAITING);
        let (blocks, noted) = unbounded();
        let feed = Arc::new(Feed {
            inputs: Mutex::new(Some(inputs)),
            room: Mutex::new(room),
            more_room: Condvar::new(),
            room_max: room,
        });
        let ledger = Ledger {
            feed: Arc::clone(&feed),
            noted,
            open: VecDeque::new(),
            trouble: None,
        };
        let reader = Arc::clone(&feed);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                if let Err(error) = reader.read(source, cutter, &blocks) {
                    let _ = blocks.send(Note::Trouble(error));
                }
                // In this order: who sees the end of the inputs must find the trouble.
                drop(blocks);
                reader.close();
            })?;
        Ok((feed, received, ledger))
    }

    /// Ends the inputs.
    pub(crate) fn close(&self) {
        self.inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn read(&self, source: Source, mut cutter: Cutter, blocks: &Sender<Note>) -> io::Result<()> {
        let mut stream: Box<dyn Read> = match source {
            Source::Words(words) => {
                self.send(cutter.words(words), blocks);
                return Ok(());
            }
            Source::File(_, file) => Box::new(file),
            Source::Stdin => Box::new(io::stdin().lock()),
        };
        let mut chunk = vec![0; READ_SIZE];
        loop {
            let block = match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => cutter.push(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What was read before is input all the same.
                    cutter.finish().map(|block| self.send(block, blocks));
                    return Err(error);
                }
            };
            if block.is_some_and(|block| !self.send(block, blocks)) {
                return Ok(());
            }
        }
        cutter.finish().map(|block| self.send(block, blocks));
        Ok(())
    }

    /// Hands over a block's inputs; `false` when no more are wanted.
    fn send(&self, block: Block, blocks: &Sender<Note>) -> bool {
        self.take_room(block.n_bytes());
        let inputs = self
            .inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(inputs) = inputs else { return false };
        let block = Arc::new(block);
        let _ = blocks.send(Note::Block(Arc::clone(&block)));
        Input::all(&block).all(|input| inputs.send(input).is_ok())
    }

    /// Waits until there is room; a block that is too large for any waits until it is alone.
    fn take_room(&self, n_bytes: usize) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        while *room < n_bytes && *room < self.room_max {
            room = self
                .more_room
                .wait(room)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *room = room.saturating_sub(n_bytes);
    }

    fn give_room(&self, n_bytes: usize) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        *room = (*room + n_bytes).min(self.room_max);
        self.more_room.notify_one();
    }
}

#[derive(Debug)]
enum Note {
    Block(Arc<Block>),
    Trouble(io::Error),
}

/// The inputs whose calls have not ended, for messages about those that fail.
#[derive(Debug)]
pub(crate) struct Ledger {
    feed: Arc<Feed>,
    noted: Receiver<Note>,
    /// By their first inputs, with the number of calls that have not ended.
    open: VecDeque<(Arc<Block>, usize)>,
    trouble: Option<io::Error>,
}

impl Ledger {
    /// Ends a call: returns the block of its input, and the input's place there.
    pub(crate) fn end_call(&mut self, index: u64) -> (Arc<Block>, usize) {
        let known = |(block, _): &(Arc<Block>, usize)| block.first + block.len() as u64;
        while self.open.back().is_none_or(|last| known(last) <= index) {
            match self.noted.try_recv() {
                Ok(Note::Block(block)) => {
                    let n_open = block.len();
                    self.open.push_back((block, n_open));
                }
                Ok(Note::Trouble(error)) => self.trouble = Some(error),
                // Every block is noted before its first input is sent.
                Err(_) => break,
            }
        }
        let at = self.open.partition_point(|(block, _)| block.first <= index) - 1;
        let (block, n_open) = &mut self.open[at];
        let block = Arc::clone(block);
        let place = (index - block.first) as usize;
        *n_open -= 1;
        if *n_open == 0 {
            self.open.remove(at);
            self.feed.give_room(block.n_bytes());
        }
        (block, place)
    }

    /// Why reading ended before the end of the inputs, once all calls have ended.
    pub(crate) fn trouble(mut self) -> Option<io::Error> {
        for note in self.noted.try_iter() {
            if let Note::Trouble(error) = note {
                self.trouble = Some(error);
            }
        }
        self.trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::input::Format;

    fn words(n: usize) -> Source {
        Source::Words(
            (0..n)
                .map(|number| number.to_string().into_bytes())
                .collect(),
        )
    }

    fn file(text: &[u8]) -> Source {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Source::File(PathBuf::from("some file"), file)
    }

    #[test]
    fn calls_may_end_in_any_order() {
        let text: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        let cutter = Cutter::new(Some(Format::Text));
        let (_, inputs, mut ledger) = Feed::start(file(text.as_bytes()), cutter, 1 << 30).unwrap();
        assert_eq!(inputs.iter().count(), 50_000);
        for index in (0..50_000).rev() {
            let (block, place) = ledger.end_call(index);
            assert_eq!(block.quote(place), format!("\"{index}\""));
            assert_eq!(block.line(place), index + 1);
        }
        assert!(ledger.open.is_empty());
        assert!(ledger.trouble().is_none());
    }

    #[test]
    fn text_in_memory_has_a_limit_and_a_larger_line_passes_alone() {
        let text = format!("{}\n", "x".repeat(READ_SIZE - 1)).repeat(20);
        let cutter = Cutter::new(Some(Format::Text));
        let (feed, inputs, mut ledger) = Feed::start(file(text.as_bytes()), cutter, 1000).unwrap();
        for index in 0..20 {
            inputs.recv().unwrap();
            assert!(inputs.is_empty());
            ledger.end_call(index);
        }
        assert!(inputs.recv().is_err());
        assert_eq!(*feed.room.lock().unwrap(), 1000);
    }

    #[test]
    fn closing_ends_the_inputs_while_the_reader_waits() {
        let n_lines = 10 * READ_SIZE / 2;
        let text = "x\n".repeat(n_lines);
        let cutter = Cutter::new(Some(Format::Text));
        let (feed, inputs, _ledger) = Feed::start(file(text.as_bytes()), cutter, 10).unwrap();
        inputs.recv().unwrap();
        feed.close();
        // What is left of the block that the reader was sending.
        assert!(inputs.iter().count() < READ_SIZE / 2);
    }

    #[test]
    fn a_folder_cannot_be_read_and_words_can() {
        let folder = fs::File::open(std::env::temp_dir()).unwrap();
        let source = Source::File(PathBuf::from("folder"), folder);
        let (_, inputs, ledger) = Feed::start(source, Cutter::new(None), 10).unwrap();
        assert!(inputs.recv().is_err());
        assert!(ledger.trouble().is_some());
        let (_, inputs, _) = Feed::start(words(3), Cutter::new(None), 10).unwrap();
        assert_eq!(inputs.iter().count(), 3);
    }
}
