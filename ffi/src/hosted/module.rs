//! Module: an extension module whose content is made by a Rust function.
//!
//! It is initialized in two phases (PEP 489), and so once for each interpreter that imports it.

use std::cell::UnsafeCell;
#[cfg(Py_3_15)]
use std::ffi::c_void;
use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::object::{Object, PyResult};
use crate::raw;
use crate::thread::{Attached, Entered};
use crate::version::Version;

/// Gives a new module its content.
pub type Populate = for<'a> fn(Attached<'a>, &Object<'a>) -> PyResult<'a, ()>;

/// Whether this crate was loaded by a Python, as an extension module.
static IS_LOADED: AtomicBool = AtomicBool::new(false);

/// Whether Python has loaded this crate as an extension module.
pub(crate) fn is_loaded() -> bool {
    IS_LOADED.load(Ordering::Relaxed)
}

/// The definition of an extension module. Only [`export_module!`](crate::export_module) makes one, a static.
#[derive(Debug)]
pub struct Module {
    definition: UnsafeCell<raw::PyModuleDef>,
    slots: UnsafeCell<[raw::PyModuleDef_Slot; N_SLOTS]>,
}

const N_SLOTS: usize = 3 + cfg!(Py_3_13) as usize;

// SAFETY: nothing but `initialize` reaches what is in it, for CPython, which initializes a definition under the GIL of the main interpreter or its own lock, and
// reads it afterwards.
unsafe impl Sync for Module {}

/// The C function that CPython calls to execute a new module.
type Execute = unsafe extern "C" fn(*mut raw::PyObject) -> c_int;

impl Module {
    #[doc(hidden)]
    pub const fn new(name: &'static CStr, execute: Execute) -> Module {
        let slot = |slot, value| raw::PyModuleDef_Slot { slot, value };
        let _ = slot;
        Module {
            definition: UnsafeCell::new(raw::PyModuleDef {
                m_base: raw::PyModuleDef_HEAD_INIT,
                m_name: name.as_ptr(),
                m_doc: ptr::null(),
                m_size: 0,
                m_methods: ptr::null_mut(),
                m_slots: ptr::null_mut(),
                m_traverse: None,
                m_clear: None,
                m_free: None,
            }),
            slots: UnsafeCell::new(slots(execute)),
        }
    }

    /// What `PyInit_…` returns.
    ///
    /// # Safety
    ///
    /// CPython calls `PyInit_…` to import the module, and this is called from there alone; `self` is a static.
    #[doc(hidden)]
    pub unsafe fn initialize(&'static self) -> *mut raw::PyObject {
        // SAFETY: attached: CPython calls this to import.
        if !unsafe { may_load() } {
            return ptr::null_mut();
        }
        let definition = self.definition.get();
        // SAFETY: a static, which nothing reads before the call below; importing holds a lock.
        unsafe { (*definition).m_slots = self.slots.get().cast() };
        // SAFETY: attached; a static definition.
        unsafe { raw::PyModuleDef_Init(definition) }
    }
}

/// Whether this is the Python that this crate was built for, whose import then goes on; else it sets an exception.
///
/// # Safety
///
/// Attached.
unsafe fn may_load() -> bool {
    let (running, built) = (Version::running(), Version::built_for());
    if running.same_minor(built) {
        IS_LOADED.store(true, Ordering::Relaxed);
        return true;
    }
    // Nothing of this Python is used but what all versions have: the layouts are those of another.
    let text = format!(
        "this build of owngil is for Python {}.{}, and this is Python {running}\n\
         hint: install owngil with this Python: python -m pip install --force-reinstall owngil",
        built.major, built.minor
    );
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: reads a pointer that CPython sets once, at its start.
    let class = unsafe { raw::PyExc_ImportError };
    // SAFETY: attached, by this function's contract; the text is copied.
    unsafe { raw::PyErr_SetString(class, text.as_ptr()) };
    false
}

/// What 3.15 and later look for first (PEP 793): the slots of a module, without a definition. Only
/// [`export_module!`](crate::export_module) makes one, a static.
#[cfg(Py_3_15)]
#[expect(missing_debug_implementations, reason = "slots have no form to print")]
pub struct Export(UnsafeCell<[raw::PySlot; 6]>);

// SAFETY: nothing but CPython reads what is in it, and nothing writes.
#[cfg(Py_3_15)]
unsafe impl Sync for Export {}

/// The version of the ABI that a module of this build relies on.
#[cfg(Py_3_15)]
static ABI: raw::PyABIInfo = raw::_PyABIInfo_DEFAULT;

