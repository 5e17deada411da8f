//! Attached: the proof that this OS thread holds an interpreter's GIL.
//!
//! The term is CPython's, since 3.13: a thread state is *attached* to its OS thread while it may touch that
//! interpreter's objects. Everything that touches an object requires an [`Attached`], by reference or through the
//! lifetime of an [`Object`](crate::Object).
//!
//! Creating and ending interpreters is elsewhere; see [`Interpreter`](crate::Interpreter).

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::memory::{Memory, Owner};
use crate::raw;

thread_local! {
    /// The interpreter that this OS thread is attached to, as far as this crate did the attaching.
    static CURRENT: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The id of the interpreter that this thread is attached to, if any.
pub(crate) fn current() -> Option<i64> {
    CURRENT.get()
}

/// Proof that this OS thread is attached to one interpreter.
///
/// # Invariant
///
/// While an `Attached` can be reached, its OS thread holds the GIL of interpreter
/// [`id`](Attached::id) (on a free-threaded build: its thread state is attached). It is neither
/// `Send` nor `Sync`, so it cannot be reached from another thread; [`detach`](Attached::detach)
/// takes only closures that are `Send`, which nothing that belongs to an attachment is.
///
/// It is only ever lent to a function that takes one of any lifetime, and so never `'static`: a
/// thread-local variable, which a closure reaches without holding it, cannot store one.
#[derive(Clone, Copy)]
pub struct Attached<'a> {
    id: i64,
    // Not Send and not Sync, and it cannot outlive what it was attached by.
    bound: PhantomData<(&'a (), *mut ())>,
}

impl<'a> Attached<'a> {
    /// # Safety
    ///
    /// This OS thread is attached to interpreter `id`, and stays so for the whole of `'a`, except
    /// inside [`Attached::detach`].
    #[inline]
    pub(crate) unsafe fn assume(id: i64) -> Self {
        Attached {
            id,
            bound: PhantomData,
        }
    }

    /// The interpreter's id. 0 is the main interpreter. Ids are never reused.
    #[inline]
    pub fn id(self) -> i64 {
        self.id
    }

    /// Detaches, runs `work`, and attaches again.
    ///
    /// Use it around anything that may wait: channels, locks, files. `work` must be `Send`, so it cannot reach an
    /// object of this interpreter. (A wrapper that makes anything `Send`, and checks the thread when it is opened,
    /// would defeat that: never put an object into one.)
    pub fn detach<R>(self, work: impl FnOnce() -> R + Send) -> R {
        struct Reattach {
            state: *mut raw::PyThreadState,
            id: i64,
        }
        impl Drop for Reattach {
            fn drop(&mut self) {
                // SAFETY: `state` was detached from this OS thread a moment ago by `detach`, and
                // nothing can have ended it since: its owner is borrowed for `'a`. What `work`
                // attached it has detached too: no guard can be forgotten (see `Guard`).
                unsafe { raw::PyEval_RestoreThread(self.state) };
                CURRENT.set(Some(self.id));
            }
        }
        // SAFETY: attached: `self` exists.
        let state = unsafe { raw::PyEval_SaveThread() };
        CURRENT.set(None);
        let _reattach = Reattach { state, id: self.id };
        work()
    }
}

impl fmt::Debug for Attached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("interpreter", &self.id)
            .finish()
    }
}

/// Where a thread state waits while it is detached.
pub(crate) type Home = Cell<Option<NonNull<raw::PyThreadState>>>;

/// An attachment that ends when it is dropped.
///
/// It stays inside this crate. Were it handed out, it could be forgotten inside of
/// [`Attached::detach`], which would then attach a second thread state, or leaked, whose `Attached`
/// would be `'static`.
///
/// # Invariant
///
/// The thread state that was in `home` is attached to this OS thread, except inside
/// [`Attached::detach`], and goes back there when the guard is dropped. A guard is not `Send`, since
/// `home` is not `Sync`.
#[derive(Debug)]
pub(crate) struct Guard<'i> {
    id: i64,
    home: &'i Home,
    /// There until the guard goes.
    owner: Option<Owner>,
}

impl<'i> Guard<'i> {
    /// Attaches the thread state that waits in `home`; `None` if there is none.
    ///
    /// # Panics
    ///
    /// When this thread is attached already: CPython allows one attached thread state per thread.
    ///
    /// # Safety
    ///
    /// The thread state in `home` is alive, belongs to interpreter `id` and to this OS thread, and
    /// is touched only through `home`.
    pub(crate) unsafe fn attach(home: &'i Home, id: i64, memory: Option<&Memory>) -> Option<Self> {
        if let Some(other) = current() {
            panic!("this thread is attached to interpreter {other} already: detach first");
        }
        let state = home.take()?;
        let owner = Owner::new(memory);
        // SAFETY: by this function's contract the state is alive, ours and of this thread, and
        // it was detached, since it lay in `home`; nothing else is attached: checked above.
        unsafe { raw::PyEval_RestoreThread(state.as_ptr()) };
        CURRENT.set(Some(id));
        Some(Guard {
            id,
            home,
            owner: Some(owner),
        })
    }

    /// The proof, for as long as this guard is borrowed.
    #[inline]
    pub(crate) fn attached(&self) -> Attached<'_> {
        // SAFETY: attached by `attach`, until this guard is dropped.
        unsafe { Attached::assume(self.id) }
    }

    /// Hands over the attached thread state to code that will end it, and forgets the attachment.
    /// The thread allocates from now on for the owner it had before.
    pub(crate) fn into_state(self) -> *mut raw::PyThreadState {
        // SAFETY: attached: this guard is the attachment.
        let state = unsafe { raw::PyThreadState_Get() };
        CURRENT.set(None);
        let mut guard = ManuallyDrop::new(self);
        guard.owner.take();
        state
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: attached: this guard is the attachment, and it was made on this thread, since
        // it is not Send.
        let state = unsafe { raw::PyEval_SaveThread() };
        CURRENT.set(None);
        self.home.set(NonNull::new(state));
    }
}

/// Marks this thread as attached for the length of a call from Python into Rust.
///
/// The thread may be one of ours, which is marked already, or one that Python code started.
pub(crate) struct Entered {
    before: Option<i64>,
}

impl Entered {
    pub(crate) fn new(id: i64) -> Self {
        Entered {
            before: CURRENT.replace(Some(id)),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
