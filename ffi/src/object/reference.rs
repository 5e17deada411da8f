//! Object: one owned reference to a Python object, tied to the attachment it was made under.
//!
//! This file has identity, attributes, calls and references that outlive an attachment ([`Kept`]). The contents of
//! numbers and texts are in `scalar`, those of containers in `container`.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::exception::Raised;
use crate::raw;
use crate::thread::attach::{self, Attached};

/// The result of a call into Python: a value, or the exception that Python raised.
pub type PyResult<'a, T> = Result<T, Raised<'a>>;

/// An owned reference to a Python object.
///
/// # Invariant
///
/// The pointer is a live object of the interpreter that `'a` is attached to, and this value owns
/// one of its references. The lifetime is that of an [`Attached`], which is neither `Send` nor `Sync`:
/// an `Object` can neither leave its thread nor be reached while its interpreter is detached.
#[repr(transparent)]
pub struct Object<'a> {
    pointer: NonNull<raw::PyObject>,
    attached: PhantomData<Attached<'a>>,
}

/// The exact type of an object, as far as owngil can read values without running Python code.
///
/// A subclass (an `IntEnum`, a named tuple, an `OrderedDict`) is [`Other`](Kind::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `None`
    None,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `str`
    Str,
    /// `bytes`
    Bytes,
    /// `list`
    List,
    /// `tuple`
    Tuple,
    /// `dict`
    Dict,
    /// `set`
    Set,
    /// `frozenset`
    FrozenSet,
    /// `bytearray`
    ByteArray,
    /// `memoryview`
    MemoryView,
    /// any other type
    Other,
}

