//! Functions: what a host calls, by numbers that its objects keep.

use std::sync::{PoisonError, RwLock};

use owngil_ffi::{Attached, Object, PyResult};

use super::add;
use crate::function::Function;

/// By their ids.
static KNOWN: RwLock<Vec<Option<Function>>> = RwLock::new(Vec::new());

/// Adds `function(module, qualname, label)`, which gives the number of a function.
pub(super) fn populate<'a>(attached: Attached<'a>, module: &Object<'a>) -> PyResult<'a, ()> {
    add(attached, module, "function", |attached, arguments| {
        let [module, name, label] = arguments else {
            return Err(attached.raise_type_error("function takes a module, a name and a label"));
        };
        let label = match label.is_none() {
            true => None,
            false => Some(label.text()?),
        };
        let function = Function::labelled(&module.text()?, &name.text()?, label.as_deref());
        note(function);
        attached.int(function.id() as i64)
    })
}

fn note(function: Function) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let id = function.id();
    if known.len() <= id {
        known.resize(id + 1, None);
    }
    known[id] = Some(function);
}

/// The function of that number.
///
/// # Errors
///
/// `TypeError` where there is none.
pub(super) fn function_of<'a>(number: &Object<'a>) -> PyResult<'a, Function> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let id = number.as_i64().and_then(|id| usize::try_from(id).ok());
    let found = id.and_then(|id| known.get(id).copied().flatten());
    found.ok_or_else(|| {
        number
            .attached()
            .raise_type_error("no number of a function")
    })
}
