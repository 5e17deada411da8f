//! Interpreter: one interpreter on this thread, without a pool.
//!
//! It owns what every worker on Python needs: the streams, the codec, the functions that are loaded.
//! A worker is one of these and a queue.

mod budget;
mod calling;
mod held;
mod host;
mod load_error;
mod program;

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use owngil_ffi::{
    Attached, Kept, Loans, Object, PrivateCopies, PyResult, Raised, Runtime, STACK_SIZE, Views,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, PythonError, Result};
use crate::extensions::Extensions;
use crate::function::{Function, Place};
use crate::output::{Capture, OutputPolicy};
use crate::payload::{self, Codec, CrossingError, Encoding, Lending, Payload, Pickling};
use crate::post::{Post, Ran, Sampling, Unmeasured};
use crate::runtime;
use crate::task::{Batch, Collecting, Job, Results};

use budget::Budget;
pub(crate) use budget::MemorySetting;
use calling::{Callee, instead, pass_call};
use held::Held;
use host::{execute, write};
use load_error::{load_error, malformed};
use program::{BOOTSTRAP, SCRIPT};

/// One interpreter with its own GIL, on the thread that made it.
///
/// It is not `Send`: create, use and drop it on one thread. That thread should have a stack of
/// 16 MiB, which [`Interpreter::scope`] sees to: on 3.12 and 3.13 deep recursion in C code
/// overflows a smaller one.
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
    state: Option<State>,
    python: owngil_ffi::Interpreter,
    capture: Arc<Capture>,
    /// Its tasks have left more memory behind than they may use.
    is_worn: bool,
}

/// The objects that a worker keeps in its interpreter.
#[derive(Debug)]
struct State {
    codec: Codec,
    loaders: Loaders,
    /// What loading gave, by the functions' ids.
    functions: Vec<Loaded>,
    /// Serves one batch after the other.
    collecting: Collecting,
    budget: Budget,
    sampling: Sampling,
    /// The namespace of `exec` and `eval`.
    globals: Kept,
}

/// What loading a function gave.
#[derive(Debug, Default)]
enum Loaded {
    #[default]
    NotYet,
    Function(Kept),
    /// Kept for a moment, so that an import that raises is not run again for every call that
    /// waits; a person who mends the file and tries again has it loaded anew.
    Failed(Error, Instant),
}

/// For how long a function that could not be loaded is not tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Loaders {
    file: Kept,
    module: Kept,
    source: Kept,
    /// Only interpreters that run scripts have it.
    script: OnceCell<Kept>,
    /// The namespace of the bootstrap.
    namespace: Kept,
}

impl Loaders {
    fn script<'a>(&self, attached: Attached<'a>) -> PyResult<'a, &Kept> {
        if let Some(known) = self.script.get() {
            return Ok(known);
        }
        let namespace = self.namespace.get(attached);
        SCRIPT.run(attached, &namespace)?;
        let loader = function(attached, &namespace, "load_script")?;
        Ok(self.script.get_or_init(|| loader.keep()))
    }
}

/// The function of that name in the bootstrap's namespace.
fn function<'a>(
    attached: Attached<'a>,
    namespace: &Object<'a>,
    name: &str,
) -> PyResult<'a, Object<'a>> {
    let found = namespace.lookup(&attached.str(name)?)?;
    found.ok_or_else(|| attached.raise_type_error("bootstrap.py lacks a function"))
}

impl Interpreter {
    /// Starts CPython if need be, and creates an interpreter on this thread.
    ///
    /// What Python code prints goes to this process's own streams, after each call.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    ///
    /// # Panics
    ///
    /// Inside a callback from Python: that thread is attached to an interpreter already.
    pub fn new() -> Result<Interpreter> {
        let capture = Capture::new(OutputPolicy::Inherit);
        let python = owngil_ffi::Interpreter::new(runtime::start()?)?;
        Interpreter::prepare(python, Arc::clone(&capture), capture, None)
    }

