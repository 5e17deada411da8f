//! The only access to CPython: this file lists every C symbol that the crate uses, and no other file names
//! `pyo3_ffi`.
//!
//! Some symbols are absent on purpose. `PyGILState_Check` is always true once there is more than one interpreter.
//! `PyErr_Print` and `PyRun_SimpleString` end the process on `SystemExit`. `PyMemoryView_FromMemory` has no owner.
//! `Py_FinalizeEx` aborts on 3.12 if an interpreter is left, and on every version it hangs on a busy interpreter, or
//! frees what that interpreter uses. `docs/safety.md` lists all symbols with their conditions.

pub(crate) use pyo3_ffi::{
    METH_FASTCALL, METH_KEYWORDS, PYTHON_API_VERSION, Py_CompileStringExFlags, Py_DECREF,
    Py_EndInterpreter, Py_False, Py_FatalError, Py_INCREF, Py_InitializeFromConfig,
    Py_IsInitialized, Py_MARSHAL_VERSION, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
    Py_NewInterpreterFromConfig, Py_None, Py_REFCNT, Py_TPFLAGS_DEFAULT,
    Py_TPFLAGS_DISALLOW_INSTANTIATION, Py_TPFLAGS_IMMUTABLETYPE, Py_TYPE, Py_True, Py_Version,
    Py_bf_getbuffer, Py_buffer, Py_eval_input, Py_file_input, Py_mod_exec,
    Py_mod_multiple_interpreters, Py_ssize_t, Py_tp_dealloc, PyBUF_SIMPLE, PyBUF_WRITABLE,
    PyBool_Type, PyBuffer_FillInfo, PyBuffer_Release, PyByteArray_FromStringAndSize,
    PyByteArray_Type, PyBytes_AsString, PyBytes_FromStringAndSize, PyBytes_Size, PyBytes_Type,
    PyCFunction_NewEx, PyCapsule_GetPointer, PyCapsule_New, PyCode_Check, PyConfig, PyConfig_Clear,
    PyConfig_InitPythonConfig, PyConfig_SetBytesString, PyDict_Copy, PyDict_New, PyDict_Next,
    PyDict_SetItem, PyDict_Size, PyDict_Type, PyDict_Watch, PyErr_CheckSignals,
    PyErr_GetRaisedException, PyErr_GivenExceptionMatches, PyErr_SetRaisedException,
    PyErr_SetString, PyEval_EvalCode, PyEval_GetGlobals, PyEval_RestoreThread, PyEval_SaveThread,
    PyExc_BaseException, PyExc_ImportError, PyExc_KeyboardInterrupt, PyExc_MemoryError,
    PyExc_OSError, PyExc_RecursionError, PyExc_RuntimeError, PyExc_SyntaxError, PyExc_SystemError,
    PyExc_SystemExit, PyExc_TypeError, PyExc_ValueError, PyFloat_AS_DOUBLE, PyFloat_FromDouble,
    PyFloat_Type, PyFrozenSet_New, PyFrozenSet_Type, PyGILState_Ensure,
    PyGILState_GetThisThreadState, PyGILState_Release, PyGILState_STATE, PyImport_GetMagicNumber,
    PyImport_ImportModule, PyInterpreterConfig, PyInterpreterConfig_OWN_GIL, PyInterpreterState,
    PyInterpreterState_Get, PyInterpreterState_GetDict, PyInterpreterState_GetID,
    PyInterpreterState_Head, PyInterpreterState_Main, PyInterpreterState_Next,
    PyInterpreterState_ThreadHead, PyIter_Next, PyList_New, PyList_SetItem, PyList_Size,
    PyList_Type, PyLong_AsLongLongAndOverflow, PyLong_FromLongLong, PyLong_Type,
    PyMarshal_ReadObjectFromString, PyMarshal_WriteObjectToString, PyMem_GetAllocator,
    PyMem_SetAllocator, PyMemAllocatorDomain, PyMemAllocatorEx, PyMemoryView_FromObject,
    PyMemoryView_Type, PyMethodDef, PyMethodDefPointer, PyModule_FromDefAndSpec2, PyModule_GetDef,
    PyModule_GetDict, PyModule_Type, PyModuleDef, PyModuleDef_HEAD_INIT, PyModuleDef_Init,
    PyModuleDef_Slot, PyModuleDef_Type, PyObject_Call, PyObject_Free, PyObject_GetArenaAllocator,
    PyObject_GetAttr, PyObject_GetBuffer, PyObject_GetIter, PyObject_IsTrue, PyObject_Malloc,
    PyObject_SetArenaAllocator, PyObject_SetAttr, PyObject_Str, PyObject_TypeCheck,
    PyObject_Vectorcall, PyObjectArenaAllocator, PySet_Add, PySet_New, PySet_Size, PySet_Type,
    PyState_AddModule, PyState_FindModule, PyStatus, PyStatus_Exception, PyStatus_Ok,
    PyStructSequence_SetItem, PyThread_get_thread_ident, PyThreadState, PyThreadState_Clear,
    PyThreadState_DeleteCurrent, PyThreadState_Get, PyThreadState_GetFrame,
    PyThreadState_GetInterpreter, PyThreadState_New, PyThreadState_Next, PyThreadState_SetAsyncExc,
    PyThreadState_Swap, PyTuple_GET_ITEM, PyTuple_GetItem, PyTuple_New, PyTuple_SetItem,
    PyTuple_Size, PyTuple_Type, PyType_FromSpec, PyType_GenericAlloc, PyType_GetDict, PyType_Slot,
    PyType_Spec, PyType_Type, PyTypeObject, PyUnicode_AsEncodedString, PyUnicode_AsUTF8AndSize,
    PyUnicode_Decode, PyUnicode_DecodeUTF8, PyUnicode_FromStringAndSize, PyUnicode_InternInPlace,
    PyUnicode_Type, getbufferproc,
};

