//! Interpreter: one interpreter on this thread, without a pool.
//!
//! It owns what every worker on Python needs: the streams, the codec, the functions that are loaded.
//! A worker is one of these and a queue.

mod alone;
mod budget;
mod calling;
mod clock;
mod codecs;
mod functions;
mod gil_yield;
mod interrupted;
mod load_error;
mod progress;
mod raised;
mod refusals;
mod refused;
mod setup;
mod state;
mod streaming;

use std::sync::Arc;
use std::time::Instant;

use owngil_ffi::{Attached, Loans, Runtime, STACK_SIZE};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::extensions::Extensions;
use crate::function::Function;
use crate::inherited::Inherited;
use crate::monitor::{JobMonitor, Ran, Unmeasured};
use crate::output::{Capture, OutputPolicy};
use crate::payload::{self, Encoding, Payload};
use crate::runtime;
use crate::task::{Job, Promise, Results};
use crate::tested::List;

use budget::Budget;
pub(crate) use budget::MemorySetting;
use calling::Callee;
pub(crate) use codecs::codec_of_host;
use gil_yield::GilSlice;
pub(crate) use progress::Progress;
use raised::{python_error, result_error};
use refusals::Refusals;
pub(crate) use setup::copies::Copying;
pub(crate) use setup::host_functions::HostSide;
use state::{InterpreterState, Making};

/// One interpreter with its own GIL, on the thread that made it.
///
/// It is not `Send`: create, use and drop it on one thread. That thread should have a stack of 16 MiB, which
/// [`Interpreter::scope`] provides. On 3.12 and 3.13, deep recursion in C code overflows a smaller one.
///
/// ```
/// owngil::Interpreter::scope(|python| {
///     python.exec("def double(x):\n    return 2 * x")?;
///     let value: i64 = python.eval("double(21)")?;
///     assert_eq!(value, 42);
///     Ok(())
/// })?;
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Debug)]
pub struct Interpreter {
    // Dropped attached, by `Drop`; then the interpreter itself ends.
    state: Option<InterpreterState>,
    python: owngil_ffi::Interpreter,
    capture: Arc<Capture>,
    /// Its tasks have left more memory behind than they may use.
    is_exhausted: bool,
}

/// What an interpreter of a worker is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'s> {
    pub(crate) memory: MemorySetting,
    pub(crate) copying: &'s Copying,
    pub(crate) inherited: &'s Arc<Inherited>,
    /// What asks for a module that is refused is refused itself.
    pub(crate) moves: bool,
}

impl Interpreter {
    /// Starts CPython if it does not run yet, and creates an interpreter on this thread.
    ///
    /// The output of Python code goes to this process's own streams, after each call.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    ///
    /// # Panics
    ///
    /// Inside a callback from Python: that thread is attached to an interpreter already.
    pub fn new() -> Result<Interpreter> {
        Interpreter::with_extensions(Extensions::Strict)
    }

    /// Like [`new`](Interpreter::new), with another setting for extension modules.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], and [`Error::Config`] where the system has no private copies.
    pub fn with_extensions(extensions: Extensions) -> Result<Interpreter> {
        extensions.check()?;
        let capture = Capture::new(OutputPolicy::Inherit);
        let mut python = owngil_ffi::Interpreter::new(runtime::start()?)?;
        let copying = Copying::new(extensions, List::shipped());
        copying.install(&mut python, None)?;
        copying.hold_libraries(&mut python, None)?;
        let inherited = Inherited::now(false).map_err(|error| Error::config(error.to_string()))?;
        Interpreter::prepare(
            python,
            Arc::clone(&capture),
            capture,
            None,
            None,
            &Arc::new(inherited),
        )
    }

    /// Creates an interpreter on a new thread, whose stack is large enough for any recursion, runs `work` with it,
    /// and waits for the result.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], and what `work` returns.
    ///
    /// # Panics
    ///
    /// When `work` does.
    pub fn scope<R: Send>(work: impl FnOnce(&mut Interpreter) -> Result<R> + Send) -> Result<R> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
            let thread = thread.spawn_scoped(scope, || work(&mut Interpreter::new()?));
            let thread = thread.map_err(|error| {
                Error::config(format!(
                    "the system gave no thread for the interpreter: {error}"
                ))
            })?;
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// An interpreter with its own GIL for a worker on this thread.
    pub(crate) fn own_gil(
        runtime: &'static Runtime,
        monitor: &JobMonitor,
        around: Around<'_>,
    ) -> Result<Interpreter> {
        let mut python = match around.memory {
            MemorySetting::NotCounted => owngil_ffi::Interpreter::new(runtime),
            MemorySetting::Counted(limit) => owngil_ffi::Interpreter::new_accounted(runtime, limit),
        }?;
        let refusals = around.moves.then(|| Refusals::default().of(monitor));
        around.copying.install(&mut python, Some(monitor))?;
        around
            .copying
            .hold_libraries(&mut python, refusals.as_ref())?;
        let capture = Arc::clone(monitor.capture());
        Interpreter::at(monitor, python, capture, refusals, around.inherited)
    }