    /// Runs `work` with a new interpreter on a thread of its own, whose stack is large enough for
    /// any recursion, and waits for it.
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
                Error::Config(format!(
                    "the system gave no thread for the interpreter: {error}"
                ))
            })?;
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Has it load extension modules as the setting says, from now on.
    pub(crate) fn set_extensions(&mut self, extensions: Extensions) -> Result<()> {
        install(&mut self.python, extensions).map(|_| ())
    }

    /// An interpreter with its own GIL for a worker on this thread.
    pub(crate) fn own_gil(
        runtime: &'static Runtime,
        post: &Post,
        memory: MemorySetting,
        extensions: Extensions,
    ) -> Result<Interpreter> {
        let mut python = match memory {
            MemorySetting::NotCounted => owngil_ffi::Interpreter::new(runtime),
            MemorySetting::Counted(limit) => owngil_ffi::Interpreter::new_accounted(runtime, limit),
        }?;
        if let Some(copies) = install(&mut python, extensions)? {
            post.set_copies(copies);
        }
        let capture = Arc::clone(post.capture());
        Interpreter::at(post, python, capture)
    }

    /// A thread of the main interpreter, which has one GIL for all of them, for a worker.
    pub(crate) fn on_main(runtime: &'static Runtime, post: &Post) -> Result<Interpreter> {
        let python = owngil_ffi::Interpreter::on_main(runtime)?;
        Interpreter::at(post, python, Capture::of_nobody())
    }

    fn at(
        post: &Post,
        python: owngil_ffi::Interpreter,
        fallback: Arc<Capture>,
    ) -> Result<Interpreter> {
        post.set_visits(python.visits().clone());
        post.set_memory(python.memory().cloned());
        Interpreter::prepare(
            python,
            Arc::clone(post.capture()),
            fallback,
            Some(post.worker()),
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
        worker: Option<usize>,
    ) -> Result<Interpreter> {
        let loans = worker.is_some().then(|| python.loans().clone());
        let is_alone = python.has_own_gil();
        let memory = python.memory().cloned();
        let state = python.attach(|attached| {
            let state = State::new(attached, fallback, loans, worker, is_alone);
            state.map_err(|raised| python_error(&raised))
        });
        let state = State {
            budget: Budget::new(memory),
            ..state?
        };
        Ok(Interpreter {
            state: Some(state),
            python,
            capture,
            is_worn: false,
        })
    }

    /// The interpreter's id, as `_interpreters.get_current()` gives it; 0 is the main interpreter.
    pub fn id(&self) -> i64 {
        self.python.id()
    }

    /// Runs source text in the interpreter's own namespace, which lasts as long as it does.
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

    /// The value of an expression, in the namespace of [`exec`](Interpreter::exec).
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

    /// Sets a variable of the namespace of [`exec`](Interpreter::exec).
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

    /// Calls a function. The arguments are as for [`Pool::call`](crate::Pool::call).
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
            let callable = state.function(attached, function)?;
            let callee = Callee {
                codec: &state.codec,
                attached,
                callable: &callable,
                budget: &state.budget,
            };
            callee.call(&mut encoded.reader(), &mut bytes, &mut Unmeasured)
        })?;
        Payload::from_encoded(bytes).decode().map_err(result_error)
    }

    /// Runs a job, and after it those that `next` gives, until it gives none.
    ///
    /// The thread stays attached from job to job, since attaching costs about as much as a short
    /// call. Now and then it lets go, for threads that wait for the same GIL: bytecode does so by
    /// itself, but a function written in C does not.
    ///
    /// Each job stands at the `post` while it runs; `due` is told when the time of one will be up.
    pub(crate) fn run(
        &mut self,
        job: Job,
        post: &Post,
        due: &dyn Fn(Instant),
        next: &mut dyn FnMut() -> Option<Job>,
    ) {
        let _entered = self.capture.enter();
        let Some(state) = self.state.as_mut() else {
            return;
        };
        self.python.attach(|attached| {
            let mut job = Some(job);
            let mut held = Held::default();
            while let Some(Job { batch, promise }) = job {
                let task = promise.number();
                let begun = post.begin(&batch, promise);
                if let Ok(Some(when)) = begun {
                    due(when);
                }
                if begun.is_ok() {
                    tracing::trace!(task, function = %batch.function(), n_calls = batch.len(), "begun");
                }
                let results = begun.is_ok().then(|| state.run(attached, &batch, post));
                let ran = results.as_ref().map(|(_, ran)| *ran);
                let (elapsed, promise) = post.end(attached, ran);
                state.sampling.learn(batch.len(), elapsed);
                if let Some(ran) = ran {
                    let is_told = promise.is_none();
                    tracing::trace!(task, n_failed = ran.n_failed, ?elapsed, is_told, "ended");
                }
                if held.too_long(elapsed) {
                    attached.detach(|| ());
                }
                if let (Some(promise), Some((mut results, _))) = (promise, results) {
                    results.note_elapsed(elapsed);
                    post.keep(promise, results);
                }
                state.codec.lending().take_back(attached);
                if state.budget.is_exhausted(attached) {
                    self.is_worn = true;
                    return;
                }
                job = next();
            }
        });
    }

    /// Whether it should run no further tasks.
    pub(crate) fn is_worn(&self) -> bool {
        self.is_worn
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

    /// Ends the interpreter, unless something is lent: then it has run its last Python code, and is to
    /// be ended when that is back.
    pub(crate) fn retire(mut self) -> Option<Interpreter> {
        self.let_go();
        if self.loans().n_out() == 0 {
            return None;
        }
        self.python.wind_down();
        // Exit functions may have dropped what was out.
        (self.loans().n_out() > 0).then_some(self)
    }

    fn let_go(&mut self) {
        self.python.attach(|_| self.state = None);
    }

    /// Attaches for the length of `work`, and hands on what was printed.
    fn with<R>(
        &mut self,
        work: impl for<'a> FnOnce(Attached<'a>, &mut State) -> Result<R>,
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
        self.let_go();
    }
}

