//! Adopt: the CPython of a host becomes the runtime of the process.
//!
//! The host has Python's main thread. Work on the main interpreter is done by a thread of ours, which has a thread state
//! of its own there; in a process whose main thread has nothing else to do, by that thread.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::{handlers, module};
use crate::address::Address;
use crate::error::StartError;
use crate::memory::allocator;
use crate::process::block_signals;
use crate::raw;
use crate::runtime::start::{self as runtime, MainTask, RUNTIME};
use crate::runtime::{Runtime, preimport};
use crate::thread::STACK_SIZE;
use crate::thread::attach::{self, Attached, Guard, Home};
use crate::version::Version;
use crate::visit::visits;

/// Whether this crate was loaded by a Python, whose process it is.
pub fn is_hosted() -> bool {
    module::is_loaded()
}

/// Makes the host's CPython the runtime of the process, or returns the runtime that there is.
///
/// The first call takes a few milliseconds; before 3.14, when the standard library's C extensions are imported in the
/// main interpreter, about 100. Signal handlers stay as they are.
///
/// # Errors
///
/// [`StartError`]. It is final.
///
/// # Panics
///
/// On a thread that is attached: it would hold a GIL while it waits.
pub fn adopt() -> Result<&'static Runtime, StartError> {
    assert_eq!(attach::current(), None, "detach before adopting");
    let adopted = RUNTIME.get_or_init(|| {
        check_version()?;
        start_service().map(Runtime::of_host)
    });
    adopted.as_ref().map_err(Clone::clone)
}

/// Starts the thread again that does work on the main interpreter, in a process that was forked off.
///
/// # Errors
///
/// Where the system gives no thread.
pub fn restart_service() -> Result<(), StartError> {
    if let Some(runtime) = Runtime::running() {
        runtime.set_main(start_service()?);
    }
    Ok(())
}

/// Makes the host's CPython the runtime of the process, and this thread, Python's main thread, the one that does its work
/// from now on. `begin` is called first, detached; what it starts ends the process.
///
/// # Errors
///
/// As [`adopt`].
pub fn serve_host<'a>(
    attached: Attached<'a>,
    begin: impl FnOnce() + Send,
) -> Result<(), StartError> {
    check_version()?;
    prepare(attached, true)?;
    let (main, tasks) = mpsc::channel();
    if RUNTIME.set(Ok(Runtime::of_host(main))).is_err() {
        return Err(StartError::Failed {
            doing: "becoming a worker",
            message: "this process has a runtime already".to_owned(),
        });
    }
    // SAFETY: attached. Detaching leaves this state to this thread, and attaches it again afterwards.
    let state = NonNull::new(unsafe { raw::PyThreadState_Get() }).map(Address);
    attached.detach(move || {
        begin();
        let home: Home = Cell::new(state.map(|state| state.0));
        runtime::serve(&Rc::new(home), &tasks);
    });
    Ok(())
}

fn check_version() -> Result<(), StartError> {
    let version = Version::running();
    match version.refusal() {
        Some(reason) => Err(StartError::Refused { version, reason }),
        None => Ok(()),
    }
}

/// Starts the thread that does work on the main interpreter; it has prepared that first.
fn start_service() -> Result<Sender<MainTask>, StartError> {
    let failed = |message: String| StartError::Failed {
        doing: "adopting the host's CPython",
        message,
    };
    let (ready, started) = mpsc::sync_channel(1);
    let (main, tasks) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("owngil-main".to_owned())
        .stack_size(STACK_SIZE);
    let service = move || {
        block_signals();
        // SAFETY: CPython runs, since it has loaded this crate.
        let main = unsafe { raw::PyInterpreterState_Main() };
        // SAFETY: the main interpreter lives as long as CPython.
        let state = unsafe { visits::new_state(main) };
        let home: Home = Cell::new(NonNull::new(state));
        let prepared = {
            // SAFETY: the state was made in the line above, for this thread, and nothing else has it.
            let guard = unsafe { Guard::attach(&home, 0, None) };
            match guard {
                Some(guard) => prepare(guard.attached(), false),
                None => Err(StartError::Failed {
                    doing: "adopting the host's CPython",
                    message: "out of memory".to_owned(),
                }),
            }
        };
        let is_ready = prepared.is_ok();
        let _ = ready.send(prepared);
        if is_ready {
            runtime::serve(&Rc::new(home), &tasks);
        }
    };
    thread
        .spawn(service)
        .map_err(|error| failed(error.to_string()))?;
    started
        .recv()
        .map_err(|_| failed("its thread panicked".to_owned()))??;
    Ok(main)
}

/// Prepares the main interpreter for others beside it, of which there may be none at first.
fn prepare(attached: Attached<'_>, is_alone: bool) -> Result<(), StartError> {
    allocator::replace();
    allocator::check();
    preimport::begin(attached, true, is_alone)?;
    handlers::keep(attached).map_err(|raised| StartError::Raised {
        doing: "keeping the host's signal handlers",
        exception: Box::new(raised.describe()),
    })
}
