//! Libraries: shared libraries that Python code loads by itself, by `ctypes` or by cffi's `dlopen`.
//!
//! Such a library is one for the whole process, while its author counts on one GIL, or on a lock in Python code of
//! which each interpreter has its own. So an interpreter with its own GIL loads only what the process had when
//! CPython started, and what is known to be made for several threads.
//!
//! The loader is asked what a name stands for: before anything is loaded (`RTLD_NOLOAD`), and once more after that,
//! since it searches for each caller in other folders. `ctypes` is held at its one function that loads, in each
//! interpreter: an audit hook would be called for every event of the process, and makes `id` twice and
//! `sys._getframe` three times as slow.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fmt;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::attach::Attached;
use crate::copies::Replacement;
use crate::error::StartError;
use crate::exception::Raised;
use crate::interpreter::Interpreter;
use crate::object::{Borrowed, Object};
use crate::raw;
use crate::shared_copy;

/// Which libraries an interpreter with its own GIL loads for its Python code.
///
/// Clones are of the same interpreter.
#[derive(Clone, Debug)]
pub struct Libraries {
    inner: Arc<Inner>,
}

/// What is told each refusal.
type Told = Box<dyn Fn(&str) + Send + Sync>;

struct Inner {
    /// Whether a library of the system's is known to be made for several threads, by its file's name.
    is_safe: fn(&str) -> bool,
    told: OnceLock<Told>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inner")
    }
}

/// What cffi's copies go by: the interpreters that hold their libraries, by their ids.
static HELD: Mutex<Option<HashMap<i64, Weak<Inner>>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<HashMap<i64, Weak<Inner>>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Libraries {
    /// Has the interpreter refuse other libraries from now on, by an `OSError` that says why.
    ///
    /// `is_safe` is told the name of a library's file that lies where the system's own do, and says whether it is
    /// known to be made for several threads.
    ///
    /// # Errors
    ///
    /// [`StartError::Raised`], and [`StartError::Failed`] in the main interpreter, which loads what it likes.
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn hold(
        interpreter: &mut Interpreter,
        is_safe: fn(&str) -> bool,
    ) -> Result<Libraries, StartError> {
        const DOING: &str = "preparing an interpreter for libraries";
        if !interpreter.has_own_gil() {
            return Err(StartError::Failed {
                doing: DOING,
                message: "the main interpreter loads what it likes".to_owned(),
            });
        }
        let told = OnceLock::new();
        let inner = Arc::new(Inner { is_safe, told });
        {
            let mut held = held();
            let held = held.get_or_insert_default();
            held.retain(|_, inner| inner.strong_count() > 0);
            held.insert(interpreter.id(), Arc::downgrade(&inner));
        }
        let libraries = Libraries { inner };
        interpreter.attach(|attached| {
            let hook = || {
                let globals = attached.dict()?;
                for (name, function) in [
                    ("before", Libraries::before as Answer),
                    ("after", Libraries::after),
                ] {
                    let own = libraries.clone();
                    let function = attached
                        .callback(move |attached, arguments| function(&own, attached, arguments))?;
                    globals.insert(&attached.str(name)?, &function)?;
                }
                attached.exec(include_str!("library.py"), "<owngil libraries>", &globals)
            };
            hook().map_err(|raised| StartError::Raised {
                doing: DOING,
                exception: Box::new(raised.describe()),
            })
        })?;
        Ok(libraries)
    }

    /// Has this told each refusal, on the thread that is refused and attached, whether or not anybody hears of the
    /// exception. Once for each interpreter.
    pub fn tell(&self, told: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.inner.told.set(Box::new(told));
    }

    /// `before(path)` of library.py: why that is not to be loaded, or None.
    fn before<'a>(
        &self,
        attached: Attached<'a>,
        arguments: &[Borrowed<'a>],
    ) -> Result<Object<'a>, Raised<'a>> {
        let path = arguments.first().and_then(|path| path.as_bytes());
        let Some(path) = path else {
            return Err(attached.raise_type_error("before takes a path"));
        };
        // CPython has the error for a path with a null character.
        let Ok(path) = CString::new(path) else {
            return Ok(attached.none());
        };
        self.inner
            .answer(attached, before(&path, self.inner.is_safe))
    }

    /// `after(handle)` of library.py: why what was loaded is to be given up, or None.
    fn after<'a>(
        &self,
        attached: Attached<'a>,
        arguments: &[Borrowed<'a>],
    ) -> Result<Object<'a>, Raised<'a>> {
        let handle = arguments.first().and_then(|handle| handle.as_i64());
        let handle = NonNull::new(handle.unwrap_or(0) as usize as *mut c_void);
        let Some(handle) = handle else {
            return Err(attached.raise_type_error("after takes a handle"));
        };
        // SAFETY: library.py passes what `dlopen` has just given to it, and nothing else reaches this function.
        let judged = unsafe { judge(handle, self.inner.is_safe) };
        self.inner.answer(attached, judged)
    }
}

