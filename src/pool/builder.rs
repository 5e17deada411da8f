//! PoolBuilder: the settings of a pool, and its start.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;
use owngil_ffi::{Runtime, StartError};
use serde::Serialize;

use super::Pool;
use super::fallback::{FallbackPool, Moved, OnMove};
use super::settings::Settings;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::extensions::Extensions;
use crate::function::Function;
use crate::host::{ErasedFunction, HostFunction, HostFunctions};
use crate::inherited::Inherited;
use crate::interpreter::{Copying, MemorySetting};
use crate::output::OutputPolicy;
use crate::process;
use crate::runtime;
use crate::task::Batch;
use crate::tested::List;
use crate::worker::{Backend, WorkerSettings};

/// The least limit to the memory of a worker.
const MEMORY_LIMIT_MIN: usize = 8 << 20;

/// The settings of a pool, and the way to start it. The defaults suit most programs.
#[derive(Clone, Debug)]
#[must_use = "`build` starts the pool"]
pub struct PoolBuilder {
    n_workers: Option<usize>,
    backend: Backend,
    queue_limit: usize,
    output: OutputPolicy,
    grace: Duration,
    deadline: Option<Duration>,
    time_limit: Option<Duration>,
    lost_limit: usize,
    program: Option<PathBuf>,
    memory: MemorySetting,
    extensions: Option<Extensions>,
    tested: List,
    is_plain: bool,
    keeps_exceptions: bool,
    own_directories: bool,
    max_tasks_per_worker: Option<u64>,
    initializer: Option<Result<Batch>>,
    exit_hook: Option<Result<Batch>>,
    is_lazy: bool,
    takes_variables_later: bool,
    on_move: Option<OnMove>,
    host_functions: Vec<(String, ErasedFunction)>,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        PoolBuilder {
            n_workers: None,
            backend: Backend::default(),
            queue_limit: 1024,
            output: OutputPolicy::default(),
            grace: Duration::from_secs(2),
            deadline: None,
            time_limit: None,
            lost_limit: 32,
            program: None,
            memory: MemorySetting::NotCounted,
            extensions: None,
            tested: List::shipped(),
            is_plain: false,
            keeps_exceptions: false,
            own_directories: false,
            max_tasks_per_worker: None,
            initializer: None,
            exit_hook: None,
            is_lazy: false,
            takes_variables_later: false,
            on_move: None,
            host_functions: Vec::new(),
        }
    }
}

impl PoolBuilder {
    /// Sets the number of workers. The default is one per core that this process may use.
    pub fn workers(mut self, n: usize) -> Self {
        self.n_workers = Some(n);
        self
    }

    /// Sets where tasks run. The default is interpreters with their own GIL, and threads on a free-threaded Python.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets the program to run for workers of [`Backend::Process`]. The default is this same program, whose `main` must
    /// begin with [`become_worker_if_asked`](crate::become_worker_if_asked).
    ///
    /// The command `owngil` works too, if it has the same version of owngil.
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Sets how many submitted calls may wait in the queue before `submit` blocks. The default is 1024.
    pub fn queue_limit(mut self, n: usize) -> Self {
        self.queue_limit = n;
        self
    }

    /// Sets what to do with the output of tasks. By default it goes to this process's own streams.
    pub fn output(mut self, policy: OutputPolicy) -> Self {
        self.output = policy;
        self
    }

    /// Sets whether results of a class derived from a plain type arrive as the plain value, at any depth. By default
    /// they stay objects of their class, which Rust can only hand on.
    ///
    /// A `Counter`, a `defaultdict` and an `OrderedDict` become a dict. A named tuple becomes a tuple. Classes derived
    /// from list, str, int (`IntEnum`) or float become one of these, as with `json.dumps`. Rust can read the result,
    /// but what a class adds to its base is lost.
    pub fn plain_results(mut self, is_plain: bool) -> Self {
        self.is_plain = is_plain;
        self
    }

    /// Has exceptions that calls raise kept as objects, for a host that is Python itself.
    pub(crate) fn keep_exceptions(mut self) -> Self {
        self.keeps_exceptions = true;
        self
    }

    /// Has workers start with the environment variables at the time of [`Pool::take_variables`].
    pub(crate) fn take_variables_later(mut self) -> Self {
        self.takes_variables_later = true;
        self
    }

    /// The function that every worker calls before its first task, and its encoded arguments.
    pub(crate) fn initializer_batch(mut self, batch: Batch) -> Self {
        self.initializer = Some(Ok(batch));
        self
    }

