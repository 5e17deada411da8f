//! Replacements of the `PyGILState_*` functions, for threads that a private copy's native code starts.
//!
//! Such threads attach by `PyGILState_Ensure`, which knows only the main interpreter: they would touch one
//! interpreter's objects under another's GIL. A private copy belongs to one interpreter, so its replacement attaches
//! to that one. The function takes no arguments and cannot see its caller otherwise, so each interpreter with copies
//! has functions of its own.
//!
//! A thread that already has a state of that interpreter gets CPython's own functions, which know it. For any other
//! thread a state is made, as CPython would make it for the main interpreter. From then on CPython's count in the
//! state says when it ends: some extensions write that count themselves (cffi before 2.1).

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::{self, ManuallyDrop};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::memory::Owner;
use crate::raw;
use crate::shared_object::Replacement;
use crate::visit::visits::{self, Visits};

/// How many interpreters of a process may load private copies. Their copies stay in memory when they end, so
/// that memory is short long before.
const N_HOSTS_MAX: usize = 1024;

/// The interpreters, each at its number.
static HOSTS: [OnceLock<Visits>; N_HOSTS_MAX] = [const { OnceLock::new() }; N_HOSTS_MAX];
static N_HOSTS: AtomicUsize = AtomicUsize::new(0);

/// The functions for the copies of one more interpreter; `None` if there are too many.
pub(crate) fn host(visits: &Visits) -> Option<[Replacement; 5]> {
    let number = N_HOSTS.fetch_add(1, Ordering::Relaxed);
    HOSTS.get(number)?.set(visits.clone()).ok()?;
    let functions = &FUNCTIONS[number / N_PLACES][number % N_PLACES];
    Some([
        ("PyGILState_Ensure", functions.ensure as *const () as usize),
        ("PyGILState_Release", release as *const () as usize),
        (
            "PyGILState_GetThisThreadState",
            functions.state as *const () as usize,
        ),
        ("PyGILState_Check", functions.check as *const () as usize),
        ("Py_AddPendingCall", add_pending_call as *const () as usize),
    ])
}

/// A state that was made for a thread which had none of that interpreter.
struct Made {
    state: *mut raw::PyThreadState,
    /// What was attached before, of another interpreter; null if nothing was.
    before: *mut raw::PyThreadState,
    visits: &'static Visits,
    /// How often it was attached by `ensure` and has not been detached again.
    n_entries: usize,
    _owner: Owner,
    /// The one that was made before, and is still inside.
    outer: Chain,
}

type Chain = Option<Box<Made>>;

thread_local! {
    /// The states that were made for this thread and have not left, the innermost first. Without a destructor:
    /// those of a library run before that or after it, and may call Python.
    static MADE: Cell<ManuallyDrop<Chain>> = const { Cell::new(ManuallyDrop::new(None)) };
}

const _: () = assert!(!mem::needs_drop::<Cell<ManuallyDrop<Chain>>>());

fn push(state: *mut raw::PyThreadState, before: *mut raw::PyThreadState, inside: Inside) {
    let outer = ManuallyDrop::into_inner(MADE.take());
    let made = Made {
        state,
        before,
        visits: inside.visits,
        n_entries: 1,
        _owner: inside.owner,
        outer,
    };
    MADE.set(ManuallyDrop::new(Some(Box::new(made))));
}

/// Looks at the one that was made last, if this is it.
fn with_innermost<R>(
    state: *mut raw::PyThreadState,
    look: impl FnOnce(&mut Made) -> R,
) -> Option<R> {
    let mut made = MADE.take();
    let innermost = made.as_mut().filter(|made| ptr::eq(made.state, state));
    let found = innermost.map(|made| look(made));
    MADE.set(made);
    found
}

fn pop() -> Chain {
    let mut made = ManuallyDrop::into_inner(MADE.take())?;
    MADE.set(ManuallyDrop::new(made.outer.take()));
    Some(made)
}

/// Ends the process, as CPython does where a rule of its own is broken.
fn fatal(rule: &CStr) -> ! {
    // SAFETY: may be called on any thread; a C string. It writes that and the Python stack to standard error.
    unsafe { raw::Py_FatalError(rule.as_ptr()) }
}

/// The interpreter that the functions of that number belong to.
fn host_at(number: usize) -> &'static Visits {
    let visits = HOSTS[number].get();
    visits.unwrap_or_else(|| fatal(c"owngil: a private copy of an interpreter that never was"))
}

/// What is attached to this thread; null if nothing is.
fn current() -> *mut raw::PyThreadState {
    // SAFETY: may be called on any thread.
    unsafe { raw::PyThreadState_GetUnchecked() }
}

/// The state that this thread had attached last; null if it had none, or that has ended.
fn last() -> *mut raw::PyThreadState {
    // SAFETY: may be called on any thread, since CPython runs.
    unsafe { raw::PyGILState_GetThisThreadState() }
}

/// Whether it is a state of that interpreter. By the number, which is never used twice: addresses are.
fn is_of(state: *mut raw::PyThreadState, visits: &Visits) -> bool {
    if state.is_null() {
        return false;
    }
    // SAFETY: a state of this thread's, which therefore is alive; where it lies never changes.
    let interpreter = unsafe { raw::PyThreadState_GetInterpreter(state) };
    // SAFETY: an interpreter lives as long as its states; reads a field that never changes.
    unsafe { raw::PyInterpreterState_GetID(interpreter) == visits.id() }
}

/// Says that a thread was not attached before.
const UNLOCKED: c_int = raw::PyGILState_STATE::PyGILState_UNLOCKED as c_int;

