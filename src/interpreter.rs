//! Interpreter: one interpreter on this thread, without a pool.
//!
//! It owns what every worker on Python needs: the streams, the codec, the functions that are loaded.
//! A worker is one of these and a queue.

use std::collections::HashMap;
use std::sync::Arc;

use owngil_ffi::{Attached, Borrowed, Kept, Object, PyResult, Raised, Runtime, STACK_SIZE};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, LoadError, LoadErrorKind, PythonError, Result};
use crate::function::{Function, Place};
use crate::output::{Capture, OutputPolicy, Stream};
use crate::payload::{self, Codec, CrossingError, Payload, Reader};
use crate::runtime;
use crate::task::{Batch, Results};

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
}

/// The objects that a worker keeps in its interpreter.
#[derive(Debug)]
struct State {
    codec: Codec,
    loaders: Loaders,
    /// What loading each function gave; a failure is kept, so that an import that raises is not
    /// run again for every call.
    functions: HashMap<u64, Result<Kept>>,
    /// The namespace of `exec` and `eval`.
    globals: Kept,
}

#[derive(Debug)]
struct Loaders {
    file: Kept,
    module: Kept,
    source: Kept,
    script: Kept,
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
        Interpreter::own_gil(runtime::start()?, Capture::new(OutputPolicy::Inherit))
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

    pub(crate) fn own_gil(runtime: &'static Runtime, capture: Arc<Capture>) -> Result<Interpreter> {
        let python = owngil_ffi::Interpreter::new(runtime)?;
        Interpreter::prepare(python, Arc::clone(&capture), capture)
    }

    /// A thread of the main interpreter, which has one GIL for all of them.
    pub(crate) fn on_main(runtime: &'static Runtime, capture: Arc<Capture>) -> Result<Interpreter> {
        let python = owngil_ffi::Interpreter::on_main(runtime)?;
        Interpreter::prepare(python, capture, Capture::of_nobody())
    }