impl State {
    fn new<'a>(
        attached: Attached<'a>,
        fallback: Arc<Capture>,
        loans: Option<Loans>,
        worker: Option<usize>,
        is_alone: bool,
    ) -> PyResult<'a, State> {
        let bootstrap = attached.dict()?;
        bootstrap.insert(&attached.str("__name__")?, &attached.str("owngil")?)?;
        BOOTSTRAP.run(attached, &bootstrap)?;
        let function = |name: &str| function(attached, &bootstrap, name);
        let write =
            attached.callback(move |attached, arguments| write(attached, arguments, &fallback))?;
        function("install_streams")?.call(&[write, attached.bool(loans.is_none())])?;
        let worker = match worker {
            Some(worker) => attached.int(worker as i64)?,
            None => attached.none(),
        };
        function("install_module")?.call(&[worker, attached.bool(is_alone)])?;
        let globals = attached.dict()?;
        globals.insert(&attached.str("__name__")?, &attached.str("__owngil__")?)?;
        Ok(State {
            codec: Codec::new(
                Pickling::new(attached, &function, loans.clone())?,
                Lending::new(Views::new(attached)?, loans),
            ),
            loaders: Loaders {
                file: function("load_file")?.keep(),
                module: function("load_module")?.keep(),
                source: function("load_source")?.keep(),
                script: OnceCell::new(),
                namespace: bootstrap.keep(),
            },
            functions: Vec::new(),
            collecting: Collecting::default(),
            budget: Budget::default(),
            sampling: Sampling::default(),
            globals: globals.keep(),
        })
    }

    /// Makes the calls of a batch one after the other.
    fn run(&mut self, attached: Attached<'_>, batch: &Batch, post: &Post) -> (Results, Ran) {
        let callable = self.function(attached, batch.function());
        let callable = callable.map_err(|error| self.not_loaded(batch.function(), error, post));
        if let (0, Err(error)) = (batch.len(), &callable) {
            self.collecting.end_call(Err(error.clone()));
        }
        self.collecting.expect(batch);
        let mut reader = batch.calls();
        for _ in 0..batch.len() {
            let from = reader.position();
            let mut outcome = match &callable {
                _ if batch.is_cancelled() => Err(Error::Cancelled(None)),
                Ok(callable) => {
                    let callee = Callee {
                        codec: &self.codec,
                        attached,
                        callable,
                        budget: &self.budget,
                    };
                    let out = self.collecting.out();
                    callee.call_sampled(&mut reader, out, &mut self.sampling)
                }
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = &mut outcome {
                pass_call(&mut reader, from);
                self.budget.explain(attached, error);
                instead(error, post);
            }
            self.collecting.end_call(outcome);
            if post.capture().is_dirty()
                && let Some(output) = attached.detach(|| post.capture().finish())
            {
                self.collecting.printed(output);
            }
        }
        let ran = Ran {
            n_calls: batch.len(),
            n_failed: self.collecting.n_failed(),
            crossing: self.sampling.take(),
        };
        (self.collecting.finish(), ran)
    }

    /// What became of a function that was interrupted while it was loaded is no reason not to load it
    /// again.
    #[cold]
    fn not_loaded(&mut self, function: &Function, mut error: Error, post: &Post) -> Error {
        if instead(&mut error, post) {
            self.functions[function.id()] = Loaded::NotYet;
        }
        error
    }

    /// The callable, loaded at its first use.
    #[inline]
    fn function<'a>(&mut self, attached: Attached<'a>, function: &Function) -> Result<Object<'a>> {
        match self.functions.get(function.id()) {
            Some(Loaded::Function(kept)) => Ok(kept.get(attached)),
            Some(Loaded::Failed(error, when)) if when.elapsed() < RETRY_AFTER => Err(error.clone()),
            _ => self.load_now(attached, function),
        }
    }

    #[cold]
    fn load_now<'a>(&mut self, attached: Attached<'a>, function: &Function) -> Result<Object<'a>> {
        let loaded = self.load(attached, function);
        if self.functions.len() <= function.id() {
            self.functions
                .resize_with(function.id() + 1, Loaded::default);
        }
        self.functions[function.id()] = match &loaded {
            Ok(callable) => Loaded::Function(callable.keep()),
            Err(error) => Loaded::Failed(error.clone(), Instant::now()),
        };
        loaded
    }

    fn load<'a>(&self, attached: Attached<'a>, function: &Function) -> Result<Object<'a>> {
        let loaders = &self.loaders;
        // A path need not be text.
        let path_of = |path: &Path| attached.bytes(path.as_os_str().as_encoded_bytes());
        let word = |word: &str| attached.str(word);
        let (loader, arguments) = match function.place() {
            Place::File { path, module, name } => {
                (&loaders.file, vec![path_of(path), word(module), word(name)])
            }
            Place::Module { module, name } => (&loaders.module, vec![word(module), word(name)]),
            Place::Source { text, module, name } => {
                let execute = attached.callback(execute);
                let arguments = vec![word(text), word(module), word(name), execute];
                (&loaders.source, arguments)
            }
            Place::Script { path, shown } => {
                let loader = loaders.script(attached);
                let loader = loader.map_err(|raised| load_error(function, &raised))?;
                (loader, vec![path_of(path), word(shown)])
            }
            Place::Malformed { .. } => return Err(malformed(function).into()),
        };
        let arguments: PyResult<'a, Vec<_>> = arguments.into_iter().collect();
        let load = |arguments: Vec<_>| {
            let loader = loader.get(attached);
            self.budget.hold(|| loader.call(&arguments))
        };
        let loaded = arguments.and_then(load);
        loaded.map_err(|raised| load_error(function, &raised))
    }
}

/// Has the interpreter import as the setting says.
fn install(
    python: &mut owngil_ffi::Interpreter,
    extensions: Extensions,
) -> Result<Option<PrivateCopies>> {
    if extensions == Extensions::Strict {
        return Ok(None);
    }
    let copies = python.attach(|attached| {
        PrivateCopies::install(attached).map_err(|raised| python_error(&raised))
    });
    copies.map(Some)
}

pub(crate) fn python_error(raised: &Raised<'_>) -> Error {
    Error::Python(PythonError::new(raised.describe()))
}

pub(crate) fn result_error(error: CrossingError) -> Error {
    Error::Value(error.root("result"))
}