impl<'a> Object<'a> {
    /// Takes over a new reference that the C API returned, or the exception that it set.
    ///
    /// # Safety
    ///
    /// This thread is attached for `'a`; `pointer` is null with an exception set, or a new
    /// reference, owned by the caller, to an object of that interpreter.
    #[inline]
    pub(crate) unsafe fn from_new(pointer: *mut raw::PyObject) -> PyResult<'a, Self> {
        match NonNull::new(pointer) {
            Some(pointer) => Ok(Object {
                pointer,
                attached: PhantomData,
            }),
            // SAFETY: attached, by this function's contract.
            None => Err(unsafe { Raised::take() }),
        }
    }

    /// Makes an owned reference of a borrowed one.
    ///
    /// # Safety
    ///
    /// This thread is attached for `'a`, and `pointer` is a live object of that interpreter.
    #[inline]
    pub(crate) unsafe fn from_borrowed(pointer: NonNull<raw::PyObject>) -> Self {
        // SAFETY: attached and live, by this function's contract.
        unsafe { raw::Py_INCREF(pointer.as_ptr()) };
        Object {
            pointer,
            attached: PhantomData,
        }
    }

    /// The pointer, still owned by `self`.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut raw::PyObject {
        self.pointer.as_ptr()
    }

    /// The pointer, with its reference.
    #[inline]
    pub(crate) fn into_ptr(self) -> *mut raw::PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// The object's address, which identifies it for as long as it is kept alive.
    #[inline]
    pub fn address(&self) -> usize {
        self.pointer.as_ptr() as usize
    }

    /// The number of references to the object; a huge number for an immortal one.
    #[inline]
    pub fn n_references(&self) -> usize {
        // SAFETY: attached, and the object is alive: `self` owns a reference.
        let count = unsafe { raw::Py_REFCNT(self.as_ptr()) };
        count as usize
    }

    /// Returns whether both are the same object.
    #[inline]
    pub fn is(&self, other: &Object<'_>) -> bool {
        self.pointer == other.pointer
    }

    /// The exact type.
    #[inline]
    pub fn kind(&self) -> Kind {
        // SAFETY: attached, and the object is alive: `self` owns a reference.
        let class = unsafe { raw::Py_TYPE(self.as_ptr()) };
        let is = |other: *mut raw::PyTypeObject| std::ptr::eq(class, other);
        if is(&raw mut raw::PyUnicode_Type) {
            Kind::Str
        } else if is(&raw mut raw::PyLong_Type) {
            Kind::Int
        } else if is(&raw mut raw::PyFloat_Type) {
            Kind::Float
        } else if self.is_none() {
            Kind::None
        } else if is(&raw mut raw::PyBool_Type) {
            Kind::Bool
        } else if is(&raw mut raw::PyDict_Type) {
            Kind::Dict
        } else if is(&raw mut raw::PyList_Type) {
            Kind::List
        } else if is(&raw mut raw::PyTuple_Type) {
            Kind::Tuple
        } else if is(&raw mut raw::PyBytes_Type) {
            Kind::Bytes
        } else if is(&raw mut raw::PySet_Type) {
            Kind::Set
        } else if is(&raw mut raw::PyFrozenSet_Type) {
            Kind::FrozenSet
        } else if is(&raw mut raw::PyByteArray_Type) {
            Kind::ByteArray
        } else if is(&raw mut raw::PyMemoryView_Type) {
            Kind::MemoryView
        } else {
            Kind::Other
        }
    }

    /// Returns whether this is `None`.
    #[inline]
    pub fn is_none(&self) -> bool {
        // SAFETY: reads the address of an immortal object.
        let none = unsafe { raw::Py_None() };
        self.as_ptr() == none
    }

    /// Returns whether this is `True`.
    #[inline]
    pub fn is_true_constant(&self) -> bool {
        // SAFETY: reads the address of an immortal object.
        let constant = unsafe { raw::Py_True() };
        self.as_ptr() == constant
    }

    /// The name of the object's type, for messages: `datetime.datetime`, `int`.
    pub fn type_name(&self) -> String {
        let name = |class: &Object<'a>| -> PyResult<'a, String> {
            let name = class.get("__qualname__")?.text()?;
            let module = class.get("__module__")?;
            Ok(match module.text() {
                Ok(module) if module != "builtins" => format!("{module}.{name}"),
                _ => name,
            })
        };
        self.class()
            .and_then(|class| name(&class))
            .unwrap_or_else(|_| "object".to_owned())
    }

    /// `type(self)`
    pub fn class(&self) -> PyResult<'a, Object<'a>> {
        self.get("__class__")
    }

    /// `self.name`
    ///
    /// # Errors
    ///
    /// What Python raises, `AttributeError` for one that is missing.
    pub fn get(&self, name: &str) -> PyResult<'a, Object<'a>> {
        let name = self.attached().str(name)?;
        self.get_attribute(&name)
    }

    /// `self.name`, for a name that is already a Python `str`.
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn get_attribute(&self, name: &Object<'_>) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached, and both objects are alive.
        let value = unsafe { raw::PyObject_GetAttr(self.as_ptr(), name.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(value) }
    }

    /// `self.name = value`
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn set(&self, name: &str, value: &Object<'_>) -> PyResult<'a, ()> {
        let name = self.attached().str(name)?;
        // SAFETY: attached, and all three objects are alive.
        let status = unsafe { raw::PyObject_SetAttr(self.as_ptr(), name.as_ptr(), value.as_ptr()) };
        self.done(status)
    }

    /// `self(*arguments)`
    ///
    /// # Errors
    ///
    /// What Python raises.
    #[inline]
    pub fn call(&self, arguments: &[Object<'a>]) -> PyResult<'a, Object<'a>> {
        // `Object` is a transparent wrapper of the pointer, so a slice of one is an array of the
        // other.
        let pointers = arguments.as_ptr().cast::<*mut raw::PyObject>();
        // SAFETY: attached; `pointers` holds `len` live objects for the length of the call, and
        // no names are given, so all of them are positional.
        let value = unsafe {
            raw::PyObject_Vectorcall(
                self.as_ptr(),
                pointers,
                arguments.len(),
                std::ptr::null_mut(),
            )
        };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(value) }
    }

    /// `self(*arguments, **keywords)`, where `keywords` is a `dict` with `str` keys.
    ///
    /// # Errors
    ///
    /// What Python raises, `TypeError` where the arguments do not fit.
    pub fn call_with(
        &self,
        mut arguments: Vec<Object<'a>>,
        keywords: &Object<'a>,
    ) -> PyResult<'a, Object<'a>> {
        if keywords.kind() != Kind::Dict {
            return Err(self.attached().raise_type_error("keywords must be a dict"));
        }
        let arguments = self.attached().tuple_of(arguments.drain(..))?;
        // SAFETY: attached; a callable, an exact tuple and an exact dict, all alive.
        let value =
            unsafe { raw::PyObject_Call(self.as_ptr(), arguments.as_ptr(), keywords.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(value) }
    }

    /// `self.name(*arguments)`
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn invoke(&self, name: &str, arguments: &[Object<'a>]) -> PyResult<'a, Object<'a>> {
        self.get(name)?.call(arguments)
    }

    /// `bool(self)`
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn is_true(&self) -> PyResult<'a, bool> {
        // SAFETY: attached, and the object is alive.
        let truth = unsafe { raw::PyObject_IsTrue(self.as_ptr()) };
        self.done(truth).map(|()| truth == 1)
    }

    /// `str(self)`
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn to_python_str(&self) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached, and the object is alive.
        let text = unsafe { raw::PyObject_Str(self.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(text) }
    }

    /// Returns a reference that outlives the attachment.
    pub fn keep(&self) -> Kept {
        Kept {
            object: ManuallyDrop::new(self.clone()).pointer,
            interpreter: self.attached().id(),
            not_send: PhantomData,
        }
    }

    /// The attachment that this object's lifetime belongs to.
    #[inline]
    pub fn attached(&self) -> Attached<'a> {
        let id = attach::current().expect("an object is reached only while attached");
        // SAFETY: `'a` borrows an attachment of this thread, which is therefore alive.
        unsafe { Attached::assume(id) }
    }

    /// The exception that a C function set, when its status says so.
    #[inline]
    pub(crate) fn done(&self, status: i32) -> PyResult<'a, ()> {
        if status >= 0 {
            return Ok(());
        }
        // SAFETY: attached: `self` exists.
        Err(unsafe { Raised::take() })
    }
}

