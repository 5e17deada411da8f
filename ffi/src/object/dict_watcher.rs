//! Dict watchers: CPython reports each write to the attributes of certain modules and classes (`PyDict_Watch`).
//!
//! Noted are the writes of code in other modules than those that are watched: what it patches in them.

use std::ffi::c_int;
use std::ptr::NonNull;

use super::reference::{Kind, Object, PyResult};
use crate::panic::catch;
use crate::raw;
use crate::thread::{Attached, Entered};

/// The name under which the interpreter's dict has the modules and the writes.
const WRITES: &str = "owngil.writes";

/// Notes who writes to the attributes of the modules and classes of one interpreter that it watches.
#[derive(Clone, Copy, Debug)]
pub struct DictWatcher {
    id: c_int,
    interpreter: i64,
}

impl DictWatcher {
    /// Watches nothing yet.
    ///
    /// `modules` has the addresses of the dicts of modules whose own writes are not noted. `writes` gets the others.
    /// Each is under a tuple of the address of the dict, the address of the writer's global variables, and the name
    /// that is written to. It is a tuple of the dict, the writer's `__name__`, and, if there was one, the value before.
    /// Only the first write to a name by a module is noted, and none by code whose global variables have no `__name__`.
    ///
    /// # Errors
    ///
    /// `TypeError` unless both are exact dicts; `RuntimeError` if the interpreter has as many watchers as CPython
    /// allows, or has no GIL.
    pub fn new<'a>(
        attached: Attached<'a>,
        modules: &Object<'a>,
        writes: &Object<'a>,
    ) -> PyResult<'a, DictWatcher> {
        if cfg!(Py_GIL_DISABLED) {
            return Err(attached.raise_runtime_error("dicts are watched under a GIL"));
        }
        if modules.kind() != Kind::Dict || writes.kind() != Kind::Dict {
            return Err(attached.raise_type_error("a watcher takes two dicts"));
        }
        let noted = attached.tuple([modules.clone(), writes.clone()])?;
        let name = attached.interned(WRITES)?;
        attached.interpreter_dict()?.insert(&name, &noted)?;
        // SAFETY: attached; the callback is a static function that may be called for any dict of the interpreter.
        let id = unsafe { raw::PyDict_AddWatcher(Some(written)) };
        modules.done(if id < 0 { -1 } else { 0 })?;
        let interpreter = attached.id();
        Ok(DictWatcher { id, interpreter })
    }

    /// Watches the attributes of a module or a class. Gives the address of its dict.
    ///
    /// # Errors
    ///
    /// `TypeError` for another object, or in another interpreter.
    pub fn watch<'a>(self, owner: &Object<'a>) -> PyResult<'a, Object<'a>> {
        let attached = owner.attached();
        if attached.id() != self.interpreter {
            return Err(attached.raise_type_error("the watcher is of another interpreter"));
        }
        let dict = dict_of(owner)?;
        // SAFETY: attached to the interpreter of the watcher, which gave the id, with one of its dicts.
        let status = unsafe { raw::PyDict_Watch(self.id, dict.as_ptr()) };
        owner.done(status)?;
        address(&dict)
    }

    /// Ends it: what is written from now on is not noted.
    ///
    /// # Errors
    ///
    /// `TypeError` in another interpreter, `ValueError` if it has ended before.
    pub fn end(self, attached: Attached<'_>) -> PyResult<'_, ()> {
        if attached.id() != self.interpreter {
            return Err(attached.raise_type_error("the watcher is of another interpreter"));
        }
        // SAFETY: attached to the interpreter of the watcher, which gave the id.
        let status = unsafe { raw::PyDict_ClearWatcher(self.id) };
        attached.none().done(status)
    }
}

