//! Isolation on 3.12: what each interpreter with its own GIL needs before other code runs there (see isolate.py).

use std::sync::OnceLock;

use crate::object::{Object, Program, PyResult, program};
use crate::thread::Attached;

/// The special methods of each static type in the main interpreter, as isolate.py writes them.
static OWN_METHODS: OnceLock<String> = OnceLock::new();

/// Looks at the main interpreter, which has what the others should have.
pub(crate) fn look_at_main<'a>(main: Attached<'a>) -> PyResult<'a, ()> {
    if OWN_METHODS.get().is_none() {
        let text = function(main, "own_methods")?.call(&[])?.text()?;
        // Another thread may have been faster, with the same.
        let _ = OWN_METHODS.set(text);
    }
    Ok(())
}

static PROGRAM: Program = program!("isolate", "isolate.py");

/// Prepares an interpreter with its own GIL.
pub(crate) fn isolate<'a>(attached: Attached<'a>) -> PyResult<'a, ()> {
    let text = attached.str(OWN_METHODS.get().map_or("", String::as_str))?;
    function(attached, "isolate")?.call(&[text]).map(drop)
}

fn function<'a>(attached: Attached<'a>, name: &str) -> PyResult<'a, Object<'a>> {
    let globals = attached.dict()?;
    PROGRAM.run(attached, &globals)?;
    let function = globals.lookup(&attached.str(name)?)?;
    function.ok_or_else(|| attached.raise_type_error("isolate.py lacks a function"))
}
