//! Slots: a module of an extension, made of the slots that its `PyModExport_…` gives (PEP 793).

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};

use crate::definition::is_interpreters;
use crate::object::{Object, PyResult};
use crate::raw;
use crate::shared_copy::Replacement;

/// The function by which an extension is imported.
type Export = unsafe extern "C" fn() -> *mut raw::PySlot;

/// Calls a `PyModExport_…` and makes the module, which is still to be executed.
///
/// # Safety
///
/// `function` is the address of the `PyModExport_…` of an extension module that is loaded and stays so; no
/// other interpreter than this one calls into that shared object.
///
/// # Errors
///
/// What it raises; `SystemError` and `RuntimeError` for what breaks the rules.
pub(crate) unsafe fn module<'a>(
    function: NonNull<c_void>,
    spec: &Object<'a>,
) -> PyResult<'a, Object<'a>> {
    let attached = spec.attached();
    // SAFETY: by this function's contract it is a function of that type.
    let function: Export = unsafe { mem::transmute(function.as_ptr()) };
    // SAFETY: attached; by this function's contract it is what importing calls, and in this interpreter.
    let slots = unsafe { function() };
    if let Some(unreported) = attached.pending() {
        return Err(unreported);
    }
    if slots.is_null() {
        return Err(attached.raise_runtime_error("its PyModExport_… gave nothing"));
    }
    // SAFETY: attached; slots that an extension gave for this, of this interpreter's copy.
    let module = unsafe { from_slots(slots, spec.as_ptr()) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    unsafe { Object::from_new(module) }
}

/// What private copies find in place of the function that makes modules of slots: some make further ones while
/// they are loaded.
pub(crate) fn replacement() -> Replacement {
    (
        "PyModule_FromSlotsAndSpec",
        from_slots as *const () as usize,
    )
}

/// `PyModule_FromSlotsAndSpec` for slots of a private copy.
///
/// # Safety
///
/// As for that function.
unsafe extern "C" fn from_slots(
    slots: *const raw::PySlot,
    spec: *mut raw::PyObject,
) -> *mut raw::PyObject {
    let mut own = Vec::new();
    // SAFETY: slots that end with a zero, by this function's contract.
    unsafe { add(slots, &mut own) };
    // By the token modules and types are found. It is the address of the slots, unless they give another.
    let is_token = |slot: &raw::PySlot| c_int::from(slot.sl_id) == raw::Py_mod_token;
    if !own.iter().any(is_token) {
        own.push(raw::PySlot_DATA(raw::Py_mod_token, slots.cast_mut().cast()));
    }
    let interpreters = raw::Py_mod_multiple_interpreters;
    let supported = raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED;
    own.push(raw::PySlot_DATA(interpreters, supported));
    own.push(raw::PySlot_END());
    // The module may refer to them.
    let own = Box::leak(own.into_boxed_slice());
    // SAFETY: by this function's contract; the slots are the given ones but for one, and the token is theirs.
    unsafe { raw::PyModule_FromSlotsAndSpec(own.as_ptr(), spec) }
}

/// Adds slots to others, without what they say of interpreters, and in place of those that refer to slots these
/// (PEP 820).
///
/// # Safety
///
/// Null, or slots that end with a zero.
unsafe fn add(slots: *const raw::PySlot, own: &mut Vec<raw::PySlot>) {
    if slots.is_null() {
        return;
    }
    for place in 0.. {
        // SAFETY: slots end with a zero, which has not come yet.
        let slot = unsafe { *slots.wrapping_add(place) };
        let id = c_int::from(slot.sl_id);
        // SAFETY: all are as wide as a pointer, and valid for any bits.
        let value = unsafe { slot.anon2.sl_ptr };
        match id {
            0 => return,
            // SAFETY: such a slot refers to slots, or to nothing.
            raw::Py_slot_subslots => unsafe { add(value.cast(), own) },
            // SAFETY: such a slot refers to slots of a definition, or to nothing.
            raw::Py_mod_slots => unsafe { add_old(value.cast(), own) },
            _ if is_interpreters(id) => {}
            _ => own.push(slot),
        }
    }
}

/// As [`add`], for slots of a definition.
///
/// # Safety
///
/// Null, or slots that end with a zero.
unsafe fn add_old(slots: *const raw::PyModuleDef_Slot, own: &mut Vec<raw::PySlot>) {
    if slots.is_null() {
        return;
    }
    for place in 0.. {
        // SAFETY: slots end with a zero, which has not come yet.
        let slot = unsafe { ptr::read(slots.wrapping_add(place)) };
        match slot.slot {
            0 => return,
            // SAFETY: such a slot refers to slots, or to nothing.
            raw::Py_slot_subslots => unsafe { add(slot.value.cast(), own) },
            id if is_interpreters(id) => {}
            id => own.push(raw::PySlot_DATA(id, slot.value)),
        }
    }
}
