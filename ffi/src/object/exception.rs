//! Exceptions: caught as objects, and set again.

use std::fmt;

use super::reference::Object;
use crate::description::ExceptionKind;
use crate::raw;
use crate::thread::Attached;

/// An exception that Python raised, as an object.
///
/// # Invariant
///
/// `value` is an exception, and no longer the one that the thread state has set.
#[derive(Clone)]
pub struct Raised<'a> {
    value: Object<'a>,
}

impl<'a> Raised<'a> {
    /// Takes the exception that a failed call has set.
    ///
    /// # Safety
    ///
    /// This thread is attached for `'a`.
    pub(crate) unsafe fn take() -> Self {
        // SAFETY: attached, by this function's contract.
        let value = unsafe { raw::PyErr_GetRaisedException() };
        if value.is_null() {
            // A C function that fails without an exception is a bug in that function; CPython's
            // own callers turn it into a SystemError. A Python exception is what callers can use.
            let message = c"a call failed without setting an exception";
            // SAFETY: reads a pointer that CPython sets once, at its start.
            let class = unsafe { raw::PyExc_SystemError };
            // SAFETY: attached; a static type and a static C string.
            unsafe { raw::PyErr_SetString(class, message.as_ptr()) };
            // SAFETY: attached; the exception was set in the line above.
            return unsafe { Raised::take() };
        }
        // SAFETY: attached; a new reference, and it is not null, so this takes nothing itself.
        match unsafe { Object::from_new(value) } {
            Ok(value) | Err(Raised { value }) => Raised { value },
        }
    }

    /// The exception object.
    pub fn value(&self) -> &Object<'a> {
        &self.value
    }

    /// `__cause__`
    pub fn cause(&self) -> Option<Raised<'a>> {
        self.linked("__cause__")
    }

    /// `__context__`
    pub(super) fn context(&self) -> Option<Raised<'a>> {
        self.linked("__context__")
    }

    fn linked(&self, name: &str) -> Option<Raised<'a>> {
        let value = self.value.get(name).ok()?;
        (!value.is_none()).then_some(Raised { value })
    }

    /// The exception's kind, among those that a host may want to handle differently.
    pub fn kind(&self) -> ExceptionKind {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        let exit = unsafe { raw::PyExc_SystemExit };
        // SAFETY: as above.
        let interrupt = unsafe { raw::PyExc_KeyboardInterrupt };
        // SAFETY: as above.
        let memory = unsafe { raw::PyExc_MemoryError };
        // SAFETY: as above.
        let recursion = unsafe { raw::PyExc_RecursionError };
        // SAFETY: as above.
        let syntax = unsafe { raw::PyExc_SyntaxError };
        // SAFETY: as above.
        let import = unsafe { raw::PyExc_ImportError };
        let kinds = [
            (exit, ExceptionKind::SystemExit),
            (interrupt, ExceptionKind::KeyboardInterrupt),
            (memory, ExceptionKind::MemoryError),
            (recursion, ExceptionKind::RecursionError),
            (syntax, ExceptionKind::SyntaxError),
            (import, ExceptionKind::ImportError),
        ];
        for (class, kind) in kinds {
            // SAFETY: attached: `self` exists; both objects are alive.
            if unsafe { raw::PyErr_GivenExceptionMatches(self.value.as_ptr(), class) } != 0 {
                return kind;
            }
        }
        ExceptionKind::Other
    }

    /// Sets the exception again, for a callback that returns to Python.
    pub(crate) fn restore(self) {
        // SAFETY: attached: `self` exists; the call takes over the reference to an exception.
        unsafe { raw::PyErr_SetRaisedException(self.value.into_ptr()) };
    }
}

impl fmt::Debug for Raised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raised({})", self.value.type_name())
    }
}

impl<'a> Attached<'a> {
    /// The exception that is set, if any.
    pub(crate) fn pending(self) -> Option<Raised<'a>> {
        // SAFETY: attached: `self` exists.
        let value = unsafe { raw::PyErr_GetRaisedException() };
        if value.is_null() {
            return None;
        }
        // SAFETY: attached; a new reference that is not null.
        match unsafe { Object::from_new(value) } {
            Ok(value) | Err(Raised { value }) => Some(Raised { value }),
        }
    }

    /// Creates a `TypeError` with this message.
    pub fn raise_type_error(self, message: &str) -> Raised<'a> {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        self.raise(unsafe { raw::PyExc_TypeError }, message)
    }

    /// Creates a `ValueError` with this message.
    pub fn raise_value_error(self, message: &str) -> Raised<'a> {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        self.raise(unsafe { raw::PyExc_ValueError }, message)
    }

    /// Creates an `OSError` with this message.
    pub fn raise_os_error(self, message: &str) -> Raised<'a> {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        self.raise(unsafe { raw::PyExc_OSError }, message)
    }

    /// Creates a `RuntimeError` with this message.
    pub fn raise_runtime_error(self, message: &str) -> Raised<'a> {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        self.raise(unsafe { raw::PyExc_RuntimeError }, message)
    }

    /// Raises this exception; `TypeError` for an object that is none.
    pub fn raise_instance(self, exception: Object<'a>) -> Raised<'a> {
        // SAFETY: reads a pointer that CPython sets once, at its start.
        let base = unsafe { raw::PyExc_BaseException };
        // SAFETY: attached: `self` exists, and the object is alive.
        let class = unsafe { raw::Py_TYPE(exception.as_ptr()) };
        // SAFETY: attached; both are types that are alive.
        match unsafe { raw::PyErr_GivenExceptionMatches(class.cast(), base) } {
            0 => self.raise_type_error("exceptions must derive from BaseException"),
            _ => Raised { value: exception },
        }
    }

    fn raise(self, class: *mut raw::PyObject, message: &str) -> Raised<'a> {
        let message = std::ffi::CString::new(message.replace('\0', "\\0")).unwrap_or_default();
        // SAFETY: attached; `class` is one of the static exception types, `message` a C string.
        unsafe { raw::PyErr_SetString(class, message.as_ptr()) };
        // SAFETY: attached; the exception was set in the line above.
        unsafe { Raised::take() }
    }
}
