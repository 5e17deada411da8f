//! Extension: what the file of an extension module says about itself, without loading it.
//!
//! The CPython functions that an extension calls show how it is initialized, and they are listed in its dynamic
//! symbol table. No code of the file runs here, so a broken file is an error, not a crash.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::shared_object::{ExtensionError, Search, SharedObject};

/// How an extension gives its module to CPython (PEP 489).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Initialization {
    /// In two steps: a definition first, from which each interpreter makes a module.
    MultiPhase,
    /// In one: its `PyInit_…` returns a module that is made.
    SinglePhase,
    /// The file does not show it: it calls neither `PyModuleDef_Init` nor `PyModule_Create2`. Such is
    /// one that has its module from another extension, as mypyc's are.
    Unknown,
}

/// What the file of an extension module says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    initialization: Initialization,
    init_functions: Vec<String>,
    object: SharedObject,
}

/// A shared library that an extension needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    name: String,
    path: Option<PathBuf>,
    uses_python: bool,
}

impl Extension {
    /// Reads what a file says about itself.
    ///
    /// # Errors
    ///
    /// [`ExtensionError`]: what cannot be an extension module of this machine.
    pub fn read(path: &Path) -> Result<Extension, ExtensionError> {
        let file = SharedObject::read(path)?;
        let is_init = |name: &String| name.starts_with("PyInit_") || name.starts_with("PyInitU_");
        let exports: BTreeSet<&String> = file.exports.iter().collect();
        let exports = exports.into_iter();
        let (slots, others): (Vec<_>, Vec<_>) = exports.partition(|name| gives_slots(name));
        let slots = slots.into_iter();
        let init_functions: Vec<String> = slots
            .clone()
            .filter(|_| cfg!(Py_3_15))
            .chain(others.into_iter().filter(|name| is_init(name)))
            .cloned()
            .collect();
        if init_functions.is_empty() {
            let path = path.to_owned();
            return Err(match slots.len() {
                0 => ExtensionError::NoInitFunction { path },
                _ => ExtensionError::NewerPython { path },
            });
        }
        let initialization = if gives_slots(&init_functions[0]) || file.imports("PyModuleDef_Init")
        {
            Initialization::MultiPhase
        } else if file.imports("PyModule_Create2") {
            Initialization::SinglePhase
        } else {
            Initialization::Unknown
        };
        Ok(Extension {
            initialization,
            init_functions,
            object: file,
        })
    }

    /// The names of the libraries that a shared object needs, whether or not it is an extension; none of what
    /// cannot be read.
    pub fn needs(path: &Path) -> Vec<String> {
        SharedObject::read(path).map_or_else(|_| Vec::new(), |object| object.needed)
    }

    /// The name by which others need a shared object, whether or not it is an extension.
    pub fn soname(path: &Path) -> Option<String> {
        SharedObject::read(path).ok()?.soname
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.object.path
    }

    /// How it gives its module.
    pub fn initialization(&self) -> Initialization {
        self.initialization
    }

    /// The functions by which this version of Python can import it: `PyInit_name`, or `PyInitU_` and punycode;
    /// before them from 3.15 on `PyModExport_name` and `PyModExportU_` (PEP 793).
    ///
    /// There are several where one file holds several modules.
    pub fn init_functions(&self) -> &[String] {
        &self.init_functions
    }

    /// Whether it calls `PyGILState_Ensure`, which attaches a thread that Python does not know to the
    /// main interpreter, whichever was meant.
    ///
    /// Many extensions have such a call and never make it on a thread of their own.
    pub fn uses_gil_state(&self) -> bool {
        self.object.imports("PyGILState_Ensure")
    }

    /// Whether each loaded copy takes room from the small reserve for thread-local data that all threads
    /// have from their start (`DF_STATIC_TLS`).
    pub fn has_static_tls(&self) -> bool {
        self.object.has_static_tls
    }

    pub(crate) fn object(&self) -> &SharedObject {
        &self.object
    }

    /// The shared libraries that it needs; of those that came with the package, what they need as well.
    ///
    /// Reads the files of the latter.
    pub fn libraries(&self) -> Vec<Library> {
        let mut libraries = Vec::new();
        let search = Search::of(&self.object, None);
        add_libraries(&self.object, &search, &mut libraries);
        libraries
    }
}

impl Library {
    /// The name by which it is asked for: `libopenblas.so.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, if it came with the package; `None` leaves it to the system's loader.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it calls Python's C API itself, so that it may keep Python objects.
    ///
    /// Known of those alone that have a [`path`](Library::path).
    pub fn uses_python(&self) -> bool {
        self.uses_python
    }
}

/// Whether a function of that name gives the slots of a module (PEP 793).
pub(crate) fn gives_slots(function: &str) -> bool {
    function.starts_with("PyModExport_") || function.starts_with("PyModExportU_")
}

/// Adds what the object needs, and what that needs in turn where it came with the package.
fn add_libraries(object: &SharedObject, search: &Search, found: &mut Vec<Library>) {
    for name in &object.needed {
        if found.iter().any(|library| library.name == *name) {
            continue;
        }
        let path = search.find(name);
        // The loader reports a broken one in its own words.
        let read = path
            .as_deref()
            .and_then(|path| SharedObject::read(path).ok());
        found.push(Library {
            name: name.clone(),
            path,
            uses_python: read.as_ref().is_some_and(SharedObject::uses_python),
        });
        if let Some(read) = read {
            add_libraries(&read, &Search::of(&read, Some(search)), found);
        }
    }
}
