//! Runtime: CPython in this process, started once and never finalized.
//!
//! A dedicated thread starts CPython, detaches at once, and lives as long as the process. Python calls it the main
//! thread: if it ended, the system could give its identity to another thread, which CPython would then take for the
//! main thread.
//!
//! CPython is not finalized: `Py_FinalizeEx` aborts on 3.12 if an interpreter is left, and on every version it hangs
//! on a busy interpreter, or frees what that interpreter uses. [`exit`](crate::exit) flushes and ends the process.

use std::cell::Cell;
use std::ffi::CString;
use std::fmt;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::site::{self, SiteChange};
use super::{executable, preimport};
use crate::error::StartError;
use crate::memory::{Memory, Owner, allocator};
use crate::object::PyResult;
use crate::panic::catch;
use crate::raw;
use crate::thread::{Attached, Guard, Home, STACK_SIZE};
use crate::version::Version;

/// The settings for starting CPython.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The `python` whose packages to use: an executable, a name on `PATH`, or a virtual
    /// environment's directory. `None` is the Python that this crate was built with.
    pub python: Option<PathBuf>,
    /// The seed of `hash()` for texts, like `PYTHONHASHSEED`. `None` leaves it to CPython, which reads that variable,
    /// and picks a random seed if it is not set.
    pub hash_seed: Option<u32>,
    /// Whether the process needs no interpreter but the main one, as far as one can tell. What has to be ready before
    /// there is a second is then done when that is created.
    pub is_alone: bool,
}

pub(crate) enum MainTask {
    /// Runs attached.
    Attached(Box<dyn for<'a> FnOnce(Attached<'a>) + Send>),
    /// Has the main thread's own state to attach by.
    Lent(Box<dyn FnOnce(Rc<Home>) + Send>),
}

/// CPython in this process.
///
/// # Invariant
///
/// This crate started CPython, once; nothing finalizes it. Python's main thread lives as long as the
/// process, and is attached only while it runs a task of [`in_main`](Runtime::in_main).
pub struct Runtime {
    config: Config,
    warnings: Vec<String>,
    main: Mutex<Sender<MainTask>>,
}

