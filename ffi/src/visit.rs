//! Visits: other threads attach to an interpreter for a moment, to see what it runs and to interrupt
//! it.
//!
//! A visitor has a thread state of its own. It holds the interpreter's GIL for the length of the visit,
//! and nothing in a visit runs Python code or lets go of the GIL: what it finds stays true until it
//! leaves. An interpreter that ends closes its gate first and waits for the visitors that are inside.

use std::ffi::{c_long, c_ulong};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::attach::{self, Attached, Entered};
use crate::memory::{Memory, Owner};
#[cfg(Py_3_15)]
use crate::nudge::Nudge;
use crate::object::Object;
use crate::raw;

/// Lets other threads attach to one interpreter for a moment. A clone is the same.
#[derive(Clone)]
pub struct Visits(Arc<Gate>);

/// # Invariant
///
/// While `state.open` is true or `state.n_inside` is not zero, the interpreter has not ended, nor has
/// the thread state `home`.
struct Gate {
    id: i64,
    interpreter: Address<raw::PyInterpreterState>,
    home: Address<raw::PyThreadState>,
    /// CPython's number for the thread of `home`.
    thread: c_ulong,
    memory: Option<Memory>,
    #[cfg(Py_3_15)]
    nudge: Option<Nudge>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    open: bool,
    n_inside: usize,
}

/// Held while a thread state is added to a list without that interpreter's GIL, and while a list is
/// walked. What Python code adds is added under the GIL, and all are removed under it.
static ADDING: Mutex<()> = Mutex::new(());

/// An attachment of another thread than the interpreter's own, for a moment.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    attached: Attached<'a>,
    gate: &'a Gate,
}

/// What one thread of an interpreter is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// CPython's number of the thread state, counted from 1 in each interpreter.
    pub state_id: u64,
    /// Whether it is the thread that made the [`Interpreter`](crate::Interpreter).
    pub is_home: bool,
    /// The innermost [`Stack::N_FRAMES_MAX`] frames, the innermost last, as in a traceback.
    pub frames: Vec<Frame>,
    /// How many outer frames are left out.
    pub n_left_out: usize,
}

/// One function that a thread is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `co_filename`
    pub file: String,
    /// The line that it is at; 0 where there is none.
    pub line: u32,
    /// `co_qualname`
    pub function: String,
}

impl Stack {
    /// How many frames a stack has at most.
    pub const N_FRAMES_MAX: usize = 200;
}

