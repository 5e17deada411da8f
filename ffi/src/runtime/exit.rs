//! Exit: the end of the process, which leaves CPython as it is.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::start::Runtime;
use crate::object::{Program, program};
use crate::thread::attach;

/// The Python that takes the place of CPython's finalization, in every interpreter.
pub(crate) static FINALIZE: Program = program!("finalize", "finalize.py");

static EXIT: Program = program!("exit", "exit.py");

/// How long the end of the process waits for what might never come: a main interpreter that is held,
/// a standard output that is not read.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Flushes Rust's standard streams and C's files, on a thread that can be left behind.
fn flush_within(limit: Duration) {
    let (done, flushed) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        let _ = std::io::stdout().flush();
        let _ = std::io::stderr().flush();
        // SAFETY: a null pointer asks for all streams that are open for writing; each is locked meanwhile.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let _ = done.send(());
    });
    if thread.is_ok() {
        let _ = flushed.recv_timeout(limit);
    }
}

/// Ends the process at once, with this status, without running or flushing anything of Python, Rust or C.
/// Use it in a forked process that must not go on.
pub fn leave(status: i32) -> ! {
    // SAFETY: ends the process; nothing of it runs afterwards.
    unsafe { libc::_exit(status) }
}

/// Ends the process with this status. Runs the main interpreter's exit functions, flushes its streams, Rust's and C's,
/// and exits without finalizing CPython.
///
/// If code holds the main interpreter and does not release it, its exit functions are abandoned after two seconds.
/// `exit` does not wait for interpreters that still run, nor for threads that Python code started in the main
/// interpreter: shut the pools down first. On an attached thread, exit functions do not run.
pub fn exit(status: i32) -> ! {
    if let Some(runtime) = Runtime::running()
        && attach::current().is_none()
    {
        let _ = runtime.in_main_within(Some(LAST_WORDS), |attached| {
            if let Ok(globals) = attached.dict() {
                let _ = EXIT.run(attached, &globals);
                let _ = FINALIZE.run(attached, &globals);
            }
        });
    }
    flush_within(LAST_WORDS);
    // C's own exit handlers are left out on purpose: they would destroy statics under threads that still
    // run.
    leave(status)
}
