//! Site: the module by which `.pth` files and `sitecustomize` are run.
//!
//! CPython imports it in each new interpreter before anybody can say how extension modules are to be loaded there.
//! So it is left out at first, and [`Attached::site`] gives it once that is said.

use std::ffi::c_int;

use crate::attach::Attached;
use crate::object::{Object, PyResult};
use crate::raw;

/// Where `no_site` stands in `sys.flags` (Python/sysmodule.c; new ones are added behind it).
const NO_SITE: raw::Py_ssize_t = 6;

/// Whether interpreters that are made from this one come with `site`.
///
/// CPython copies the settings of the interpreter that makes one, before it lets go of its GIL
/// (`new_interpreter`, Python/pylifecycle.c).
///
/// # Safety
///
/// The thread is attached to an interpreter, whose GIL it holds.
pub(crate) unsafe fn give_to_new(gives: bool) {
    // SAFETY: attached, by this function's contract: the settings of that interpreter, which live as long as it.
    let config = unsafe { raw::_Py_GetConfig() }.cast_mut();
    // SAFETY: they are no constant of the program's, and read and written by who holds that GIL alone.
    unsafe { (*config).site_import = c_int::from(gives) };
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