    /// Runs the bootstrap; `fallback` takes what threads print that are not the worker's.
    fn prepare(
        mut python: owngil_ffi::Interpreter,
        capture: Arc<Capture>,
        fallback: Arc<Capture>,
    ) -> Result<Interpreter> {
        let state = {
            let guard = python.attach();
            State::new(guard.attached(), fallback).map_err(|raised| python_error(&raised))
        }?;
        Ok(Interpreter {
            state: Some(state),
            python,
            capture,
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
            let mut bytes = Vec::new();
            state
                .codec
                .encode(attached, &value, &mut bytes)
                .map_err(result_error)?;
            Ok(Payload::from_encoded(bytes))
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
            let value = state
                .codec
                .decode(attached, &mut Reader::new(payload.as_bytes()))?;
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
        let mut call = Vec::new();
        payload::encode_call(&arguments, &mut call)?;
        let mut bytes = Vec::new();
        self.with(|attached, state| {
            let callable = state.function(attached, function)?;
            let mut reader = Reader::new(&call);
            state.call(attached, &callable, &mut reader, &mut bytes)
        })?;
        Payload::from_encoded(bytes).decode().map_err(result_error)
    }

    /// Makes the calls of a batch one after the other.
    pub(crate) fn run(&mut self, batch: &Batch, results: &mut Results) {
        let _entered = self.capture.enter();
        let Some(state) = self.state.as_mut() else {
            return;
        };
        let guard = self.python.attach();
        let attached = guard.attached();
        let callable = state.function(attached, batch.function());
        if let (0, Err(error)) = (batch.len(), &callable) {
            results.end_call(Err(error.clone()), None);
        }
        let mut reader = Reader::new(batch.calls());
        for _ in 0..batch.len() {
            let outcome = match &callable {
                _ if batch.is_cancelled() => Err(Error::Cancelled),
                Ok(callable) => state.call(attached, callable, &mut reader, results.out()),
                Err(error) => Err(error.clone()),
            };
            let output = match self.capture.is_dirty() {
                true => attached.detach(|| self.capture.finish()),
                false => None,
            };
            results.end_call(outcome, output);
        }
    }

    /// Attaches for the length of `work`, and hands on what was printed.
    fn with<R>(
        &mut self,
        work: impl for<'a> FnOnce(Attached<'a>, &mut State) -> Result<R>,
    ) -> Result<R> {
        let capture = Arc::clone(&self.capture);
        let _entered = capture.enter();
        let state = self.state.as_mut().expect("it is there until drop");
        let result = {
            let guard = self.python.attach();
            work(guard.attached(), state)
        };
        capture.finish();
        result
    }
}

impl Drop for Interpreter {
    /// Ends the interpreter: joins the threads that Python code started, runs exit functions.
    fn drop(&mut self) {
        let guard = self.python.attach();
        self.state = None;
        drop(guard);
    }
}

impl State {
    fn new<'a>(attached: Attached<'a>, fallback: Arc<Capture>) -> PyResult<'a, State> {
        let bootstrap = attached.dict()?;
        let source = include_str!("python/bootstrap.py");
        attached.exec(source, "<owngil bootstrap>", &bootstrap)?;
        let function = |name: &str| -> PyResult<'a, Object<'a>> {
            let found = bootstrap.lookup(&attached.str(name)?)?;
            found.ok_or_else(|| attached.raise_type_error("bootstrap.py lacks a function"))
        };
        let write =
            attached.callback(move |attached, arguments| write(attached, arguments, &fallback))?;
        function("install_streams")?.call(&[write])?;
        let globals = attached.dict()?;
        globals.insert(&attached.str("__name__")?, &attached.str("__owngil__")?)?;
        Ok(State {
            codec: Codec::new(function("dumps")?.keep(), function("loads")?.keep()),
            loaders: Loaders {
                file: function("load_file")?.keep(),
                module: function("load_module")?.keep(),
                source: function("load_source")?.keep(),
                script: function("load_script")?.keep(),
            },
            functions: HashMap::new(),
            globals: globals.keep(),
        })
    }

    /// The callable, loaded at its first use.
    #[inline]
    fn function<'a>(&mut self, attached: Attached<'a>, function: &Function) -> Result<Object<'a>> {
        if let Some(loaded) = self.functions.get(&function.id()) {
            return loaded
                .as_ref()
                .map(|kept| kept.get(attached))
                .map_err(Error::clone);
        }
        let loaded = self.load(attached, function);
        let kept = loaded.as_ref().map(Object::keep).map_err(Error::clone);
        self.functions.insert(function.id(), kept);
        loaded
    }

    #[cold]
    fn load<'a>(&self, attached: Attached<'a>, function: &Function) -> Result<Object<'a>> {
        let loaders = &self.loaders;
        let (loader, words) = match function.place() {
            Place::File { path, module, name } => (
                &loaders.file,
                vec![path.to_string_lossy(), module.into(), name.into()],
            ),
            Place::Module { module, name } => (&loaders.module, vec![module.into(), name.into()]),
            Place::Source { text, module, name } => (
                &loaders.source,
                vec![text.into(), module.into(), name.into()],
            ),
            Place::Script { path, shown } => {
                (&loaders.script, vec![path.to_string_lossy(), shown.into()])
            }
            Place::Malformed { .. } => return Err(malformed(function).into()),
        };
        let arguments: PyResult<'a, Vec<_>> = words.iter().map(|word| attached.str(word)).collect();
        let loaded = arguments.and_then(|arguments| loader.get(attached).call(&arguments));
        loaded.map_err(|raised| load_error(function, &raised))
    }

    /// Makes one call: arguments from the reader, the value appended to `out`.
    #[inline]
    fn call<'a>(
        &self,
        attached: Attached<'a>,
        callable: &Object<'a>,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let value = self.call_object(attached, callable, reader)?;
        self.codec
            .encode(attached, &value, out)
            .map_err(result_error)
    }

    fn call_object<'a>(
        &self,
        attached: Attached<'a>,
        callable: &Object<'a>,
        reader: &mut Reader<'_>,
    ) -> Result<Object<'a>> {
        let (n_positional, n_keyword) = (reader.varint()?, reader.varint()?);
        let argument = |reader: &mut Reader<'_>, name: &dyn Fn() -> String| {
            self.codec
                .decode(attached, reader)
                .map_err(|error| error.root(&name()))
        };
        if (n_positional, n_keyword) == (1, 0) {
            let only = argument(reader, &|| "args[0]".to_owned())?;
            return callable
                .call(&[only])
                .map_err(|raised| python_error(&raised));
        }
        let mut positional = Vec::with_capacity(n_positional.min(256) as usize);
        for index in 0..n_positional {
            positional.push(argument(reader, &|| format!("args[{index}]"))?);
        }
        if n_keyword == 0 {
            return callable
                .call(&positional)
                .map_err(|raised| python_error(&raised));
        }
        let keywords = attached.dict().map_err(|raised| python_error(&raised))?;
        for _ in 0..n_keyword {
            let key = self.codec.decode(attached, reader)?;
            let name = || format!("kwargs[{:?}]", key.as_str().unwrap_or_default());
            let value = argument(reader, &name)?;
            keywords
                .insert(&key, &value)
                .map_err(|raised| python_error(&raised))?;
        }
        callable
            .call_with(positional, &keywords)
            .map_err(|raised| python_error(&raised))
    }
}

