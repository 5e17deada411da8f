//! GIL yield: when a thread that runs one batch after another yields its GIL.

use std::time::Duration;

/// How long a thread has stayed attached.
#[derive(Debug, Default)]
pub(super) struct GilSlice {
    n_jobs: u32,
    time: Duration,
}

impl GilSlice {
    /// CPython's own switch interval.
    const LIMIT: Duration = Duration::from_millis(5);
    /// For jobs whose time is not taken.
    const N_JOBS_MAX: u32 = 256;

    /// Counts a job, and returns whether to yield now.
    #[inline]
    pub(super) fn is_over(&mut self, elapsed: Duration) -> bool {
        self.n_jobs += 1;
        self.time += elapsed;
        let too_long = self.n_jobs >= GilSlice::N_JOBS_MAX || self.time >= GilSlice::LIMIT;
        if too_long {
            *self = GilSlice::default();
        }
        too_long
    }
}