type Answer =
    for<'a> fn(&Libraries, Attached<'a>, &[Borrowed<'a>]) -> Result<Object<'a>, Raised<'a>>;

impl Inner {
    fn answer<'a>(
        &self,
        attached: Attached<'a>,
        judged: Result<(), String>,
    ) -> Result<Object<'a>, Raised<'a>> {
        match judged {
            Ok(()) => Ok(attached.none()),
            Err(reason) => {
                self.note(&reason);
                attached.str(&reason)
            }
        }
    }

    fn note(&self, reason: &str) {
        if let Some(told) = self.told.get() {
            told(reason);
        }
    }
}

/// The text of a refusal, by which it is told from other errors.
fn refusal(name: &OsStr) -> String {
    let name = Path::new(name).file_name().unwrap_or(name);
    format!(
        "{} cannot be loaded in an interpreter with its own GIL: it is not known to be safe for several threads at once",
        name.to_string_lossy()
    )
}

/// Whether a path may be loaded, as far as the loader tells without doing so.
fn before(path: &CStr, is_safe: fn(&str) -> bool) -> Result<(), String> {
    // An empty name is the program's own.
    if path.is_empty() {
        return Ok(());
    }
    let name = OsStr::from_bytes(path.to_bytes());
    match shared_copy::find_loaded(path) {
        // SAFETY: the handle is open: it has just been given, and nobody closes it before `judge` returns.
        Ok(Some(handle)) => unsafe { judge(handle, is_safe) },
        Ok(None) => {
            let file = Path::new(name).file_name().unwrap_or(name);
            // Where it comes from is seen once it is loaded.
            let may_be_systems = name == file || is_systems(Path::new(name));
            match may_be_systems && is_safe(&file.to_string_lossy()) {
                true => Ok(()),
                false => Err(refusal(name)),
            }
        }
        // It is not there, or nothing that can be loaded: the loader says so again, in its own words.
        Err(()) => Ok(()),
    }
}

/// Whether what is loaded may be used.
///
/// # Safety
///
/// The handle is open.
unsafe fn judge(handle: NonNull<c_void>, is_safe: fn(&str) -> bool) -> Result<(), String> {
    let started = STARTED.get();
    if started.is_some_and(|started| started.contains(&(handle.as_ptr() as usize))) {
        return Ok(());
    }
    // SAFETY: open, by this function's contract.
    let path = unsafe { shared_copy::path_of(handle) }.unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    match is_systems(&path) && is_safe(&name.to_string_lossy()) {
        true => Ok(()),
        false => Err(refusal(path.as_os_str())),
    }
}

/// What the process had loaded when CPython had started. Nothing of it is ever unloaded, so a handle stays that
/// of the same library.
static STARTED: OnceLock<HashSet<usize>> = OnceLock::new();

