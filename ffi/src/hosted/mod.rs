//! Hosted: a CPython that runs already, because it is the host: it has loaded this crate as an extension module.
//!
//! - `module` is what the host imports: [`export_module!`](crate::export_module) makes the function `PyInit_…` of it.
//! - `adopt` makes the host's CPython the [`Runtime`](crate::Runtime) of the process.
//! - `handlers` keeps the host's signal handlers usable from all interpreters, and lets a wait see signals.
//! - `list` hides interpreters from the host where CPython would trip over them: at its end, and at a fork.
//! - `exit` brings to a stand what does not stop before the host's Python ends.

mod adopt;
mod exit;
mod handlers;
mod list;
mod module;

pub use adopt::{adopt, is_hosted, restart_service, serve_host};
pub use exit::{is_first_thread, leave_interpreters};
pub use handlers::keep as keep_handlers;
pub use list::{hide_before_fork, show_after_fork};
pub use module::{Module, Populate};

#[doc(hidden)]
pub use crate::raw::PyObject as __PyObject;
#[cfg(Py_3_15)]
#[doc(hidden)]
pub use crate::raw::PySlot as __PySlot;
#[cfg(Py_3_15)]
pub use module::Export;
#[doc(hidden)]
pub use module::execute as __execute;

pub(crate) use exit::{forget_thread, note_thread};
pub(crate) use list::{creating, ending, put_main_first};