thread_local! {
    /// Whether this thread does the work on the main interpreter.
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

pub(crate) static RUNTIME: OnceLock<Result<Runtime, StartError>> = OnceLock::new();

impl Runtime {
    /// Starts CPython, or returns the running one: once per process, from any thread.
    ///
    /// Signal handlers stay as they are, and none are added. Before 3.14, the standard library's C extensions
    /// are imported in the main interpreter, which takes about 50 ms: importing one first in a sub-interpreter
    /// corrupts the heap. With [`Config::is_alone`] this is done later.
    ///
    /// # Errors
    ///
    /// [`StartError`]. One that CPython itself gave is final: it cannot be started a second time.
    pub fn start(config: &Config) -> Result<&'static Runtime, StartError> {
        if let Some(Ok(runtime)) = RUNTIME.get() {
            return runtime.accept(config);
        }
        // What can be tried again is checked before what cannot.
        let python = config.python.as_deref().map(executable::find).transpose()?;
        let version = Version::running();
        if let Some(reason) = version.refusal() {
            return Err(StartError::Refused { version, reason });
        }
        let started = RUNTIME.get_or_init(|| start_main_thread(config, python));
        started.as_ref().map_err(Clone::clone)?.accept(config)
    }

    /// Returns the running CPython, if there is one.
    pub fn running() -> Option<&'static Runtime> {
        RUNTIME.get().and_then(|started| started.as_ref().ok())
    }

    fn accept(&'static self, config: &Config) -> Result<&'static Runtime, StartError> {
        if config.python.is_none() || config == &self.config {
            return Ok(self);
        }
        let (running, asked) = (self.config.python.clone(), config.python.clone());
        Err(StartError::AlreadyStarted { running, asked })
    }

    /// The changes that `.pth` files and `sitecustomize` made to this process's environment. A process
    /// that runs them again should start from the earlier values, so that they find the environment as they did here.
    pub fn site_changes() -> &'static [SiteChange] {
        site::changes()
    }

    /// The Python that was named at start, if any.
    pub fn python(&self) -> Option<&std::path::Path> {
        self.config.python.as_deref()
    }

    /// Whether this is built for a free-threaded CPython (PEP 703). The threads of an interpreter then run in parallel,
    /// as long as its GIL is [off](Runtime::is_gil_enabled).
    pub const IS_FREE_THREADED: bool = crate::version::IS_FREE_THREADED;

    /// Returns whether the main interpreter's GIL is on. It always is, except on a free-threaded build. There it is off
    /// at first, unless `PYTHON_GIL=1` is set. Importing an extension module that does not declare that it works
    /// without the GIL turns it on permanently.
    ///
    /// # Errors
    ///
    /// As [`in_main`](Runtime::in_main).
    ///
    /// # Panics
    ///
    /// As [`in_main`](Runtime::in_main).
    pub fn is_gil_enabled(&self) -> Result<bool, StartError> {
        if !Runtime::IS_FREE_THREADED {
            return Ok(true);
        }
        self.in_main(|attached| {
            let sys = attached.import(c"sys");
            let enabled = sys.and_then(|sys| sys.invoke("_is_gil_enabled", &[])?.is_true());
            enabled.map_err(|raised| StartError::Raised {
                doing: "asking for the GIL",
                exception: Box::new(raised.describe()),
            })
        })?
    }

    /// The version of CPython.
    pub fn version(&self) -> Version {
        Version::running()
    }

    /// Notes on this version: known crashes, or a different patch release than the one this program was built for.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether this is the thread that runs what is given to [`in_main`](Runtime::in_main), where that would wait for
    /// itself.
    pub fn is_main_thread() -> bool {
        SERVES.get()
    }

    /// Runs `work` in the main interpreter, on Python's main thread, and waits for it.
    ///
    /// # Errors
    ///
    /// [`StartError::Failed`] when `work` panicked.
    ///
    /// # Panics
    ///
    /// On a thread that is attached: it would hold a GIL while it waits. From within such `work`,
    /// detached, it would wait for itself without end.
    pub fn in_main<R: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(Attached<'a>) -> R + Send + 'static,
    ) -> Result<R, StartError> {
        self.in_main_within(None, work)
    }

    pub(super) fn in_main_within<R: Send + 'static>(
        &self,
        limit: Option<Duration>,
        work: impl for<'a> FnOnce(Attached<'a>) -> R + Send + 'static,
    ) -> Result<R, StartError> {
        assert_eq!(
            crate::thread::attach::current(),
            None,
            "detach before waiting for the main thread"
        );
        let (answer, result) = mpsc::sync_channel(1);
        let task = MainTask::Attached(Box::new(move |attached| {
            // The receiver is gone once the limit has passed.
            let _ = answer.send(work(attached));
        }));
        self.send(task)?;
        let failed = |message: &str| failed(message.to_owned());
        match limit {
            None => result.recv().map_err(|_| failed("it panicked")),
            Some(limit) => result
                .recv_timeout(limit)
                .map_err(|_| failed("it took too long")),
        }
    }

    /// Runs `work` on Python's main thread, and waits for it. `work` may pass its argument to [`Interpreter::lent`],
    /// and attach through the interpreter that this returns. Meanwhile nothing else runs on that thread: neither
    /// [`in_main`](Runtime::in_main) nor exit functions.
    ///
    /// To Python this is the main thread, so signal handlers can be set, and run.
    ///
    /// # Errors
    ///
    /// [`StartError::Failed`] when `work` panicked.
    ///
    /// [`Interpreter::lent`]: crate::Interpreter::lent
    pub fn on_main_thread<R: Send + 'static>(
        &self,
        work: impl FnOnce(MainThread) -> R + Send + 'static,
    ) -> Result<R, StartError> {
        let (answer, result) = mpsc::sync_channel(1);
        self.send(MainTask::Lent(Box::new(move |home| {
            let _ = answer.send(work(MainThread(home)));
        })))?;
        let panicked = |_| failed("it panicked".to_owned());
        result.recv().map_err(panicked)
    }

    fn send(&self, task: MainTask) -> Result<(), StartError> {
        let main = self
            .main
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        main.send(task)
            .map_err(|_| failed("its thread has ended".to_owned()))
    }
}

