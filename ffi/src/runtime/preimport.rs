//! Preimport: what is done in the main interpreter before there is a second one.

use std::sync::{Mutex, PoisonError};

use crate::error::StartError;
use crate::object::{PyResult, Raised};
use crate::thread::Attached;

/// Whether it is still to be done.
static IS_DUE: Mutex<bool> = Mutex::new(false);

/// Called when CPython has started, or has been adopted. A host keeps its handler of SIGINT. Where the main interpreter
/// is alone, the rest is left to [`finish`].
pub(crate) fn begin(
    attached: Attached<'_>,
    is_hosted: bool,
    is_alone: bool,
) -> Result<(), StartError> {
    let begun = || -> PyResult<'_, ()> {
        attached.interpreter_dict()?;
        import(attached, is_hosted, is_alone)?;
        #[cfg(target_os = "linux")]
        crate::shared_object::baseline::record();
        if is_alone {
            *IS_DUE.lock().unwrap_or_else(PoisonError::into_inner) = true;
            return Ok(());
        }
        share(attached)
    };
    begun().map_err(failed)
}

/// Called before an interpreter is created, detached; `in_main` attaches to the main interpreter for what it is given.
pub(crate) fn finish(
    in_main: impl FnOnce(fn(Attached<'_>) -> Result<(), StartError>) -> Result<(), StartError>,
) -> Result<(), StartError> {
    // Who waits here is detached.
    let mut is_due = IS_DUE.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_due {
        in_main(|attached| {
            // Handlers of signals are those of the code that runs.
            let finished = import(attached, true, false).and_then(|()| share(attached));
            finished.map_err(failed)
        })?;
        *is_due = false;
    }
    Ok(())
}

/// Imports C extensions in the main interpreter, before any other interpreter can.
fn import(attached: Attached<'_>, is_hosted: bool, is_alone: bool) -> PyResult<'_, ()> {
    let globals = attached.dict()?;
    for (name, value) in [("is_hosted", is_hosted), ("is_alone", is_alone)] {
        globals.insert(&attached.str(name)?, &attached.bool(value))?;
    }
    attached.exec(include_str!("preimport.py"), "<owngil preimport>", &globals)
}

/// Makes safe what all interpreters will share.
fn share(attached: Attached<'_>) -> PyResult<'_, ()> {
    #[cfg(all(
        target_os = "linux",
        target_pointer_width = "64",
        not(any(Py_3_14, Py_GIL_DISABLED))
    ))]
    super::immortal::keep(attached)?;
    #[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
    super::version_tag::use_up(attached)?;
    let _ = attached;
    Ok(())
}

fn failed(raised: Raised<'_>) -> StartError {
    StartError::Raised {
        doing: "importing the standard library's extensions",
        exception: Box::new(raised.describe()),
    }
}
