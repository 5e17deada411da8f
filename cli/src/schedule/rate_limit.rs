//! RateLimit: when the next call may begin.

use std::fs;
use std::time::{Duration, Instant};

/// How often it is looked how much memory is free.
const LOOK: Duration = Duration::from_millis(100);

/// How long a run waits for memory before it says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the next call may begin.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// Between the begins of two calls.
    delay: Option<Duration>,
    last: Option<Instant>,
    memfree: Option<Memfree>,
}

/// Begins nothing while too little memory is free.
#[derive(Debug)]
struct Memfree {
    least: u64,
    looked: Option<Look>,
    waiting_since: Option<Instant>,
    is_reported: bool,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    is_enough: bool,
}

impl RateLimit {
    pub(crate) fn new(delay: Option<Duration>, memfree: Option<u64>) -> RateLimit {
        RateLimit {
            delay,
            last: None,
            memfree: memfree.map(|least| Memfree {
                least,
                looked: None,
                waiting_since: None,
                is_reported: false,
            }),
        }
    }

    /// Whether calls may begin at any time.
    pub(crate) fn is_free(&self) -> bool {
        self.delay.is_none() && self.memfree.is_none()
    }

    /// When it is to be asked again, unless a call may begin now.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Instant> {
        let delayed = self.last.zip(self.delay).map(|(last, delay)| last + delay);
        if let Some(until) = delayed.filter(|until| *until > now) {
            return Some(until);
        }
        self.memfree.as_mut()?.wait(now, available_memory)
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.last = Some(now);
        if let Some(memfree) = &mut self.memfree {
            // What it takes shows before the next one begins.
            memfree.looked = None;
        }
    }

    /// How much memory is to be free, if that has been waited for so long that it should be said.
    pub(crate) fn lacks_memory(&mut self, now: Instant) -> Option<u64> {
        let memfree = self.memfree.as_mut()?;
        let since = memfree.waiting_since?;
        if memfree.is_reported || now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        memfree.is_reported = true;
        Some(memfree.least)
    }
}

impl Memfree {
    fn wait(&mut self, now: Instant, available: impl Fn() -> Option<u64>) -> Option<Instant> {
        let look = match self.looked {
            Some(look) if now < look.at + LOOK => look,
            _ => Look {
                at: now,
                // Where it can no longer be read, waiting would have no end.
                is_enough: available().is_none_or(|free| free >= self.least),
            },
        };
        self.looked = Some(look);
        if look.is_enough {
            self.waiting_since = None;
            return None;
        }
        self.waiting_since.get_or_insert(now);
        Some(look.at + LOOK)
    }
}

/// How many bytes can be had without pushing others out, where the system tells.
pub(crate) fn available_memory() -> Option<u64> {
    available(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_counts_from_the_last_begin() {
        let mut rate_limit = RateLimit::new(Some(Duration::from_secs(2)), None);
        let now = Instant::now();
        assert_eq!(rate_limit.wait(now), None);
        rate_limit.begin(now);
        let until = now + Duration::from_secs(2);
        assert_eq!(rate_limit.wait(now + Duration::from_secs(1)), Some(until));
        assert_eq!(rate_limit.wait(until), None);
        assert!(!rate_limit.is_free() && RateLimit::new(None, None).is_free());
    }

    #[test]
    fn memory_is_waited_for_and_looked_at_now_and_then() {
        let mut rate_limit = RateLimit::new(None, Some(1000));
        let memfree = rate_limit.memfree.as_mut().unwrap();
        let now = Instant::now();
        assert_eq!(memfree.wait(now, || Some(999)), Some(now + LOOK));
        // The last look holds for a while.
        assert_eq!(memfree.wait(now, || Some(1000)), Some(now + LOOK));
        assert_eq!(rate_limit.lacks_memory(now), None);
        assert_eq!(rate_limit.lacks_memory(now + PATIENCE), Some(1000));
        assert_eq!(rate_limit.lacks_memory(now + PATIENCE), None);
        let memfree = rate_limit.memfree.as_mut().unwrap();
        assert_eq!(memfree.wait(now + LOOK, || Some(1000)), None);
        assert_eq!(memfree.wait(now + 2 * LOOK, || None), None);
        rate_limit.begin(now);
        let memfree = rate_limit.memfree.as_mut().unwrap();
        assert!(memfree.wait(now + 2 * LOOK, || Some(1)).is_some());
    }

    #[test]
    fn the_system_counts_in_kibibytes() {
        let text = "MemTotal:  4000 kB\nMemFree:  1000 kB\nMemAvailable:    3000 kB\n";
        assert_eq!(available(text), Some(3000 * 1024));
        assert_eq!(available("MemTotal: 4000 kB\n"), None);
    }
}
