//! Host functions in an interpreter: `owngil.host`, and the way of a call from Python to what answers it.
//!
//! In an interpreter of one worker, each function knows its pool. Workers of the backend `thread` share the main
//! interpreter, and so one module: there a call goes to the pool of the worker whose thread makes it. A thread that a
//! task started has no worker; its calls go to the only pool that has the function.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use owngil_ffi::{Arguments, Attached, Kept, Object, PyResult, Raised};

use super::programs::HOST;
use crate::error::Result;
use crate::host::{HostFailure, Responder};
use crate::interpreter::Interpreter;
use crate::interpreter::codecs::Codecs;
use crate::interpreter::functions::named;
use crate::interpreter::raised::python_error;
use crate::payload::{Codec, CrossingError, Encoding, read_usual, write_scalar, write_varint};

thread_local! {
    /// What calls are encoded into: their arguments and their values.
    static BUFFERS: Cell<Option<Box<(Encoding, Encoding)>>> = const { Cell::new(None) };

    /// The functions of this thread's worker, where workers share the main interpreter.
    static HERE: RefCell<Option<Arc<Functions>>> = const { RefCell::new(None) };
}

/// The functions of all workers that share the main interpreter.
static SHARED: Mutex<Vec<Weak<Functions>>> = Mutex::new(Vec::new());

/// Where the host functions of a worker's interpreter come from.
#[derive(Clone, Debug)]
pub(crate) struct HostSide {
    /// Sorted, and one list for each pool. A function's number is its place among them.
    pub(crate) names: Arc<Vec<String>>,
    pub(crate) responder: Arc<dyn Responder>,
    /// Where other workers share the interpreter: what answers a thread that has no worker.
    pub(crate) without_worker: Option<Arc<dyn Responder>>,
    /// Whether values whose class derives from a plain type are written as the plain value.
    pub(crate) is_plain: bool,
}

/// The functions of one worker.
#[derive(Debug)]
struct Functions {
    names: Arc<Vec<String>>,
    responder: Arc<dyn Responder>,
    without_worker: Option<Arc<dyn Responder>>,
    codecs: Codecs,
    /// Makes the exception of an error and its sources.
    exception: Kept,
}

/// The functions of this thread's worker are known, until it is dropped.
#[derive(Debug)]
pub(crate) struct Here;

impl Drop for Here {
    fn drop(&mut self) {
        HERE.take();
    }
}

impl Interpreter {
    /// Has Python code here call those functions, as `owngil.host`.
    pub(crate) fn set_host_functions(&mut self, side: HostSide) -> Result<()> {
        let loans = self.python.loans().clone();
        self.with(|attached, state| {
            let bootstrap = state.functions.bootstrap();
            let codecs = Codecs::new(bootstrap.get(attached).keep(), Some(loans), side.is_plain);
            let installed = install(attached, side, codecs);
            state.host_functions = installed.map_err(|raised| python_error(&raised))?;
            Ok(())
        })
    }
}

fn install<'a>(
    attached: Attached<'a>,
    side: HostSide,
    codecs: Codecs,
) -> PyResult<'a, Option<Here>> {
    let program = attached.dict()?;
    HOST.run(attached, &program)?;
    let HostSide {
        names,
        responder,
        without_worker,
        ..
    } = side;
    let is_shared = without_worker.is_some();
    let functions = Arc::new(Functions {
        names,
        responder,
        without_worker,
        codecs,
        exception: named(attached, &program, "exception")?.keep(),
    });
    let entries = functions.names.iter().enumerate().map(|(number, name)| {
        let function = match is_shared {
            false => function(attached, name, &functions, number),
            true => shared_function(attached, name),
        };
        attached.tuple([attached.str(name)?, function?])
    });
    let entries: Vec<Object<'a>> = entries.collect::<PyResult<'a, _>>()?;
    named(attached, &program, "install")?.call(&[attached.list(entries)?])?;
    if !is_shared {
        return Ok(None);
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.retain(|known| known.strong_count() > 0);
    shared.push(Arc::downgrade(&functions));
    HERE.set(Some(functions));
    Ok(Some(Here))
}

/// The last part of a function's name, and the module that it is in.
fn parts(name: &str) -> (&str, String) {
    match name.rsplit_once('.') {
        Some((module, name)) => (name, format!("owngil.host.{module}")),
        None => (name, "owngil.host".to_owned()),
    }
}

fn function<'a>(
    attached: Attached<'a>,
    name: &str,
    functions: &Arc<Functions>,
    number: usize,
) -> PyResult<'a, Object<'a>> {
    let functions = Arc::clone(functions);
    let (name, module) = parts(name);
    attached.function(name, &module, move |attached, arguments| {
        functions.call(attached, &*functions.responder, number, arguments)
    })
}

