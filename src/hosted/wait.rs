//! Wait: detached, and with an eye on signals.

use std::hint;
use std::time::{Duration, Instant};

use owngil_ffi::{Attached, PyResult};

use crate::bell::Bell;

/// How long a wait on Python's main thread may last before signals are looked for, in case that one came just before it
/// or ran its handler on another thread.
pub(super) const SLICE: Duration = Duration::from_millis(20);

/// Calls `take` detached until it gives something or the time is up. It may wait itself, as long as it is allowed to;
/// what ends its waiting also rings the bell.
///
/// # Errors
///
/// What a signal handler raises.
pub(super) fn wait<'a, R: Send>(
    attached: Attached<'a>,
    bell: &Bell,
    limit: Option<Duration>,
    mut take: impl FnMut(Option<Duration>) -> Option<R> + Send,
) -> PyResult<'a, Option<R>> {
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    // Only there handlers run. It is the process's first thread, unless Python was started elsewhere: then signals are
    // looked for when the wait is over.
    let is_main = owngil_ffi::hosted::is_first_thread();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let came = attached.detach(|| match is_main {
            false => take(left),
            true => {
                let slice = left.map_or(SLICE, |left| left.min(SLICE));
                sleep(bell, slice, || take(Some(Duration::ZERO)))
            }
        });
        attached.check_signals()?;
        if came.is_some() || left.is_some_and(|left| left.is_zero()) {
            return Ok(came);
        }
    }
}

/// How often to look before sleeping: for a few microseconds. To yield meanwhile, as workers do, could cost as long as
/// other programs keep the cores, without an eye on signals.
const N_LOOKS: usize = 32;

/// Sleeps until there is something, or a signal came, or the time is up.
fn sleep<R>(bell: &Bell, limit: Duration, mut take: impl FnMut() -> Option<R>) -> Option<R> {
    let mut came = (0..N_LOOKS).find_map(|_| {
        hint::spin_loop();
        take()
    });
    if came.is_none() {
        bell.wait(limit, || {
            came = take();
            came.is_some()
        });
    }
    came.or_else(take)
}
