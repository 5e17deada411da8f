//! Buffers: memory that Rust owns and Python sees as a read-only `memoryview`, without a copy.
//!
//! Each view refers to an object of a heap type that every interpreter has its own copy of. That object keeps the
//! owner of the memory alive for as long as Python keeps the view, or anything made from it.
//!
//! In the other direction, the memory of Python's objects is copied here, or lent by `loan`.

use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::container::undisturbed;
use super::reference::{Kept, Kind, Object, PyResult};
use crate::panic::catch;
use crate::raw;
use crate::thread::{Attached, Entered};

/// An owner of bytes that never change.
///
/// [`Views::view`] asks it for the bytes once, and keeps it for as long as they are visible.
pub type Owner = dyn AsRef<[u8]> + Send + Sync;

/// Creates views of Rust memory in one interpreter, and recognizes them again.
///
/// # Invariant
///
/// What is kept is the interpreter's own type of `Exporter`s, as `make_class` made it.
#[derive(Debug)]
pub struct Views(Kept);

/// The object under a view, as CPython allocates it.
#[repr(C)]
struct Exporter {
    head: raw::PyObject,
    /// Null until `view` has filled it, since the allocation is zeroed.
    memory: *mut Memory,
}

/// What an exporter holds.
///
/// # Invariant
///
/// One exporter of interpreter `interpreter` points at it, and frees it when it goes. `start` is the
/// first of `length` bytes which `owner` lent it for as long as it lives; it is never lent mutably,
/// since it is never taken out of its `Arc` while this one is there.
struct Memory {
    interpreter: i64,
    owner: Arc<Owner>,
    start: *const u8,
    length: usize,
}

/// The type's place in the interpreter's own dict.
const CLASS: &str = "owngil.buffer";

impl Views {
    /// Returns the views of this interpreter. The first call creates their type.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn new(attached: Attached<'_>) -> PyResult<'_, Views> {
        let (dict, name) = (attached.interpreter_dict()?, attached.interned(CLASS)?);
        let class = match dict.lookup(&name)? {
            Some(class) => class,
            // Threads of the main interpreter may have come here together; the first one's stays.
            None => dict.invoke("setdefault", &[name, make_class(attached)?])?,
        };
        Ok(Views(class.keep()))
    }

    /// Creates a read-only `memoryview` of a range of the bytes that `owner` owns.
    ///
    /// `owner` is dropped on an attached thread, once Python has dropped the view and everything made from it. Its
    /// `Drop` should not wait for anything. A panic in it is caught.
    ///
    /// # Errors
    ///
    /// `ValueError` for a range that is not inside the bytes, `MemoryError`.
    pub fn view<'a>(
        &self,
        attached: Attached<'a>,
        owner: &Arc<Owner>,
        range: Range<usize>,
    ) -> PyResult<'a, Object<'a>> {
        let class = self.0.get(attached);
        let Some(bytes) = (**owner).as_ref().get(range) else {
            return Err(attached.raise_value_error("a range beyond the end of a buffer"));
        };
        let memory = Box::new(Memory {
            interpreter: attached.id(),
            start: bytes.as_ptr(),
            length: bytes.len(),
            owner: Arc::clone(owner),
        });
        // SAFETY: attached; by the invariant `class` is our type, whose instances are of a fixed
        // size and not tracked by the collector.
        let exporter = unsafe { raw::PyType_GenericAlloc(class.as_ptr().cast(), 0) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let exporter: Object<'a> = unsafe { Object::from_new(exporter) }?;
        let place = exporter.as_ptr().cast::<Exporter>();
        // SAFETY: the object was allocated with the size of an `Exporter`, and nothing else refers to it.
        unsafe { (*place).memory = Box::into_raw(memory) };
        // SAFETY: attached; the exporter is alive, and the view takes a reference of its own.
        let view = unsafe { raw::PyMemoryView_FromObject(exporter.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(view) }
    }

    /// The owner and the range that a contiguous `memoryview` shows, if it is over the memory of one of our views, or a
    /// slice of one.
    pub fn shown_by(&self, view: &Object<'_>) -> Option<(Arc<Owner>, Range<usize>)> {
        let exporter = view_base(view)?;
        let class = self.0.get(view.attached());
        // SAFETY: attached, and the object is alive: it is ours.
        let its_class = unsafe { raw::Py_TYPE(exporter.as_ptr()) };
        if !ptr::eq(its_class.cast(), class.as_ptr()) {
            return None;
        }
        let place = exporter.as_ptr().cast::<Exporter>();
        // SAFETY: the exact type says that it is an `Exporter`; the field is written once, before
        // anyone else has the object.
        let memory = unsafe { (*place).memory };
        // SAFETY: the exporter frees it when it goes, and is alive.
        let memory = unsafe { memory.as_ref() }?;
        let (start, length) = view
            .exported(raw::PyBUF_SIMPLE, |start, length| {
                (start.cast_const(), length)
            })
            .ok()?;
        let whole = (*memory.owner).as_ref();
        let from = start.addr().checked_sub(whole.as_ptr().addr())?;
        let to = from.checked_add(length)?;
        (to <= whole.len()).then(|| (Arc::clone(&memory.owner), from..to))
    }
}

/// The object that a `memoryview` is over; `None` for one that was released, and for other types.
fn view_base<'a>(view: &Object<'a>) -> Option<Object<'a>> {
    match view.kind() {
        Kind::MemoryView => view.get("obj").ok(),
        _ => None,
    }
}

