//! CPython in this process: which one it is, how it starts, what it runs before other code, and how the process ends.

mod executable;
mod exit;
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    not(any(Py_3_14, Py_GIL_DISABLED))
))]
mod immortal;
pub(crate) mod preimport;
#[cfg(Py_3_13)]
pub(crate) mod siblings;
pub(crate) mod site;
pub(crate) mod start;
#[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
mod version_tag;

pub use executable::{find as find_python, locate as locate_python};
pub(crate) use exit::FINALIZE;
pub use exit::{exit, leave};
pub use site::SiteChange;
pub use start::{Config, MainThread, Runtime};
