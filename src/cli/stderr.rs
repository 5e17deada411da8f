//! Stderr: standard error, in whole messages, with a status line below them on a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// What ends the present status line on the screen and takes the cursor to its start.
const CLEAR: &[u8] = b"\r\x1b[2K";

/// Standard error.
#[derive(Debug)]
pub(crate) struct Stderr {
    state: Mutex<State>,
    is_terminal: bool,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The status line that is on the screen.
    status: String,
}

impl Stderr {
    pub(crate) fn open() -> io::Result<Stderr> {
        let stderr = io::stderr();
        Ok(Stderr {
            is_terminal: stderr.is_terminal(),
            // Not Rust's own handle: its lock is held by who waits for a full pipe.
            state: Mutex::new(State {
                file: File::from(stderr.as_fd().try_clone_to_owned()?),
                status: String::new(),
            }),
        })
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes one message of whole lines, in one piece.
    pub(crate) fn write(&self, message: &[u8]) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        State::write(state, message);
    }

    /// As `write`, unless somebody else is writing, perhaps to a pipe that nobody reads.
    pub(crate) fn try_write(&self, message: &[u8]) {
        match self.state.try_lock() {
            Ok(state) => State::write(state, message),
            Err(TryLockError::Poisoned(error)) => State::write(error.into_inner(), message),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Takes the status line away, unless somebody else is writing.
    pub(crate) fn try_clear(&self) {
        if let Ok(mut state) = self.state.try_lock()
            && !state.status.is_empty()
        {
            state.status.clear();
            let _ = state.file.write_all(CLEAR);
        }
    }

    /// Shows a status line in place of the last; an empty one takes it away.
    pub(crate) fn set_status(&self, status: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.status != status {
            state.status = status;
            State::write(state, b"");
        }
    }
}

impl State {
    /// A reader that went away is no reason to end the run.
    fn write(mut state: MutexGuard<'_, State>, message: &[u8]) {
        if state.status.is_empty() && !message.is_empty() {
            let _ = state.file.write_all(message);
            return;
        }
        let text = [CLEAR, message, state.status.as_bytes()].concat();
        let _ = state.file.write_all(&text);
    }
}
