//! Shared objects: what their files say, where their libraries are, and how an edited copy is loaded.
//!
//! Nothing here knows Python's objects: it is about ELF files and the system's dynamic loader.

#[cfg(target_os = "linux")]
pub(crate) mod baseline;
mod edit;
mod elf_file;
mod error;
pub(crate) mod loader;
mod memory_copy;
mod search;
mod shared_copy;

pub(crate) use edit::{Edits, Replacement};
pub(crate) use elf_file::SharedObject;
pub use error::ExtensionError;
pub(crate) use search::Search;
pub(crate) use shared_copy::SharedCopy;
