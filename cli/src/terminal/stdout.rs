//! Stdout: standard output, written by a thread of its own.
//!
//! Results are appended to a buffer, and the thread writes what it finds there. So each result is
//! out at once when there are few, many go out in one write when there are many, and the end of the
//! process does not wait for a full pipe.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::stderr::Stderr;
use crate::joblog::{digest, digest_on};

/// How much may wait to be written.
const WAITING_MAX: usize = 1 << 20;

/// How long the thread lets results gather after a write.
const PAUSE: Duration = Duration::from_micros(500);

/// Standard output as it was when the process started: tasks find another at descriptor 1.
static OWN: OnceLock<File> = OnceLock::new();

/// The file that results go to.
pub(crate) fn file() -> io::Result<File> {
    match OWN.get() {
        Some(own) => own.try_clone(),
        None => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
    }
}

/// Standard output.
pub(crate) struct Stdout {
    state: Mutex<StdoutState>,
    /// There is something to write.
    work: Condvar,
    /// Somebody waits for it to be written.
    hurry: Condvar,
    /// Something was written.
    written: Condvar,
    /// Called after each write.
    on_written: Mutex<Option<OnWritten>>,
}

/// Takes how many bytes have been written in all.
type OnWritten = Box<dyn FnMut(u64) + Send>;

/// A terminal that shows standard error too.
struct Beside {
    file: File,
    stderr: Arc<Stderr>,
}

impl Write for Beside {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.stderr.above_status(|| {
            self.file.write_all(text)?;
            Ok(text.ends_with(b"\n"))
        })?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[derive(Debug, Default)]
struct StdoutState {
    waiting: Vec<u8>,
    is_writing: bool,
    /// How many bytes have been taken from there to be written.
    n_taken: u64,
    /// How many are waiting for all to be written.
    n_draining: usize,
    /// Of what has been appended since the last mark, where that is asked for.
    digest: Option<u64>,
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Stdout {
    /// Starts the thread. When writing fails it calls `failed` with the reason, and ends.
    pub(crate) fn start(
        stderr: Arc<Stderr>,
        failed: impl FnOnce(&io::Error) + Send + 'static,
    ) -> io::Result<Arc<Stdout>> {
        // Not Rust's own handle: its lock is held by who waits for a full pipe.
        let file = file()?;
        let _ = OWN.set(file.try_clone()?);
        match stderr.is_screen() && file.is_terminal() {
            true => Stdout::over(Beside { file, stderr }, failed),
            false => Stdout::over(file, failed),
        }
    }

    fn over(
        mut target: impl Write + Send + 'static,
        failed: impl FnOnce(&io::Error) + Send + 'static,
    ) -> io::Result<Arc<Stdout>> {
        let stdout = Arc::new(Stdout {
            state: Mutex::default(),
            work: Condvar::new(),
            hurry: Condvar::new(),
            written: Condvar::new(),
            on_written: Mutex::default(),
        });
        let inside = Arc::clone(&stdout);
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                if let Err(error) = inside.serve(&mut target) {
                    failed(&error);
                }
            })?;
        Ok(stdout)
    }

    /// Lets `write` append to what is to be written. Waits while too much of that is waiting.
    pub(crate) fn append<R>(&self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut state = self.lock();
        while state.waiting.len() > WAITING_MAX {
            self.hurry.notify_one();
            state = wait(&self.written, state);
        }
        let before = state.waiting.len();
        let was_empty = before == 0;
        let result = write(&mut state.waiting);
        if let Some(so_far) = state.digest {
            state.digest = Some(digest_on(so_far, &state.waiting[before..]));
        }
        if was_empty && !state.waiting.is_empty() {
            self.work.notify_one();
        }
        result
    }

    /// Begins a stretch of what is appended; returns how many bytes have been before it, and the digest of the
    /// stretch that ends here.
    pub(crate) fn mark(&self) -> (u64, Option<u64>) {
        let mut state = self.lock();
        let ended = state.digest.replace(digest(b""));
        (state.n_taken + state.waiting.len() as u64, ended)
    }

    /// From now on calls this after each write, with how many bytes have been written in all.
    pub(crate) fn on_written(&self, call: impl FnMut(u64) + Send + 'static) {
        let mut place = self
            .on_written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(Box::new(call));
    }

    /// Waits until everything is written.
    pub(crate) fn drain(&self) {
        self.drain_until(None);
    }

    /// Waits until everything is written, but not for long.
    pub(crate) fn drain_within(&self, limit: Duration) {
        self.drain_until(Instant::now().checked_add(limit));
    }

    fn drain_until(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        state.n_draining += 1;
        self.hurry.notify_one();
        while !state.waiting.is_empty() || state.is_writing {
            state = match deadline {
                None => wait(&self.written, state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    wait_within(&self.written, state, left)
                }
            };
        }
        state.n_draining -= 1;
    }

    fn serve(&self, target: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = wait(&self.work, state);
            }
            std::mem::swap(&mut text, &mut state.waiting);
            state.is_writing = true;
            state.n_taken += text.len() as u64;
            let n_written = state.n_taken;
            drop(state);
            target.write_all(&text)?;
            let mut place = self
                .on_written
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(call) = &mut *place {
                call(n_written);
            }
            drop(place);
            text.clear();
            text.shrink_to(WAITING_MAX);
            let mut state = self.lock();
            state.is_writing = false;
            self.written.notify_all();
            if state.n_draining == 0 {
                drop(wait_within(&self.hurry, state, PAUSE));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, StdoutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, StdoutState>,
) -> MutexGuard<'a, StdoutState> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

fn wait_within<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, StdoutState>,
    limit: Duration,
) -> MutexGuard<'a, StdoutState> {
    let waited = condition.wait_timeout(state, limit);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Writes only as far as it is let.
    struct Gate(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.0.recv().map_err(closed)?;
            self.1.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_appended_is_written_in_order_and_soon() {
        let (open, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let target = Gate(gate, Arc::clone(&written));
        let stdout = Stdout::over(target, |_| {}).unwrap();
        let mut expected = Vec::new();
        for number in 0..1000 {
            stdout.append(|out| writeln!(out, "{number}").unwrap());
            writeln!(expected, "{number}").unwrap();
        }
        // One write may have begun with the first line; the second takes what came since.
        open.send(()).unwrap();
        open.send(()).unwrap();
        drop(open);
        stdout.drain();
        assert_eq!(*written.lock().unwrap(), expected);
    }

    #[test]
    fn waiting_for_a_full_pipe_ends() {
        let (_open, gate) = mpsc::channel();
        let stdout = Stdout::over(Gate(gate, Arc::default()), |_| {}).unwrap();
        stdout.append(|out| out.push(b'x'));
        stdout.drain_within(Duration::from_millis(10));
        assert!(stdout.append(|out| out.len() <= 1));
    }

    #[test]
    fn a_failure_to_write_is_reported() {
        let (open, gate) = mpsc::channel();
        drop(open);
        let (report, reported) = mpsc::channel();
        let failed = move |error: &io::Error| report.send(error.kind()).unwrap();
        let stdout = Stdout::over(Gate(gate, Arc::default()), failed).unwrap();
        stdout.append(|out| out.push(b'x'));
        assert_eq!(reported.recv().unwrap(), io::ErrorKind::BrokenPipe);
    }
}
