//! Copies: the shared objects of one interpreter, each loaded from a copy, together with the libraries they need.
//!
//! A package's libraries belong to it as much as its extension does: their variables must belong to one interpreter.
//! So each library is copied, too, under a name of its own by which the loader finds it for the objects that need it.
//! Libraries without state, and those known to be safe for several threads, are loaded once.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::shared_object::{Edits, Replacement, Search, SharedCopy, SharedObject, loader};

/// The shared objects of one interpreter.
#[derive(Debug)]
pub(crate) struct Copies {
    loaded: Mutex<Loaded>,
    /// What each copy finds in place of CPython's functions.
    replacements: Vec<Replacement>,
}

#[derive(Debug, Default)]
struct Loaded {
    by_file: HashMap<FileId, Copy>,
    /// By the name that others need them by.
    by_name: HashMap<String, Copy>,
}

/// The copy of a file.
///
/// # Invariant
///
/// No other interpreter knows `object`, so that none calls into it.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) object: SharedCopy,
    /// Its own name, if the file has one.
    name: Option<String>,
}

/// A file as it is now: one that was rewritten is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl FileId {
    fn at(path: &Path) -> Result<FileId, String> {
        let found = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(FileId {
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            size: found.size(),
        })
    }
}

/// Libraries that are loaded once whatever they keep, with what they need, and why that is right.
const MADE_FOR_THREADS: [(&str, &str); 10] = [
    ("libscipy_openblas", "OpenBLAS locks what its threads share"),
    ("libopenblas", "OpenBLAS locks what its threads share"),
    ("libgfortran", "the runtime of Fortran locks its units"),
    ("libquadmath", "mathematics that keeps nothing but tables"),
    ("libgomp", "OpenMP's runtime, one for each process"),
    ("libiomp5", "OpenMP's runtime, one for each process"),
    ("libstdc++", "the runtime of C++, one for each process"),
    ("libgcc_s", "the runtime of GCC, one for each process"),
    // These two need each other, so that neither could be copied first.
    (
        "libfreetype",
        "FreeType keeps everything in an FT_Library, and each copy of an extension has its own",
    ),
    (
        "libharfbuzz",
        "HarfBuzz is made for threads: what it keeps is constant or atomic",
    ),
];

/// Libraries of glibc itself: there is one of each in a process.
const SYSTEM: [&str; 9] = [
    "libc.so.",
    "libm.so.",
    "libmvec.so.",
    "libpthread.so.",
    "libdl.so.",
    "librt.so.",
    "libutil.so.",
    "libresolv.so.",
    "ld-linux",
];

/// How many bytes of variables every library has that its linker adds (`__dso_handle`, `completed`).
const NO_STATE: u64 = 16;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Copies {
    pub(crate) fn new(replacements: impl IntoIterator<Item = Replacement>) -> Copies {
        Copies {
            loaded: Mutex::default(),
            replacements: replacements.into_iter().collect(),
        }
    }

    /// The interpreter's copy of that object, and how much memory it took just now, in bytes.
    ///
    /// # Errors
    ///
    /// In words: why there cannot be one.
    pub(crate) fn of(&self, object: &SharedObject) -> Result<(Copy, u64), String> {
        let mut n_bytes = 0;
        let copy = self.load(object, None, &mut Vec::new(), &mut n_bytes)?;
        Ok((copy, n_bytes))
    }

    fn load(
        &self,
        object: &SharedObject,
        parent: Option<&Search>,
        pending: &mut Vec<FileId>,
        n_bytes: &mut u64,
    ) -> Result<Copy, String> {
        let file = FileId::at(&object.path)?;
        if let Some(copy) = locked(&self.loaded).by_file.get(&file) {
            return Ok(copy.clone());
        }
        if pending.contains(&file) {
            let path = object.path.display();
            return Err(format!(
                "{path} and libraries that it needs need each other"
            ));
        }
        if object.is_filter {
            let path = object.path.display();
            return Err(format!(
                "{path} has another library stand in for it (DT_FILTER), which the loader shares"
            ));
        }
        pending.push(file);
        let search = Search::of(object, parent);
        let mut edits = Edits::of(object)?;
        let mut own = Vec::new();
        for name in &object.needed {
            if let Some(copy) = self.library(name, &search, pending, n_bytes)? {
                let new = copy.name.as_deref().ok_or_else(|| {
                    format!(
                        "{name}, which it needs, has no name (SONAME) for a copy to be found by"
                    )
                })?;
                edits.rename(name, new)?;
                own.push(copy);
            }
        }
        bind(&mut edits, &own);
        for (name, address) in &self.replacements {
            edits.replace(name, *address);
        }
        #[cfg(target_os = "linux")]
        if object.exports.contains("PyInit__cffi_backend") {
            for (name, address) in super::dlopen::replacements() {
                edits.replace(name, address);
            }
        }
        let copy = Copy {
            name: edits.name_itself()?,
            object: SharedCopy::load(&edits)?,
        };
        pending.pop();
        *n_bytes += copy.object.n_bytes();
        let mut loaded = locked(&self.loaded);
        if let Some(soname) = &object.soname {
            loaded.by_name.insert(soname.clone(), copy.clone());
        }
        loaded.by_file.insert(file, copy.clone());
        Ok(copy)
    }

    /// The interpreter's copy of a library that an object needs; `None` for one that is loaded once, which then is
    /// what the loader takes for that name.
    fn library(
        &self,
        name: &str,
        search: &Search,
        pending: &mut Vec<FileId>,
        n_bytes: &mut u64,
    ) -> Result<Option<Copy>, String> {
        if SYSTEM.iter().any(|prefix| name.starts_with(prefix)) {
            return Ok(None);
        }
        let brought = search.find(name);
        let known = locked(&self.loaded).by_name.get(name).cloned();
        if brought.is_none() && known.is_some() {
            return Ok(known);
        }
        let Some(path) = brought.clone().or_else(|| loader::file_of(name)) else {
            // The loader says so, in its own words.
            return Ok(None);
        };
        let file = FileId::at(&path)?;
        if let Some(copy) = locked(&self.loaded).by_file.get(&file) {
            return Ok(Some(copy.clone()));
        }
        let is_private = match (Nature::of(&path, file, search), &brought) {
            (Nature::Python | Nature::Unreadable, _) => return Ok(None),
            (Nature::UsesPython, _) => true,
            (Nature::Keeps, brought) => brought.is_some(),
            // The system's are loaded once, as their authors expect.
            (Nature::Shared, None) => false,
            (Nature::Shared, Some(_)) => !is_bound_once(name, &path, file, search),
        };
        if !is_private {
            return Ok(None);
        }
        let library = SharedObject::read(&path).map_err(|error| error.to_string())?;
        self.load(&library, Some(search), pending, n_bytes)
            .map(Some)
    }
}

