//! Pipes: what child processes and C code write to descriptors 1 and 2, on its way to a capture.

use std::fs;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::OutputStream;
use super::capture::Capture;

/// How much is read at once: as much as a pipe holds.
const PIECE: usize = 64 << 10;

/// The pipes of one worker.
#[derive(Debug)]
pub(super) struct Pipes {
    readers: Arc<Readers>,
    /// What stands for descriptors 1 and 2 in child processes. `None` where the process's own are these ends.
    writers: Option<[PipeWriter; 2]>,
    /// Those that Python code was given the numbers of. It may close them, so no Rust value owns them.
    lent: Mutex<[Option<RawFd>; 2]>,
}

/// The ends of two pipes that are read: standard output and standard error.
#[derive(Debug)]
pub(crate) struct Readers {
    ends: [PipeReader; 2],
    /// Held by who reads, so that one piece does not overtake another.
    reading: Mutex<()>,
}

impl Pipes {
    /// Makes them, and a thread that reads them into the capture.
    pub(super) fn start(capture: &Arc<Capture>) -> io::Result<Pipes> {
        let (stdout, stdout_writer) = io::pipe()?;
        let (stderr, stderr_writer) = io::pipe()?;
        let readers = Readers::new(stdout, stderr)?;
        Pipes::over(readers, Some([stdout_writer, stderr_writer]), capture)
    }

    /// Those whose writing ends are the process's own descriptors.
    pub(super) fn of_process(readers: Readers, capture: &Arc<Capture>) -> io::Result<Pipes> {
        Pipes::over(readers, None, capture)
    }

    fn over(
        readers: Readers,
        writers: Option<[PipeWriter; 2]>,
        capture: &Arc<Capture>,
    ) -> io::Result<Pipes> {
        let readers = Arc::new(readers);
        let (inside, capture) = (Arc::clone(&readers), Arc::clone(capture));
        let thread = thread::Builder::new().name("owngil-output".to_owned());
        thread.spawn(move || inside.serve(&capture))?;
        Ok(Pipes {
            readers,
            writers,
            lent: Mutex::default(),
        })
    }

    pub(super) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    /// The descriptor that stands for a stream in child processes.
    pub(super) fn writer(&self, stream: OutputStream) -> io::Result<RawFd> {
        let place = stream.place();
        let Some(writers) = &self.writers else {
            return Ok(1 + place as RawFd);
        };
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        match lent[place] {
            Some(number) if is_still(number, &writers[place]) => Ok(number),
            _ => {
                let number = writers[place].try_clone()?.into_raw_fd();
                lent[place] = Some(number);
                Ok(number)
            }
        }
    }

    /// Closes what was lent, as far as it is still that.
    fn close_lent(&self) {
        let Some(writers) = &self.writers else { return };
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, writer) in lent.iter().zip(writers) {
            if let Some(number) = number
                && is_still(*number, writer)
            {
                owngil_ffi::close_descriptor(*number);
            }
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.close_lent();
    }
}

/// Whether that number still is this pipe. It may have been closed, and be another file's.
fn is_still(number: RawFd, pipe: &PipeWriter) -> bool {
    let file = |number: RawFd| fs::read_link(format!("/proc/self/fd/{number}")).ok();
    let own = file(pipe.as_raw_fd());
    own.is_some() && own == file(number)
}

impl Readers {
    pub(crate) fn new(stdout: PipeReader, stderr: PipeReader) -> io::Result<Readers> {
        let ends = [stdout, stderr];
        for end in &ends {
            fcntl_setfl(end, OFlags::NONBLOCK)?;
        }
        Ok(Readers {
            ends,
            reading: Mutex::default(),
        })
    }

    pub(crate) fn of_descriptors(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Readers> {
        Readers::new(PipeReader::from(stdout), PipeReader::from(stderr))
    }

    /// The same ends once more, for another process.
    pub(crate) fn try_clone(&self) -> io::Result<[OwnedFd; 2]> {
        let [stdout, stderr] = &self.ends;
        Ok([stdout.try_clone()?.into(), stderr.try_clone()?.into()])
    }

    /// Takes what is there, and waits for nothing. Says which ends may still be written to.
    pub(crate) fn read(&self, mut take: impl FnMut(OutputStream, &[u8])) -> [bool; 2] {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = Vec::new();
        [OutputStream::Stdout, OutputStream::Stderr].map(|stream| {
            let mut end = &self.ends[stream.place()];
            piece.resize(PIECE, 0);
            loop {
                match end.read(&mut piece) {
                    Ok(0) => return false,
                    Ok(n) => take(stream, &piece[..n]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
        })
    }

    /// Takes what comes, until no writer is left.
    pub(crate) fn read_all(&self, mut take: impl FnMut(OutputStream, &[u8])) {
        let mut open = [true; 2];
        while open != [false; 2] {
            let ends = self.ends.iter().zip(open).filter(|(_, open)| *open);
            let mut polled: Vec<_> = ends
                .map(|(end, _)| PollFd::new(end, PollFlags::IN))
                .collect();
            match poll(&mut polled, None) {
                Ok(_) => open = self.read(&mut take),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn serve(&self, capture: &Capture) {
        self.read_all(|stream, text| capture.take(stream, text));
    }
}
