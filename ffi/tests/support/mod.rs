//! What several test files need: interpreters, threads for them, and values made by Python.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::thread;

use owngil_ffi::{Attached, Config, Ended, Interpreter, Object, Runtime, STACK_SIZE};

pub(crate) fn runtime() -> &'static Runtime {
    Runtime::start(&Config::default()).unwrap()
}

/// An interpreter of this thread's own; on a free-threaded build, which makes none, one more thread of the
/// main interpreter.
pub(crate) fn made() -> Interpreter {
    match Runtime::IS_FREE_THREADED {
        true => Interpreter::on_main(runtime()).unwrap(),
        false => Interpreter::new(runtime()).unwrap(),
    }
}

/// Runs `work` on a new thread with an interpreter of its own.
pub(crate) fn in_interpreter<R: Send + 'static>(
    work: impl FnOnce(Attached<'_>) -> R + Send + 'static,
) -> R {
    on_thread(move || {
        let mut interpreter = made();
        let result = interpreter.attach(work);
        assert_eq!(interpreter.end(), Ended::Ended);
        result
    })
}

pub(crate) fn on_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(work)
        .unwrap();
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(crate) fn eval<'a>(attached: Attached<'a>, source: &str) -> Object<'a> {
    let globals = attached.dict().unwrap();
    attached.eval(source, &globals).unwrap()
}
