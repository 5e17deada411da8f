//! Writer: rows of the job log, each written once the results that it records are out.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// What of the joblog is still to be written.
pub(crate) struct Writer {
    file: File,
    /// How long the file is: whole lines.
    len: u64,
    /// Lines that wait, one after the other.
    waiting: Vec<u8>,
    /// For each of them where it ends, and how much of standard output must be written before it.
    marks: VecDeque<(usize, u64)>,
    /// How much of standard output is written.
    written: u64,
    trouble: Option<io::Error>,
    /// Is called when it cannot be written.
    on_trouble: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("file", &self.file)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Goes on at the end of the file, which is this long.
    pub(crate) fn new(file: File, len: u64) -> Writer {
        Writer {
            file,
            len,
            waiting: Vec::new(),
            marks: VecDeque::new(),
            written: 0,
            trouble: None,
            on_trouble: None,
        }
    }

    /// Is to call this when it cannot be written.
    pub(crate) fn on_trouble(&mut self, call: impl FnOnce() + Send + 'static) {
        self.on_trouble = Some(Box::new(call));
    }

    /// Takes a line, for when so much of standard output is written.
    pub(crate) fn add(&mut self, line: &str, needs: u64) {
        self.waiting.extend_from_slice(line.as_bytes());
        self.marks.push_back((self.waiting.len(), needs));
        if needs <= self.written {
            self.write();
        }
    }

    /// So much of standard output is written.
    pub(crate) fn reached(&mut self, written: u64) {
        self.written = written;
        self.write();
    }

    /// Why it could not be written.
    pub(crate) fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    fn write(&mut self) {
        let n_ready = self
            .marks
            .iter()
            .take_while(|(_, needs)| *needs <= self.written);
        let n_ready = n_ready.count();
        let Some((end, _)) = n_ready.checked_sub(1).map(|last| self.marks[last]) else {
            return;
        };
        self.marks.drain(..n_ready);
        self.marks.iter_mut().for_each(|(at, _)| *at -= end);
        let lines: Vec<u8> = self.waiting.drain(..end).collect();
        if self.trouble.is_some() {
            // What comes after a gap would be no account.
            return;
        }
        let (n_written, ended) = write(&mut self.file, &lines);
        self.len += n_written as u64;
        if let Err(error) = ended {
            let whole = lines[..n_written].iter().rposition(|byte| *byte == b'\n');
            let n_torn = n_written - whole.map_or(0, |at| at + 1);
            self.len -= n_torn as u64;
            // If that fails too, the next run finds a line without an end.
            let _ = self.file.set_len(self.len);
            self.trouble = Some(error);
            if let Some(tell) = self.on_trouble.take() {
                tell();
            }
        }
    }
}

/// As `write_all`, and tells how much was written.
fn write(file: &mut File, text: &[u8]) -> (usize, io::Result<()>) {
    let mut n_written = 0;
    while n_written < text.len() {
        match file.write(&text[n_written..]) {
            Ok(0) => return (n_written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => n_written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (n_written, Err(error)),
        }
    }
    (n_written, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_line_waits_for_the_result_that_it_accounts_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = Writer::new(File::create(&path).unwrap(), 0);
        let text = || fs::read_to_string(&path).unwrap();
        writer.add("a\n", 0);
        assert_eq!(text(), "a\n");
        writer.add("b\n", 10);
        writer.add("c\n", 20);
        writer.add("d\n", 20);
        writer.reached(9);
        assert_eq!(text(), "a\n");
        writer.reached(10);
        assert_eq!(text(), "a\nb\n");
        writer.add("e\n", 20);
        writer.reached(25);
        assert_eq!(text(), "a\nb\nc\nd\ne\n");
        writer.add("f\n", 25);
        assert_eq!((text().as_str(), writer.len), ("a\nb\nc\nd\ne\nf\n", 12));
        assert!(writer.take_trouble().is_none());
    }

    #[test]
    fn a_full_disk_is_reported_once_and_nothing_is_written_after_it() {
        let mut writer = Writer::new(File::create("/dev/full").unwrap(), 0);
        let reported = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&reported);
        writer.on_trouble(move || assert!(!tell.swap(true, Ordering::Relaxed)));
        writer.add("a\n", 0);
        writer.add("b\n", 0);
        assert!(reported.load(Ordering::Relaxed));
        let trouble = writer.take_trouble().unwrap();
        assert_eq!(trouble.kind(), io::ErrorKind::StorageFull);
    }
}