/// `write(number, data)` of bootstrap.py.
fn write<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    fallback: &Arc<Capture>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [number, data] = arguments else {
        return Err(attached.raise_type_error("write takes a number and the data"));
    };
    let stream = if number.as_i64() == Some(2) {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    let capture = Capture::current(fallback);
    if data.is_none() {
        attached.detach(|| capture.flush());
        return Ok(attached.none());
    }
    let encoded;
    let bytes = match (data.as_str(), data.as_bytes()) {
        (Some(text), _) => text.as_bytes(),
        (_, Some(bytes)) => bytes,
        _ => {
            // A str with lone surrogates raises here, as it does in a file.
            encoded = data.invoke("encode", &[])?;
            encoded.as_bytes().unwrap_or_default()
        }
    };
    let is_much = capture.write(stream, bytes);
    if is_much.map_err(|message| attached.raise_os_error(&message))? {
        attached.detach(|| capture.hand_on(stream));
    }
    Ok(attached.none())
}

pub(crate) fn python_error(raised: &Raised<'_>) -> Error {
    Error::Python(PythonError::new(raised.describe()))
}

pub(crate) fn result_error(error: CrossingError) -> Error {
    Error::Value(error.root("result"))
}

fn malformed(function: &Function) -> LoadError {
    LoadError {
        kind: LoadErrorKind::Reference,
        function: function.to_string(),
        message: "it names no function".to_owned(),
        hint: Some("write FILE.py:NAME or MODULE:NAME".to_owned()),
        cause: None,
    }
}

/// Reads a `LoadError` of bootstrap.py; any other exception is one that loading itself raised.
fn load_error(function: &Function, raised: &Raised<'_>) -> Error {
    let value = raised.value();
    let text = |name: &str| value.get(name).and_then(|text| text.text()).ok();
    let kind = match text("kind").as_deref() {
        Some("MissingFile") => LoadErrorKind::MissingFile,
        Some("MissingModule") => LoadErrorKind::MissingModule,
        Some("MissingName") => LoadErrorKind::MissingName,
        Some("NotCallable") => LoadErrorKind::NotCallable,
        Some("Syntax") => LoadErrorKind::Syntax,
        Some("Import") => LoadErrorKind::Import,
        _ => return python_error(raised),
    };
    Error::from(LoadError {
        kind,
        function: function.to_string(),
        message: text("message").unwrap_or_default(),
        hint: text("hint"),
        cause: raised
            .cause()
            .map(|cause| PythonError::new(cause.describe())),
    })
}
