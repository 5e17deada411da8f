//! Callbacks: Python functions whose body is a Rust closure.
//!
//! Python may call one from any thread of its interpreter, so the closure is `Send + Sync`. A panic never reaches C:
//! it becomes a `RuntimeError` that names the panic.

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::exception::Raised;
use super::reference::{Borrowed, Object, PyResult};
use crate::panic::{catch, discard};
use crate::raw;
use crate::thread::{Attached, Entered};

/// The Rust side of a Python function: positional arguments in, one value or exception out.
pub type Body =
    dyn for<'a> Fn(Attached<'a>, &[Borrowed<'a>]) -> Result<Object<'a>, Raised<'a>> + Send + Sync;

/// A closure that a capsule of one interpreter holds, and frees when it goes.
///
/// # Invariant
///
/// The capsules under the name `CAPSULE` hold closures of this type alone.
pub(super) trait Closure {
    const CAPSULE: &'static CStr;

    /// The interpreter of the capsule.
    fn interpreter(&self) -> i64;
}

struct Callback {
    interpreter: i64,
    body: Box<Body>,
}

impl Closure for Callback {
    const CAPSULE: &'static CStr = c"owngil.callback";

    fn interpreter(&self) -> i64 {
        self.interpreter
    }
}

/// The definition that all callbacks share: their closures differ, not their C signature.
struct Definition(raw::PyMethodDef);

// SAFETY: CPython only reads it, and it points at static data alone.
unsafe impl Sync for Definition {}

static DEFINITION: Definition = Definition(raw::PyMethodDef {
    ml_name: c"callback".as_ptr(),
    ml_meth: raw::PyMethodDefPointer {
        PyCFunctionFast: trampoline,
    },
    ml_flags: raw::METH_FASTCALL,
    ml_doc: ptr::null(),
});

impl<'a> Attached<'a> {
    /// A Python function that runs `body`.
    ///
    /// `body` may be called from any thread that runs Python code in this interpreter, and from
    /// several at once. It should [`detach`](Attached::detach) before it waits for anything.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn callback<F>(self, body: F) -> PyResult<'a, Object<'a>>
    where
        F: for<'c> Fn(Attached<'c>, &[Borrowed<'c>]) -> Result<Object<'c>, Raised<'c>>
            + Send
            + Sync
            + 'static,
    {
        let callback = Box::new(Callback {
            interpreter: self.id(),
            body: Box::new(body),
        });
        let capsule = capsule(self, callback)?;
        let definition = (&raw const DEFINITION.0).cast_mut();
        // SAFETY: attached; the definition is static and only read; the function refers to the
        // capsule for as long as it lives.
        let function =
            unsafe { raw::PyCFunction_NewEx(definition, capsule.as_ptr(), ptr::null_mut()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(function) }
    }
}

/// What CPython calls for every callback.
unsafe extern "C" fn trampoline(
    capsule: *mut raw::PyObject,
    arguments: *mut *mut raw::PyObject,
    length: raw::Py_ssize_t,
) -> *mut raw::PyObject {
    // SAFETY: METH_FASTCALL gives `length` object pointers, kept alive by the caller for the length of the call.
    let arguments = unsafe { borrowed(arguments, length as usize) };
    // SAFETY: CPython calls this attached; `capsule` is the function's `self`, made by `callback`.
    unsafe {
        run(capsule, |callback: &Callback, attached| {
            (callback.body)(attached, arguments)
        })
    }
}

/// A capsule that owns a closure of the interpreter that this thread is attached to.
pub(super) fn capsule<C: Closure>(_: Attached<'_>, closure: Box<C>) -> PyResult<'_, Object<'_>> {
    let data = Box::into_raw(closure).cast::<c_void>();
    // SAFETY: attached; `data` is not null, the name is static.
    let capsule = unsafe { raw::PyCapsule_New(data, C::CAPSULE.as_ptr(), Some(destroy::<C>)) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    let capsule = unsafe { Object::from_new(capsule) };
    capsule.inspect_err(|_| {
        // SAFETY: no capsule was made, so the box is still ours alone.
        drop(unsafe { Box::from_raw(data.cast::<C>()) });
    })
}

/// The arguments of a call, as CPython passes them.
///
/// # Safety
///
/// There are so many object pointers, which are alive and attached to for `'c`.
#[inline]
pub(super) unsafe fn borrowed<'c>(
    arguments: *const *mut raw::PyObject,
    length: usize,
) -> &'c [Borrowed<'c>] {
    if length == 0 {
        return &[];
    }
    // SAFETY: by this function's contract; `Borrowed` is a transparent wrapper of the pointer.
    unsafe { std::slice::from_raw_parts(arguments.cast(), length) }
}

/// Runs a closure for a call from Python: a new reference, or null with an exception.
///
/// # Safety
///
/// CPython calls the function that has this capsule, made by [`capsule`] for a `C`, as its `self`: this thread is
/// attached, and the function keeps the capsule alive.
#[inline]
pub(super) unsafe fn run<'c, C: Closure + 'c>(
    capsule: *mut raw::PyObject,
    body: impl FnOnce(&'c C, Attached<'c>) -> Result<Object<'c>, Raised<'c>>,
) -> *mut raw::PyObject {
    // SAFETY: attached, and the capsule is alive, by this function's contract.
    let data = unsafe { raw::PyCapsule_GetPointer(capsule, C::CAPSULE.as_ptr()) };
    if data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the capsule holds a `C` under this name, and lives as long as the function, which
    // CPython keeps alive during the call.
    let closure = unsafe { &*data.cast::<C>() };
    let interpreter = closure.interpreter();
    let _entered = Entered::new(interpreter);
    // SAFETY: CPython calls this attached, to the interpreter that the function was made in: no
    // object of it exists elsewhere. The attachment lasts until we return.
    let attached = unsafe { Attached::assume(interpreter) };
    let result = catch_unwind(AssertUnwindSafe(|| body(closure, attached)));
    let result = result.unwrap_or_else(|panic| {
        let raised = panic_error(attached, &*panic);
        discard(panic);
        Err(raised)
    });
    match result {
        Ok(value) => value.into_ptr(),
        Err(raised) => {
            raised.restore();
            ptr::null_mut()
        }
    }
}

fn panic_error<'a>(attached: Attached<'a>, panic: &(dyn Any + Send)) -> Raised<'a> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!(
        "a Rust callback panicked: {}",
        text.unwrap_or("(no message)")
    );
    attached.raise_runtime_error(&message)
}

/// What CPython calls when the last reference to a closure's capsule is gone.
unsafe extern "C" fn destroy<C: Closure>(capsule: *mut raw::PyObject) {
    // SAFETY: CPython calls this attached, with the capsule that is going away.
    let data = unsafe { raw::PyCapsule_GetPointer(capsule, C::CAPSULE.as_ptr()) };
    if data.is_null() {
        return;
    }
    // SAFETY: `capsule` put the box there, and this destructor runs once.
    let closure = unsafe { Box::from_raw(data.cast::<C>()) };
    // Attached, also where the interpreter is ending: what the closure drops must not attach.
    let _entered = Entered::new(closure.interpreter());
    // A closure's own Drop may panic; that must not reach C either.
    catch(|| drop(closure));
}
