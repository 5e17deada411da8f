//! Signals: what Ctrl-C (SIGINT) and SIGTERM do.
//!
//! The first asks the run to stop: what runs is finished, and nothing more is begun. The second ends
//! the process, whatever it does. Before the first task runs there is nothing to finish, so the first
//! ends it too. CPython never sees these signals: it would run no handler while a task is busy.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Arriving;

use super::exit::Exit;
use super::stderr::Stderr;
use super::stdout::Stdout;

/// How long results that are complete may take to be written when the process is to end.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// How long a message may take to be written.
const MESSAGE: Duration = Duration::from_millis(200);

/// The signals that this process handles itself.
#[derive(Clone)]
pub(crate) struct Signals {
    state: Arc<Mutex<State>>,
    /// Held from the receipt of a signal until it has been said what happens now.
    saying: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    /// Asks the run to stop.
    stop: Option<Box<dyn FnOnce() + Send>>,
    received: Option<Exit>,
}

impl Signals {
    /// Takes the signals over, from now on.
    pub(crate) fn handle(stdout: Arc<Stdout>, stderr: Arc<Stderr>) -> io::Result<Signals> {
        let signals = Signals {
            state: Arc::default(),
            saying: Arc::default(),
        };
        let mut arriving = Arriving::new([SIGINT, SIGTERM])?;
        let inside = signals.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in &mut arriving {
                    let exit = match signal {
                        SIGTERM => Exit::Terminated,
                        _ => Exit::Interrupted,
                    };
                    let _saying = inside.lock_saying();
                    match inside.receive(exit) {
                        Some(stop) => {
                            stop();
                            say(&stderr);
                        }
                        None => {
                            stdout.drain_within(LAST_WRITES);
                            stderr.try_clear();
                            owngil::exit(exit.status());
                        }
                    }
                }
            })?;
        Ok(signals)
    }

    /// From now on the first signal does this, instead of ending the process.
    pub(crate) fn on_first(&self, stop: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stop = Some(Box::new(stop));
    }

    /// Nothing runs any more, so the next signal ends the process. Returns what to end with, where
    /// one came before.
    pub(crate) fn finish(&self) -> Option<Exit> {
        let _said = self.lock_saying();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stop = None;
        state.received
    }

    fn lock_saying(&self) -> MutexGuard<'_, ()> {
        self.saying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, exit: Exit) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.received = Some(exit);
        state.stop.take()
    }
}

/// Says what happens now, but waits only shortly for a pipe that nobody may be reading.
fn say(stderr: &Arc<Stderr>) {
    let (stderr, (done, said)) = (Arc::clone(stderr), bounded::<()>(0));
    let thread = thread::Builder::new().spawn(move || {
        stderr.write(b"interrupted: waiting for what runs; once more to end at once\n");
        drop(done);
    });
    if thread.is_ok() {
        let _ = said.recv_timeout(MESSAGE);
    }
}