fn make_class(attached: Attached<'_>) -> PyResult<'_, Object<'_>> {
    let getbuffer: raw::getbufferproc = getbuffer;
    let dealloc: unsafe extern "C" fn(*mut raw::PyObject) = dealloc;
    let mut slots = [
        raw::PyType_Slot {
            slot: raw::Py_bf_getbuffer,
            pfunc: getbuffer as *mut c_void,
        },
        raw::PyType_Slot {
            slot: raw::Py_tp_dealloc,
            pfunc: dealloc as *mut c_void,
        },
        raw::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        },
    ];
    // No code can make an instance of it, turn another object into one, or change it.
    let flags = raw::Py_TPFLAGS_DEFAULT
        | raw::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | raw::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = raw::PyType_Spec {
        name: c"owngil.Buffer".as_ptr(),
        basicsize: size_of::<Exporter>() as c_int,
        itemsize: 0,
        flags: flags as c_uint,
        slots: slots.as_mut_ptr(),
    };
    let _ = attached;
    // SAFETY: attached; the spec and its slots, with a zero at their end, live for the length of the
    // call, which copies them; the name is static.
    let class = unsafe { raw::PyType_FromSpec(&mut spec) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    unsafe { Object::from_new(class) }
}

/// What CPython calls for each view of an exporter.
unsafe extern "C" fn getbuffer(
    exporter: *mut raw::PyObject,
    view: *mut raw::Py_buffer,
    flags: c_int,
) -> c_int {
    // SAFETY: CPython calls this attached, with an instance of our type, which is an `Exporter`.
    let memory = unsafe { (*exporter.cast::<Exporter>()).memory };
    // SAFETY: the exporter frees it when it goes, and is alive.
    let (start, length) = match unsafe { memory.as_ref() } {
        Some(memory) => (memory.start, memory.length as raw::Py_ssize_t),
        // One that `view` never filled, should anyone find a way to it.
        None => (NonNull::<u8>::dangling().as_ptr().cast_const(), 0),
    };
    let start = start.cast_mut().cast::<c_void>();
    // SAFETY: attached; `view` is CPython's to fill. The memory is `length` bytes from `start` on for
    // as long as the exporter lives, to which the view takes a reference; it is read-only, so that a
    // caller that wants to write gets a BufferError.
    unsafe { raw::PyBuffer_FillInfo(view, exporter, start, length, 1, flags) }
}

/// What CPython calls when the last reference to an exporter is gone.
unsafe extern "C" fn dealloc(exporter: *mut raw::PyObject) {
    // SAFETY: CPython calls this attached, with an instance of our type, which is an `Exporter`.
    let memory = unsafe { (*exporter.cast::<Exporter>()).memory };
    // SAFETY: as above.
    let class = unsafe { raw::Py_TYPE(exporter) };
    if !memory.is_null() {
        // SAFETY: `view` put the box there, and this runs once.
        let memory = unsafe { Box::from_raw(memory) };
        // Attached, also where the interpreter is ending: what the owner drops must not attach.
        let _entered = Entered::new(memory.interpreter);
        // The owner's own Drop may panic; that must not reach C.
        catch(|| drop(memory));
    }
    // SAFETY: attached; the object came from PyType_GenericAlloc, is not tracked by the collector,
    // and nothing refers to it any more.
    unsafe { raw::PyObject_Free(exporter.cast()) };
    // SAFETY: attached; each instance of a heap type holds a reference to it.
    unsafe { raw::Py_DECREF(class.cast()) };
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.length)
    }
}

