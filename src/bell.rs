//! Bell: wakes a thread that sleeps where a signal wakes it, too.
//!
//! The locks and channels of Rust go on sleeping when a signal handler has run on their thread. A host's main thread has
//! to look what the handler did: so it sleeps in `poll`, which ends then, on a descriptor that others make readable.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// What one thread at a time waits for.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: OwnedFd,
    /// Whether a thread sleeps, or is about to: else there is none to wake.
    is_awaited: AtomicBool,
}

impl Bell {
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Bell> {
        Ok(Bell {
            descriptor: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            is_awaited: AtomicBool::new(false),
        })
    }

    /// Wakes the thread that waits. Call it when what it waits for is there.
    pub(crate) fn ring(&self) {
        // With the fence in `wait`: either that thread sees what is there, or this one sees that thread.
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) && self.is_awaited.swap(false, Ordering::Relaxed)
        {
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }

    /// Sleeps until the bell rings, a signal handler has run on this thread, or the time is up; not at all if `is_there`
    /// says that there is nothing to wait for.
    pub(crate) fn wait(&self, limit: Duration, is_there: impl FnOnce() -> bool) {
        self.is_awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !is_there() {
            let limit = Timespec::try_from(limit).ok();
            // That it was interrupted is as good a reason to look as any other.
            let _ = poll(
                &mut [PollFd::new(&self.descriptor, PollFlags::IN)],
                limit.as_ref(),
            );
        }
        if !self.is_awaited.swap(false, Ordering::Relaxed) {
            // One that is late rings for the next wait, which then looks once too often.
            let _ = rustix::io::read(&self.descriptor, &mut [0; size_of::<u64>()]);
        }
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_comes_while_a_thread_falls_asleep_wakes_it() {
        let (bell, start) = (Bell::new().unwrap(), Instant::now());
        let (sender, receiver) = mpsc::sync_channel(0);
        let there = AtomicBool::new(false);
        thread::scope(|scope| {
            let (bell, there) = (&bell, &there);
            scope.spawn(move || {
                for _ in receiver {
                    there.store(true, Ordering::Relaxed);
                    bell.ring();
                }
            });
            for _ in 0..3000 {
                sender.send(()).unwrap();
                while !there.swap(false, Ordering::Relaxed) {
                    bell.wait(LONG, || there.load(Ordering::Relaxed));
                }
            }
            drop(sender);
        });
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_wait_ends_when_its_time_is_up() {
        let bell = Bell::new().unwrap();
        bell.ring();
        let start = Instant::now();
        bell.wait(Duration::from_millis(20), || false);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
