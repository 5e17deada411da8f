//! Definition: makes a module of an extension by calling its `PyInit_…` function.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};

use crate::object::{Object, PyResult};
use crate::raw;
use crate::shared_object::Replacement;
use crate::thread::Attached;

/// What a `PyInit_…` gave.
pub(crate) enum Made<'a> {
    /// A definition (PEP 489), from which modules can be made.
    Definition(Definition),
    /// A module.
    Module(Object<'a>),
}

/// The definition of a multi-phase module.
///
/// # Invariant
///
/// It points at a definition of a shared object that is never unloaded.
#[derive(Clone, Copy)]
pub(crate) struct Definition(NonNull<raw::PyModuleDef>);

/// The function by which an extension is imported.
type Initialize = unsafe extern "C" fn() -> *mut raw::PyObject;

/// Calls a `PyInit_…` and classifies its result, as CPython does (`Python/importdl.c`).
///
/// # Safety
///
/// `function` is the address of the `PyInit_…` of an extension module that is loaded and stays so; no other
/// interpreter than this one calls into that shared object.
///
/// # Errors
///
/// What it raises; `SystemError` and `TypeError` for what breaks the rules.
pub(crate) unsafe fn initialize<'a>(
    attached: Attached<'a>,
    function: NonNull<c_void>,
) -> PyResult<'a, Made<'a>> {
    // SAFETY: by this function's contract it is a function of that type.
    let function: Initialize = unsafe { mem::transmute(function.as_ptr()) };
    // SAFETY: attached; by this function's contract it is what importing calls, and in this interpreter.
    let pointer = unsafe { function() };
    // SAFETY: attached; the call returned a new reference (a definition is immortal, or counts nothing), or
    // null with an exception.
    let made = unsafe { Object::from_new(pointer) }?;
    if let Some(unreported) = attached.pending() {
        return Err(unreported);
    }
    // SAFETY: attached, and the object is alive.
    let class = unsafe { raw::Py_TYPE(made.as_ptr()) };
    if class.is_null() {
        // The definition never went through PyModuleDef_Init, so its type was never set: it cannot be
        // counted either.
        mem::forget(made);
        return Err(attached.raise_runtime_error("its PyInit_… did not return an object"));
    }
    if is_a(&made, &raw mut raw::PyModuleDef_Type) {
        // Definitions are never freed; CPython takes no part in their count either.
        let pointer = made.into_ptr().cast::<raw::PyModuleDef>();
        return match NonNull::new(pointer) {
            Some(pointer) => Ok(Made::Definition(Definition(pointer))),
            None => Err(attached.raise_runtime_error("its PyInit_… returned nothing")),
        };
    }
    if is_a(&made, &raw mut raw::PyModule_Type) {
        return Ok(Made::Module(made));
    }
    Err(attached.raise_type_error("its PyInit_… did not return a module"))
}

fn is_a(object: &Object<'_>, class: *mut raw::PyTypeObject) -> bool {
    // SAFETY: attached, and the object is alive: it is an `Object`; the type is a static one.
    unsafe { raw::PyObject_TypeCheck(object.as_ptr(), class) != 0 }
}

impl Definition {
    /// Whether it says that it may be loaded by an interpreter with its own GIL.
    pub(crate) fn declares_own_gil(self) -> bool {
        let said = self.slots().iter().find(|slot| is_interpreters(slot.slot));
        said.is_some_and(|slot| slot.value == raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED)
    }

    /// Has it say that it may be loaded by an interpreter with its own GIL, whatever it said. It stays the same
    /// one, by which modules and types are found.
    ///
    /// # Safety
    ///
    /// This thread is attached; the definition is one of a private copy, and no other interpreter than this
    /// one uses it.
    unsafe fn allow_own_gil(self) {
        let mut slots: Vec<raw::PyModuleDef_Slot> = self.slots().to_vec();
        slots.retain(|slot| !is_interpreters(slot.slot));
        slots.push(raw::PyModuleDef_Slot {
            slot: raw::Py_mod_multiple_interpreters,
            value: raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
        });
        slots.push(raw::PyModuleDef_Slot {
            slot: 0,
            value: ptr::null_mut(),
        });
        // Read again whenever a module is made of it, as long as the process lives.
        let slots = Box::leak(slots.into_boxed_slice());
        // SAFETY: the definition is alive by the invariant, and CPython writes to each, so it can be
        // written to; this interpreter's GIL is held, and no other one's code reads it, by this
        // function's contract.
        unsafe { (*self.0.as_ptr()).m_slots = slots.as_mut_ptr() };
    }

