//! Crash: a last word from a process that C code ends, on what it was doing.

use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How many workers can be told of.
const N_PLACES: usize = 512;

/// Which call a worker makes, to be read at any moment, from a signal handler too.
#[derive(Debug)]
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
    /// One for a worker. Beyond some hundreds they are not told of, and stay in memory.
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

/// The signals by which C code ends a process.
const CRASHES: [(libc::c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV, a segmentation fault"),
    (libc::SIGBUS, "SIGBUS, memory that is not there"),
    (libc::SIGILL, "SIGILL, an illegal instruction"),
    (libc::SIGFPE, "SIGFPE, such as an integer division by zero"),
    (libc::SIGABRT, "SIGABRT, as abort() does"),
];

/// What was done at these signals before.
static BEFORE: [OnceLock<libc::sigaction>; CRASHES.len()] =
    [const { OnceLock::new() }; CRASHES.len()];

/// Where the last word goes.
static DESCRIPTOR: AtomicU32 = AtomicU32::new(2);

/// Has a process that crashes say on that descriptor which signal ends it, and which calls ran: their numbers, from 1.
pub fn tell_of_crashes(descriptor: u32) {
    DESCRIPTOR.store(descriptor, Ordering::Relaxed);
    for (place, (signal, _)) in CRASHES.iter().enumerate() {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: zeroed memory is a valid sigaction.
        let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = crashed;
        action.sa_sigaction = handler as libc::sighandler_t;
        // On the stack for signals that Rust gives its threads: the other one may have overflowed.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both point at a sigaction; what the handler does may be done in one.
        let status = unsafe { libc::sigaction(*signal, &action, before.as_mut_ptr()) };
        if status == 0 {
            // SAFETY: the call has filled it.
            let _ = BEFORE[place].set(unsafe { before.assume_init() });
        }
    }
}

/// Says it, and leaves the rest to what was there before. It takes no lock, no memory, and calls only what is safe in
/// a signal handler (signal-safety(7)).
extern "C" fn crashed(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let place = CRASHES.iter().position(|(known, _)| *known == signal);
    let Some(place) = place else { return };
    let mut line = Line::default();
    line.push(b"error: C code ended this process (");
    line.push(CRASHES[place].1.as_bytes());
    line.push(b")");
    let mut before: &[u8] = b"; running: ";
    for running in &PLACES {
        let first = running.first.load(Ordering::Relaxed);
        if running.is_taken.load(Ordering::Relaxed) && first != Running::NO_CALL {
            line.push(before);
            line.push(b"input ");
            let call = u64::from(running.call.load(Ordering::Relaxed));
            line.push_number(first.wrapping_add(call).wrapping_add(1));
            before = b", ";
        }
    }
    line.push(b"\n");
    let descriptor = DESCRIPTOR.load(Ordering::Relaxed) as libc::c_int;
    // SAFETY: the line has so many bytes; write may be called here.
    unsafe { libc::write(descriptor, line.bytes.as_ptr().cast(), line.n) };
    let Some(action) = BEFORE[place].get() else {
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
    fn push(&mut self, text: &[u8]) {
        let room = self.bytes.len() - 1 - self.n;
        let text = &text[..text.len().min(room)];
        self.bytes[self.n..self.n + text.len()].copy_from_slice(text);
        self.n += text.len();
    }

    fn push_number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_numbers_and_ends_where_it_is_full() {
        let mut line = Line::default();
        line.push_number(0);
        line.push(b",");
        line.push_number(u64::MAX);
        assert_eq!(&line.bytes[..line.n], b"0,18446744073709551615");
        for _ in 0..100 {
            line.push(b"0123456789012345678901234567890123456789");
        }
        assert_eq!(line.n, 1023);
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
