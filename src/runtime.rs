//! Runtime: which Python this process runs, chosen once.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::OnceLock;

use owngil_ffi::{Config, Runtime, StartError};

use crate::error::Result;

/// CPython in this process, as it was started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The version that runs: `3.14.2`.
    pub version: String,
    /// What a user of this version should know, such as crashes that later patch releases mend.
    pub warnings: Vec<String>,
    /// Whether it is a free-threaded build, on which threads run Python code in parallel.
    pub is_free_threaded: bool,
    /// Whether the GIL of the main interpreter is on now: always, but on a free-threaded build. There an
    /// extension module that does not say that it can do without (`Py_MOD_GIL_NOT_USED`) switches it on when
    /// it is imported, for the rest of the process, and `PYTHON_GIL=1` does so from the start.
    pub is_gil_enabled: bool,
}

/// Starts CPython, if it does not run yet, for the Python that is named: an executable, a name on
/// `PATH`, or a virtual environment's directory.
///
/// CPython starts once per process. Call this before the first pool to choose whose packages are
/// used; without it, that is the virtual environment that `VIRTUAL_ENV` names, or else the Python
/// that this program was built with.
///
/// # Errors
///
/// [`Error::Start`](crate::Error::Start): there is no such Python, it is of another minor version
/// than the one that is linked, or CPython runs with another one already.
pub fn use_python(python: impl Into<PathBuf>) -> Result<RuntimeInfo> {
    start_with(&Config {
        python: Some(python.into()),
        hash_seed: hash_seed(),
    })
}

/// Starts CPython, if it does not run yet, and tells what runs.
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

pub(crate) fn start() -> Result<&'static Runtime> {
    if let Some(runtime) = Runtime::running() {
        return Ok(runtime);
    }
    let python = std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty());
    let started = Runtime::start(&Config {
        python: python.map(PathBuf::from),
        hash_seed: hash_seed(),
    })?;
    warn(started);
    Ok(started)
}

/// Has libraries that compute start no threads of their own, unless the user has said how many.
pub(crate) fn limit_native_threads() -> Result<()> {
    let limited = start()?.in_main(|attached| {
        let source = include_str!("python/native_threads.py");
        let run = || attached.exec(source, "<owngil native threads>", &attached.dict()?);
        run().map_err(|raised| StartError::Raised {
            doing: "limiting the threads of libraries",
            exception: Box::new(raised.describe()),
        })
    });
    Ok(limited??)
}

fn start_with(config: &Config) -> Result<RuntimeInfo> {
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

/// Has this process say on standard error which signal ends it and which calls ran, by their numbers from 1, if C code
/// crashes it. What else is done at these signals is done afterwards.
pub fn tell_of_crashes() {
    owngil_ffi::tell_of_crashes();
}

/// Ends the process with this status, with all output written.
///
/// Runs the main interpreter's exit functions, flushes Python's and Rust's standard streams and
/// leaves without finalizing CPython, which is safe over a busy interpreter on no version. Drop or
/// shut down the pools first: what still runs is cut off.
///
/// A program may as well return from `main`; what is left out then is what the main interpreter's
/// exit functions do (those of the `thread` backend).
pub fn exit(status: i32) -> ! {
    crate::children::kill_all();
    owngil_ffi::exit(status)
}