#[cfg(Py_3_15)]
impl Export {
    #[doc(hidden)]
    pub const fn new(name: &'static CStr, execute: Execute) -> Export {
        Export(UnsafeCell::new([
            raw::PySlot_DATA(raw::Py_mod_abi, (&raw const ABI).cast_mut().cast()),
            raw::PySlot_DATA(raw::Py_mod_name, name.as_ptr().cast_mut().cast()),
            raw::PySlot_DATA(raw::Py_mod_exec, execute as *mut c_void),
            raw::PySlot_DATA(
                raw::Py_mod_multiple_interpreters,
                raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
            ),
            raw::PySlot_DATA(raw::Py_mod_gil, raw::Py_MOD_GIL_NOT_USED),
            raw::PySlot_END(),
        ]))
    }

    /// What `PyModExport_…` returns.
    ///
    /// # Safety
    ///
    /// CPython calls `PyModExport_…` to import the module, and this is called from there alone; `self` is a static.
    #[doc(hidden)]
    pub unsafe fn export(&'static self) -> *mut raw::PySlot {
        // SAFETY: attached: CPython calls this to import.
        match unsafe { may_load() } {
            true => self.0.get().cast(),
            false => ptr::null_mut(),
        }
    }
}

const fn slots(execute: Execute) -> [raw::PyModuleDef_Slot; N_SLOTS] {
    let end = raw::PyModuleDef_Slot {
        slot: 0,
        value: ptr::null_mut(),
    };
    let mut slots = [end; N_SLOTS];
    slots[0] = raw::PyModuleDef_Slot {
        slot: raw::Py_mod_exec,
        value: execute as *mut _,
    };
    slots[1] = raw::PyModuleDef_Slot {
        slot: raw::Py_mod_multiple_interpreters,
        value: raw::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
    };
    #[cfg(Py_3_13)]
    {
        slots[2] = raw::PyModuleDef_Slot {
            slot: raw::Py_mod_gil,
            value: raw::Py_MOD_GIL_NOT_USED,
        };
    }
    slots
}

/// Executes a new module.
///
/// # Safety
///
/// CPython calls this attached, with the module that is made.
#[doc(hidden)]
pub unsafe fn execute(module: *mut raw::PyObject, populate: Populate) -> c_int {
    // SAFETY: attached, by this function's contract.
    let interpreter = unsafe { raw::PyInterpreterState_Get() };
    // SAFETY: the interpreter of the attached thread state.
    let id = unsafe { raw::PyInterpreterState_GetID(interpreter) };
    let _entered = Entered::new(id);
    // SAFETY: attached, until this function returns.
    let attached = unsafe { Attached::assume(id) };
    let Some(module) = ptr::NonNull::new(module) else {
        return -1;
    };
    // SAFETY: attached; CPython keeps the module alive during the call.
    let module = unsafe { Object::from_borrowed(module) };
    let filled =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| populate(attached, &module)));
    let filled = filled.unwrap_or_else(|panic| {
        crate::panic::discard(panic);
        Err(attached.raise_runtime_error("a panic in Rust code ended the import"))
    });
    match filled {
        Ok(()) => 0,
        Err(raised) => {
            raised.restore();
            -1
        }
    }
}

/// Exports an extension module: `export_module!(PyInit__name, PyModExport__name, c"_name", populate)`. The second is for
/// 3.15 and later.
///
/// `populate` is a [`Populate`](crate::hosted::Populate), which is called in each interpreter that imports the module.
#[macro_export]
macro_rules! export_module {
    ($initialize:ident, $export:ident, $name:literal, $populate:path) => {
        unsafe extern "C" fn __execute(
            module: *mut $crate::hosted::__PyObject,
        ) -> ::std::ffi::c_int {
            // SAFETY: CPython calls this attached, with the module that it makes.
            unsafe { $crate::hosted::__execute(module, $populate) }
        }

        /// What Python calls to import the module.
        #[unsafe(no_mangle)]
        pub extern "C" fn $initialize() -> *mut $crate::hosted::__PyObject {
            static MODULE: $crate::hosted::Module = $crate::hosted::Module::new($name, __execute);
            // SAFETY: CPython calls this to import the module, and the definition is a static.
            unsafe { MODULE.initialize() }
        }

        /// What Python calls instead from 3.15 on.
        #[cfg(Py_3_15)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $export() -> *mut $crate::hosted::__PySlot {
            static MODULE: $crate::hosted::Export = $crate::hosted::Export::new($name, __execute);
            // SAFETY: CPython calls this to import the module, and the slots are a static.
            unsafe { MODULE.export() }
        }
    };
}
