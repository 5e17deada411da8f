//! PrivateCopies: extension modules, each loaded from a copy that belongs to one interpreter.
//!
//! Most extensions refuse interpreters with their own GIL: their variables belong to the process, and two GILs do not
//! protect them. In a copy the variables belong to the interpreter, and its GIL protects them, as the only GIL of a
//! process would. `docs/private-copies.md` lists what that does not cover.
//!
//! Extensions that do not refuse get copies as well. Some of them claim to be shareable and yet keep pointers into
//! numpy's variables, which each interpreter has its own copy of (scipy 1.18's `_lbfgsb`).

#[cfg(Py_3_15)]
use std::ffi::c_void;
use std::fmt;
use std::path::{Path, PathBuf};
#[cfg(Py_3_15)]
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::copies::{Copies, Copy};
use super::definition::{self, Made};
use super::gilstate;
#[cfg(Py_3_15)]
use super::module_file;
use super::module_file::{Extension, Initialization};
#[cfg(Py_3_15)]
use super::slots::Slots;
use crate::error::StartError;
use crate::interpreter::Interpreter;
use crate::object::{Borrowed, Object, Program, PyResult, Raised, program};
use crate::thread::Attached;
use crate::visit::Visits;

static PROGRAM: Program = program!("imports", "private_copy.py");

/// An extension module that was loaded from a private copy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// Whether an extension module may have a private copy, as the installer's policy decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Copy,
    /// It may if its own slots declare that it supports an own GIL (PEP 684); else it is refused, for this
    /// reason.
    IfDeclared(String),
    /// It is refused, for this reason.
    Refused(String),
}

/// Decides on an extension module by its name and the path of its file, before anything of that runs.
#[derive(Clone)]
pub struct Policy(Option<Arc<Admit>>);

/// Takes a module's name and its file.
type Admit = dyn Fn(&str, &Path) -> Admission + Send + Sync;

impl Policy {
    /// The policy that asks this function, attached to the interpreter that imports.
    pub fn new(admit: impl Fn(&str, &Path) -> Admission + Send + Sync + 'static) -> Policy {
        Policy(Some(Arc::new(admit)))
    }

    /// The policy of an interpreter that has no copies: CPython loads extension modules by itself, and refuses those
    /// that do not support interpreters with their own GIL.
    ///
    /// CPython runs the init function of a module that is created in one step before it refuses that, which may end the
    /// process. So such a module is refused first, in CPython's words.
    pub fn none() -> Policy {
        Policy(None)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy")
    }
}

/// What an interpreter has loaded from private copies.
///
/// Clones are of the same interpreter, and may be asked on any thread.
#[derive(Clone, Debug)]
pub struct PrivateCopies {
    /// Once the first is loaded: few interpreters of a process may have some.
    copies: Arc<OnceLock<Copies>>,
    visits: Visits,
    policy: Policy,
    loaded: Arc<Account>,
}

/// What an interpreter has loaded from copies.
#[derive(Debug, Default)]
struct Account(Mutex<Vec<PrivateCopy>>);

/// How many bytes the copies take of interpreters that are gone: they stay in memory.
static N_BYTES_LEFT: AtomicU64 = AtomicU64::new(0);

/// From how many such bytes on no other interpreter gets copies.
const N_BYTES_LEFT_MAX: u64 = 1 << 30;

