//! Handlers: the host's signal handlers, and waits that end when one of them raises.

use crate::object::{Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// Keeps the handlers alive that are installed now.
///
/// The table of handlers is one for the process, but the objects in it have the main interpreter's reference counts.
/// `signal.getsignal`, which `asyncio.run` calls, counts on them from all interpreters at once, until a count is wrong and
/// the handler is freed (Modules/signalmodule.c). An immortal object is not counted.
///
/// # Errors
///
/// What Python raises.
pub fn keep(attached: Attached<'_>) -> PyResult<'_, ()> {
    let signal = attached.import(c"_signal")?;
    let signals = attached
        .import(c"builtins")?
        .invoke("list", &[signal.invoke("valid_signals", &[])?])?;
    let get = signal.get("getsignal")?;
    let mut place = 0;
    while let Some(number) = signals.item(place) {
        let handler = get.call(&[number])?;
        if handler.as_i64().is_none() && !handler.is_none() {
            make_immortal(&handler);
        }
        place += 1;
    }
    Ok(())
}

/// Gives an object the count of an immortal one.
#[cfg(all(
    not(Py_GIL_DISABLED),
    target_pointer_width = "64",
    target_endian = "little"
))]
fn make_immortal(object: &Object<'_>) {
    use std::sync::atomic::{AtomicU32, Ordering};

    let low_half = |object: &Object<'_>| {
        let count = object.as_ptr().cast::<u32>();
        // SAFETY: an object begins with its count, whose low half alone says whether it is immortal (`_Py_IsImmortal`);
        // it is alive for the length of this call, and others read and write that half as a whole.
        unsafe { AtomicU32::from_ptr(count) }.as_ptr()
    };
    let (target, none) = (low_half(object), low_half(&object.attached().none()));
    // SAFETY: the count of None, which is alive forever.
    let count = unsafe { AtomicU32::from_ptr(none) }.load(Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { AtomicU32::from_ptr(target) }.store(count, Ordering::Relaxed);
}

/// Not needed where there is one interpreter; not known elsewhere.
#[cfg(not(all(
    not(Py_GIL_DISABLED),
    target_pointer_width = "64",
    target_endian = "little"
)))]
fn make_immortal(_: &Object<'_>) {}

impl<'a> Attached<'a> {
    /// Runs the handlers of signals that have come, if this is Python's main thread.
    ///
    /// # Errors
    ///
    /// What a handler raises, such as `KeyboardInterrupt`.
    pub fn check_signals(self) -> PyResult<'a, ()> {
        // SAFETY: attached: `self` exists.
        let status = unsafe { raw::PyErr_CheckSignals() };
        self.none().done(status)
    }
}