/// Work on the main interpreter that failed.
fn failed(message: String) -> StartError {
    StartError::Failed {
        doing: "work on the main interpreter",
        message,
    }
}

/// Python's main thread, while some work runs on it. It cannot leave that thread.
#[derive(Debug)]
pub struct MainThread(pub(crate) Rc<Home>);

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

fn start_main_thread(config: &Config, python: Option<PathBuf>) -> Result<Runtime, StartError> {
    let python = python.or_else(executable::built_with);
    let (hash_seed, is_alone) = (config.hash_seed, config.is_alone);
    let (ready, started) = mpsc::sync_channel(1);
    let (main, tasks) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("python-main".to_owned())
        .stack_size(STACK_SIZE);
    let failed = |message: String| StartError::Failed {
        doing: "starting CPython",
        message,
    };
    thread
        .spawn(move || match initialize(python, hash_seed, is_alone) {
            Ok(home) => {
                let _ = ready.send(Ok(()));
                serve(&Rc::new(home), &tasks);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        })
        .map_err(|error| failed(error.to_string()))?;
    started
        .recv()
        .map_err(|_| failed("its thread panicked".to_owned()))??;
    Ok(Runtime {
        config: config.clone(),
        warnings: warnings(),
        main: Mutex::new(main),
    })
}

impl Runtime {
    /// A CPython that others have started, whose main interpreter's work goes through `main`.
    pub(crate) fn of_host(main: Sender<MainTask>) -> Runtime {
        Runtime {
            config: Config::default(),
            warnings: warnings(),
            main: Mutex::new(main),
        }
    }

    /// Has the main interpreter's work go through `main` from now on.
    pub(crate) fn set_main(&self, main: Sender<MainTask>) {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner) = main;
    }
}

fn warnings() -> Vec<String> {
    let (running, built) = (Version::running(), Version::built_for());
    let mut warnings = Vec::new();
    if let Some(known) = running.warning() {
        warnings.push(format!("Python {running}: {known}"));
    }
    if running < built {
        warnings.push(format!(
            "this program was built for Python {built} and runs on {running}: fixes that it relies on may be missing"
        ));
    }
    warnings
}

/// The life of Python's main thread: detached, except while it runs a task.
pub(crate) fn serve(home: &Rc<Home>, tasks: &Receiver<MainTask>) {
    SERVES.set(true);
    for task in tasks {
        // The caller of a task that panics sees its channel close; the thread must go on for the others.
        let _ = match task {
            MainTask::Lent(work) => catch(|| work(Rc::clone(home))),
            MainTask::Attached(work) => {
                // SAFETY: `home` is the main thread state, this is its thread, and nothing else has it: whatever it
                // was lent has ended.
                let Some(guard) = (unsafe { Guard::attach(home, 0, None) }) else {
                    return;
                };
                catch(|| work(guard.attached()))
            }
        };
    }
}

/// Starts CPython on this thread, and detaches.
fn initialize(
    python: Option<PathBuf>,
    hash_seed: Option<u32>,
    is_alone: bool,
) -> Result<Home, StartError> {
    // SAFETY: may be called at any time.
    if unsafe { raw::Py_IsInitialized() } != 0 {
        return Err(StartError::Foreign);
    }
    let interrupt = Disposition::of(libc::SIGINT);
    let memory = Memory::of_start();
    let _owner = Owner::new(Some(&memory));
    initialize_from_config(python, hash_seed)?;
    allocator::check();
    // SAFETY: CPython has just been initialized by this thread, which is attached ever since.
    let home = Home::new(NonNull::new(unsafe { raw::PyEval_SaveThread() }));
    let imported = {
        // SAFETY: `home` is the main thread state, this is its thread, and nothing else has it.
        let guard = unsafe { Guard::attach(&home, 0, Some(&memory)) };
        guard.map_or(Ok(()), |guard| {
            let attached = guard.attached();
            preimport::begin(attached, false, is_alone)?;
            run_site(attached)
        })
    };
    // Importing `signal` in the main interpreter replaces a default disposition of SIGINT by a
    // handler that only sets a flag, which nothing would read.
    interrupt.restore();
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        ignore_as_python_does(signal);
    }
    imported.map(|()| home)
}

