//! Foreign: threads that Python does not know, and that call into Python out of a private copy.
//!
//! A library's own threads attach by `PyGILState_Ensure`, which knows the main interpreter only: they would
//! touch one interpreter's objects under another's GIL. A private copy belongs to one interpreter, so what
//! it gets instead attaches to that one. It takes no arguments and nothing else tells who asks, so each
//! interpreter with copies has a function of its own.

use std::cell::RefCell;
use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::copies::Replacement;
use crate::memory::Owner;
use crate::raw;
use crate::visit::{self, Visits};

/// How many interpreters of a process may load private copies. Their copies stay in memory when they end, so
/// that memory is short long before.
const N_HOSTS_MAX: usize = 1024;

/// The interpreters, each at its number.
static HOSTS: [OnceLock<Visits>; N_HOSTS_MAX] = [const { OnceLock::new() }; N_HOSTS_MAX];
static N_HOSTS: AtomicUsize = AtomicUsize::new(0);

/// The functions for the copies of one more interpreter; `None` if there are too many.
pub(crate) fn host(visits: &Visits) -> Option<[Replacement; 2]> {
    let number = N_HOSTS.fetch_add(1, Ordering::Relaxed);
    HOSTS.get(number)?.set(visits.clone()).ok()?;
    let ensure = ENSURE[number / N_PLACES][number % N_PLACES];
    Some([
        ("PyGILState_Ensure", ensure as *const () as usize),
        ("PyGILState_Release", release as *const () as usize),
    ])
}

/// How a thread came to be attached.
enum Entry {
    /// It was.
    Already,
    /// By a thread state that it had.
    Own,
    /// By one that was made for it, and that it leaves by giving this back.
    Made(Made),
}

struct Made {
    /// What was attached before, of another interpreter; null if nothing was.
    before: *mut raw::PyThreadState,
    visits: &'static Visits,
    _owner: Owner,
}

thread_local! {
    /// How this thread is attached, the innermost last.
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// `PyGILState_LOCKED` and `PyGILState_UNLOCKED`: whether the thread was attached before.
const LOCKED: c_int = 0;
const UNLOCKED: c_int = 1;

fn ensure(number: usize) -> c_int {
    let Some(visits) = HOSTS[number].get() else {
        // Only copies of an interpreter that has its number call this.
        std::process::abort()
    };
    // SAFETY: may be called on any thread.
    let current = unsafe { raw::PyThreadState_GetUnchecked() };
    let (entry, answer) = if is_of(current, visits) {
        (Entry::Already, LOCKED)
    } else if let Some(own) = own_state(current, visits) {
        // SAFETY: nothing is attached to this thread, and the state is its own, of an interpreter that
        // has not ended, since its states end before it.
        unsafe { raw::PyEval_RestoreThread(own) };
        (Entry::Own, UNLOCKED)
    } else {
        (Entry::Made(make(current, visits)), UNLOCKED)
    };
    ENTRIES.with_borrow_mut(|entries| entries.push(entry));
    answer
}

/// Whether it is a state of that interpreter.
fn is_of(state: *mut raw::PyThreadState, visits: &Visits) -> bool {
    if state.is_null() {
        return false;
    }
    // SAFETY: a state of this thread's, which therefore is alive; where it lies never changes.
    let interpreter = unsafe { raw::PyThreadState_GetInterpreter(state) };
    ptr::eq(interpreter, visits.interpreter())
}

/// This thread's own state of that interpreter, if it has one and nothing is attached.
fn own_state(current: *mut raw::PyThreadState, visits: &Visits) -> Option<*mut raw::PyThreadState> {
    if !current.is_null() {
        return None;
    }
    // SAFETY: may be called on any thread; the state that this thread had attached last, if that is there
    // still.
    let own = unsafe { raw::PyGILState_GetThisThreadState() };
    is_of(own, visits).then_some(own)
}

/// Attaches by a new state. An interpreter that ends lets nobody in: then this never returns, as CPython's
/// own function does not from 3.14 on.
fn make(current: *mut raw::PyThreadState, visits: &'static Visits) -> Made {
    let before = match current.is_null() {
        true => current,
        // SAFETY: it is attached to this thread.
        false => unsafe { raw::PyEval_SaveThread() },
    };
    if !visits.enter() {
        loop {
            thread::park();
        }
    }
    let owner = visits.owner();
    // SAFETY: the interpreter has not ended: this thread is counted as a visitor.
    let state = unsafe { visit::new_state(visits.interpreter()) };
    if state.is_null() {
        // The function has no way to fail; CPython ends the process as well.
        std::process::abort();
    }
    // SAFETY: a new state, made on this thread, on which nothing is attached.
    unsafe { raw::PyEval_RestoreThread(state) };
    Made {
        before,
        visits,
        _owner: owner,
    }
}

extern "C" fn release(_: c_int) {
    let entry = ENTRIES.with_borrow_mut(Vec::pop);
    match entry {
        // One too many is an error in the extension, which CPython ends the process for.
        None => std::process::abort(),
        Some(Entry::Already) => {}
        Some(Entry::Own) => {
            // SAFETY: attached by `ensure`; what code has detached since it has attached again.
            unsafe { raw::PyEval_SaveThread() };
        }
        Some(Entry::Made(made)) => leave(made),
    }
}

fn leave(made: Made) {
    // SAFETY: attached by `make`; what code has detached since it has attached again.
    let state = unsafe { raw::PyThreadState_Get() };
    // SAFETY: the state that `make` made, which nobody else has.
    unsafe { raw::PyThreadState_Clear(state) };
    // SAFETY: the attached state was cleared in the line above.
    unsafe { raw::PyThreadState_DeleteCurrent() };
    made.visits.leave();
    if !made.before.is_null() {
        // SAFETY: it was detached from this thread by `make`, and nothing is attached now.
        unsafe { raw::PyEval_RestoreThread(made.before) };
    }
}

/// What `PyGILState_Ensure` is for the copies of the interpreter with that number.
extern "C" fn ensure_for<const NUMBER: usize>() -> c_int {
    ensure(NUMBER)
}

const N_PLACES: usize = 32;

macro_rules! row {
    ($row:literal) => {
        row!($row; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    ($row:literal; $($place:literal)*) => {
        [$(ensure_for::<{ $row * N_PLACES + $place }>),*]
    };
}

static ENSURE: [[extern "C" fn() -> c_int; N_PLACES]; N_HOSTS_MAX / N_PLACES] = [
    row!(0),
    row!(1),
    row!(2),
    row!(3),
    row!(4),
    row!(5),
    row!(6),
    row!(7),
    row!(8),
    row!(9),
    row!(10),
    row!(11),
    row!(12),
    row!(13),
    row!(14),
    row!(15),
    row!(16),
    row!(17),
    row!(18),
    row!(19),
    row!(20),
    row!(21),
    row!(22),
    row!(23),
    row!(24),
    row!(25),
    row!(26),
    row!(27),
    row!(28),
    row!(29),
    row!(30),
    row!(31),
];
