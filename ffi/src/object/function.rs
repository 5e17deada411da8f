//! Functions: callbacks with a name of their own, which take keyword arguments.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::callback::{Closure, borrowed, capsule, run};
use super::exception::Raised;
use super::reference::{Borrowed, Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// The Rust side of a named function: arguments in, one value or exception out.
type NamedBody =
    dyn for<'a> Fn(Attached<'a>, Arguments<'a>) -> Result<Object<'a>, Raised<'a>> + Send + Sync;

/// The arguments of a call from Python.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    positional: &'a [Borrowed<'a>],
    /// The names of the keyword arguments: a tuple, if there are any.
    names: &'a [Borrowed<'a>],
    keyword: &'a [Borrowed<'a>],
}

impl<'a> Arguments<'a> {
    /// The positional ones.
    #[inline]
    pub fn positional(&self) -> &'a [Borrowed<'a>] {
        self.positional
    }

    /// Whether there are keyword arguments.
    #[inline]
    pub fn has_keywords(&self) -> bool {
        !self.keyword.is_empty()
    }

    /// The name and value of each keyword argument.
    pub fn keywords(&self) -> impl Iterator<Item = (Object<'a>, &'a Borrowed<'a>)> {
        let names = self.names.first();
        let named = self.keyword.iter().enumerate();
        named.filter_map(move |(place, value)| Some((names?.item(place)?, value)))
    }
}

/// What the capsule of a named function holds.
struct Named {
    interpreter: i64,
    body: Box<NamedBody>,
}

impl Closure for Named {
    const CAPSULE: &'static CStr = c"owngil.function";

    fn interpreter(&self) -> i64 {
        self.interpreter
    }
}

impl<'a> Attached<'a> {
    /// A Python function of that name and module that runs `body`, as a [`callback`](Attached::callback) does.
    ///
    /// # Errors
    ///
    /// `MemoryError`; `ValueError` for a name with a null character.
    pub fn function<F>(self, name: &str, module: &str, body: F) -> PyResult<'a, Object<'a>>
    where
        F: for<'c> Fn(Attached<'c>, Arguments<'c>) -> Result<Object<'c>, Raised<'c>>
            + Send
            + Sync
            + 'static,
    {
        let Ok(name) = CString::new(name) else {
            return Err(self.raise_value_error("a name has no null characters"));
        };
        let named = Box::new(Named {
            interpreter: self.id(),
            body: Box::new(body),
        });
        let (module, capsule) = (self.str(module)?, capsule(self, named)?);
        let definition = (&raw const definition(name).0).cast_mut();
        // SAFETY: attached; the definition lives as long as the process and is only read; the function refers to the
        // capsule for as long as it lives.
        let function =
            unsafe { raw::PyCFunction_NewEx(definition, capsule.as_ptr(), module.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(function) }
    }
}

/// The definition of all functions of one name.
///
/// # Invariant
///
/// Its name is leaked, and so lives as long as the process.
struct NamedDefinition(raw::PyMethodDef);

// SAFETY: CPython only reads it, and by the invariant it points at what never changes.
unsafe impl Sync for NamedDefinition {}

// SAFETY: as above.
unsafe impl Send for NamedDefinition {}

/// The definition of that name. It is kept, one for each name: CPython 3.14.0 reads that of a function which is gone.
fn definition(name: CString) -> &'static NamedDefinition {
    static KNOWN: Mutex<BTreeMap<&CStr, &NamedDefinition>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(definition) = known.get(&*name) {
        return definition;
    }
    let name: &'static CStr = Box::leak(name.into_boxed_c_str());
    let definition = Box::leak(Box::new(NamedDefinition(raw::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: raw::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: trampoline,
        },
        ml_flags: raw::METH_FASTCALL | raw::METH_KEYWORDS,
        ml_doc: ptr::null(),
    })));
    known.insert(name, definition);
    definition
}

/// What CPython calls for every named function.
unsafe extern "C" fn trampoline(
    capsule: *mut raw::PyObject,
    arguments: *const *mut raw::PyObject,
    length: raw::Py_ssize_t,
    names: *mut raw::PyObject,
) -> *mut raw::PyObject {
    let n_names = match names.is_null() {
        true => 0,
        // SAFETY: attached; METH_KEYWORDS gives a tuple, or null.
        false => unsafe { raw::PyTuple_Size(names) },
    };
    // SAFETY: METH_FASTCALL with METH_KEYWORDS gives the positional arguments and then those that are named, kept alive
    // by the caller for the length of the call.
    let all = unsafe { borrowed(arguments, (length + n_names) as usize) };
    let (positional, keyword) = all.split_at(length as usize);
    // SAFETY: a tuple that the caller keeps alive for the length of the call, or none.
    let names = unsafe { borrowed(&raw const names, usize::from(n_names > 0)) };
    let arguments = Arguments {
        positional,
        names,
        keyword,
    };
    // SAFETY: CPython calls this attached; `capsule` is the function's `self`, made by `function`.
    unsafe {
        run(capsule, |named: &Named, attached| {
            (named.body)(attached, arguments)
        })
    }
}