/// A function of the main interpreter, which finds the pool that is meant when it is called.
fn shared_function<'a>(attached: Attached<'a>, name: &str) -> PyResult<'a, Object<'a>> {
    let whole = name.to_owned();
    let (name, module) = parts(name);
    attached.function(name, &module, move |attached, arguments| {
        let here = HERE.with_borrow(Option::clone);
        let has_worker = here.is_some();
        let found = here.map_or_else(|| only_pool(&whole), Ok);
        let found = found.and_then(|functions| {
            let missing = || format!("the pool of this worker has no host function {whole}");
            let number = functions.find(&whole).ok_or_else(missing)?;
            Ok((functions, number))
        });
        match found {
            Ok((functions, number)) => {
                let without_worker = functions.without_worker.as_ref().filter(|_| !has_worker);
                let responder = without_worker.unwrap_or(&functions.responder);
                functions.call(attached, &**responder, number, arguments)
            }
            Err(reason) => Err(attached.raise_runtime_error(&reason)),
        }
    })
}

/// The functions of the only pool in the main interpreter that has one of that name.
fn only_pool(name: &str) -> std::result::Result<Arc<Functions>, String> {
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let alive = shared.iter().filter_map(Weak::upgrade);
    let mut with_it = alive.filter(|functions| functions.find(name).is_some());
    let first = with_it.next();
    let first = first.ok_or_else(|| format!("no pool has a host function {name} any more"))?;
    match with_it.all(|other| Arc::ptr_eq(&first.names, &other.names)) {
        true => Ok(first),
        false => Err(format!(
            "several pools have a host function {name}, and this thread belongs to no worker\n\
             hint: call it on the thread that runs the task"
        )),
    }
}

impl Functions {
    fn find(&self, name: &str) -> Option<usize> {
        let found = self
            .names
            .binary_search_by(|known| known.as_str().cmp(name));
        found.ok()
    }

    /// Answers a call from Python.
    #[inline]
    fn call<'a>(
        &self,
        attached: Attached<'a>,
        responder: &dyn Responder,
        number: usize,
        arguments: Arguments<'a>,
    ) -> PyResult<'a, Object<'a>> {
        // The function may call others on this thread.
        let mut buffers = BUFFERS.take().unwrap_or_default();
        let (encoded, value) = &mut *buffers;
        let called = self
            .encode(attached, number, arguments, encoded)
            .and_then(|()| {
                let respond = || responder.respond(number, encoded, value);
                let answered = attached.detach(respond);
                answered.map_err(|failure| self.raised(attached, number, failure))
            })
            .and_then(|()| self.decode(attached, number, value));
        encoded.reset();
        value.reset();
        BUFFERS.set(Some(buffers));
        self.codecs.take_back(attached);
        called
    }

    #[inline]
    fn encode<'a>(
        &self,
        attached: Attached<'a>,
        number: usize,
        arguments: Arguments<'a>,
        out: &mut Encoding,
    ) -> PyResult<'a, ()> {
        let positional = arguments.positional();
        write_varint(out, positional.len() as u64);
        out.push(arguments.has_keywords().into());
        for (place, argument) in positional.iter().enumerate() {
            if !write_scalar(argument, out) {
                let root = || format!("args[{place}]");
                self.encode_walking(attached, number, argument, out, &root)?;
            }
        }
        if arguments.has_keywords() {
            let keywords = attached.dict()?;
            for (name, value) in arguments.keywords() {
                keywords.insert(&name, value)?;
            }
            self.encode_walking(attached, number, &keywords, out, &|| "kwargs".to_owned())?;
        }
        Ok(())
    }

    fn encode_walking<'a>(
        &self,
        attached: Attached<'a>,
        number: usize,
        value: &Object<'a>,
        out: &mut Encoding,
        root: &dyn Fn() -> String,
    ) -> PyResult<'a, ()> {
        let encode = |codec: &Codec| codec.encode(attached, value, out);
        let encoded = self.codecs.with(attached, encode)?;
        encoded.map_err(|error| self.type_error(attached, number, error.root(&root())))
    }

    #[inline]
    fn decode<'a>(
        &self,
        attached: Attached<'a>,
        number: usize,
        value: &Encoding,
    ) -> PyResult<'a, Object<'a>> {
        let mut reader = value.reader();
        let failed = |error: CrossingError| self.type_error(attached, number, error.root("value"));
        match read_usual(attached, &mut reader) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => {
                let decode = |codec: &Codec| codec.decode(attached, &mut reader);
                self.codecs.with(attached, decode)?.map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }

    #[cold]
    fn type_error<'a>(
        &self,
        attached: Attached<'a>,
        number: usize,
        reason: impl Display,
    ) -> Raised<'a> {
        attached.raise_type_error(&format!("{}(): {reason}", self.names[number]))
    }

    #[cold]
    fn raised<'a>(
        &self,
        attached: Attached<'a>,
        number: usize,
        failure: HostFailure,
    ) -> Raised<'a> {
        let name = &self.names[number];
        let texts = match failure {
            HostFailure::Type(reason) => return self.type_error(attached, number, reason),
            HostFailure::Unreachable(reason) => {
                return attached.raise_runtime_error(&format!("{name}(): {reason}"));
            }
            HostFailure::Failed(texts) => texts,
            HostFailure::Panicked(text) => vec![format!("{name}() panicked: {text}")],
        };
        let exception = || {
            let texts: PyResult<'a, Vec<_>> = texts.iter().map(|text| attached.str(text)).collect();
            let texts = attached.list(texts?)?;
            self.exception.get(attached).call(&[texts])
        };
        match exception() {
            Ok(exception) => attached.raise_instance(exception),
            Err(raised) => raised,
        }
    }
}
