//! Visits: another thread attaches to an interpreter for a moment, to see what it runs and to interrupt it.
//!
//! A visitor has its own thread state and holds the interpreter's GIL during the visit. It releases the GIL only
//! where it frees objects, whose finalizers are Python code. An interpreter that ends admits no more visitors and
//! waits for those inside.
//!
//! On a free-threaded build, threads keep running during a visit. A thread has one visitor at a time (see
//! `state_lock`). To interrupt only what you found running, you need a lock that the interpreter's thread takes, too,
//! when it notes what it runs.

use std::ffi::{c_long, c_ulong};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::address::Address;
use crate::memory::{Memory, Owner};
use crate::raw;
use crate::stack::Stack;
#[cfg(Py_GIL_DISABLED)]
use crate::thread::StateLock;
#[cfg(Py_3_15)]
use crate::thread::Wakeup;
use crate::thread::attach::{self, Attached, Entered};

/// Lets other threads attach to one interpreter for a moment. A clone refers to the same interpreter.
#[derive(Clone)]
pub struct Visits(Arc<Shared>);

/// # Invariant
///
/// While `state.open` is true or `state.n_inside` is not zero, the interpreter has not ended, nor has
/// the thread state `home`; and `state_lock` is that of the thread which has that state.
struct Shared {
    id: i64,
    interpreter: Address<raw::PyInterpreterState>,
    #[cfg(not(Py_GIL_DISABLED))]
    home: Address<raw::PyThreadState>,
    /// CPython's number for the thread of `home`.
    thread: c_ulong,
    memory: Option<Memory>,
    #[cfg(Py_3_15)]
    wakeup: Option<Wakeup>,
    /// Of the thread of `home`.
    #[cfg(Py_GIL_DISABLED)]
    state_lock: StateLock,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    open: bool,
    n_inside: usize,
}

/// Held while a thread state is added to a list without that interpreter's GIL, and while a list is
/// walked. What Python code adds is added under the GIL, and all are removed under it.
///
/// On a free-threaded build no list is walked by this crate.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) static ADDING: Mutex<()> = Mutex::new(());

/// A short attachment by a thread other than the interpreter's own.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    attached: Attached<'a>,
    shared: &'a Shared,
}

/// A new thread state of this interpreter, without memory null. Needs no attachment.
///
/// # Safety
///
/// The interpreter is alive.
pub(crate) unsafe fn new_state(
    interpreter: *mut raw::PyInterpreterState,
) -> *mut raw::PyThreadState {
    // Not on a free-threaded build: there the call may wait for all threads to stop, and one that is
    // attached and waits for this lock would never stop.
    #[cfg(not(Py_GIL_DISABLED))]
    let _adding = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the interpreter is alive, by this function's contract; the call needs no attachment
    // (its memory comes from the raw allocator, the list is locked).
    unsafe { raw::PyThreadState_New(interpreter) }
}