    /// From now on results whose class derives from a plain type come as the plain value.
    pub(crate) fn give_plain(&mut self) {
        let state = self.state.as_mut().expect("it is there until drop");
        state.codec.write_plain();
    }

    /// From now on exceptions that calls raise are kept as objects, too.
    pub(crate) fn keep_exceptions(&mut self) {
        let state = self.state.as_mut().expect("it is there until drop");
        state.codec.keep_exceptions();
    }

    /// A thread of the main interpreter, which has one GIL for all of them, for a worker.
    pub(crate) fn on_main(
        runtime: &'static Runtime,
        monitor: &JobMonitor,
        inherited: &Arc<Inherited>,
    ) -> Result<Interpreter> {
        let python = owngil_ffi::Interpreter::on_main(runtime)?;
        Interpreter::at(monitor, python, Capture::of_no_worker(), None, inherited)
    }

    fn at(
        monitor: &JobMonitor,
        python: owngil_ffi::Interpreter,
        fallback: Arc<Capture>,
        refusals: Option<Refusals>,
        inherited: &Arc<Inherited>,
    ) -> Result<Interpreter> {
        monitor.set_visits(python.visits().clone());
        monitor.set_memory(python.memory().cloned());
        Interpreter::prepare(
            python,
            Arc::clone(monitor.capture()),
            fallback,
            Some(monitor),
            refusals,
            inherited,
        )
    }

    /// Runs the bootstrap; `fallback` takes what threads print that are not the worker's.
    ///
    /// A worker's tasks find standard input empty, and their large bytes are lent. Without a worker
    /// there is no thread that could wait for them to come back.
    fn prepare(
        mut python: owngil_ffi::Interpreter,
        capture: Arc<Capture>,
        fallback: Arc<Capture>,
        worker: Option<&JobMonitor>,
        refusals: Option<Refusals>,
        inherited: &Arc<Inherited>,
    ) -> Result<Interpreter> {
        let loans = worker.is_some().then(|| python.loans().clone());
        // It is alone where all that prints does so into its capture; on the backend `thread` others have their own.
        let is_alone = Arc::ptr_eq(&capture, &fallback);
        let memory = python.memory().cloned();
        let making = Making {
            fallback,
            loans,
            worker,
            is_alone,
            children: capture.children(),
            refusals,
            inherited,
        };
        let state = python.attach(|attached| {
            let state = InterpreterState::new(attached, making);
            state.map_err(|raised| python_error(&raised))
        });
        let state = InterpreterState {
            budget: Budget::new(memory),
            ..state?
        };
        Ok(Interpreter {
            state: Some(state),
            python,
            capture,
            is_exhausted: false,
        })
    }

    /// The interpreter's id, as returned by `_interpreters.get_current()`; 0 is the main interpreter.
    pub fn id(&self) -> i64 {
        self.python.id()
    }

    /// Runs source text in the interpreter's own namespace, which lasts as long as the interpreter.
    ///
    /// # Errors
    ///
    /// [`Error::Python`], for `SystemExit` as for any other exception.
    pub fn exec(&mut self, source: &str) -> Result<()> {
        self.with(|attached, state| {
            let globals = state.globals.get(attached);
            attached
                .exec(source, "<string>", &globals)
                .map_err(|raised| python_error(&raised))
        })
    }

    /// Evaluates an expression in the namespace of [`exec`](Interpreter::exec).
    ///
    /// # Errors
    ///
    /// [`Error::Python`]; [`Error::Value`] for a value that cannot cross or become a `T`.
    pub fn eval<T: DeserializeOwned>(&mut self, expression: &str) -> Result<T> {
        let payload = self.with(|attached, state| {
            let globals = state.globals.get(attached);
            let value = attached
                .eval(expression, &globals)
                .map_err(|r| python_error(&r))?;
            let mut encoding = Encoding::default();
            state
                .codec
                .encode(attached, &value, &mut encoding)
                .map_err(result_error)?;
            Ok(Payload::from_encoded(encoding))
        })?;
        payload.decode().map_err(result_error)
    }