impl Clone for Object<'_> {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: attached, and the object is alive: `self` owns a reference.
        unsafe { Object::from_borrowed(self.pointer) }
    }
}

impl Drop for Object<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: attached: the lifetime borrows an attachment; the reference is ours to give up.
        unsafe { raw::Py_DECREF(self.as_ptr()) };
    }
}

impl fmt::Debug for Object<'_> {
    /// The address only: `repr()` would run Python code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:p})", self.pointer)
    }
}

/// An object that something else keeps alive for `'a`.
///
/// # Invariant
///
/// As an [`Object`], but it owns no reference, and never gives one up.
#[repr(transparent)]
pub struct Borrowed<'a>(ManuallyDrop<Object<'a>>);

impl Borrowed<'_> {
    /// # Safety
    ///
    /// This thread is attached for the lifetime, and `pointer` is a live object of that interpreter
    /// for as long as the value is used.
    #[inline]
    pub(crate) unsafe fn new(pointer: NonNull<raw::PyObject>) -> Self {
        Borrowed(ManuallyDrop::new(Object {
            pointer,
            attached: PhantomData,
        }))
    }
}

impl<'a> Deref for Borrowed<'a> {
    type Target = Object<'a>;

    #[inline]
    fn deref(&self) -> &Object<'a> {
        &self.0
    }
}

impl fmt::Debug for Borrowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reference to an object that stays valid while its interpreter is detached.
///
/// # Invariant
///
/// It owns one reference to a live object of interpreter `interpreter`. It is not `Send`. The
/// object is reached only through [`get`](Kept::get), which checks the interpreter's id (ids are
/// never used twice). Dropped while attached to that interpreter it gives its reference up;
/// dropped at any other moment it leaks it, since there is no way to give it up.
pub struct Kept {
    object: NonNull<raw::PyObject>,
    interpreter: i64,
    not_send: PhantomData<*mut ()>,
}

impl Kept {
    /// Returns whether this is a reference to that object.
    #[inline]
    pub fn is(&self, object: &Object<'_>) -> bool {
        self.object == object.pointer
    }

    /// Returns the object, under an attachment to its interpreter.
    ///
    /// # Panics
    ///
    /// Under an attachment to another interpreter.
    #[inline]
    pub fn get<'a>(&self, attached: Attached<'a>) -> Object<'a> {
        assert_eq!(
            self.interpreter,
            attached.id(),
            "an object of another interpreter"
        );
        // SAFETY: attached to the object's interpreter, checked in the line above; the object is
        // alive: `self` owns a reference.
        unsafe { Object::from_borrowed(self.object) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if attach::current() == Some(self.interpreter) {
            // SAFETY: attached to the object's interpreter, checked in the line above; the
            // reference is ours to give up.
            unsafe { raw::Py_DECREF(self.object.as_ptr()) };
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Kept({:p}, interpreter {})",
            self.object, self.interpreter
        )
    }
}