    /// Sets whether each worker has its own working directory and umask, which are restored after each call. By default
    /// workers use those of the process, and `os.chdir` in one task affects all others.
    ///
    /// Changes that a module makes while it loads apply to all calls of that worker. If the system refuses, as some
    /// sandboxes do, `os.chdir` and `os.umask` raise, and the backend [`Auto`](Backend::Auto) moves the function to
    /// a worker process. Changes that C code makes directly are not restored.
    pub fn own_directories(mut self, own: bool) -> Self {
        self.own_directories = own;
        self
    }

    /// Sets how to handle extension modules that refuse interpreters with their own GIL. By default they stay refused.
    /// On the backend [`Auto`](Backend::Auto), the default is [`Tested`](Extensions::Tested).
    ///
    /// On that backend, a function that goes on without a refused extension module moves, like one that raises the
    /// refusal. The interpreter is replaced, as modules in it may keep what they found.
    ///
    /// With private copies and several workers, the environment variables `OPENBLAS_NUM_THREADS`,
    /// `OMP_NUM_THREADS` and `MKL_NUM_THREADS` are set to 1 for the whole process, unless they are already set.
    /// Otherwise each worker would start as many threads as there are cores. A library that was loaded earlier
    /// has already read them.
    ///
    /// On the backend `thread` no module refuses, and this setting has no effect.
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = Some(extensions);
        self
    }

    /// Sets what counts as tested for [`Extensions::Tested`]. The default is the list that ships with the library.
    ///
    /// The command also reads the user's own list. The library reads no file by itself.
    pub fn tested(mut self, list: List) -> Self {
        self.tested = list;
        self
    }

    /// Sets how long a cancelled or timed-out call may take to stop before its worker is replaced. The default is
    /// 2 seconds.
    ///
    /// A call must stop when it is cancelled, when its time is up, and when its pool is dropped. `KeyboardInterrupt` is
    /// then raised in it, repeatedly if it goes on. When the grace is over, its worker is abandoned, and another worker
    /// takes its place. If the call ends after all, its worker retires. A worker process is killed instead.
    ///
    /// A stream that is suspended is closed first, so that its `finally` blocks run undisturbed for half of the grace.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// Sets how soon after its submission each task must have its outcome. By default there is no limit. See
    /// [`TaskBuilder::deadline`](super::TaskBuilder::deadline).
    ///
    /// It does not apply to the calls of a map, whose inputs are taken when there is room. For these, use
    /// [`time_limit`](PoolBuilder::time_limit) and [`Map::deadline`](super::Map::deadline).
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Sets how long each call may run. By default there is no limit. When the time is up, the outcome is
    /// [`Error::TimedOut`], with the place where the call stood.
    ///
    /// The imports that a call needs before it begins do not count. They may take 60 seconds, or as long as the limit if
    /// that is longer.
    ///
    /// With a time limit, the calls of a map travel one by one, as the time for a batch is not known.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets how many workers may be lost, and not back, at the same time. The default is 32.
    ///
    /// A worker is lost if it was abandoned (see [`grace`](PoolBuilder::grace)), or panicked in the host's own code.
    /// Each lost worker costs a thread and an interpreter. A worker process that dies or is killed costs nothing, and
    /// does not count. Beyond the limit, workers are not replaced. When no worker is left, the pool fails with
    /// [`Error::WorkerLost`].
    pub fn lost_limit(mut self, n: usize) -> Self {
        self.lost_limit = n;
        self
    }

    /// Whether to count the bytes that each worker's interpreter has in use, for [`Pool::stats`]. The default is
    /// `false`.
    ///
    /// The count is exact for Python's own allocators. It does not include what extension modules and libraries such as
    /// SQLite allocate themselves. Available on Linux only, and not on the backend `thread`. A worker process reports
    /// its count at the end of each batch.
    pub fn count_memory(mut self, is_counted: bool) -> Self {
        self.memory = match (self.memory, is_counted) {
            (MemorySetting::NotCounted, true) => MemorySetting::Counted(None),
            (MemorySetting::Counted(None), false) => MemorySetting::NotCounted,
            (limited_or_same, _) => limited_or_same,
        };
        self
    }

    /// Sets how many bytes each worker's interpreter may have in use while a call runs. By default there is no limit.
    /// A limit turns on [counting](PoolBuilder::count_memory).
    ///
    /// An allocation beyond the limit fails, and the call sees `MemoryError`. Other workers are not affected. The
    /// worker goes on with the next call, unless earlier tasks left too little room for one: then another worker takes
    /// its place. The interpreter's own 3 MB count. Small allocations may exceed the limit by 1 MiB, so that code can
    /// handle the exception.
    ///
    /// Code that swallows `MemoryError` and goes on for long at the limit can crash CPython; see
    /// `docs/compatibility.md`.
    pub fn memory_limit(mut self, n_bytes: usize) -> Self {
        self.memory = MemorySetting::Counted(Some(n_bytes));
        self
    }

    /// Sets about how many calls a worker makes before another worker, with a new interpreter, takes its place. By
    /// default there is no limit. Use it for code that leaks memory or leaves state behind.
    ///
    /// Before 3.14, CPython itself does not return all memory of an interpreter: each one that ends costs up to 2.5 MB
    /// (gh-110411, gh-113055). A batch is never cut, so a worker may make a few calls more.
    pub fn max_tasks_per_worker(mut self, n: u64) -> Self {
        self.max_tasks_per_worker = Some(n);
        self
    }

    /// Sets a function that every worker calls once, before its first task.
    pub fn initializer<A: Serialize>(mut self, function: &Function, arguments: A) -> Self {
        self.initializer = Some(Batch::of_one(function, &arguments));
        self
    }

    /// Sets a function that every worker calls once, after its last task. Exceptions that it raises are logged.
    ///
    /// A lost worker does not call it.
    pub fn exit_hook<A: Serialize>(mut self, function: &Function, arguments: A) -> Self {
        self.exit_hook = Some(Batch::of_one(function, &arguments));
        self
    }

    /// Whether workers start as there is work for them, instead of all at once. The default is `false`.
    pub fn lazy(mut self, is_lazy: bool) -> Self {
        self.is_lazy = is_lazy;
        self
    }

    /// Sets a callback for each function that moves from interpreters to worker processes. It is called once per
    /// function, on any thread, and only on the backend [`Auto`](Backend::Auto).
    pub fn on_move(mut self, callback: impl Fn(&Moved) + Send + Sync + 'static) -> Self {
        self.on_move = Some(OnMove(Arc::new(callback)));
        self
    }

    /// Adds a Rust function that the pool's Python code can call as `owngil.host.NAME`.
    ///
    /// ```
    /// use owngil::{Function, Pool};
    ///
    /// let price = |id: u64| match id {
    ///     0 => Err(format!("there is no product {id}")),
    ///     id => Ok(id as f64 * 1.5),
    /// };
    /// let pool = Pool::builder().workers(1).host_function("shop.price", price).build()?;
    /// let total = Function::source(
    ///     "from owngil.host import shop\ndef total(ids): return sum(shop.price(id) for id in ids)",
    ///     "total",
    /// );
    /// assert_eq!(pool.call::<f64, _>(&total, vec![1, 2])?, 4.5);
    /// let failed = pool.call::<f64, _>(&total, vec![0]).unwrap_err();
    /// assert_eq!(failed.to_string(), "owngil.HostError: there is no product 0");
    /// # Ok::<(), owngil::Error>(())
    /// ```
    ///
    /// - *Parameters* are positional arguments of any types that implement serde's `Deserialize`, `String` rather than
    ///   `&str`. The last may be [`Keywords`](crate::Keywords), and the first a [`Caller`](crate::Caller). See
    ///   [`HostFunction`]. An argument that does not fit is a `TypeError` that names it.
    /// - *Errors* become `owngil.HostError`, whose `__cause__` is the error's source. So do panics.
    /// - *The name* has identifiers between its dots. The last one is the function, the others are modules.
    /// - *Threads:* the function runs on the thread that calls it, with the interpreter detached, so other threads of
    ///   the interpreter go on. It may run on several threads at once. For code in a worker process it runs in the
    ///   pool's process, on a thread of its own.
    /// - *Deadlines and interrupts* cannot end Rust code. The task has its outcome in time, and the exception is raised
    ///   when the function returns. A function that does not return within the [grace](PoolBuilder::grace) leaves its
    ///   worker behind. [`Caller::is_cancelled`](crate::Caller::is_cancelled) says when to give up.
    ///
    /// The function may use the pool itself, through a handle that it does not own: a pool whose function holds a
    /// clone of it never ends. A function that waits for a call to its own pool keeps its worker from other calls. If
    /// all workers wait in that way, they wait until a deadline ends them. Give such calls a pool of their own.
    pub fn host_function<Signature>(
        mut self,
        name: impl Into<String>,
        function: impl HostFunction<Signature>,
    ) -> Self {
        self.host_functions.push((name.into(), function.erase()));
        self
    }

    /// Starts CPython, if it does not run yet, and the workers. Returns when all workers are ready. A
    /// [`lazy`](PoolBuilder::lazy) pool starts its workers later.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::Config`], and [`Error::Worker`] for an initializer that fails.
    pub fn build(mut self) -> Result<Pool> {
        self.backend = self.backend.placed();
        let n_workers = self
            .n_workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        self.check(n_workers)?;
        let extensions = self.extensions.unwrap_or(match self.backend {
            Backend::Auto => Extensions::Tested,
            _ => Extensions::Strict,
        });
        extensions.check()?;
        let host_functions = HostFunctions::new(std::mem::take(&mut self.host_functions));
        let host_functions = host_functions.map_err(Error::config)?;
        let copying = Copying::new(extensions, self.tested.clone());
        self.start_python(n_workers, &copying)?;
        let (is_lazy, on_move) = (self.is_lazy, self.on_move.clone());
        let settings = self.settings(n_workers, copying, host_functions)?;
        let pool = match Pool::start(settings.clone(), is_lazy, &on_move) {
            // Where the initializer cannot run, no call can.
            Err(error) if settings.worker.backend == Backend::Auto => {
                let Some(reason) = error.needs_process() else {
                    return Err(error);
                };
                if let (Some(OnMove(on_move)), Some(function)) =
                    (&on_move, settings.initializer.as_ref())
                {
                    let function = *function.function();
                    on_move(&Moved { function, reason });
                }
                Pool::start(settings.on_processes(), is_lazy, &None)?
            }
            started => started?,
        };
        tracing::debug!(n_workers, backend = %pool.backend(), "pool started");
        Ok(pool)
    }

    /// Refuses settings that no pool can have.
    fn check(&self, n_workers: usize) -> Result<()> {
        let limit = match self.memory {
            MemorySetting::Counted(limit) => limit,
            MemorySetting::NotCounted => None,
        };
        let reason = if n_workers == 0 {
            "a pool needs at least one worker".to_owned()
        } else if process::has_forgotten() {
            "this process was started to be a worker, and builds a pool instead: the first line of main must be \
             owngil::become_worker_if_asked()"
                .to_owned()
        } else if self.queue_limit == 0 {
            "the queue must hold at least one call".to_owned()
        } else if self.max_tasks_per_worker == Some(0) {
            "a worker must make at least one call".to_owned()
        } else if matches!(self.memory, MemorySetting::Counted(_))
            && self.backend == Backend::Thread
        {
            "on the backend thread all workers share one interpreter, whose memory cannot be counted for each".to_owned()
        } else if let Some(limit) = limit.filter(|limit| *limit < MEMORY_LIMIT_MIN) {
            format!(
                "a memory limit of {limit} bytes leaves no room for a task: an interpreter takes about 3 MB by itself"
            )
        } else {
            return Ok(());
        };
        Err(Error::config(reason))
    }

    /// Starts CPython before the workers, so that they need not wait for one another.
    fn start_python(&self, n_workers: usize, copying: &Copying) -> Result<()> {
        if Runtime::IS_FREE_THREADED && self.backend == Backend::Interpreter {
            return Err(StartError::FreeThreaded.into());
        }
        if self.backend != Backend::Process {
            runtime::start()?;
        }
        let has_copies =
            copying.is_on() && matches!(self.backend, Backend::Interpreter | Backend::Auto);
        if has_copies && n_workers > 1 {
            runtime::limit_native_threads()?;
        }
        Ok(())
    }

    /// The pool's settings, taken once Python has started, which may have changed what workers inherit.
    fn settings(
        self,
        n_workers: usize,
        copying: Copying,
        host_functions: HostFunctions,
    ) -> Result<Settings> {
        let inherited = match self.takes_variables_later {
            true => Inherited::with_variables_later(self.own_directories),
            false => Inherited::now(self.own_directories),
        };
        let inherited = inherited.map_err(|error| {
            Error::config(format!("the working directory cannot be kept: {error}"))
        })?;
        Ok(Settings {
            n_workers,
            first_worker: 0,
            queue_limit: self.queue_limit,
            worker: WorkerSettings {
                backend: self.backend,
                memory: self.memory,
                copying,
                is_plain: self.is_plain,
                keeps_exceptions: self.keeps_exceptions,
                inherited: Arc::new(inherited),
                program: self.program,
                host_functions,
                grace: self.grace,
            },
            output: self.output,
            grace: self.grace,
            deadline: self.deadline,
            time_limit: self.time_limit,
            lost_limit: self.lost_limit,
            max_tasks_per_worker: self.max_tasks_per_worker,
            initializer: self.initializer.transpose()?,
            exit_hook: self.exit_hook.transpose()?,
        })
    }
}

impl Pool {
    /// Starts a pool; returns when its workers are ready, unless they are to start with their work.
    fn start(settings: Settings, is_lazy: bool, on_move: &Option<OnMove>) -> Result<Pool> {
        let n_workers = settings.n_workers;
        let fallback =
            (settings.worker.backend == Backend::Auto).then(|| FallbackPool::new(on_move.clone()));
        let pool = Pool::owning(Shared::new(settings, Arc::default(), fallback));
        if !is_lazy {
            let (ready, started) = unbounded();
            pool.shared.start_workers(n_workers, Some(&ready))?;
            drop(ready);
            // On an error the workers that did start are retired by the pool's drop.
            for outcome in started.iter().take(n_workers) {
                outcome?;
            }
        }
        Ok(pool)
    }
}
