//! Clock: time that costs little to read.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The clock that is read: on Linux the system writes it down at each tick of its own, every 1 to 10 ms,
/// so that reading it takes a fifth of what an `Instant` takes.
#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
#[cfg(not(target_os = "linux"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// How long ago some moment was, to within some milliseconds. Only differences mean something; they are
/// right on average.
#[inline]
pub fn coarse_time() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: writes to memory of its type, or nothing.
    unsafe { libc::clock_gettime(CLOCK, time.as_mut_ptr()) };
    // SAFETY: zeroed memory is a valid timespec, and the call may have filled it.
    let time = unsafe { time.assume_init() };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let before = coarse_time();
        std::thread::sleep(Duration::from_millis(50));
        let passed = coarse_time() - before;
        assert!(passed >= Duration::from_millis(30), "{passed:?}");
    }
}
