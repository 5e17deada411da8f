//! The stack of a thread that makes an interpreter. A process of its own: stacks are used again.

use std::thread;

use owngil_ffi::{Config, Interpreter, Runtime};

#[test]
#[cfg_attr(
    any(Py_GIL_DISABLED, Py_3_14),
    ignore = "free-threaded: it makes no interpreters; 3.14: it goes by the real bounds"
)]
fn a_small_stack_is_refused_and_its_size_is_said() {
    let runtime = Runtime::start(&Config::default()).unwrap();
    // The smallest first: a thread may be given the stack of a larger one that has ended.
    for (size, is_enough) in [(1, false), (2, false), (4, false), (7, true), (16, true)] {
        let thread = thread::Builder::new().stack_size(size << 20);
        let made = thread.spawn(|| Interpreter::new(runtime).map(|made| made.end()));
        let made = made.unwrap().join().unwrap();
        assert_eq!(made.is_ok(), is_enough, "{size} MiB: {made:?}");
        if let Err(error) = made {
            assert!(error.to_string().contains("STACK_SIZE"), "{error}");
        }
    }
}
