//! Wait: detached, and with an eye on signals.

use std::time::{Duration, Instant};

use owngil_ffi::{Attached, PyResult};

/// How long a wait on Python's main thread may last before signals are looked for.
pub(super) const SLICE: Duration = Duration::from_millis(20);

/// Calls `wait` detached, with how long it may take, until it gives something or the time is up.
///
/// # Errors
///
/// What a signal handler raises.
pub(super) fn wait<'a, R: Send>(
    attached: Attached<'a>,
    limit: Option<Duration>,
    mut wait: impl FnMut(Option<Duration>) -> Option<R> + Send,
) -> PyResult<'a, Option<R>> {
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    // Only there handlers run. It is the process's first thread, unless Python was started elsewhere: then signals are
    // looked for when the wait is over.
    let is_main = owngil_ffi::hosted::is_first_thread();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let slice = is_main.then_some(SLICE);
        let slice = [left, slice].into_iter().flatten().min();
        let came = attached.detach(|| wait(slice));
        attached.check_signals()?;
        if came.is_some() || left.is_some_and(|left| left.is_zero()) {
            return Ok(came);
        }
    }
}
