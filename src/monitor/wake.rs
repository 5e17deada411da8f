//! Wake: who looks at a monitor when a job there is to end that had no limit.

use std::fmt;
use std::time::Instant;

pub(super) struct Wake(Box<dyn Fn(Instant) + Send + Sync>);

impl Wake {
    pub(super) fn new(wake: impl Fn(Instant) + Send + Sync + 'static) -> Wake {
        Wake(Box::new(wake))
    }

    /// Has the watchdog look by then.
    pub(super) fn by(&self, when: Instant) {
        (self.0)(when);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}
