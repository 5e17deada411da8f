//! Stray: what is written to descriptor 1 outside of any task, such as by C code.
//!
//! Results and what scripts print leave by a descriptor of their own. What comes here goes where output goes that
//! belongs to no task.

use std::io::{self, PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use owngil::{OutputSink, OutputStream};

/// How long the end of what is there is waited for: a program that a task has left may hold it open.
const END: Duration = Duration::from_millis(200);

/// From how many bytes on a line is passed on in pieces.
const LINE_MAX: usize = 64 << 10;

/// Descriptor 1 as tasks find it.
#[derive(Debug)]
pub(crate) struct Stray {
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Stray {
    /// From now on what is written to descriptor 1 goes to that sink, by lines.
    pub(crate) fn catch(sink: Arc<dyn OutputSink>) -> io::Result<Stray> {
        let (reader, writer) = io::pipe()?;
        rustix::stdio::dup2_stdout(&writer)?;
        // Where it cannot be done, what C code prints is written to descriptor 1.
        let _ = owngil::catch_c_output();
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("stray".to_owned());
        thread.spawn(move || {
            pass_on(reader, &*sink);
            let _ = end.send(());
        })?;
        Ok(Stray {
            ended: Mutex::new(ended),
        })
    }

    /// Nothing runs any more: waits until what was written has been passed on.
    pub(crate) fn end(&self) {
        if rustix::stdio::dup2_stdout(rustix::stdio::stderr()).is_ok() {
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(END);
        }
    }
}

fn pass_on(mut reader: PipeReader, sink: &dyn OutputSink) {
    let mut piece = [0; 4096];
    let mut waiting = Vec::new();
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => waiting.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        let end = match waiting.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => newline + 1,
            None if waiting.len() >= LINE_MAX => waiting.len(),
            None => continue,
        };
        let rest = waiting.split_off(end);
        sink.write(OutputStream::Stdout, &std::mem::replace(&mut waiting, rest));
    }
    if !waiting.is_empty() {
        sink.write(OutputStream::Stdout, &waiting);
    }
}
