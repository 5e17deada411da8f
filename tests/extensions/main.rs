//! Extension modules and libraries: private copies, what is refused, and where it runs instead.
//!
//! A free-threaded Python refuses its threads nothing, so most of this is left out there.

#[cfg(not(Py_GIL_DISABLED))]
mod doctor;
#[cfg(all(target_os = "linux", Py_3_13, not(Py_GIL_DISABLED)))]
mod libraries;
mod lists;
#[cfg(not(Py_GIL_DISABLED))]
mod private_copies;
#[path = "../support/mod.rs"]
mod support;
#[cfg(not(Py_GIL_DISABLED))]
mod tested;
