//! Site: the module that runs `.pth` files and `sitecustomize`.
//!
//! CPython imports it in each new interpreter before the host can choose how extension modules are loaded there. So
//! it is left out at first, and [`Attached::site`] imports it after that choice.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsString, c_int};
use std::sync::OnceLock;

use crate::object::{Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// Where `no_site` stands in `sys.flags` (Python/sysmodule.c; new ones are added behind it).
const NO_SITE: raw::Py_ssize_t = 6;

/// Whether interpreters that are made from this one come with `site`.
///
/// CPython copies the settings of the interpreter that makes one, before it releases its GIL
/// (`new_interpreter`, Python/pylifecycle.c).
///
/// # Safety
///
/// The thread is attached to an interpreter, whose GIL it holds.
pub(crate) unsafe fn give_to_new(gives: bool) {
    // SAFETY: attached, by this function's contract: the settings of that interpreter, which live as long as it.
    let config = unsafe { raw::_Py_GetConfig() }.cast_mut();
    // SAFETY: they are no constant of the program's, and are read and written under that GIL alone.
    unsafe { (*config).site_import = c_int::from(gives) };
}

/// A variable of the environment that a hook has set, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SiteChange {
    /// Its name.
    pub name: OsString,
    /// Its value before, if it had one.
    pub before: Option<OsString>,
    /// Its value after that, if it has one.
    pub after: Option<OsString>,
}

static CHANGES: OnceLock<Vec<SiteChange>> = OnceLock::new();

/// What the main interpreter's hooks have changed.
pub(crate) fn changes() -> &'static [SiteChange] {
    CHANGES.get().map_or(&[], Vec::as_slice)
}

/// Runs `site` in the main interpreter.
pub(crate) fn run_in_main(attached: Attached<'_>) -> PyResult<'_, ()> {
    let variables = || -> BTreeMap<OsString, OsString> { std::env::vars_os().collect() };
    let before = variables();
    attached.site()?.invoke("main", &[])?;
    let after = variables();
    let names: BTreeSet<&OsString> = before.keys().chain(after.keys()).collect();
    let changes = names.into_iter().map(|name| SiteChange {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    let _ = CHANGES.set(changes.filter(|one| one.before != one.after).collect());
    Ok(())
}

impl<'a> Attached<'a> {
    /// The module `site` of an interpreter, whose `main()` is still to be called: the main one's is when this is had.
    ///
    /// To be called once, when it is settled how extension modules are loaded here.
    ///
    /// # Errors
    ///
    /// What importing it raises.
    pub fn site(self) -> PyResult<'a, Object<'a>> {
        let site = self.import(c"site")?;
        // What looks at the flags, and hands them to a child, finds them as in plain Python.
        let flags = self.import(c"sys")?.get("flags")?;
        let zero = self.int(0)?.into_ptr();
        // SAFETY: attached; `sys.flags` is a struct sequence with more fields than that, and takes the reference to
        // `zero`. What stood there is a small integer, which is immortal.
        unsafe { raw::PyStructSequence_SetItem(flags.as_ptr(), NO_SITE, zero) };
        Ok(site)
    }
}