/// The dict with the attributes of a module or a class.
fn dict_of<'a>(owner: &Object<'a>) -> PyResult<'a, Object<'a>> {
    // SAFETY: attached; an object that is alive, and a static type.
    let is = |class| unsafe { raw::PyObject_TypeCheck(owner.as_ptr(), class) } != 0;
    if is(&raw mut raw::PyModule_Type) {
        // SAFETY: attached; a module, which keeps its dict.
        let dict = NonNull::new(unsafe { raw::PyModule_GetDict(owner.as_ptr()) });
        // SAFETY: attached; the module is alive, and has the dict.
        if let Some(dict) = dict.map(|dict| unsafe { Object::from_borrowed(dict) }) {
            return Ok(dict);
        }
    } else if is(&raw mut raw::PyType_Type) {
        // SAFETY: attached; a type.
        let dict = unsafe { raw::PyType_GetDict(owner.as_ptr().cast()) };
        if !dict.is_null() {
            // SAFETY: attached; the call returned a new reference.
            return unsafe { Object::from_new(dict) };
        }
    }
    Err(owner
        .attached()
        .raise_type_error("neither a module nor a class"))
}

fn address<'a>(object: &Object<'a>) -> PyResult<'a, Object<'a>> {
    object.attached().int(object.address() as i64)
}

/// What CPython calls before a write to a dict that is watched.
unsafe extern "C" fn written(
    event: raw::PyDictWatchEvent,
    dict: *mut raw::PyObject,
    key: *mut raw::PyObject,
    _value: *mut raw::PyObject,
) -> c_int {
    if !raw::PY_DICT_WRITES.contains(&event) {
        return 0;
    }
    // SAFETY: CPython calls this attached. The variables of the frame that runs, which keeps them, or null.
    let globals = unsafe { raw::PyEval_GetGlobals() };
    let (Some(dict), Some(globals)) = (NonNull::new(dict), NonNull::new(globals)) else {
        return 0;
    };
    if dict == globals {
        return 0;
    }
    // SAFETY: attached. What is set is set again below, as CPython requires.
    let pending = unsafe { raw::PyErr_GetRaisedException() };
    // SAFETY: attached.
    let interpreter = unsafe { raw::PyInterpreterState_Get() };
    // SAFETY: the interpreter of the attached thread state.
    let interpreter = unsafe { raw::PyInterpreterState_GetID(interpreter) };
    let _entered = Entered::new(interpreter);
    catch(|| {
        // SAFETY: CPython calls this attached to that interpreter, until it returns.
        let attached = unsafe { Attached::assume(interpreter) };
        // SAFETY: attached; who writes has it.
        let of_writer = |object| unsafe { Object::from_borrowed(object) };
        let (dict, globals) = (of_writer(dict), of_writer(globals));
        let key = NonNull::new(key).map(of_writer);
        // A write that cannot be noted is not undone.
        let _ = note(attached, &dict, &globals, key);
    });
    // SAFETY: attached; what was set before, or null.
    unsafe { raw::PyErr_SetRaisedException(pending) };
    0
}

/// Notes that code with these variables writes to a key of the dict, or to all.
fn note<'a>(
    attached: Attached<'a>,
    dict: &Object<'a>,
    globals: &Object<'a>,
    key: Option<Object<'a>>,
) -> PyResult<'a, ()> {
    let name = attached.interned(WRITES)?;
    let noted = attached.interpreter_dict()?.lookup(&name)?;
    let Some((modules, writes)) = noted.and_then(|noted| Some((noted.item(0)?, noted.item(1)?)))
    else {
        return Ok(());
    };
    let writer = globals.lookup(&attached.interned("__name__")?)?;
    let Some(writer) = writer.filter(|writer| writer.kind() == Kind::Str) else {
        return Ok(());
    };
    if modules.lookup(&address(globals)?)?.is_some() {
        return Ok(());
    }
    let keys = match key {
        Some(key) => vec![key],
        None => dict.pairs().map(|(key, _)| key).collect(),
    };
    // Others may have a hash in Python.
    for key in keys.into_iter().filter(|key| key.kind() == Kind::Str) {
        let place = attached.tuple([address(dict)?, address(globals)?, key.clone()])?;
        if writes.lookup(&place)?.is_none() {
            let before = dict.lookup(&key)?;
            let write = [dict.clone(), writer.clone()].into_iter().chain(before);
            writes.insert(&place, &attached.tuple(write.collect::<Vec<_>>())?)?;
        }
    }
    Ok(())
}
