//! Search: finds the libraries that came with an extension.
//!
//! A copy has no folder, so `$ORIGIN` means nothing to the loader. This file looks for what a copy needs, by the
//! loader's own rules (ld.so(8)), and leaves what it does not find to the loader, which has folders of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::elf_file::{RunPath, SharedObject};

/// The folders in which the libraries of one object are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// What the object names, or those that need it.
    folders: Vec<PathBuf>,
    /// Those that `DT_RPATH` names, which count for what its libraries need, too.
    inherited: Vec<PathBuf>,
    /// Where packages have libraries that they name no path for, or load by themselves.
    beside: Vec<PathBuf>,
    /// Whether `LD_LIBRARY_PATH` comes before these folders.
    yields: bool,
}

impl Search {
    /// Where the libraries of that object are looked for; `parent` is the search that found the object, if it
    /// was needed by another one.
    pub(crate) fn of(object: &SharedObject, parent: Option<&Search>) -> Search {
        let origin = object.path.parent().unwrap_or(Path::new(""));
        let inherited = match &object.run_path {
            RunPath::Own(_) => Vec::new(),
            RunPath::Inherited(text) => {
                let mut inherited = named(text, origin);
                inherited.extend(
                    parent
                        .into_iter()
                        .flat_map(|parent| parent.inherited.clone()),
                );
                inherited
            }
        };
        let (folders, yields) = match &object.run_path {
            RunPath::Own(text) => (named(text, origin), true),
            RunPath::Inherited(_) => (inherited.clone(), false),
        };
        let mut beside: Vec<PathBuf> = beside(origin).collect();
        beside.extend(parent.into_iter().flat_map(|parent| parent.beside.clone()));
        Search {
            folders,
            inherited,
            beside,
            yields,
        }
    }

    /// The file of that name which came with the object.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        // The loader takes such a name for a path, which a library without a name of its own is needed by.
        if name.contains('/') {
            let path = Path::new(name).canonicalize().ok();
            return path.filter(|path| path.is_file());
        }
        let has = |folder: &&PathBuf| folder.join(name).is_file();
        let found = self.folders.iter().chain(&self.beside).find(has)?;
        let set = library_path();
        let instead = set.iter().filter(|_| self.yields).find(has);
        instead.unwrap_or(found).join(name).canonicalize().ok()
    }
}

/// `numpy.libs` is beside `numpy`, and `.libs` was inside of it once.
fn beside(origin: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = origin.ancestors().take(5).flat_map(|folder| {
        let libs = folder.file_name().map(|name| {
            let mut libs = OsString::from(name);
            libs.push(".libs");
            folder.with_file_name(libs)
        });
        libs.into_iter().chain([folder.join(".libs")])
    });
    folders.filter(|folder| folder.is_dir())
}

/// The folders of a `DT_RUNPATH` or `DT_RPATH`.
fn named(text: &str, origin: &Path) -> Vec<PathBuf> {
    let Some(origin) = origin.to_str() else {
        return Vec::new();
    };
    let named = text.split(':').filter(|path| !path.is_empty());
    let named = named.map(|path| {
        let path = path.replace("${ORIGIN}", "$ORIGIN");
        PathBuf::from(path.replace("$ORIGIN", origin))
    });
    named.collect()
}

fn library_path() -> Vec<PathBuf> {
    let variable = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = std::env::split_paths(&variable);
    folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect()
}
