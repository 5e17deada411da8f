//! Extension modules: what kind a file is, and private copies of those that refuse interpreters with their own GIL.
//!
//! Such a copy belongs to one interpreter, with the libraries that it needs and the threads that it starts. Libraries
//! that Python code loads by itself are checked here, too.

mod copies;
mod definition;
#[cfg(target_os = "linux")]
mod dlopen;
mod gilstate;
mod module_file;
mod private_copy;
#[cfg(Py_3_15)]
mod slots;

#[cfg(target_os = "linux")]
pub use dlopen::Libraries;
pub use module_file::{Extension, Initialization, Library};
pub use private_copy::{Admission, Policy, PrivateCopies, PrivateCopy};
