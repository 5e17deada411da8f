//! Stderr: standard error, in whole messages, with status lines below them on a terminal.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// What takes the status away that is on the screen, and the cursor to where it began.
fn clear(status: &str) -> String {
    match status.matches('\n').count() {
        0 => "\r\x1b[2K".to_owned(),
        n => format!("\r\x1b[{n}A\x1b[J"),
    }
}

/// How often it is tried to write while somebody else does, and what is waited in between.
const N_TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(2);

/// Standard error.
#[derive(Debug)]
pub(crate) struct Stderr {
    state: Mutex<StderrState>,
    is_terminal: bool,
}

#[derive(Debug)]
struct StderrState {
    file: File,
    /// The status that is on the screen.
    status: String,
}

impl Stderr {
    pub(crate) fn open() -> io::Result<Stderr> {
        let stderr = io::stderr();
        Ok(Stderr {
            is_terminal: stderr.is_terminal(),
            // Not Rust's own handle: its lock is held by who waits for a full pipe.
            state: Mutex::new(StderrState {
                file: File::from(stderr.as_fd().try_clone_to_owned()?),
                status: String::new(),
            }),
        })
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether it is a terminal whose cursor can be moved.
    pub(crate) fn is_screen(&self) -> bool {
        self.is_terminal && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
    }

    /// Writes one message of whole lines, in one piece.
    pub(crate) fn write(&self, message: &[u8]) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        StderrState::write(state, message);
    }

    /// As `write`, unless another thread goes on writing, perhaps to a full pipe.
    pub(crate) fn try_write(&self, message: &[u8]) {
        for _ in 0..N_TRIES {
            match self.state.try_lock() {
                Ok(state) => return StderrState::write(state, message),
                Err(TryLockError::Poisoned(error)) => {
                    return StderrState::write(error.into_inner(), message);
                }
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            }
        }
    }

    /// Takes the status away, unless somebody else is writing.
    pub(crate) fn try_clear(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            state.show("", b"");
        }
    }

    /// Shows a status in place of the last: lines, the last without its end. An empty one takes it away.
    pub(crate) fn set_status(&self, status: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.show(&status, b"");
    }

    /// Has something else write to the same terminal, above the status. It tells whether it ended with a
    /// whole line.
    pub(crate) fn above_status(&self, write: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let status = state.status.clone();
        state.show("", b"");
        let is_whole = write()?;
        // What follows would stand behind it.
        if is_whole {
            state.show(&status, b"");
        }
        Ok(())
    }
}

impl StderrState {
    /// A reader that went away is no reason to end the run.
    fn write(mut state: MutexGuard<'_, StderrState>, message: &[u8]) {
        if state.status.is_empty() {
            let _ = state.file.write_all(message);
            return;
        }
        let status = state.status.clone();
        state.show(&status, message);
    }

    /// Writes the message where the status was, and that status below it.
    fn show(&mut self, status: &str, message: &[u8]) {
        if self.status == status && message.is_empty() {
            return;
        }
        let mut text = Vec::new();
        if !self.status.is_empty() {
            text.extend_from_slice(clear(&self.status).as_bytes());
        }
        text.extend_from_slice(message);
        text.extend_from_slice(status.as_bytes());
        self.status = status.to_owned();
        let _ = self.file.write_all(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    fn written(act: impl FnOnce(&Stderr)) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let stderr = Stderr {
            is_terminal: true,
            state: Mutex::new(StderrState {
                file: file.try_clone().unwrap(),
                status: String::new(),
            }),
        };
        act(&stderr);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn messages_stand_above_the_status_and_what_is_the_same_is_not_shown_again() {
        let text = written(|stderr| {
            stderr.set_status("a".to_owned());
            stderr.set_status("a".to_owned());
            stderr.write(b"one\n");
            stderr.set_status("b\nc".to_owned());
            stderr.write(b"two\n");
            stderr.set_status(String::new());
            stderr.write(b"three\n");
        });
        let expected =
            "a\r\x1b[2Kone\na\r\x1b[2Kb\nc\r\x1b[1A\x1b[Jtwo\nb\nc\r\x1b[1A\x1b[Jthree\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_others_write_stands_above_it_too_unless_its_line_goes_on() {
        let text = written(|stderr| {
            stderr.set_status("s".to_owned());
            stderr.above_status(|| Ok(true)).unwrap();
            stderr.above_status(|| Ok(false)).unwrap();
            stderr.write(b"m\n");
        });
        assert_eq!(text, "s\r\x1b[2Ks\r\x1b[2Km\n");
    }
}
