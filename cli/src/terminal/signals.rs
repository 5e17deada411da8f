//! Signals: what Ctrl-C (SIGINT), SIGTERM, Ctrl-\\ (SIGQUIT) and SIGUSR1 do.
//!
//! The first Ctrl-C asks the run to stop: what runs is finished, and nothing more is begun. The second
//! interrupts what runs. The third ends the process, whatever it does. Before the first task runs there
//! is nothing to finish, so the first ends it too. CPython never sees these signals: it would run no
//! handler while a task is busy.
//!
//! Ctrl-\\ and SIGUSR1 print where every worker stands, and the run goes on.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use owngil::Pool;
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals as Arriving;

use super::stderr::Stderr;
use super::stdout::Stdout;
use crate::exit::Exit;

/// How long results that are complete may take to be written when the process is to end.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// How long a message may take to be written.
const MESSAGE: Duration = Duration::from_millis(200);

/// How long the run may take to end once its calls were interrupted: a full pipe at standard output holds it up.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The signals that this process handles itself.
#[derive(Clone)]
pub(crate) struct Signals {
    state: Arc<Mutex<SignalState>>,
    /// Held from the receipt of a signal until it has been said what happens now.
    saying: Arc<Mutex<()>>,
    stdout: Arc<Stdout>,
    stderr: Arc<Stderr>,
}

#[derive(Default)]
struct SignalState {
    /// Asks the run to stop.
    stop: Option<Box<dyn FnOnce() + Send>>,
    /// What the second signal interrupts.
    to_interrupt: Option<Arc<Pool>>,
    /// Whose workers stand somewhere.
    pool: Option<Arc<Pool>>,
    received: Option<Exit>,
}

/// What a signal does.
enum Step {
    Stop(Box<dyn FnOnce() + Send>),
    Interrupt(Arc<Pool>),
    End,
}

/// The signals that this process inherited as ignored, as shells start what runs in the background; they stay
/// ignored. A bit each, as in proc_pid_status(5).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

impl Signals {
    /// Takes the signals over, from now on.
    pub(crate) fn handle(stdout: Arc<Stdout>, stderr: Arc<Stderr>) -> io::Result<Signals> {
        let signals = Signals {
            state: Arc::default(),
            saying: Arc::default(),
            stdout,
            stderr,
        };
        let ignored = ignored();
        let handled = [SIGINT, SIGTERM, SIGQUIT, SIGUSR1];
        let handled = handled
            .into_iter()
            .filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut arriving = Arriving::new(handled)?;
        let inside = signals.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in &mut arriving {
                    match signal {
                        SIGTERM => inside.step(Exit::Terminated),
                        SIGINT => inside.step(Exit::Interrupted),
                        _ => inside.show_stacks(),
                    }
                }
            })?;
        Ok(signals)
    }

    /// From now on the first signal does this, instead of ending the process, and the second interrupts
    /// what that pool runs.
    pub(crate) fn on_first(&self, pool: &Arc<Pool>, stop: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        state.stop = Some(Box::new(stop));
        state.to_interrupt = Some(Arc::clone(pool));
    }

    /// Shows where the workers of that pool stand, when it is asked for.
    pub(crate) fn on_look(&self, pool: &Arc<Pool>) {
        self.lock().pool = Some(Arc::clone(pool));
    }

    /// Nothing runs any more, so the next signal ends the process. Returns what to end with, where
    /// one came before.
    pub(crate) fn finish(&self) -> Option<Exit> {
        let _said = self.lock_saying();
        let mut state = self.lock();
        let SignalState {
            stop,
            to_interrupt,
            pool,
            received,
        } = std::mem::take(&mut *state);
        state.received = received;
        drop(state);
        // The last hold on the pool is that of the run.
        drop((stop, to_interrupt, pool));
        received
    }

    fn step(&self, exit: Exit) {
        let _saying = self.lock_saying();
        let step = {
            let mut state = self.lock();
            state.received = Some(exit);
            match (state.stop.take(), state.to_interrupt.take()) {
                (Some(stop), pool) => {
                    state.to_interrupt = pool;
                    Step::Stop(stop)
                }
                (None, Some(pool)) => Step::Interrupt(pool),
                (None, None) => Step::End,
            }
        };
        match step {
            Step::Stop(stop) => {
                stop();
                self.say("interrupted: waiting for what runs; once more to interrupt it\n");
            }
            Step::Interrupt(pool) => {
                self.say("interrupted: interrupting what runs; once more to end at once\n");
                let inside = self.clone();
                let thread = thread::Builder::new().name("interrupt".to_owned());
                let interrupting = thread.spawn(move || {
                    pool.cancel();
                    drop(pool);
                    thread::sleep(LAST_WORDS);
                    inside.end(exit);
                });
                if interrupting.is_err() {
                    self.end(exit);
                }
            }
            Step::End => self.end(exit),
        }
    }

    fn end(&self, exit: Exit) -> ! {
        self.stdout.drain_within(LAST_WRITES);
        self.stderr.try_clear();
        owngil::exit(exit.status())
    }

    fn show_stacks(&self) {
        let pool = self.lock().pool.clone();
        let text = match pool {
            Some(pool) => pool.stacks().to_string(),
            None => "no workers yet\n".to_owned(),
        };
        self.say(&text);
    }

    /// Says it, but waits only shortly for a full pipe.
    fn say(&self, text: &str) {
        let (stderr, text) = (Arc::clone(&self.stderr), text.to_owned());
        let (done, said) = bounded::<()>(0);
        let thread = thread::Builder::new().spawn(move || {
            stderr.write(text.as_bytes());
            drop(done);
        });
        if thread.is_ok() {
            let _ = said.recv_timeout(MESSAGE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, SignalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_saying(&self) -> MutexGuard<'_, ()> {
        self.saying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
