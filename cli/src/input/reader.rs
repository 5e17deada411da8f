//! Reader: reads inputs ahead, and passes them to the thread that makes calls.
//!
//! Reading has a thread of its own, so that a slow stream holds nothing up. What it has read goes to a
//! second one, from where three things go to the thread that runs the map: inputs, one by one, over a
//! bounded channel; the blocks they are in, for messages; and at the end what went wrong. Text that is in
//! memory has a limit: the reader waits until blocks whose calls have all ended give theirs back. Up to
//! there it is ahead of the calls, and so knows early how many inputs there are, if they are no more.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::fatal::Fatal;
use crate::input::block::{Block, Blocks};
use crate::input::call::input::Input;
use crate::terminal::total::NInputs;

/// How much text may be in memory: so much, and as much again for each worker.
pub(crate) const TEXT_MAX: usize = 4 << 20;

/// How many inputs wait for the map.
const N_WAITING: usize = 1024;

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
    total: NInputs,
}

impl Feed {
    /// Starts to read; `room` is how many bytes of text may be in memory.
    pub(crate) fn start(
        blocks: Blocks,
        room: usize,
    ) -> io::Result<(Arc<Feed>, Receiver<Input>, PendingInputs)> {
        let (inputs, received) = bounded(N_WAITING);
        let (notes, noted) = unbounded();
        // What is in it has taken its room.
        let (read, ready) = unbounded();
        let feed = Arc::new(Feed {
            inputs: Mutex::new(Some(inputs)),
            room: Mutex::new(room),
            more_room: Condvar::new(),
            room_max: room,
            total: NInputs::default(),
        });
        let pending = PendingInputs {
            feed: Arc::clone(&feed),
            noted,
            open: VecDeque::new(),
            trouble: None,
        };
        let reader = Arc::clone(&feed);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || reader.read(blocks, &read))?;
        let sender = Arc::clone(&feed);
        thread::Builder::new()
            .name("calls".to_owned())
            .spawn(move || {
                if let Err(trouble) = sender.send_all(&ready, &notes) {
                    let _ = notes.send(Note::Trouble(Box::new(trouble)));
                }
                // In this order: who sees the end of the inputs must find the trouble.
                drop(notes);
                sender.close();
            })?;
        Ok((feed, received, pending))
    }

    /// How many inputs there are, once all have been read.
    pub(crate) fn total(&self) -> NInputs {
        Arc::clone(&self.total)
    }

    /// Ends the inputs.
    pub(crate) fn close(&self) {
        self.inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Reads until the end, or until the run takes no more.
    fn read(&self, blocks: Blocks, read: &Sender<Result<Block, Fatal>>) {
        let mut n = 0;
        for block in blocks {
            if let Ok(block) = &block {
                self.take_room(block.n_bytes_held());
                n += block.len() as u64;
            }
            let is_last = block.is_err();
            if read.send(block).is_err() || is_last {
                return;
            }
        }
        let _ = self.total.set(n);
    }

    fn send_all(
        &self,
        ready: &Receiver<Result<Block, Fatal>>,
        notes: &Sender<Note>,
    ) -> Result<(), Fatal> {
        for block in ready {
            if !self.send(block?, notes) {
                break;
            }
        }
        Ok(())
    }

    /// Hands over a block's inputs; `false` when no more are wanted.
    fn send(&self, block: Block, notes: &Sender<Note>) -> bool {
        let inputs = self
            .inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(inputs) = inputs else { return false };
        let block = Arc::new(block);
        let _ = notes.send(Note::Block(Arc::clone(&block)));
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
    Trouble(Box<Fatal>),
}

/// Locks what is shared with the threads that look an input up while it runs.
pub(crate) fn lock(pending: &Mutex<PendingInputs>) -> MutexGuard<'_, PendingInputs> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The inputs whose calls have not ended, for messages about those that fail.
#[derive(Debug)]
pub(crate) struct PendingInputs {
    feed: Arc<Feed>,
    noted: Receiver<Note>,
    /// By their first inputs, with the number of calls that have not ended.
    open: VecDeque<(Arc<Block>, usize)>,
    trouble: Option<Box<Fatal>>,
}

impl PendingInputs {
    /// The block of the input of a call that has not ended, and the input's place there.
    pub(crate) fn find(&mut self, index: u64) -> Option<(Arc<Block>, usize)> {
        self.note(index);
        let after = self.open.partition_point(|(block, _)| block.first <= index);
        let (block, _) = self.open.get(after.checked_sub(1)?)?;
        let place = (index - block.first) as usize;
        (place < block.len()).then(|| (Arc::clone(block), place))
    }

    /// Takes notes until that input is known.
    fn note(&mut self, index: u64) {
        let known = |(block, _): &(Arc<Block>, usize)| block.first + block.len() as u64;
        while self.open.back().is_none_or(|last| known(last) <= index) {
            match self.noted.try_recv() {
                Ok(Note::Block(block)) => {
                    let n_open = block.len();
                    self.open.push_back((block, n_open));
                }
                Ok(Note::Trouble(trouble)) => self.trouble = Some(trouble),
                // Every block is noted before its first input is sent.
                Err(_) => break,
            }
        }
    }

    /// Ends a call: returns the block of its input, and the input's place there.
    pub(crate) fn end_call(&mut self, index: u64) -> (Arc<Block>, usize) {
        self.note(index);
        let at = self.open.partition_point(|(block, _)| block.first <= index) - 1;
        let (block, n_open) = &mut self.open[at];
        let block = Arc::clone(block);
        let place = (index - block.first) as usize;
        *n_open -= 1;
        if *n_open == 0 {
            self.open.remove(at);
            self.feed.give_room(block.n_bytes_held());
        }
        (block, place)
    }

    /// Why reading ended before the end of the inputs, once all calls have ended.
    pub(crate) fn trouble(&mut self) -> Option<Fatal> {
        for note in self.noted.try_iter() {
            if let Note::Trouble(trouble) = note {
                self.trouble = Some(trouble);
            }
        }
        self.trouble.take().map(|trouble| *trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Format, Inputs, Shape};
    use std::{env, fs};

    /// How much is read at once.
    const READ_SIZE: usize = 64 << 10;

    fn file(text: impl Into<Vec<u8>>) -> Blocks {
        let stream = io::Cursor::new(text.into());
        Inputs::of_stream(stream, "some file", Some(Format::Text), b'\n').blocks(Shape::Arg)
    }

    #[test]
    fn calls_may_end_in_any_order() {
        let text: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        let (feed, inputs, mut pending) = Feed::start(file(text), 1 << 30).unwrap();
        // Before a call has been made of any.
        assert_eq!(feed.total().wait(), &50_000);
        assert_eq!(inputs.iter().count(), 50_000);
        for index in (0..50_000).rev() {
            let (block, place) = pending.end_call(index);
            assert_eq!(block.quote(place), format!("\"{index}\""));
            assert_eq!(block.origin(place), format!("some file:{}", index + 1));
        }
        assert!(pending.open.is_empty());
        assert!(pending.trouble().is_none());
    }

    #[test]
    fn text_in_memory_has_a_limit_and_a_larger_line_passes_alone() {
        let text = format!("{}\n", "x".repeat(READ_SIZE - 1)).repeat(20);
        let (feed, inputs, mut pending) = Feed::start(file(text), 1000).unwrap();
        for index in 0..20 {
            inputs.recv().unwrap();
            assert!(inputs.is_empty());
            pending.end_call(index);
        }
        assert!(inputs.recv().is_err());
        assert_eq!(*feed.room.lock().unwrap(), 1000);
    }

    #[test]
    fn closing_ends_the_inputs_while_the_reader_waits() {
        let n_lines = 10 * READ_SIZE / 2;
        let text = "x\n".repeat(n_lines);
        let (feed, inputs, _ledger) = Feed::start(file(text), 10).unwrap();
        inputs.recv().unwrap();
        assert!(feed.total().get().is_none());
        feed.close();
        // What is left of the block that the reader was sending.
        assert!(inputs.iter().count() < READ_SIZE / 2);
    }

    #[test]
    fn a_folder_cannot_be_read_and_words_can() {
        let folder = fs::File::open(env::temp_dir()).unwrap();
        let blocks = Inputs::of_stream(folder, "folder", None, b'\n').blocks(Shape::Arg);
        let (_, inputs, mut pending) = Feed::start(blocks, 10).unwrap();
        assert!(inputs.recv().is_err());
        assert!(pending.trouble().is_some());
        let words = Inputs::of_words(vec![b"word".to_vec(); 3], Format::Text);
        let (_, inputs, _) = Feed::start(words.blocks(Shape::Arg), 10).unwrap();
        assert_eq!(inputs.iter().count(), 3);
    }
}
