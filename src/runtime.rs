//! Runtime: which Python this process runs, chosen once.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use owngil_ffi::{Attached, Config, Interpreter, Runtime, StartError, hosted};

use crate::error::Result;

/// The CPython that runs in this process, as it was started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The running version: `3.14.2`.
    pub version: String,
    /// Notes on this version, such as crashes that later patch releases fix.
    pub warnings: Vec<String>,
    /// Whether this is a free-threaded build, on which threads run Python code in parallel.
    pub is_free_threaded: bool,
    /// Whether the GIL of the main interpreter is on now. It always is, except on a free-threaded build. There,
    /// importing an extension module that does not declare that it works without one (`Py_MOD_GIL_NOT_USED`) turns
    /// the GIL on for the rest of the process. `PYTHON_GIL=1` turns it on from the start.
    pub is_gil_enabled: bool,
}

/// Starts CPython for the given Python, if it does not run yet. `python` is an executable, a name on `PATH`, or
/// a virtual environment's directory.
///
/// CPython starts once per process. Call this before you create the first pool to choose whose packages are used.
/// By default, that is the virtual environment named by `VIRTUAL_ENV`, or else the Python that this program was
/// built with.
///
/// # Errors
///
/// [`Error::Start`](crate::Error::Start): there is no such Python, it is of another minor version
/// than the one that is linked, or CPython runs with another one already.
pub fn use_python(python: impl Into<PathBuf>) -> Result<RuntimeInfo> {
    start_with(&Config {
        python: Some(python.into()),
        hash_seed: hash_seed(),
        is_alone: is_alone(),
    })
}

/// Starts CPython, if it does not run yet, and returns information about it.
///
/// # Errors
///
/// As [`use_python`].
pub fn runtime_info() -> Result<RuntimeInfo> {
    info(start()?)
}

static HASH_SEED: OnceLock<Option<u32>> = OnceLock::new();

/// The seed that this process and its worker processes share, so that `hash()` of one text is one number in all of them;
/// `None` where the user has set one for all.
pub(crate) fn hash_seed() -> Option<u32> {
    *HASH_SEED.get_or_init(|| {
        let set = std::env::var_os("PYTHONHASHSEED");
        let is_set = set.is_some_and(|set| !set.is_empty() && set != "random");
        // Its keys come from the system. 0 would be no seed at all.
        (!is_set).then(|| (RandomState::new().hash_one(()) as u32).max(1))
    })
}

/// Takes that of the process which has started this one, before CPython starts.
pub(crate) fn share_hash_seed(seed: Option<u32>) {
    let _ = HASH_SEED.set(seed);
}

static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// Has CPython start without what other interpreters need, unless one is created after all.
pub(crate) fn be_alone() {
    IS_ALONE.store(true, Ordering::Relaxed);
}

fn is_alone() -> bool {
    IS_ALONE.load(Ordering::Relaxed)
}

pub(crate) fn start() -> Result<&'static Runtime> {
    if let Some(runtime) = Runtime::running() {
        return Ok(runtime);
    }
    if hosted::is_hosted() {
        return adopt();
    }
    let python = std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty());
    let started = Runtime::start(&Config {
        python: python.map(PathBuf::from),
        hash_seed: hash_seed(),
        is_alone: is_alone(),
    })?;
    warn(started);
    Ok(started)
}

/// Has libraries that compute start no threads of their own, unless the user has said how many.
pub(crate) fn limit_native_threads() -> Result<()> {
    fn limit(attached: Attached<'_>) -> std::result::Result<(), StartError> {
        let source = include_str!("python/native_threads.py");
        let run = || attached.exec(source, "<owngil native threads>", &attached.dict()?);
        run().map_err(|raised| StartError::Raised {
            doing: "limiting the threads of libraries",
            exception: Box::new(raised.describe()),
        })
    }
    let runtime = start()?;
    match Runtime::is_main_thread() {
        false => runtime.in_main(limit)??,
        // A worker process whose code makes a pool: this is the thread that would be waited for.
        true => Interpreter::on_main(runtime)?.attach(limit)?,
    }
    Ok(())
}

/// The host's CPython.
fn adopt() -> Result<&'static Runtime> {
    let runtime = hosted::adopt()?;
    warn(runtime);
    Ok(runtime)
}

fn start_with(config: &Config) -> Result<RuntimeInfo> {
    if hosted::is_hosted() {
        return info(adopt()?);
    }
    let started = Runtime::start(config)?;
    warn(started);
    info(started)
}

fn warn(runtime: &Runtime) {
    for warning in runtime.warnings() {
        tracing::warn!("{warning}");
    }
}

fn info(runtime: &'static Runtime) -> Result<RuntimeInfo> {
    Ok(RuntimeInfo {
        version: runtime.version().to_string(),
        warnings: runtime.warnings().to_vec(),
        is_free_threaded: Runtime::IS_FREE_THREADED,
        is_gil_enabled: runtime.is_gil_enabled()?,
    })
}

/// Makes this process report a crash of C code. It then prints to standard error which signal ended it and which
/// calls ran, by their numbers from 1. Any other action for these signals follows.
pub fn tell_of_crashes() {
    owngil_ffi::tell_of_crashes();
}

/// Ends the process with this status, after writing all output.
///
/// Runs the main interpreter's exit functions, flushes Python's and Rust's standard streams, and exits without
/// finalizing CPython: no version can be finalized safely over a busy interpreter. Drop or shut down the pools
/// first, as calls that still run are cut off.
///
/// Returning from `main` works too. It only skips the main interpreter's exit functions (those of the `thread`
/// backend).
pub fn exit(status: i32) -> ! {
    crate::children::kill_all();
    owngil_ffi::exit(status)
}