/// What a library is to interpreters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// CPython's own.
    Python,
    /// It calls Python, and so may keep objects.
    UsesPython,
    /// It keeps something, or needs a library of its package that does.
    Keeps,
    /// Nothing that is one interpreter's.
    Shared,
    /// The loader says why, in its own words.
    Unreadable,
}

impl Nature {
    /// What the library in that file is. It is read once: of large ones that takes long.
    fn of(path: &Path, file: FileId, search: &Search) -> Nature {
        static KNOWN: Mutex<Option<HashMap<FileId, Nature>>> = Mutex::new(None);
        let known = locked(&KNOWN)
            .as_ref()
            .and_then(|known| known.get(&file).copied());
        known.unwrap_or_else(|| {
            let nature = Nature::read(path, search, &mut vec![file]);
            locked(&KNOWN).get_or_insert_default().insert(file, nature);
            nature
        })
    }

    /// As [`of`](Nature::of), where those that are `pending` need it: libraries may need each other.
    fn read(path: &Path, search: &Search, pending: &mut Vec<FileId>) -> Nature {
        let Ok(library) = SharedObject::read(path) else {
            return Nature::Unreadable;
        };
        if library.is_python() {
            return Nature::Python;
        }
        if library.uses_python() {
            return Nature::UsesPython;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let is_known = |name: &str| {
            let mut known = MADE_FOR_THREADS.iter();
            known.any(|(prefix, _)| name.starts_with(prefix))
        };
        if name.is_some_and(is_known) {
            return Nature::Shared;
        }
        if library.layout.state > NO_STATE || library.is_filter {
            return Nature::Keeps;
        }
        let search = Search::of(&library, Some(search));
        for path in library.needed.iter().filter_map(|name| search.find(name)) {
            let Some(file) = FileId::at(&path)
                .ok()
                .filter(|file| !pending.contains(file))
            else {
                continue;
            };
            pending.push(file);
            let nature = Nature::read(&path, &search, pending);
            if matches!(nature, Nature::Keeps | Nature::UsesPython) {
                return Nature::Keeps;
            }
        }
        Nature::Shared
    }
}

/// Loads a library once for the whole process, after those that it needs. Whether it then is the one that the
/// loader takes for that name: another file may have had the name before.
fn is_bound_once(name: &str, path: &Path, file: FileId, search: &Search) -> bool {
    static KNOWN: Mutex<Option<HashMap<(FileId, String), bool>>> = Mutex::new(None);
    let key = (file, name.to_owned());
    let known = locked(&KNOWN)
        .as_ref()
        .and_then(|known| known.get(&key).copied());
    known.unwrap_or_else(|| {
        let is_bound = match SharedObject::read(path) {
            Err(_) => true,
            Ok(library) => {
                are_needed_bound(&library, search, &mut vec![file]) && is_taken(name, &library)
            }
        };
        locked(&KNOWN).get_or_insert_default().insert(key, is_bound);
        is_bound
    })
}

fn are_needed_bound(library: &SharedObject, search: &Search, pending: &mut Vec<FileId>) -> bool {
    let search = Search::of(library, Some(search));
    library.needed.iter().all(|name| {
        let path = search.find(name);
        let file = path.as_deref().and_then(|path| FileId::at(path).ok());
        let (Some(path), Some(file)) = (path, file.filter(|file| !pending.contains(file))) else {
            return true;
        };
        pending.push(file);
        let Ok(library) = SharedObject::read(&path) else {
            return true;
        };
        are_needed_bound(&library, &search, pending) && is_taken(name, &library)
    })
}

fn is_taken(name: &str, library: &SharedObject) -> bool {
    // One that cannot be loaded is what its copy will lack, and the loader says so.
    let _ = loader::load_shared(&library.path);
    loader::file_of(name).is_none_or(|file| file == library.path)
}

/// Binds a copy to its own libraries where the whole process sees the same name, which the loader would prefer, and
/// where a process has only one: what is a singleton elsewhere is one for a copy and its libraries.
fn bind(edits: &mut Edits<'_>, own: &[Copy]) {
    if own.is_empty() {
        return;
    }
    edits.share_unique(|name| {
        let found = own.iter().find_map(|copy| copy.object.symbol(name));
        found.map(|address| address.as_ptr() as usize)
    });
    for name in edits.object().imports.keys() {
        let Some(global) = loader::global(name) else {
            continue;
        };
        // A copy gives what it has itself, or else what those have that it needs.
        let mut found = own.iter().filter_map(|copy| copy.object.symbol(name));
        if let Some(address) = found.find(|address| *address != global) {
            edits.replace(name, address.as_ptr() as usize);
        }
    }
}