fn initialize_from_config(
    python: Option<PathBuf>,
    hash_seed: Option<u32>,
) -> Result<(), StartError> {
    let mut config = MaybeUninit::<raw::PyConfig>::zeroed();
    let config = config.as_mut_ptr();
    // SAFETY: `config` points at memory of the right size, which the call fills.
    unsafe { raw::PyConfig_InitPythonConfig(config) };
    // SAFETY: initialized in the line above, and ours alone.
    let fields = unsafe { &mut *config };
    fields.parse_argv = 0;
    fields.install_signal_handlers = 0;
    // What it loads belongs to packages, and is kept apart from what belongs to CPython.
    fields.site_import = 0;
    if let Some(seed) = hash_seed {
        fields.use_hash_seed = 1;
        fields.hash_seed = seed.into();
    }
    let program = &raw mut fields.program_name;
    let status = match python.map(c_string).transpose()? {
        // SAFETY: `config` is initialized, `program` is a field of it, `name` a C string that is
        // copied.
        Some(name) => unsafe { raw::PyConfig_SetBytesString(config, program, name.as_ptr()) },
        // SAFETY: makes a value.
        None => unsafe { raw::PyStatus_Ok() },
    };
    let mut result = check(status);
    if result.is_ok() {
        allocator::replace();
        // SAFETY: `config` is initialized; CPython is not, and only this thread starts it.
        result = check(unsafe { raw::Py_InitializeFromConfig(config) });
    }
    // SAFETY: `config` is initialized, and not used afterwards.
    unsafe { raw::PyConfig_Clear(config) };
    result
}

fn c_string(path: PathBuf) -> Result<CString, StartError> {
    CString::new(path.clone().into_os_string().into_encoded_bytes()).map_err(|_| {
        StartError::Environment {
            python: path,
            reason: "its path holds a null byte".to_owned(),
        }
    })
}

/// The error that a `PyStatus` holds, copied before any other call.
pub(crate) fn check(status: raw::PyStatus) -> Result<(), StartError> {
    // SAFETY: a plain function of its argument.
    if unsafe { raw::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    let message = if status.err_msg.is_null() {
        format!("CPython gave exit status {}", status.exitcode)
    } else {
        // SAFETY: a static C string of CPython's.
        unsafe { std::ffi::CStr::from_ptr(status.err_msg) }
            .to_string_lossy()
            .into_owned()
    };
    Err(StartError::Failed {
        doing: "starting CPython",
        message,
    })
}

/// Runs the module `site`, which the start has left out.
fn run_site(attached: Attached<'_>) -> Result<(), StartError> {
    let run = || -> PyResult<'_, ()> {
        #[cfg(Py_3_13)]
        super::siblings::keep_apart(attached)?;
        // SAFETY: attached.
        unsafe { site::give_to_new(true) };
        site::run_in_main(attached)
    };
    run().map_err(|raised| StartError::Raised {
        doing: "importing site",
        exception: Box::new(raised.describe()),
    })
}

/// What the process does at a signal, to be put back.
struct Disposition {
    signal: i32,
    action: Option<libc::sigaction>,
}

/// Has a signal whose default ends the process be ignored, unless other code has set its disposition: system calls report it,
/// too (Modules/signalmodule.c, `signal_install_handlers`).
fn ignore_as_python_does(signal: libc::c_int) {
    let is_default = |action: &libc::sigaction| action.sa_sigaction == libc::SIG_DFL;
    if Disposition::of(signal)
        .action
        .as_ref()
        .is_some_and(is_default)
    {
        // SAFETY: any thread may set what is done at a signal; nothing runs at one that is ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

impl Disposition {
    fn of(signal: i32) -> Self {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: null asks for the present action, which is written to memory of its size.
        let status = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
        // SAFETY: zeroed memory is a valid sigaction, and the call may have filled it.
        let action = unsafe { action.assume_init() };
        Disposition {
            signal,
            action: (status == 0).then_some(action),
        }
    }

    fn restore(&self) {
        if let Some(action) = &self.action {
            // SAFETY: puts back what the system gave.
            unsafe { libc::sigaction(self.signal, action, std::ptr::null_mut()) };
        }
    }
}
