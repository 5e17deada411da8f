//! Crash report: when C code ends the process, says on standard error what each worker was running.

use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::signals::{CRASHES, describe_signal};

/// How many workers a crash report can cover.
const N_PLACES: usize = 512;

/// Which call a worker makes, to be read at any moment, from a signal handler too.
///
/// Each worker writes to its own at every call, so no two share a cache line: tiny calls would take two thirds longer.
/// Processors fetch lines in pairs, hence 128 bytes.
#[derive(Debug)]
#[repr(align(128))]
pub struct Running {
    is_taken: AtomicBool,
    /// The index of the running job's first call, and the place of the running call after it.
    pub first: AtomicU64,
    /// See `first`.
    pub call: AtomicU32,
}

/// One worker's, until this is dropped.
#[derive(Debug)]
pub struct Place(&'static Running);

static PLACES: [Running; N_PLACES] = [const { Running::new() }; N_PLACES];

impl Running {
    /// What `first` is while no call runs.
    pub const NO_CALL: u64 = u64::MAX;

    const fn new() -> Running {
        Running {
            is_taken: AtomicBool::new(false),
            first: AtomicU64::new(Running::NO_CALL),
            call: AtomicU32::new(0),
        }
    }
}

impl Place {
    /// One for a worker. Beyond some hundreds they are not reported, and stay in memory.
    pub fn take() -> Place {
        let free = PLACES.iter().find(|place| {
            let taken = place.is_taken.swap(true, Ordering::AcqRel);
            !taken
        });
        Place(free.unwrap_or_else(|| Box::leak(Box::new(Running::new()))))
    }
}

impl Deref for Place {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.first.store(Running::NO_CALL, Ordering::Relaxed);
        self.is_taken.store(false, Ordering::Release);
    }
}

/// What was done at these signals before.
static BEFORE: [OnceLock<libc::sigaction>; CRASHES.len()] =
    [const { OnceLock::new() }; CRASHES.len()];

/// Has a process that crashes say on standard error which signal ends it, and which calls ran: their numbers, from 1.
pub fn tell_of_crashes() {
    for (signal, known) in CRASHES.into_iter().zip(&BEFORE) {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: zeroed memory is a valid sigaction.
        let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = crashed;
        action.sa_sigaction = handler as libc::sighandler_t;
        // On the stack for signals that Rust gives its threads: the other one may have overflowed.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both point at a sigaction; what the handler does may be done in one.
        let status = unsafe { libc::sigaction(signal, &action, before.as_mut_ptr()) };
        if status == 0 {
            // SAFETY: the call has filled it.
            let _ = known.set(unsafe { before.assume_init() });
        }
    }
}

/// Says it, and leaves the rest to what was there before. It takes no lock, no memory, and calls only what is safe in
/// a signal handler (signal-safety(7)).
extern "C" fn crashed(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let mut line = Line::default();
    let name = describe_signal(signal).unwrap_or_default();
    let _ = write!(line, "error: C code ended this process ({name})");
    let mut before = "; running:";
    for running in &PLACES {
        let first = running.first.load(Ordering::Relaxed);
        if running.is_taken.load(Ordering::Relaxed) && first != Running::NO_CALL {
            let call = u64::from(running.call.load(Ordering::Relaxed));
            let number = first.wrapping_add(call).wrapping_add(1);
            let _ = write!(line, "{before} input {number}");
            before = ",";
        }
    }
    let text = line.ended();
    // SAFETY: the text has so many bytes; write may be called here.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    let place = CRASHES.iter().position(|known| *known == signal);
    let Some(action) = place.and_then(|place| BEFORE[place].get()) else {
        return;
    };
    // SAFETY: it was in force before. The instruction that failed runs again, and fails again.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
    // SAFETY: the system gives the handler a siginfo (SA_SIGINFO).
    let is_sent = unsafe { (*info).si_code } <= 0;
    if is_sent && signal != libc::SIGABRT {
        // Somebody has sent it, so no instruction would bring it again.
        // SAFETY: may be called in a handler.
        unsafe { libc::raise(signal) };
    }
}

/// A line that needs no memory of its own; what does not fit is left out.
struct Line {
    bytes: [u8; 1024],
    n: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            bytes: [0; 1024],
            n: 0,
        }
    }
}

impl Line {
    /// All of it, with its newline.
    fn ended(&mut self) -> &[u8] {
        self.bytes[self.n] = b'\n';
        &self.bytes[..=self.n]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.n;
        let text = &text.as_bytes()[..text.len().min(room)];
        self.bytes[self.n..self.n + text.len()].copy_from_slice(text);
        self.n += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_numbers_and_ends_where_it_is_full() {
        let mut line = Line::default();
        write!(line, "{},{}", 0, u64::MAX).unwrap();
        assert_eq!(line.ended(), b"0,18446744073709551615\n");
        for _ in 0..100 {
            write!(line, "0123456789012345678901234567890123456789").unwrap();
        }
        assert_eq!(line.n, 1023);
        assert!(line.ended().ends_with(b"\n"));
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let one = Place::take();
        let other = Place::take();
        assert!(!ptr::eq(one.0, other.0));
        let many: Vec<_> = (0..=N_PLACES).map(|_| Place::take()).collect();
        drop(many);
        drop((one, other));
        assert!(
            PLACES
                .iter()
                .any(|place| !place.is_taken.load(Ordering::Relaxed))
        );
    }
}