/// The folders of the system's own libraries: those beside glibc's.
static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Notes what the process has loaded.
pub(crate) fn note_started() {
    let paths = shared_copy::loaded_paths();
    let libc = paths
        .iter()
        .map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libc.so.") || name.starts_with("libc.musl")
        });
    let folder = libc.and_then(Path::parent).unwrap_or(Path::new("/lib"));
    let other = Path::new("/usr").join(folder.strip_prefix("/").unwrap_or(folder));
    let folders = [folder.to_owned(), other].into_iter();
    let _ = FOLDERS.set(folders.filter_map(|one| one.canonicalize().ok()).collect());
    let handles = paths
        .iter()
        .filter_map(|path| shared_copy::keep_loaded(path));
    let _ = STARTED.set(handles.map(|handle| handle.as_ptr() as usize).collect());
}

/// Whether the file lies where the system's own libraries do.
fn is_systems(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let known = FOLDERS.get();
    folder.is_some_and(|folder| known.is_some_and(|known| known.contains(&folder)))
}

/// What copies of cffi find in place of the loader's functions: it tells nobody what it loads.
pub(crate) fn replacements() -> [Replacement; 2] {
    [
        ("dlopen", open as *const () as usize),
        ("dlerror", error as *const () as usize),
    ]
}

thread_local! {
    /// What this thread was refused last: whether nobody has asked yet, and the text, which stays for who has.
    static REFUSED: RefCell<(bool, Option<CString>)> = const { RefCell::new((false, None)) };
}

/// What is held of the interpreter that this thread is attached to: Python code may have started the thread.
fn own() -> Option<Arc<Inner>> {
    // SAFETY: may be called on any thread.
    let state = unsafe { raw::PyThreadState_GetUnchecked() };
    if state.is_null() {
        return None;
    }
    // SAFETY: it is attached to this thread.
    let interpreter = unsafe { raw::PyThreadState_GetInterpreter(state) };
    // SAFETY: the interpreter of the attached thread state.
    let id = unsafe { raw::PyInterpreterState_GetID(interpreter) };
    held().as_ref()?.get(&id)?.upgrade()
}

/// What `dlopen` is for a copy of cffi.
unsafe extern "C" fn open(path: *const c_char, how: c_int) -> *mut c_void {
    let inner = own();
    let _ = REFUSED.try_with(|refused| refused.borrow_mut().0 = false);
    let (false, Some(inner)) = (path.is_null(), inner) else {
        // SAFETY: as cffi called it.
        return unsafe { libc::dlopen(path, how) };
    };
    // SAFETY: cffi passes a C string, which it keeps for the length of the call.
    let judged = before(unsafe { CStr::from_ptr(path) }, inner.is_safe);
    let reason = match judged {
        Err(reason) => reason,
        Ok(()) => {
            // SAFETY: as cffi called it.
            let handle = unsafe { libc::dlopen(path, how) };
            let Some(opened) = NonNull::new(handle) else {
                return handle;
            };
            // SAFETY: opened in the line above.
            match unsafe { judge(opened, inner.is_safe) } {
                Ok(()) => return handle,
                Err(reason) => {
                    // SAFETY: opened above, and given to nobody.
                    unsafe { libc::dlclose(handle) };
                    reason
                }
            }
        }
    };
    inner.note(&reason);
    let text = CString::new(reason.replace('\0', "\\0")).ok();
    let _ = REFUSED.try_with(|refused| *refused.borrow_mut() = (true, text));
    ptr::null_mut()
}

/// What `dlerror` is for a copy of cffi.
unsafe extern "C" fn error() -> *mut c_char {
    let refused = REFUSED.try_with(|refused| {
        let mut refused = refused.borrow_mut();
        let text = refused.1.as_ref().map(|text| text.as_ptr().cast_mut());
        text.filter(|_| mem::take(&mut refused.0))
    });
    match refused {
        Ok(Some(text)) => text,
        // SAFETY: takes nothing; gives what went wrong last on this thread, or null.
        _ => unsafe { libc::dlerror() },
    }
}