fn ensure(number: usize) -> c_int {
    let visits = host_at(number);
    // What is attached is what was attached last.
    if is_of(last(), visits) {
        // SAFETY: this thread has a state of its own, of the right interpreter, which this attaches if it is
        // not; it has not ended, since its states end before it.
        let given = unsafe { raw::PyGILState_Ensure() } as c_int;
        if given == UNLOCKED {
            with_innermost(last(), |made| made.n_entries += 1);
        }
        return given;
    }
    make(visits);
    UNLOCKED
}

/// A thread that is counted as a visitor of that interpreter.
struct Inside {
    visits: &'static Visits,
    owner: Owner,
}

/// Attaches by a new state. An interpreter that ends accepts no more threads: then this never returns, as CPython's
/// own function does not from 3.14 on.
fn make(visits: &'static Visits) {
    let mut before = current();
    if !before.is_null() {
        // SAFETY: it is attached to this thread.
        before = unsafe { raw::PyEval_SaveThread() };
    }
    if !visits.enter() {
        loop {
            // Not `park`, which asks for the handle of a thread that may be about to end.
            thread::sleep(Duration::MAX);
        }
    }
    let owner = visits.owner();
    // SAFETY: the interpreter has not ended: this thread is counted as a visitor.
    let state = unsafe { visits::new_state(visits.interpreter()) };
    if state.is_null() {
        fatal(c"PyGILState_Ensure: there is no memory for a thread state");
    }
    // SAFETY: a new state, made on this thread, on which nothing is attached.
    unsafe { raw::PyEval_RestoreThread(state) };
    // Its count is 1, as if CPython's function had made and attached it.
    push(state, before, Inside { visits, owner });
}

/// What `PyGILState_Release` is for all copies.
extern "C" fn release(given: c_int) {
    let state = last();
    let (answer, detaches) = match given {
        UNLOCKED => (raw::PyGILState_STATE::PyGILState_UNLOCKED, true),
        _ => (raw::PyGILState_STATE::PyGILState_LOCKED, false),
    };
    // Who was attached before goes on with what it runs.
    let is_in_use = !detaches || ptr::eq(state, current()) && has_frame(state);
    // SAFETY: may be called on any thread. Where it has no state, or its state is not attached, that ends the
    // process and says why.
    unsafe { raw::PyGILState_Release(answer) };
    let has_ended = last().is_null();
    if has_ended && is_in_use {
        fatal(
            c"PyGILState_Release: called once more than PyGILState_Ensure, it has ended the thread state of running code",
        );
    }
    let was_last = with_innermost(state, |made| {
        // An extension may have counted it once more in order to keep it. When no call is left that it serves, it
        // is a state that this thread has by itself.
        let was_last = has_ended || !is_in_use && made.n_entries == 1;
        // What an extension has attached without `ensure` was never counted here.
        made.n_entries -= usize::from(detaches && made.n_entries > 1);
        was_last
    });
    if was_last == Some(true) {
        leave();
    }
}

/// What `Py_AddPendingCall` is for all copies. CPython would make the call in the main interpreter, with objects of
/// another; a queue that is full is the one failure which callers expect.
extern "C" fn add_pending_call(
    _: Option<extern "C" fn(*mut c_void) -> c_int>,
    _: *mut c_void,
) -> c_int {
    -1
}

/// Whether Python code is on it.
fn has_frame(state: *mut raw::PyThreadState) -> bool {
    if state.is_null() {
        return false;
    }
    // SAFETY: it is attached to this thread: its caller has looked.
    let frame = unsafe { raw::PyThreadState_GetFrame(state) };
    if frame.is_null() {
        return false;
    }
    // SAFETY: attached; a new reference of ours.
    unsafe { raw::Py_DECREF(frame.cast()) };
    true
}

/// Goes back to what was before the state that was made last, which is detached.
fn leave() {
    let Some(made) = pop() else { return };
    let Made { before, visits, .. } = *made;
    visits.leave();
    if !before.is_null() {
        // SAFETY: it was detached from this thread by `make`, and nothing is attached now.
        unsafe { raw::PyEval_RestoreThread(before) };
    }
}

/// What the copies of the interpreter with that number find in place of CPython's functions.
struct Functions {
    ensure: extern "C" fn() -> c_int,
    state: extern "C" fn() -> *mut raw::PyThreadState,
    check: extern "C" fn() -> c_int,
}

/// `PyGILState_Ensure`
extern "C" fn ensure_for<const NUMBER: usize>() -> c_int {
    ensure(NUMBER)
}

/// `PyGILState_GetThisThreadState`: code that attaches its result would otherwise attach to another interpreter.
extern "C" fn state_for<const NUMBER: usize>() -> *mut raw::PyThreadState {
    let own = last();
    match is_of(own, host_at(NUMBER)) {
        true => own,
        false => ptr::null_mut(),
    }
}

/// `PyGILState_Check`, which CPython answers by yes wherever there is more than one interpreter.
extern "C" fn check_for<const NUMBER: usize>() -> c_int {
    c_int::from(is_of(current(), host_at(NUMBER)))
}

const fn functions<const NUMBER: usize>() -> Functions {
    Functions {
        ensure: ensure_for::<NUMBER>,
        state: state_for::<NUMBER>,
        check: check_for::<NUMBER>,
    }
}

const N_PLACES: usize = 32;

macro_rules! row {
    ($row:literal) => {
        row!($row; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    ($row:literal; $($place:literal)*) => {
        [$(functions::<{ $row * N_PLACES + $place }>()),*]
    };
}

static FUNCTIONS: [[Functions; N_PLACES]; N_HOSTS_MAX / N_PLACES] = [
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