/// A new thread state of this interpreter, without memory null. Needs no attachment.
///
/// # Safety
///
/// The interpreter is alive.
pub(crate) unsafe fn new_state(
    interpreter: *mut raw::PyInterpreterState,
) -> *mut raw::PyThreadState {
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
        home: NonNull<raw::PyThreadState>,
        memory: Option<Memory>,
    ) -> Visits {
        Visits(Arc::new(Gate {
            id,
            interpreter: Address(interpreter),
            home: Address(home),
            thread: this_thread(),
            memory,
            #[cfg(Py_3_15)]
            nudge: Nudge::here(),
            state: Mutex::new(State {
                open: true,
                n_inside: 0,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Attaches this thread with a thread state of its own, runs `work`, and detaches again. `None`
    /// when the interpreter has ended or is ending, and without memory.
    ///
    /// It waits for the GIL as long as it takes: 5 ms if Python code runs, and for ever if C code
    /// holds it for ever. So call it on a thread that can be left behind. `work` must not wait for
    /// what the interpreter does meanwhile: it does nothing, and it does not end.
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
        Some(work(Visit {
            attached: presence.attached(),
            gate: &self.0,
        }))
    }

    /// Counts one more that is inside, until it [leaves](Visits::leave); `false` where nobody is let in.
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

    pub(crate) fn interpreter(&self) -> *mut raw::PyInterpreterState {
        self.0.interpreter.0.as_ptr()
    }

    /// Lets nobody in from now on, and waits until nobody is inside. To be called detached: who is
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

impl Gate {
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
struct Inside<'g>(&'g Gate);

impl<'g> Inside<'g> {
    fn enter(gate: &'g Gate) -> Option<Self> {
        let mut state = gate.lock();
        if !state.open {
            return None;
        }
        state.n_inside += 1;
        Some(Inside(gate))
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
        let gate = inside.0;
        let owner = Owner::visiting(gate.memory.as_ref());
        // SAFETY: the interpreter has not ended: `inside` is counted.
        let state = NonNull::new(unsafe { new_state(gate.interpreter.0.as_ptr()) })?;
        // SAFETY: a new state, made on this thread, on which nothing is attached: `visit` has
        // checked.
        unsafe { raw::PyEval_RestoreThread(state.as_ptr()) };
        Some(Presence {
            state,
            id: gate.id,
            _mark: Entered::new(gate.id),
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
        // SAFETY: attached to this thread, by the invariant, and ours alone.
        unsafe { raw::PyThreadState_Clear(self.state.as_ptr()) };
        // SAFETY: the attached state was cleared in the line above.
        unsafe { raw::PyThreadState_DeleteCurrent() };
    }
}

impl Visit<'_> {
    /// Raises `KeyboardInterrupt` in the interpreter's own thread, as soon as that runs Python code
    /// again; whether there was somebody to interrupt.
    ///
    /// It reaches a blocking call of C code (`time.sleep`, `recv`) when that returns. From 3.15 on a
    /// signal makes it return where the system lets it; see `docs/safety.md`. The signal misses a call
    /// that is only about to begin, so an interrupt that has no effect is worth another.
    ///
    /// On the interpreter's own thread, visiting itself, there is nobody.
    pub fn interrupt(&self) -> bool {
        let thread = self.gate.thread;
        // The number would name the state of this visit.
        if thread == this_thread() {
            return false;
        }
        // SAFETY: reads a pointer that CPython sets once, at its start.
        let exception = unsafe { raw::PyExc_KeyboardInterrupt };
        // SAFETY: attached, so that it is this interpreter's threads that are looked through; a
        // static type, valid in all interpreters.
        let n_reached = unsafe { raw::PyThreadState_SetAsyncExc(thread as c_long, exception) };
        #[cfg(Py_3_15)]
        if n_reached > 0
            && let Some(nudge) = &self.gate.nudge
        {
            nudge.send();
        }
        n_reached > 0
    }

    /// The Python stacks of the interpreter's threads, its own thread first. Other threads that run
    /// no Python are left out.
    ///
    /// For the main interpreter these are all its threads. Where one of them has been adding itself
    /// for 100 ms and does not get on, it is the home thread's alone.
    pub fn stacks(&self) -> Vec<Stack> {
        let home = self.gate.home.0;
        let mut stacks = vec![self.stack(home, true)];
        let others = self.states().into_iter().filter(|state| *state != home);
        stacks.extend(others.map(|state| self.stack(state, false)));
        stacks.retain(|stack| stack.is_home || !stack.frames.is_empty());
        stacks
    }

    /// The Python stack of the interpreter's own thread; without frames where it runs none.
    pub fn home_stack(&self) -> Stack {
        self.stack(self.gate.home.0, true)
    }

    /// The thread states of the interpreter. None of them goes away during the visit.
    fn states(&self) -> Vec<NonNull<raw::PyThreadState>> {
        let Some(_adding) = self.list() else {
            return Vec::new();
        };
        // SAFETY: attached. The list changes under this GIL, which we hold, and where this crate
        // adds to it without, under `ADDING`, which is locked.
        let first = unsafe { raw::PyInterpreterState_ThreadHead(self.gate.interpreter.0.as_ptr()) };
        let mut states = Vec::new();
        let mut next = NonNull::new(first);
        while let Some(state) = next {
            states.push(state);
            // SAFETY: a state of the list, which does not change meanwhile.
            next = NonNull::new(unsafe { raw::PyThreadState_Next(state.as_ptr()) });
        }
        states
    }

    /// The lock on the list; `None` if it is not to be had. Who has it may be waiting for this GIL:
    /// `tracemalloc` attaches to the main interpreter while memory is allocated.
    fn list(&self) -> Option<MutexGuard<'static, ()>> {
        let deadline = Instant::now() + Duration::from_millis(100);
        loop {
            match ADDING.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(50)),
            }
        }
    }

    fn stack(&self, state: NonNull<raw::PyThreadState>, is_home: bool) -> Stack {
        // SAFETY: a state of this interpreter, which is not removed while we hold its GIL.
        let state_id = unsafe { raw::PyThreadState_GetID(state.as_ptr()) };
        // SAFETY: as above; its frames do not change, since no other thread runs Python here.
        let innermost = unsafe { raw::PyThreadState_GetFrame(state.as_ptr()) };
        let (mut frames, mut n_left_out) = (Vec::new(), 0);
        let mut next = self.owned(innermost.cast());
        while let Some(frame) = next {
            if frames.len() < Stack::N_FRAMES_MAX {
                frames.push(Frame::of(&frame));
            } else {
                n_left_out += 1;
            }
            // SAFETY: attached; a live frame.
            let back = unsafe { raw::PyFrame_GetBack(frame.as_ptr().cast()) };
            next = self.owned(back.cast());
        }
        // Without memory a stack is cut off.
        drop(self.attached.pending());
        frames.reverse();
        Stack {
            state_id: state_id as u64,
            is_home,
            frames,
            n_left_out,
        }
    }

    /// A new reference that the C API returned, or nothing.
    fn owned(&self, pointer: *mut raw::PyObject) -> Option<Object<'_>> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: attached; a new reference that is not null.
        unsafe { Object::from_new(pointer) }.ok()
    }
}

impl Frame {
    fn of(frame: &Object<'_>) -> Frame {
        let pointer = frame.as_ptr().cast();
        // SAFETY: attached: `frame` exists, and is a frame.
        let line = unsafe { raw::PyFrame_GetLineNumber(pointer) };
        // SAFETY: as above.
        let code = unsafe { raw::PyFrame_GetCode(pointer) };
        // SAFETY: attached; a new reference, never null.
        let code = unsafe { Object::from_new(code.cast()) };
        let text = |name| {
            let text = code.as_ref().map(|code| code.get(name)?.text());
            text.ok().and_then(Result::ok).unwrap_or_default()
        };
        Frame {
            file: text("co_filename"),
            line: u32::try_from(line).unwrap_or(0),
            function: text("co_qualname"),
        }
    }
}

impl Attached<'_> {
    /// Takes back an [`interrupt`](Visit::interrupt) of this thread that has not been raised yet.
    ///
    /// While attached, note what runs; when it has returned, note that nothing does, and then call
    /// this: a visitor that interrupts only what it finds noted never interrupts anything else.
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
        write!(f, "Visit(interpreter {})", self.gate.id)
    }
}
