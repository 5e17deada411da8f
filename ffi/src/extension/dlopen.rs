//! Libraries: the shared libraries that Python code loads itself, through `ctypes` or cffi's `dlopen`.
//!
//! The process has one copy of such a library, but its author counts on a single GIL, or on a lock in Python code
//! that exists once per interpreter. So an interpreter with its own GIL loads only what the process had loaded when
//! CPython started, and what is known to be safe for several threads.
//!
//! The loader is asked what a name means: before anything is loaded (`RTLD_NOLOAD`), and again afterwards, because it
//! searches different folders for each caller. In each interpreter, `ctypes` is checked at its one function that
//! loads. An audit hook would be called for every event of the process: it makes `id` two and `sys._getframe` three
//! times slower.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fmt;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::error::StartError;
use crate::interpreter::Interpreter;
use crate::object::{Borrowed, Object, Program, Raised, program};
use crate::raw;
use crate::shared_object::{Replacement, baseline, loader};
use crate::thread::Attached;

static PROGRAM: Program = program!("libraries", "dlopen.py");

/// Which libraries an interpreter with its own GIL loads for its Python code.
///
/// Clones are of the same interpreter.
#[derive(Clone, Debug)]
pub struct Libraries {
    inner: Arc<Inner>,
}

/// What is called with the text of each refusal.
type OnRefusal = Box<dyn Fn(&str) + Send + Sync>;

struct Inner {
    /// Whether a library of the system's is known to be made for several threads, by its file's name.
    is_safe: fn(&str) -> bool,
    on_refusal: OnceLock<OnRefusal>,
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
    /// `is_safe` gets the name of a library's file that lies where the system's own do, and says whether it is
    /// known to be made for several threads.
    ///
    /// # Errors
    ///
    /// [`StartError::Raised`], and [`StartError::Failed`] in the main interpreter, which may load any library.
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
                message: "the main interpreter may load any library".to_owned(),
            });
        }
        let on_refusal = OnceLock::new();
        let inner = Arc::new(Inner {
            is_safe,
            on_refusal,
        });
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
                PROGRAM.run(attached, &globals)
            };
            hook().map_err(|raised| StartError::Raised {
                doing: DOING,
                exception: Box::new(raised.describe()),
            })
        })?;
        Ok(libraries)
    }

    /// Calls `on_refusal` with each refusal, on the refused thread, which is attached, whether or not the exception is
    /// caught. Only the first call for an interpreter counts.
    pub fn tell(&self, on_refusal: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.inner.on_refusal.set(Box::new(on_refusal));
    }

    /// `before(path)` of dlopen.py: why that is not to be loaded, or None.
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

    /// `after(handle)` of dlopen.py: why what was loaded must be given up, or None.
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
        // SAFETY: dlopen.py passes what `dlopen` has just given to it, and nothing else reaches this function.
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
        if let Some(on_refusal) = self.on_refusal.get() {
            on_refusal(reason);
        }
    }
}

/// The text of a refusal; callers recognize refusals by it.
fn refusal(name: &OsStr) -> String {
    let name = Path::new(name).file_name().unwrap_or(name);
    format!(
        "{} cannot be loaded in an interpreter with its own GIL: it is not known to be safe for several threads at once",
        name.to_string_lossy()
    )
}

/// Whether a path may be loaded, as far as the loader can say without loading it.
fn before(path: &CStr, is_safe: fn(&str) -> bool) -> Result<(), String> {
    // An empty name is the program's own.
    if path.is_empty() {
        return Ok(());
    }
    let name = OsStr::from_bytes(path.to_bytes());
    match loader::find_loaded(path) {
        // SAFETY: the handle is open: it has just been given, and nothing closes it before `judge` returns.
        Ok(Some(handle)) => unsafe { judge(handle, is_safe) },
        Ok(None) => {
            let file = Path::new(name).file_name().unwrap_or(name);
            // Where it comes from is seen once it is loaded.
            let may_be_systems = name == file || baseline::is_system_path(Path::new(name));
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
    if baseline::contains(handle) {
        return Ok(());
    }
    // SAFETY: open, by this function's contract.
    let path = unsafe { loader::path_of(handle) }.unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    match baseline::is_system_path(&path) && is_safe(&name.to_string_lossy()) {
        true => Ok(()),
        false => Err(refusal(path.as_os_str())),
    }
}

/// What copies of cffi find in place of the loader's functions: cffi has no hook for what it loads.
pub(crate) fn replacements() -> [Replacement; 2] {
    [
        ("dlopen", open as *const () as usize),
        ("dlerror", error as *const () as usize),
    ]
}

thread_local! {
    /// What this thread was refused last: whether the text has still to be fetched, and the text, which stays valid afterwards.
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
                    // SAFETY: opened above, and not handed out.
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
