//! PrivateCopies: extension modules, each loaded from a copy that is this interpreter's own.
//!
//! Most extensions refuse interpreters with their own GIL, since their variables are the process's, and two
//! GILs would not protect them. In a copy they are this interpreter's, and its GIL protects them: the
//! interpreter is to the module what the only one of a process would be. What that does not cover is in
//! `docs/private-copies.md`.
//!
//! Extensions that do not refuse get copies as well. Some of them say that they may be shared and keep
//! pointers into numpy's, of which there is one for each interpreter (scipy 1.18's `_lbfgsb`).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::attach::Attached;
use crate::definition::{self, Made};
use crate::error::StartError;
use crate::exception::Raised;
#[cfg(Py_3_15)]
use crate::extension;
use crate::extension::{Extension, Initialization};
use crate::foreign;
use crate::interpreter::Interpreter;
use crate::object::{Borrowed, Object, PyResult};
use crate::shared_copy::{self, Replacement, SharedCopy};

/// An extension module that was loaded from a private copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateCopy {
    /// The module: `numpy._core._multiarray_umath`.
    pub module: String,
    /// The file that was copied.
    pub path: PathBuf,
    /// How it gave its module.
    pub initialization: Initialization,
    /// How long it took to copy it, to load the copy and to have its module made; not to execute that,
    /// which may import much else.
    pub load_time: Duration,
    /// How much memory the copy takes, in bytes: what of the file is loaded, and its variables once more.
    /// Nothing where another module came from the same copy before.
    pub n_bytes: u64,
}

/// What an interpreter has loaded from private copies.
///
/// Clones are of the same interpreter, and may be asked on any thread.
#[derive(Clone, Debug)]
pub struct PrivateCopies {
    inner: Arc<Mutex<Inner>>,
    /// What each copy finds in place of CPython's functions.
    replacements: Arc<[Replacement]>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The copies, by the file.
    copies: HashMap<File, Copy>,
    /// What was loaded from them.
    loaded: Vec<PrivateCopy>,
}

/// The copy of a file that this interpreter has.
///
/// # Invariant
///
/// No other interpreter knows `object`, so that none calls into it.
#[derive(Clone, Copy, Debug)]
struct Copy {
    object: SharedCopy,
}

impl Copy {
    /// The module that the function of that name gives, and how; `None` where the loader does not find it.
    fn module<'a>(
        self,
        name: &str,
        spec: &Object<'a>,
    ) -> PyResult<'a, Option<(Object<'a>, Initialization)>> {
        let Some(function) = self.object.symbol(name) else {
            return Ok(None);
        };
        #[cfg(Py_3_15)]
        if extension::gives_slots(name) {
            // SAFETY: the function has the name of a PyModExport_…, of a shared object that stays loaded; by
            // the invariant no other interpreter calls into that.
            let module = unsafe { crate::slots::module(function, spec) }?;
            return Ok(Some((module, Initialization::MultiPhase)));
        }
        // SAFETY: as above, with the name of a PyInit_….
        let made = unsafe { definition::initialize(spec.attached(), function) }?;
        Ok(Some(match made {
            Made::Definition(definition) => {
                // SAFETY: it came from a copy, into which no other interpreter calls.
                let module = unsafe { definition.module(spec) }?;
                (module, Initialization::MultiPhase)
            }
            Made::Module(module) => {
                definition::note_single_phase(&module)?;
                (module, Initialization::SinglePhase)
            }
        }))
    }
}

