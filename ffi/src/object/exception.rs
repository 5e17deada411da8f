//! Exceptions: caught as objects, and copied out as plain text.
//!
//! An exception never leaves its interpreter. What leaves is an [`Exception`]: type, message, full traceback, notes
//! and cause as text, even if the exception cannot be pickled or its `__str__` raises. Python's own `traceback`
//! module makes the text, in `exception.py`.

use std::fmt;
use std::iter::successors;

use super::reference::{Object, PyResult};
use crate::description::{Exception, ExceptionKind};
use crate::raw;
use crate::stack::Frame;
use crate::thread::Attached;

/// How many exceptions of a chain are described, and how many frames of each: as in exception.py.
const MAX_LINKS: usize = 32;
const MAX_FRAMES: usize = 200;

/// Files that stand before the user's in a traceback: our loader and importlib's.
const LOADERS: [&str; 3] = ["<owngil", "<frozen importlib", "<frozen runpy"];

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
        let cause = self.value.get("__cause__").ok()?;
        (!cause.is_none()).then_some(Raised { value: cause })
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

    /// Copies the exception out as plain text.
    ///
    /// It never fails. If Python's formatter itself raises, the result holds only the type's name and as much of the
    /// message as can be read.
    pub fn describe(&self) -> Exception {
        let kind = self.kind();
        self.formatted(kind)
            .unwrap_or_else(|failure| self.bare(&failure, MAX_LINKS))
    }

    /// What can be read without the formatter, which may be interrupted, or lack memory or stack.
    fn bare(&self, failure: &Raised<'a>, links_left: usize) -> Exception {
        let kind = self.kind();
        let context = links_left
            .checked_sub(1)
            .and_then(|left| Some(Box::new(self.context()?.bare(failure, left))));
        Exception {
            kind,
            type_name: self.value.type_name(),
            message: self.bare_message(),
            traceback: format!(
                "(no traceback: formatting it raised {})\n",
                failure.value.type_name()
            ),
            frames: self.bare_frames(),
            notes: Vec::new(),
            cause: None,
            context,
            exit_status: (kind == ExceptionKind::SystemExit).then_some(1),
        }
    }

    /// `__context__`
    fn context(&self) -> Option<Raised<'a>> {
        let context = self.value.get("__context__").ok()?;
        (!context.is_none()).then_some(Raised { value: context })
    }

    /// As `_frames` of exception.py.
    fn bare_frames(&self) -> Vec<Frame> {
        let first = self.value.get("__traceback__").ok();
        let traces = successors(first, |trace| trace.get("tb_next").ok());
        let traces = traces.take_while(|trace| !trace.is_none());
        let mut frames: Vec<Frame> = traces
            .filter_map(|trace| bare_frame(&trace).ok())
            .skip_while(|frame| LOADERS.iter().any(|name| frame.file.starts_with(name)))
            .collect();
        frames.drain(..frames.len().saturating_sub(MAX_FRAMES));
        frames
    }

    fn bare_message(&self) -> String {
        let text = self.value.to_python_str().and_then(|text| text.text());
        text.unwrap_or_else(|_| "<exception str() failed>".to_owned())
    }

    fn formatted(&self, kind: ExceptionKind) -> PyResult<'a, Exception> {
        let attached = self.value.attached();
        let plain = formatter(attached)?.call(std::slice::from_ref(&self.value))?;
        let mut exception = read(&plain)?;
        exception.kind = kind;
        Ok(exception)
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

fn bare_frame<'a>(trace: &Object<'a>) -> PyResult<'a, Frame> {
    let code = trace.get("tb_frame")?.get("f_code")?;
    Ok(Frame {
        file: code.get("co_filename")?.text()?,
        line: line(&trace.get("tb_lineno")?),
        function: code.get("co_qualname")?.text()?,
    })
}

fn line(number: &Object<'_>) -> u32 {
    let number = number.as_i64();
    number.and_then(|line| line.try_into().ok()).unwrap_or(0)
}

/// The function `describe` of exception.py, loaded at the interpreter's first exception.
fn formatter<'a>(attached: Attached<'a>) -> PyResult<'a, Object<'a>> {
    let state = attached.interpreter_dict()?;
    let key = attached.str("owngil.describe")?;
    if let Some(function) = state.lookup(&key)? {
        return Ok(function);
    }
    let globals = attached.dict()?;
    attached.exec(include_str!("exception.py"), "<owngil exception>", &globals)?;
    let function = globals.lookup(&attached.str("describe")?)?;
    let function =
        function.ok_or_else(|| attached.raise_type_error("exception.py lacks describe"))?;
    state.insert(&key, &function)?;
    Ok(function)
}

impl<'a> Attached<'a> {
    /// What [`Raised::describe`] will need of this exception, for the exception to keep: then it no longer needs its
    /// traceback.
    pub fn described(self, exception: &Object<'a>) -> PyResult<'a, Object<'a>> {
        formatter(self)?.call(std::slice::from_ref(exception))
    }
}

/// Reads what `describe` returned: (type, message, traceback, notes, cause, context, status, kind, frames).
fn read<'a>(plain: &Object<'a>) -> PyResult<'a, Exception> {
    let malformed = || {
        plain
            .attached()
            .raise_type_error("exception.py returned something else")
    };
    let field = |place| plain.item(place).ok_or_else(malformed);
    let chained = |place| -> PyResult<'a, Option<Box<Exception>>> {
        let inner = field(place)?;
        if inner.is_none() {
            Ok(None)
        } else {
            read(&inner).map(|inner| Some(Box::new(inner)))
        }
    };
    let frames = field(8)?;
    let frames = (0..frames.len()).filter_map(|place| frames.item(place));
    let frame = |place: Object<'a>| -> PyResult<'a, Frame> {
        let part = |index| place.item(index).ok_or_else(malformed);
        Ok(Frame {
            file: part(0)?.text()?,
            line: line(&part(1)?),
            function: part(2)?.text()?,
        })
    };
    let notes = field(3)?;
    let notes = (0..notes.len()).filter_map(|place| notes.item(place));
    Ok(Exception {
        kind: match field(7)?.text()?.as_str() {
            "SystemExit" => ExceptionKind::SystemExit,
            "KeyboardInterrupt" => ExceptionKind::KeyboardInterrupt,
            "MemoryError" => ExceptionKind::MemoryError,
            "RecursionError" => ExceptionKind::RecursionError,
            "SyntaxError" => ExceptionKind::SyntaxError,
            "ImportError" => ExceptionKind::ImportError,
            _ => ExceptionKind::Other,
        },
        type_name: field(0)?.text()?,
        message: field(1)?.text()?,
        traceback: field(2)?.text()?,
        frames: frames.map(frame).collect::<Result<_, _>>()?,
        notes: notes.map(|note| note.text()).collect::<Result<_, _>>()?,
        cause: chained(4)?,
        context: chained(5)?,
        exit_status: field(6)?.as_i64().map(|status| status as i32),
    })
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