impl Drop for Account {
    fn drop(&mut self) {
        let loaded = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let n_bytes = loaded.iter().map(|copy| copy.n_bytes).sum();
        N_BYTES_LEFT.fetch_add(n_bytes, Ordering::Relaxed);
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

    /// Has the interpreter load extension modules from private copies from now on, as far as the policy admits
    /// them, but for the standard library's.
    ///
    /// # Errors
    ///
    /// [`StartError::Raised`], and [`StartError::Failed`] in the main interpreter, which nothing refuses.
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn install(
        interpreter: &mut Interpreter,
        policy: Policy,
    ) -> Result<PrivateCopies, StartError> {
        let failed = |message: &str| StartError::Failed {
            doing: "preparing an interpreter for private copies",
            message: message.to_owned(),
        };
        if !interpreter.has_own_gil() {
            return Err(failed("the main interpreter needs none"));
        }
        let copies = PrivateCopies {
            copies: Arc::default(),
            visits: interpreter.visits().clone(),
            policy,
            loaded: Arc::default(),
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
        let has_copies = attached.bool(self.policy.0.is_some());
        globals.insert(&attached.str("has_copies")?, &has_copies)?;
        PROGRAM.run(attached, &globals)
    }

    /// What was loaded so far, in the order of time.
    pub fn loaded(&self) -> Vec<PrivateCopy> {
        locked(&self.loaded.0).clone()
    }

    /// The copies; with a reason where this interpreter can have none.
    fn copies(&self) -> Result<&Copies, String> {
        if let Some(copies) = self.copies.get() {
            return Ok(copies);
        }
        let n_left = N_BYTES_LEFT.load(Ordering::Relaxed);
        if n_left > N_BYTES_LEFT_MAX {
            let n_left = n_left >> 20;
            return Err(format!(
                "those of interpreters that have ended take {n_left} MiB, and stay in memory"
            ));
        }
        let foreign = gilstate::host(&self.visits);
        let foreign = foreign.ok_or("too many interpreters of this process have had some")?;
        let replacements = foreign.into_iter().chain(definition::replacements());
        // One thread of the interpreter at a time is here: all hold its import lock, or its GIL.
        Ok(self.copies.get_or_init(|| Copies::new(replacements)))
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
        let Ok(extension) = Extension::read(path) else {
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
        let Some(admit) = &self.policy.0 else {
            return Ok(without_copies(&name, &extension));
        };
        let refused = |reason: &str| Verdict::Refused(format!("{name} {REFUSAL}: {reason}"));
        let undeclared = match admitted(admit(&name, path), &extension) {
            Ok(undeclared) => undeclared,
            Err(reason) => return Ok(refused(&reason)),
        };
        let found = self.copies();
        let (copy, n_bytes) = match found.and_then(|copies| copies.of(extension.object())) {
            Ok(found) => found,
            Err(reason) => return Ok(refused(&reason)),
        };
        let (module, initialization) = match import(&copy, function, spec, undeclared)? {
            Imported::NotFound => return Ok(Verdict::CPythons),
            Imported::Undeclared(reason) => return Ok(refused(&reason)),
            Imported::Module(module, initialization) => (module, initialization),
        };
        if initialization == Initialization::SinglePhase {
            made.insert(&key, &module)?;
        }
        locked(&self.loaded.0).push(PrivateCopy {
            module: name,
            path: path.to_owned(),
            initialization,
            load_time: started.elapsed(),
            n_bytes,
        });
        Ok(Verdict::Module(module))
    }
}

/// See [`Policy::none`].
fn without_copies<'a>(name: &str, extension: &Extension) -> Verdict<'a> {
    match extension.initialization() {
        Initialization::SinglePhase => Verdict::Refused(format!(
            "module {name} does not support loading in subinterpreters"
        )),
        Initialization::MultiPhase | Initialization::Unknown => Verdict::CPythons,
    }
}

/// Whether a copy of it may be loaded; with a reason if its module may be made only where it declares that it supports
/// an own GIL.
fn admitted(admission: Admission, extension: &Extension) -> Result<Option<String>, String> {
    let undeclared = match admission {
        Admission::Copy => None,
        // Only a definition declares anything, and to call for one in the copy changes nothing else.
        Admission::IfDeclared(reason)
            if extension.initialization() == Initialization::MultiPhase =>
        {
            Some(reason)
        }
        Admission::IfDeclared(reason) | Admission::Refused(reason) => return Err(reason),
    };
    // To call for the definition would take copies of the libraries that it comes with.
    let brought = extension
        .libraries()
        .into_iter()
        .any(|library| library.path().is_some());
    match undeclared {
        Some(reason) if brought => Err(reason),
        undeclared => Ok(undeclared),
    }
}

/// By what all reasons of this file are known, which name the module before it and say why after it.
const REFUSAL: &str = "cannot have a private copy";

/// What the function of a copy gave.
enum Imported<'a> {
    /// There is no such function.
    NotFound,
    /// A module that does not declare that it supports an own GIL; with the reason that it was to do so.
    Undeclared(String),
    /// The module.
    Module(Object<'a>, Initialization),
}

/// Has a function of a copy give its module; with a reason only if that declares that it supports an own GIL.
fn import<'a>(
    copy: &Copy,
    function: &str,
    spec: &Object<'a>,
    undeclared: Option<String>,
) -> PyResult<'a, Imported<'a>> {
    let Some(address) = copy.object.symbol(function) else {
        return Ok(Imported::NotFound);
    };
    #[cfg(Py_3_15)]
    if module_file::gives_slots(function) {
        return export(spec, address, undeclared);
    }
    // SAFETY: the function has the name of a PyInit_…, of a shared object that stays loaded; by the
    // invariant of `Copy` no other interpreter calls into that.
    let initialized = unsafe { definition::initialize(spec.attached(), address) };
    if initialized.is_err()
        && let Some(reason) = undeclared
    {
        return Ok(Imported::Undeclared(reason));
    }
    match (initialized?, undeclared) {
        (Made::Definition(definition), Some(reason)) if !definition.declares_own_gil() => {
            Ok(Imported::Undeclared(reason))
        }
        (Made::Definition(definition), _) => {
            // SAFETY: it came from a copy, into which no other interpreter calls.
            let module = unsafe { definition.module(spec) }?;
            Ok(Imported::Module(module, Initialization::MultiPhase))
        }
        (Made::Module(module), Some(reason)) => {
            // What it set up must not be torn down by one that was never used.
            std::mem::forget(module);
            Ok(Imported::Undeclared(reason))
        }
        (Made::Module(module), None) => {
            definition::note_single_phase(&module)?;
            Ok(Imported::Module(module, Initialization::SinglePhase))
        }
    }
}

/// As [`import`], by a function that gives slots.
#[cfg(Py_3_15)]
fn export<'a>(
    spec: &Object<'a>,
    address: NonNull<c_void>,
    undeclared: Option<String>,
) -> PyResult<'a, Imported<'a>> {
    // SAFETY: the function has the name of a PyModExport_…, of a shared object that stays loaded; by the
    // invariant of `Copy` no other interpreter calls into that.
    let slots = unsafe { Slots::export(spec.attached(), address) }?;
    if let Some(reason) = undeclared.filter(|_| !slots.declares_own_gil()) {
        return Ok(Imported::Undeclared(reason));
    }
    // SAFETY: they came from a copy, into which no other interpreter calls.
    let module = unsafe { slots.module(spec) }?;
    Ok(Imported::Module(module, Initialization::MultiPhase))
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