impl Visits {
    /// # Safety
    ///
    /// `home` is a thread state of `interpreter`, which has this id, and belongs to this thread. Both
    /// live until [`close`](Visits::close) has returned.
    pub(crate) unsafe fn new(
        id: i64,
        interpreter: NonNull<raw::PyInterpreterState>,
        #[cfg_attr(Py_GIL_DISABLED, expect(unused_variables))] home: NonNull<raw::PyThreadState>,
        memory: Option<Memory>,
    ) -> Visits {
        Visits(Arc::new(Shared {
            id,
            interpreter: Address(interpreter),
            #[cfg(not(Py_GIL_DISABLED))]
            home: Address(home),
            thread: this_thread(),
            memory,
            #[cfg(Py_3_15)]
            wakeup: Wakeup::here(),
            #[cfg(Py_GIL_DISABLED)]
            state_lock: StateLock::here(),
            state: Mutex::new(State {
                open: true,
                n_inside: 0,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Attaches this thread with its own thread state, runs `work`, and detaches again. Returns `None` if the
    /// interpreter has ended or is ending, or if memory runs out.
    ///
    /// It waits for the GIL as long as it takes: 5 ms if Python code runs, and forever if C code holds it forever. So
    /// call it on a thread that can be left behind. `work` must not wait for anything that the interpreter does:
    /// until `work` returns, the interpreter does nothing and does not end.
    ///
    /// On a free-threaded build it waits only for other visitors of the same thread, and the interpreter keeps running.
    ///
    /// # Panics
    ///
    /// On a thread that is attached already.
    pub fn visit<R>(&self, work: impl FnOnce(Visit<'_>) -> R) -> Option<R> {
        if let Some(other) = attach::current() {
            panic!("this thread is attached to interpreter {other} already: detach first");
        }
        let inside = Inside::enter(&self.0)?;
        let presence = Presence::attach(&inside)?;
        let attached = presence.attached();
        // Given back before the presence ends, which takes this thread's own lock: no thread holds two.
        #[cfg(Py_GIL_DISABLED)]
        let _locked = self.0.state_lock.take(attached);
        Some(work(Visit {
            attached,
            shared: &self.0,
        }))
    }

    /// Counts one more that is inside, until it [leaves](Visits::leave); `false` where visits are closed.
    pub(crate) fn enter(&self) -> bool {
        Inside::enter(&self.0).map(std::mem::forget).is_some()
    }

    /// Takes back an [`enter`](Visits::enter).
    pub(crate) fn leave(&self) {
        drop(Inside(&self.0));
    }

    /// What this thread allocates from now on is the interpreter's.
    pub(crate) fn owner(&self) -> Owner {
        Owner::visiting(self.0.memory.as_ref())
    }

    /// The interpreter's id.
    pub(crate) fn id(&self) -> i64 {
        self.0.id
    }

    pub(crate) fn interpreter(&self) -> *mut raw::PyInterpreterState {
        self.0.interpreter.0.as_ptr()
    }

    /// Admits no visitor from now on, and waits until none is inside. Call it detached: a visitor
    /// inside needs the GIL to leave.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock();
        state.open = false;
        while state.n_inside > 0 {
            let waited = self.0.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// CPython's number for this thread.
fn this_thread() -> c_ulong {
    // SAFETY: may be called on any thread once CPython runs, and there is an interpreter.
    unsafe { raw::PyThread_get_thread_ident() }
}

/// A visitor that is counted: its interpreter does not end.
struct Inside<'g>(&'g Shared);

impl<'g> Inside<'g> {
    fn enter(shared: &'g Shared) -> Option<Self> {
        let mut state = shared.lock();
        if !state.open {
            return None;
        }
        state.n_inside += 1;
        Some(Inside(shared))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.n_inside -= 1;
        if state.n_inside == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// The attachment of a visitor, with a thread state that ends with it.
///
/// # Invariant
///
/// `state` is attached to this OS thread, which made it, until this is dropped. It is not `Send`.
struct Presence<'g> {
    state: NonNull<raw::PyThreadState>,
    id: i64,
    /// Until after `drop` has run: the thread is marked as attached, and its memory is the
    /// interpreter's, until the state is gone.
    _mark: Entered,
    _owner: Owner,
    _inside: &'g Inside<'g>,
}

impl<'g> Presence<'g> {
    fn attach(inside: &'g Inside<'g>) -> Option<Self> {
        let shared = inside.0;
        let owner = Owner::visiting(shared.memory.as_ref());
        // SAFETY: the interpreter has not ended: `inside` is counted.
        let state = NonNull::new(unsafe { new_state(shared.interpreter.0.as_ptr()) })?;
        // SAFETY: a new state, made on this thread, on which nothing is attached: `visit` has
        // checked.
        unsafe { raw::PyEval_RestoreThread(state.as_ptr()) };
        Some(Presence {
            state,
            id: shared.id,
            _mark: Entered::new(shared.id),
            _owner: owner,
            _inside: inside,
        })
    }

    fn attached(&self) -> Attached<'_> {
        // SAFETY: attached by `attach`, until this is dropped.
        unsafe { Attached::assume(self.id) }
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        #[cfg(Py_GIL_DISABLED)]
        let state_lock = StateLock::here();
        #[cfg(Py_GIL_DISABLED)]
        let _locked = state_lock.take(self.attached());
        // SAFETY: attached to this thread, by the invariant, and ours alone.
        unsafe { raw::PyThreadState_Clear(self.state.as_ptr()) };
        // SAFETY: the attached state was cleared in the line above.
        unsafe { raw::PyThreadState_DeleteCurrent() };
    }
}

impl Visit<'_> {
    /// Raises `KeyboardInterrupt` in the interpreter's own thread, as soon as that runs Python code again. Returns
    /// whether there was a thread to interrupt.
    ///
    /// In a blocking call of C code (`time.sleep`, `recv`), it takes effect when the call returns. From 3.15 on, a
    /// signal makes the call return where the system allows it; see `docs/safety.md`. The signal misses a call that is
    /// only about to begin, so repeat an interrupt that has no effect.
    ///
    /// If the interpreter's own thread visits itself, there is no thread to interrupt.
    pub fn interrupt(&self) -> bool {
        let thread = self.shared.thread;
        // The number would name the state of this visit.
        if thread == this_thread() {
            return false;
        }
        // SAFETY: reads a pointer that CPython sets once, at its start.
        let exception = unsafe { raw::PyExc_KeyboardInterrupt };
        // SAFETY: attached, so that it is this interpreter's threads that are looked through; a
        // static type, valid in all interpreters. The state that is found does not end meanwhile: that
        // takes the GIL, or on a free-threaded build the thread's state lock, which `visit` holds.
        let n_reached = unsafe { raw::PyThreadState_SetAsyncExc(thread as c_long, exception) };
        #[cfg(Py_3_15)]
        if n_reached > 0
            && let Some(wakeup) = &self.shared.wakeup
        {
            wakeup.send();
        }
        n_reached > 0
    }

    /// The Python stacks of the interpreter's threads, its own thread first. Other threads that run no Python are left
    /// out.
    ///
    /// For the main interpreter, these are all its threads. If a thread has been adding itself for 100 ms without
    /// progress, only the home thread's stack is returned.
    ///
    /// On a free-threaded build all threads stop for a moment, and Python code runs on this one. Of more than a hundred
    /// threads, only the newest are shown.
    pub fn stacks(&self) -> Vec<Stack> {
        self.read_stacks()
    }

    /// The Python stack of the interpreter's own thread; without frames if it runs no Python.
    pub fn home_stack(&self) -> Stack {
        self.read_home_stack()
    }

    pub(crate) fn attached(&self) -> Attached<'_> {
        self.attached
    }

    /// The thread state of the interpreter's own thread.
    #[cfg(not(Py_GIL_DISABLED))]
    pub(crate) fn home(&self) -> NonNull<raw::PyThreadState> {
        self.shared.home.0
    }

    #[cfg(not(Py_GIL_DISABLED))]
    pub(crate) fn interpreter(&self) -> *mut raw::PyInterpreterState {
        self.shared.interpreter.0.as_ptr()
    }

    /// CPython's number for the interpreter's own thread.
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn thread(&self) -> c_ulong {
        self.shared.thread
    }
}

impl Attached<'_> {
    /// Discards an [`interrupt`](Visit::interrupt) of this thread that has not been raised yet.
    ///
    /// While attached, note what runs. When it has returned, note that nothing runs, and then call this. A visitor that
    /// only interrupts what it finds noted then never interrupts anything else. On a free-threaded build, hold a lock
    /// around each of the two notes; the visitor must hold the same lock while it looks and interrupts.
    pub fn clear_interrupt(self) {
        let thread = this_thread();
        // SAFETY: attached: `self` exists; null takes back.
        unsafe { raw::PyThreadState_SetAsyncExc(thread as c_long, std::ptr::null_mut()) };
    }
}

impl fmt::Debug for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Visits")
            .field("interpreter", &self.0.id)
            .field("open", &state.open)
            .field("n_inside", &state.n_inside)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visit(interpreter {})", self.shared.id)
    }
}
