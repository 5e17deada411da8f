//! Inherit: output that goes to this process's own streams.

use std::io::{self, Write};

use super::OutputStream;

/// Which part of a task's output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Some,
    Last,
}

/// Writes it to the process's own stream.
pub(super) fn inherit(stream: OutputStream, text: &[u8], part: Part) {
    fn write(mut target: impl Write, text: &[u8], part: Part) {
        // A reader that went away is no failure of the task's; the host finds out by its own
        // writing.
        let _ = target.write_all(text);
        if part == Part::Last && text.last() != Some(&b'\n') {
            let _ = target.write_all(b"\n");
        }
        let _ = target.flush();
    }
    match stream {
        OutputStream::Stdout => write(io::stdout().lock(), text, part),
        OutputStream::Stderr => write(io::stderr().lock(), text, part),
    }
}
