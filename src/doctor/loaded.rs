//! Loaded: shared libraries that an import has loaded by Python code, with `ctypes` or cffi.
//!
//! A library is mapped for one of three reasons: an extension module is one, another that is mapped needs it, or
//! code asked for it by name. What is loaded later, inside a function, cannot be seen here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::outcome::{ModuleKind, Outcome};
use crate::libraries;

/// The files that Python code has loaded, without those that are known to be safe, in the order of their names.
pub(super) fn by_python_code(plain: &Outcome) -> Vec<PathBuf> {
    let modules = plain.modules.iter();
    let extensions = modules.filter(|module| module.kind == ModuleKind::Extension);
    let extensions: HashSet<PathBuf> = extensions.map(|module| real(&module.path)).collect();
    let mapped = || plain.mapped.iter().map(|path| real(path));
    let needed: HashSet<String> = mapped()
        .chain(extensions.iter().cloned())
        .flat_map(|file| owngil_ffi::Extension::needs(&file))
        .collect();
    let is_needed = |file: &Path| {
        let names = [name_of(file), owngil_ffi::Extension::soname(file)];
        let mut names = names.into_iter().flatten();
        names.any(|name| needed.contains(&name))
    };
    let mut found: Vec<PathBuf> = mapped()
        .filter(|file| !extensions.contains(file) && !is_needed(file))
        .filter(|file| !name_of(file).is_some_and(|name| libraries::is_safe(&name)))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn real(path: &str) -> PathBuf {
    let path = Path::new(path);
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn name_of(file: &Path) -> Option<String> {
    Some(file.file_name()?.to_string_lossy().into_owned())
}