// A host's module is made of pointers to it.
pub use pyo3_ffi::PyObject;
#[cfg(Py_3_15)]
pub use pyo3_ffi::PySlot;

// Before 3.13 it is `_PyThreadState_UncheckedGet`.
pub(crate) use pyo3_ffi::compat::PyThreadState_GetUnchecked;

// Before 3.13 it is made of those that borrow.
pub(crate) use pyo3_ffi::compat::PyDict_GetItemRef;

#[cfg(Py_GIL_DISABLED)]
pub(crate) use pyo3_ffi::{
    PyCriticalSection, PyCriticalSection_Begin, PyCriticalSection_End, PyList_AsTuple,
    PyList_GetItemRef, PyMutex, PyMutex_Lock, PyMutex_Unlock,
};

// They borrow, or count on it that no other thread runs.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) use pyo3_ffi::{
    PyFrame_GetBack, PyFrame_GetCode, PyFrame_GetLineNumber, PyList_GetItem, PyThreadState_GetID,
};

#[cfg(Py_3_15)]
pub(crate) use pyo3_ffi::{
    _PyABIInfo_DEFAULT, Py_mod_abi, Py_mod_name, Py_mod_slots, Py_mod_token, Py_slot_subslots,
    PyABIInfo, PyModule_FromSlotsAndSpec, PySlot_DATA, PySlot_END,
};

// It is not declared in a header for others, and exported by each version from 3.11 on.
unsafe extern "C" {
    pub(crate) fn _Py_GetConfig() -> *const PyConfig;
}

#[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
pub(crate) use pyo3_ffi::PyType_Modified;

// pyo3-ffi leaves it out.
#[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
unsafe extern "C" {
    pub(crate) fn PyUnstable_Type_AssignVersionTag(class: *mut PyTypeObject) -> std::ffi::c_int;
}

#[cfg(Py_3_13)]
pub(crate) use pyo3_ffi::{Py_MOD_GIL_NOT_USED, Py_mod_gil};

// CPython's own state, exported by each version. Only its list of interpreters is looked at: see `hosted/list.rs`.
unsafe extern "C" {
    pub(crate) static _PyRuntime: [usize; 8];
}

// The rest of dict watchers, which pyo3-ffi leaves out: Include/cpython/dictobject.h.
pub(crate) type PyDictWatchEvent = std::ffi::c_uint;
pub(crate) type PyDictWatchCallback = unsafe extern "C" fn(
    event: PyDictWatchEvent,
    dict: *mut PyObject,
    key: *mut PyObject,
    value: *mut PyObject,
) -> std::ffi::c_int;

/// `PyDict_EVENT_ADDED`, `_MODIFIED`, `_DELETED` and `_CLEARED`, the events that change what a dict held.
pub(crate) const PY_DICT_WRITES: [PyDictWatchEvent; 4] = [0, 1, 2, 4];

unsafe extern "C" {
    pub(crate) fn PyDict_AddWatcher(callback: Option<PyDictWatchCallback>) -> std::ffi::c_int;
    pub(crate) fn PyDict_ClearWatcher(id: std::ffi::c_int) -> std::ffi::c_int;
}
