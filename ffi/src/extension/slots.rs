//! Slots: makes a module of an extension from the slots that its `PyModExport_…` returns (PEP 793).

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};

use super::definition::is_interpreters;
use crate::object::{Object, PyResult};
use crate::raw;
use crate::shared_object::Replacement;
use crate::thread::Attached;

/// The function by which an extension is imported.
type Export = unsafe extern "C" fn() -> *mut raw::PySlot;

/// The slots that a `PyModExport_…` gave.
///
/// # Invariant
///
/// They end with a zero, and are those of a shared object that is never unloaded.
#[derive(Clone, Copy)]
pub(crate) struct Slots(NonNull<raw::PySlot>);

impl Slots {
    /// Calls a `PyModExport_…`.
    ///
    /// # Safety
    ///
    /// `function` is the address of the `PyModExport_…` of an extension module that is loaded and stays so; no
    /// other interpreter than this one calls into that shared object.
    ///
    /// # Errors
    ///
    /// What it raises; `RuntimeError` if it gives nothing.
    pub(crate) unsafe fn export<'a>(
        attached: Attached<'a>,
        function: NonNull<c_void>,
    ) -> PyResult<'a, Slots> {
        // SAFETY: by this function's contract it is a function of that type.
        let function: Export = unsafe { mem::transmute(function.as_ptr()) };
        // SAFETY: attached; by this function's contract it is what importing calls, and in this interpreter.
        let slots = unsafe { function() };
        if let Some(unreported) = attached.pending() {
            return Err(unreported);
        }
        let slots = NonNull::new(slots);
        slots
            .map(Slots)
            .ok_or_else(|| attached.raise_runtime_error("its PyModExport_… returned nothing"))
    }

    /// Whether they declare that the module supports an own GIL.
    pub(crate) fn declares_own_gil(self) -> bool {
        let mut all = Vec::new();
        // SAFETY: slots that end with a zero, by the invariant.
        unsafe { add(self.0.as_ptr(), &mut all) };
        let said = all
            .iter()
            .find(|slot| is_interpreters(c_int::from(slot.sl_id)));
        said.is_some_and(|slot| {
            // SAFETY: all are as wide as a pointer, and valid for any bits.
            let value = unsafe { slot.anon2.sl_ptr };
            value == raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED
        })
    }

    /// A module of them, which is still to be executed.
    ///
    /// # Safety
    ///
    /// No other interpreter than this one uses them.
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub(crate) unsafe fn module<'a>(self, spec: &Object<'a>) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached; slots that end with a zero, by the invariant, of this interpreter's copy.
        let module = unsafe { from_slots(self.0.as_ptr(), spec.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(module) }
    }
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
    own.retain(|slot| !is_interpreters(c_int::from(slot.sl_id)));
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

/// Adds slots to others, and in place of those that refer to slots these (PEP 820).
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
            id => own.push(raw::PySlot_DATA(id, slot.value)),
        }
    }
}
