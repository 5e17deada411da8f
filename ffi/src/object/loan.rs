//! Loans: bytes of Python objects that are read outside of their interpreter, without a copy.
//!
//! A `bytes` never changes, so any thread may read it for as long as a reference is held. Only the interpreter can
//! release that reference. So a [`Lent`] that is dropped elsewhere puts its reference into a queue, which the
//! interpreter's own thread empties ([`Loans::take_back`]), and an interpreter does not end while anything is lent.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::reference::Object;
use crate::address::Address;
use crate::raw;
use crate::thread::attach::{self, Attached};

/// What one interpreter, or one thread of the main interpreter, has lent. A clone is the same.
#[derive(Clone)]
pub struct Loans(Arc<Book>);

/// The contents of a `bytes` object, which any thread may read and drop.
///
/// # Invariant
///
/// It owns one reference to an exact `bytes` of interpreter `book.interpreter`, whose contents are the
/// `length` bytes from `start` on. It is counted in `book`, so that the interpreter has not ended.
pub struct Lent {
    object: Address<raw::PyObject>,
    start: Address<u8>,
    length: usize,
    book: Arc<Book>,
}

struct Book {
    interpreter: i64,
    state: Mutex<State>,
    /// Whether `state.returned` has anything in it, to be seen without the lock.
    has_returned: AtomicBool,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    /// How many are lent, those included that are back and not given up yet.
    n_lent: usize,
    /// References that are back.
    returned: Vec<Address<raw::PyObject>>,
    /// Nothing is lent any more: the interpreter ends.
    closed: bool,
    /// Somebody waits for `returned`.
    awaited: bool,
    waker: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Loans {
    pub(crate) fn new(interpreter: i64) -> Loans {
        Loans(Arc::new(Book {
            interpreter,
            state: Mutex::default(),
            has_returned: AtomicBool::new(false),
            returned: Condvar::new(),
        }))
    }

    /// Lends the contents of an exact `bytes` of this interpreter; `None` for any other object, and
    /// when the interpreter is ending.
    pub fn lend(&self, object: &Object<'_>) -> Option<Lent> {
        let bytes = object.as_bytes()?;
        if object.attached().id() != self.0.interpreter {
            return None;
        }
        let mut state = self.0.lock();
        if state.closed {
            return None;
        }
        state.n_lent += 1;
        drop(state);
        let (start, length) = (NonNull::from(bytes).cast(), bytes.len());
        let object = NonNull::new(object.clone().into_ptr())?;
        Some(Lent {
            object: Address(object),
            start: Address(start),
            length,
            book: Arc::clone(&self.0),
        })
    }

    /// Whether anything waits for [`take_back`](Loans::take_back); cheap.
    #[inline]
    pub fn has_returned(&self) -> bool {
        self.0.has_returned.load(Ordering::Acquire)
    }

    /// Gives up the references that came back.
    ///
    /// # Panics
    ///
    /// Under an attachment to another interpreter.
    pub fn take_back(&self, attached: Attached<'_>) {
        assert_eq!(
            self.0.interpreter,
            attached.id(),
            "loans of another interpreter"
        );
        if !self.has_returned() {
            return;
        }
        let mut state = self.0.lock();
        let returned = std::mem::take(&mut state.returned);
        state.n_lent -= returned.len();
        self.0.has_returned.store(false, Ordering::Release);
        drop(state);
        for Address(object) in returned {
            // SAFETY: attached to the interpreter of the object, checked above; the reference came
            // from a `Lent` that is gone, and is ours to give up.
            unsafe { raw::Py_DECREF(object.as_ptr()) };
        }
    }

    /// How many objects are lent and not back.
    pub fn n_out(&self) -> usize {
        let state = self.0.lock();
        state.n_lent - state.returned.len()
    }

    /// Has `wake` called, on the thread that drops a [`Lent`], when something waits for
    /// [`take_back`](Loans::take_back) and nothing did before.
    pub fn on_return(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.0.lock().waker = Some(Arc::new(wake));
    }

    /// Waits until all that is lent is back, which may be for ever. To be called detached.
    pub fn wait_all_back(&self) {
        let mut state = self.0.lock();
        state.waker = None;
        while state.n_lent > state.returned.len() {
            state.awaited = true;
            let waited = self.0.returned.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = false;
    }

    /// Lends nothing from now on, if nothing is out; how many objects are.
    pub(crate) fn close(&self, attached: Attached<'_>) -> usize {
        self.take_back(attached);
        let mut state = self.0.lock();
        state.closed = state.n_lent == 0;
        state.n_lent
    }
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Lent {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: by the invariant the bytes are alive as long as `self`; the contents of a `bytes`
        // never change, so they may be read without its interpreter's lock.
        unsafe { std::slice::from_raw_parts(self.start.0.as_ptr(), self.length) }
    }
}

impl AsRef<[u8]> for Lent {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let object = self.object.0;
        if attach::current() == Some(self.book.interpreter) {
            // SAFETY: attached to the object's interpreter, checked in the line above; the
            // reference is ours to give up, and a `bytes` runs no Python code when it goes.
            unsafe { raw::Py_DECREF(object.as_ptr()) };
            let mut state = self.book.lock();
            state.n_lent -= 1;
            if state.awaited {
                self.book.returned.notify_all();
            }
            return;
        }
        let mut state = self.book.lock();
        state.returned.push(Address(object));
        let first = !self.book.has_returned.swap(true, Ordering::AcqRel);
        let waker = if first { state.waker.clone() } else { None };
        if state.awaited {
            self.book.returned.notify_all();
        }
        drop(state);
        if let Some(wake) = waker {
            wake();
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Lent({} bytes, interpreter {})",
            self.length, self.book.interpreter
        )
    }
}

impl fmt::Debug for Loans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Loans(interpreter {}, {} out)",
            self.0.interpreter,
            self.n_out()
        )
    }
}
