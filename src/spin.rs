//! Spin: looking again and again for a moment, before one sleeps.
//!
//! To sleep and be woken costs tens of microseconds and a system call on each side; most answers
//! come sooner than that.

use std::hint;
use std::thread;
use std::time::{Duration, Instant};

/// How long it is worth to look: about what being woken costs, so that the worst choice of whether to
/// sleep costs twice the best.
#[cfg(not(all(test, model)))]
const LIMIT: Duration = Duration::from_micros(20);

/// How often to look before other threads are let run: about a microsecond.
#[cfg(not(all(test, model)))]
const N_EAGER: usize = 32;

/// A model looks once, at each moment that there is.
#[cfg(all(test, model))]
const LIMIT: Duration = Duration::ZERO;
#[cfg(all(test, model))]
const N_EAGER: usize = 1;

/// Looks until there is something, for a moment; `None` means that sleeping is cheaper.
#[inline]
pub(crate) fn spin<R>(mut look: impl FnMut() -> Option<R>) -> Option<R> {
    for _ in 0..N_EAGER {
        if let Some(found) = look() {
            return Some(found);
        }
        hint::spin_loop();
    }
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(found) = look() {
            return Some(found);
        }
        // The thread with the answer may be waiting for this very core.
        thread::yield_now();
    }
    None
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_comes_and_gives_up_on_what_does_not() {
        let mut n = 0;
        let third = || {
            n += 1;
            (n == 3).then_some("here")
        };
        assert_eq!(spin(third), Some("here"));
        assert_eq!(spin(|| None::<()>), None);
    }
}