/// A file as it is now: one that was written anew is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct File {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl File {
    fn at(path: &Path) -> Option<File> {
        let found = fs::metadata(path).ok()?;
        Some(File {
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            size: found.size(),
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to become of an import.
enum Verdict<'a> {
    /// It is CPython's, errors included.
    CPythons,
    /// It cannot be had in this interpreter, for this reason.
    Refused(String),
    /// The module.
    Module(Object<'a>),
}

impl PrivateCopies {
    /// Whether there are any on this system: they count on the loader of glibc, and on 64 bits.
    pub const ARE_SUPPORTED: bool = cfg!(all(
        target_os = "linux",
        target_env = "gnu",
        target_pointer_width = "64"
    ));

    /// Has the interpreter that is attached load extension modules from private copies from now on, but for
    /// the standard library's.
    ///
    /// # Errors
    ///
    /// [`StartError::Raised`], and [`StartError::Failed`] in the main interpreter, which nothing refuses,
    /// and where too many interpreters have had copies.
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn install(interpreter: &mut Interpreter) -> Result<PrivateCopies, StartError> {
        let failed = |message: &str| StartError::Failed {
            doing: "preparing an interpreter for private copies",
            message: message.to_owned(),
        };
        if !interpreter.has_own_gil() {
            return Err(failed("the main interpreter needs none"));
        }
        let foreign = foreign::host(interpreter.visits());
        let foreign = foreign.ok_or_else(|| failed("too many have had some"))?;
        let replacements = foreign.into_iter().chain(definition::replacements());
        let copies = PrivateCopies {
            inner: Arc::default(),
            replacements: replacements.collect(),
        };
        interpreter.attach(|attached| {
            let hooked = copies.hook(attached);
            hooked.map_err(|raised| StartError::Raised {
                doing: "preparing an interpreter for private copies",
                exception: Box::new(raised.describe()),
            })
        })?;
        Ok(copies)
    }

    fn hook<'a>(&self, attached: Attached<'a>) -> PyResult<'a, ()> {
        let globals = attached.dict()?;
        let own = self.clone();
        let create =
            attached.callback(move |attached, arguments| own.create(attached, arguments))?;
        globals.insert(&attached.str("create")?, &create)?;
        let source = include_str!("private_copy.py");
        attached.exec(source, "<owngil imports>", &globals)
    }

    /// What was loaded so far, in the order of time.
    pub fn loaded(&self) -> Vec<PrivateCopy> {
        locked(&self.inner).loaded.clone()
    }

    /// What private_copy.py calls for each extension file.
    fn create<'a>(
        &self,
        attached: Attached<'a>,
        arguments: &[Borrowed<'a>],
    ) -> Result<Object<'a>, Raised<'a>> {
        let [name, path, spec, made] = arguments else {
            return Err(attached.raise_type_error("create takes four arguments"));
        };
        match self.load(name.text()?, path.text()?, spec, made)? {
            Verdict::CPythons => Ok(attached.none()),
            Verdict::Refused(reason) => attached.str(&reason),
            Verdict::Module(module) => Ok(module),
        }
    }

    fn load<'a>(
        &self,
        name: String,
        path: String,
        spec: &Object<'a>,
        made: &Object<'a>,
    ) -> PyResult<'a, Verdict<'a>> {
        let attached = spec.attached();
        let started = Instant::now();
        let path = Path::new(&path);
        // What is no extension of this machine gets CPython's own error.
        let (Some(file), Ok(extension)) = (File::at(path), Extension::read(path)) else {
            return Ok(Verdict::CPythons);
        };
        let functions = import_functions(attached, &name)?;
        let is_there = |function: &&String| extension.init_functions().contains(function);
        let Some(function) = functions.iter().find(is_there) else {
            return Ok(Verdict::CPythons);
        };
        let key = attached.str(&format!("{name}\0{}", path.display()))?;
        if let Some(module) = made.lookup(&key)? {
            return Ok(Verdict::Module(module));
        }
        if let Some(reason) = known_to_fail(&name) {
            return Ok(Verdict::Refused(format!("{name} {REFUSAL}: {reason}")));
        }
        let libraries = extension.libraries();
        if let Some(library) = libraries.iter().find(|library| library.uses_python()) {
            return Ok(Verdict::Refused(format!(
                "{name} {REFUSAL}: it has Python objects in {}, a library that all interpreters would share",
                library.name()
            )));
        }
        let (copy, n_bytes) = match self.copy_of(file, &extension) {
            Ok(found) => found,
            Err(reason) => {
                return Ok(Verdict::Refused(format!("{name} {REFUSAL}: {reason}")));
            }
        };
        let Some((module, initialization)) = copy.module(function, spec)? else {
            return Ok(Verdict::CPythons);
        };
        if initialization == Initialization::SinglePhase {
            made.insert(&key, &module)?;
        }
        locked(&self.inner).loaded.push(PrivateCopy {
            module: name,
            path: path.to_owned(),
            initialization,
            load_time: started.elapsed(),
            n_bytes,
        });
        Ok(Verdict::Module(module))
    }

    /// This interpreter's copy of a file, and how much memory it took just now.
    fn copy_of(&self, file: File, extension: &Extension) -> Result<(Copy, u64), String> {
        if let Some(copy) = locked(&self.inner).copies.get(&file) {
            return Ok((*copy, 0));
        }
        for library in extension.libraries() {
            if let Some(path) = library.path() {
                // One that cannot be loaded is what the copy will lack, and the loader says so.
                let _ = shared_copy::load_shared(path);
            }
        }
        let object = SharedCopy::load(extension.path(), extension.layout(), &self.replacements)?;
        let copy = Copy { object };
        locked(&self.inner).copies.insert(file, copy);
        Ok((copy, object.n_bytes()))
    }
}

/// By what all reasons of this file are known, which name the module before it and say why after it.
const REFUSAL: &str = "cannot have a private copy";

/// Packages that were seen to fail in private copies (`docs/compatibility.md`), and how.
const KNOWN_TO_FAIL: [(&str, &str); 3] = [
    (
        "h5py",
        "all copies share its libhdf5, which has no lock that holds between interpreters",
    ),
    ("greenlet", "it corrupts the heap when its interpreter ends"),
    ("grpc", "its own threads wait for the main interpreter"),
];

/// Why a module was seen to fail in private copies, if its package was.
fn known_to_fail(module: &str) -> Option<&'static str> {
    let package = module.split('.').next().unwrap_or(module);
    let known = KNOWN_TO_FAIL.iter().find(|(name, _)| *name == package);
    known.map(|(_, reason)| *reason)
}

/// The names of the functions by which CPython imports a module of that name, in the order in which it looks
/// for them (PEP 489, PEP 793).
fn import_functions<'a>(attached: Attached<'a>, module: &str) -> PyResult<'a, Vec<String>> {
    let name = module.rsplit('.').next().unwrap_or(module);
    let rest = if name.is_ascii() {
        format!("_{name}")
    } else {
        let code = attached
            .str(name)?
            .invoke("encode", &[attached.str("punycode")?])?;
        let code = String::from_utf8_lossy(code.as_bytes().unwrap_or_default()).replace('-', "_");
        format!("U_{code}")
    };
    let hooks: &[&str] = if cfg!(Py_3_15) {
        &["PyModExport", "PyInit"]
    } else {
        &["PyInit"]
    };
    Ok(hooks.iter().map(|hook| format!("{hook}{rest}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_were_seen_to_fail_are_known_by_their_names_alone() {
        assert!(
            known_to_fail("grpc._cython.cygrpc").is_some_and(|reason| reason.contains("threads"))
        );
        assert!(
            known_to_fail("h5py.h5").is_some() && known_to_fail("greenlet._greenlet").is_some()
        );
        assert!(known_to_fail("grpcs").is_none() && known_to_fail("numpy.h5py").is_none());
    }
}