    /// Sets a variable in the namespace of [`exec`](Interpreter::exec).
    ///
    /// # Errors
    ///
    /// [`Error::Value`].
    pub fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        let payload = Payload::new(value)?;
        self.with(|attached, state| {
            let value = state.codec.decode(attached, &mut payload.reader())?;
            let globals = state.globals.get(attached);
            let name = attached.str(name).map_err(|raised| python_error(&raised))?;
            globals
                .insert(&name, &value)
                .map_err(|raised| python_error(&raised))
        })
    }

    /// Calls a function. Pass the arguments as to [`Pool::call`](crate::Pool::call).
    ///
    /// # Errors
    ///
    /// [`Error::Load`], [`Error::Python`], [`Error::Value`].
    pub fn call<T, A>(&mut self, function: &Function, arguments: A) -> Result<T>
    where
        T: DeserializeOwned,
        A: Serialize,
    {
        let mut encoded = Encoding::default();
        payload::encode_call(&arguments, &mut encoded)?;
        let mut bytes = Encoding::default();
        self.with(|attached, state| {
            let callable = state.functions.get(attached, function, &state.budget)?;
            let callee = Callee {
                codec: &state.codec,
                attached,
                callable: &callable,
                budget: &state.budget,
                timer: None,
            };
            callee.call(&mut encoded.reader(), &mut bytes, &mut Unmeasured)
        })?;
        Payload::from_encoded(bytes).decode().map_err(result_error)
    }

    /// Runs a job, and after it those that `next` gives, until it gives none.
    ///
    /// The thread stays attached from job to job, since attaching costs about as much as a short
    /// call. Now and then it detaches, for threads that wait for the same GIL: bytecode does so by
    /// itself, but a function written in C does not.
    ///
    /// Each job stands at the `monitor` while it runs; `due` learns when the time of one will be up.
    pub(crate) fn run(
        &mut self,
        job: Job,
        monitor: &JobMonitor,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
    ) {
        self.run_reporting(job, monitor, due, next, |promise, results, _| {
            monitor.keep(promise, results);
        });
    }

    /// As [`run`](Interpreter::run), where `report` takes the results.
    #[inline]
    pub(crate) fn run_reporting(
        &mut self,
        job: Job,
        monitor: &JobMonitor,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
        mut report: impl FnMut(Promise, Results, Ran),
    ) {
        let _entered = self.capture.enter();
        let Some(state) = self.state.as_mut() else {
            return;
        };
        self.python.attach(|attached| {
            let mut job = Some(job);
            let mut slice = GilSlice::default();
            while let Some(Job { batch, promise }) = job {
                let task = promise.number();
                let begun = monitor.begin(&batch, promise);
                if let Ok(Some(when)) = begun {
                    due(when);
                }
                if begun.is_ok() {
                    tracing::trace!(task, function = %batch.function(), n_calls = batch.len(), "begun");
                }
                let mut results = begun.is_ok().then(|| state.run(attached, &batch, monitor));
                let ran = results.as_ref().map(|(_, ran)| *ran);
                let refused = results.as_mut().and_then(|_| state.refused.take());
                let (elapsed, promise) = monitor.end(attached, ran);
                state.sampling.learn(batch.len(), elapsed);
                if let Some(ran) = ran {
                    let is_reported = promise.is_none();
                    tracing::trace!(task, n_failed = ran.n_failed, ?elapsed, is_reported, "ended");
                }
                if slice.is_over(elapsed) {
                    attached.detach(|| ());
                }
                if let (Some(promise), Some((mut results, ran))) = (promise, results) {
                    results.note_elapsed(elapsed);
                    match refused {
                        None => report(promise, results, ran),
                        Some(refused) => {
                            state.flush_files(attached);
                            attached.detach(|| refused.move_on(batch, promise, results, monitor));
                        }
                    }
                }
                state.codec.lending().take_back(attached);
                if state.is_over(attached) {
                    self.is_exhausted = true;
                    return;
                }
                job = next();
            }
        });
    }

    /// Whether it should run no further tasks.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// What its values have lent.
    pub(crate) fn loans(&self) -> &Loans {
        self.python.loans()
    }

    /// Gives up what was lent and has come back.
    pub(crate) fn take_back(&mut self) {
        if let Some(state) = &self.state {
            self.python
                .attach(|attached| state.codec.lending().take_back(attached));
        }
    }

    /// Ends the interpreter, unless something is lent: then it has run its last Python code, and ends
    /// when that is back.
    pub(crate) fn retire(mut self) -> Option<Interpreter> {
        self.release();
        if self.loans().n_out() == 0 {
            return None;
        }
        self.python.wind_down();
        // Exit functions may have dropped what was out.
        (self.loans().n_out() > 0).then_some(self)
    }

    fn release(&mut self) {
        if let Some(refusals) = self
            .state
            .as_ref()
            .and_then(|state| state.refusals.as_ref())
        {
            refusals.stop_none();
        }
        self.python.attach(|_| self.state = None);
    }

    /// Attaches for the length of `work`, and hands on what was printed.
    fn with<R>(
        &mut self,
        work: impl for<'a> FnOnce(Attached<'a>, &mut InterpreterState) -> Result<R>,
    ) -> Result<R> {
        let capture = Arc::clone(&self.capture);
        let _entered = capture.enter();
        let state = self.state.as_mut().expect("it is there until drop");
        let result = self.python.attach(|attached| work(attached, state));
        capture.finish();
        result
    }
}

impl Drop for Interpreter {
    /// Ends the interpreter: joins the threads that Python code started, runs exit functions.
    fn drop(&mut self) {
        self.release();
    }
}