impl<'a> Attached<'a> {
    /// Creates a `bytearray` with a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn byte_array(self, bytes: &[u8]) -> PyResult<'a, Object<'a>> {
        let start = bytes.as_ptr().cast();
        // SAFETY: attached; `start` is the first of `len` bytes, which are copied.
        let object = unsafe { raw::PyByteArray_FromStringAndSize(start, bytes.len() as isize) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }
}

impl<'a> Object<'a> {
    /// Returns a copy of the memory that the object exports by the buffer protocol.
    ///
    /// # Errors
    ///
    /// `TypeError` for one that exports none, `BufferError` for memory that is not contiguous,
    /// `ValueError` for a view that was released.
    pub fn copy_exported(&self) -> PyResult<'a, Vec<u8>> {
        self.exported(raw::PyBUF_SIMPLE, |start, length| {
            let mut bytes = Vec::with_capacity(length);
            if length > 0 {
                // SAFETY: the exporter holds `length` bytes from `start` on in place until the buffer
                // is released; `bytes` has room for them and is new.
                unsafe { ptr::copy_nonoverlapping(start.cast_const(), bytes.as_mut_ptr(), length) };
                // SAFETY: that many were written in the line above.
                unsafe { bytes.set_len(length) };
            }
            bytes
        })
    }

    /// Copies `bytes` to the start of the memory that the object exports for writing.
    ///
    /// # Errors
    ///
    /// As [`copy_exported`](Object::copy_exported), `BufferError` for memory that is read-only, and
    /// `ValueError` where the bytes do not fit.
    pub fn fill_exported(&self, bytes: &[u8]) -> PyResult<'a, ()> {
        let fits = self.exported(raw::PyBUF_WRITABLE, |start, length| {
            if bytes.len() > length {
                return false;
            }
            if !bytes.is_empty() {
                // SAFETY: the exporter holds `length` bytes from `start` on in place, and lets them be
                // written, until the buffer is released; as many are read, which may be the same.
                unsafe { ptr::copy(bytes.as_ptr(), start, bytes.len()) };
            }
            true
        })?;
        match fits {
            true => Ok(()),
            false => Err(self.attached().raise_value_error("the buffer is too small")),
        }
    }

    /// The object under a `memoryview` of an exact `bytes`, and the range of it that is shown.
    pub fn bytes_shown(&self) -> Option<(Object<'a>, Range<usize>)> {
        let base = view_base(self).filter(|base| base.kind() == Kind::Bytes)?;
        let (start, length) = self
            .exported(raw::PyBUF_SIMPLE, |start, length| (start.addr(), length))
            .ok()?;
        let whole = base.as_bytes()?;
        let from = start.checked_sub(whole.as_ptr().addr())?;
        let to = from.checked_add(length)?;
        let inside = to <= whole.len();
        inside.then_some((base, from..to))
    }

    /// Gets the exported memory, and releases it after `work`.
    fn exported<R>(&self, flags: c_int, work: impl FnOnce(*mut u8, usize) -> R) -> PyResult<'a, R> {
        struct Released(raw::Py_buffer);
        impl Drop for Released {
            fn drop(&mut self) {
                // SAFETY: attached: it lives only inside `exported`, whose object is reached only
                // while attached; the buffer was filled there, and is released once.
                unsafe { raw::PyBuffer_Release(&mut self.0) };
            }
        }
        let get = || {
            let mut buffer = Released(raw::Py_buffer::new());
            // SAFETY: attached, and the object is alive; the buffer stays in its place until released.
            // One that could not be filled has no owner, for which releasing does nothing.
            let status = unsafe { raw::PyObject_GetBuffer(self.as_ptr(), &mut buffer.0, flags) };
            self.done(status)?;
            Ok(work(buffer.0.buf.cast(), buffer.0.len as usize))
        };
        match self.kind() {
            // It counts its views without looking for others that do; see docs/safety.md.
            Kind::ByteArray => undisturbed(self, get),
            _ => get(),
        }
    }
}