    /// A module of it, which is still to be executed.
    ///
    /// # Safety
    ///
    /// The definition is one of a private copy, and no other interpreter than this one uses it.
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub(crate) unsafe fn module<'a>(self, spec: &Object<'a>) -> PyResult<'a, Object<'a>> {
        const VERSION: c_int = raw::PYTHON_API_VERSION;
        // SAFETY: attached; a definition of this interpreter's copy, by this function's contract.
        let module = unsafe { from_definition(self.0.as_ptr(), spec.as_ptr(), VERSION) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(module) }
    }

    /// Its slots, without the one that ends them.
    fn slots(&self) -> &[raw::PyModuleDef_Slot] {
        // SAFETY: the definition is alive, by the invariant.
        let first = unsafe { (*self.0.as_ptr()).m_slots };
        if first.is_null() {
            return &[];
        }
        let mut n = 0;
        // SAFETY: slots end with a zero, which has not come yet.
        while unsafe { (*first.wrapping_add(n)).slot } != 0 {
            n += 1;
        }
        // SAFETY: so many were read above; they are the extension's own, or ours that were leaked.
        unsafe { std::slice::from_raw_parts(first, n) }
    }
}

pub(crate) fn is_interpreters(slot: c_int) -> bool {
    // From 3.15 on there is a second number for the same, and the upper half of the field holds flags
    // (PEP 820); before that, it is zero.
    let number = slot & 0xffff;
    number == 3 || number == raw::Py_mod_multiple_interpreters
}

/// What private copies find in place of the functions that make modules: some make further ones while they are
/// loaded, of definitions that no other code sees (pydantic-core does).
pub(crate) fn replacements() -> impl Iterator<Item = Replacement> {
    let of_definition = from_definition as *const () as usize;
    let of_definition = ("PyModule_FromDefAndSpec2", of_definition);
    #[cfg(Py_3_15)]
    let of_slots = Some(super::slots::replacement());
    #[cfg(not(Py_3_15))]
    let of_slots = None;
    std::iter::once(of_definition).chain(of_slots)
}

/// `PyModule_FromDefAndSpec2` for definitions of a private copy.
///
/// # Safety
///
/// As for that function; and no other interpreter than the one that is attached uses the definition.
unsafe extern "C" fn from_definition(
    definition: *mut raw::PyModuleDef,
    spec: *mut raw::PyObject,
    version: c_int,
) -> *mut raw::PyObject {
    if let Some(definition) = NonNull::new(definition) {
        // SAFETY: by this function's contract.
        unsafe { Definition(definition).allow_own_gil() };
    }
    // SAFETY: by this function's contract.
    unsafe { raw::PyModule_FromDefAndSpec2(definition, spec, version) }
}

/// Notes a module that was made in one phase where its own functions look for it, as CPython's import does.
///
/// # Errors
///
/// `MemoryError`.
pub(crate) fn note_single_phase<'a>(module: &Object<'a>) -> PyResult<'a, ()> {
    // SAFETY: attached; the object is a module: its caller has it from `initialize`.
    let definition = unsafe { raw::PyModule_GetDef(module.as_ptr()) };
    // SAFETY: not null, as checked first; then it is one that a living module has.
    if definition.is_null() || unsafe { !(*definition).m_slots.is_null() } {
        return Ok(());
    }
    // SAFETY: attached; a definition that a living module has.
    let known = unsafe { raw::PyState_FindModule(definition) };
    // To add what is there already ends the process.
    if ptr::eq(known, module.as_ptr()) {
        return Ok(());
    }
    // SAFETY: as above; the module is not there yet.
    let status = unsafe { raw::PyState_AddModule(module.as_ptr(), definition) };
    module.done(status)
}
