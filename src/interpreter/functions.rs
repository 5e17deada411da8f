//! Functions: what a worker has loaded, and the Python that loads it.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use owngil_ffi::{Attached, Borrowed, DictWatcher, Kept, Object, PyResult, Raised};

use super::budget::Budget;
use super::load_error::load_error;
use super::setup::host::execute;
use super::setup::programs::{
    CHANGES, DESCRIPTORS, ENDING, FRESH, IMPORTS, LOADING, MODULES, PACKAGES, PATCHES, SCRIPT,
    SIDE_EFFECTS,
};
use crate::error::{Error, LoadError, Result};
use crate::function::{Function, Location};

/// What a worker has loaded.
#[derive(Debug)]
pub(super) struct Functions {
    loaders: Loaders,
    /// By the functions' ids.
    loaded: Vec<Loaded>,
}

/// What loading a function gave.
#[derive(Debug, Default)]
enum Loaded {
    #[default]
    NotYet,
    Function(Kept),
    /// Kept for a moment, so that an import that raises is not run again for every call that
    /// waits; after a fix to the file, the next attempt loads it again.
    Failed(Error, Instant),
}

/// For how long a function that could not be loaded is not tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Loaders {
    /// Once one was loaded.
    functions: OnceCell<FunctionLoaders>,
    /// Only interpreters that run scripts have it.
    script: OnceCell<Kept>,
    /// A script has changed what cannot be put back.
    is_retiring: Arc<AtomicBool>,
    /// The namespace of the bootstrap.
    namespace: Kept,
}

#[derive(Debug)]
struct FunctionLoaders {
    file: Kept,
    module: Kept,
    source: Kept,
}

impl Loaders {
    fn functions<'a>(&self, attached: Attached<'a>) -> PyResult<'a, &FunctionLoaders> {
        if let Some(known) = self.functions.get() {
            return Ok(known);
        }
        let namespace = self.namespace.get(attached);
        LOADING.run(attached, &namespace)?;
        let keep = |name: &str| Ok(named(attached, &namespace, name)?.keep());
        let loaders = FunctionLoaders {
            file: keep("load_file")?,
            module: keep("load_module")?,
            source: keep("load_source")?,
        };
        Ok(self.functions.get_or_init(|| loaders))
    }

    fn script<'a>(&self, attached: Attached<'a>) -> PyResult<'a, &Kept> {
        if let Some(known) = self.script.get() {
            return Ok(known);
        }
        self.functions(attached)?;
        let namespace = self.namespace.get(attached);
        let describe = attached.callback(|attached, arguments| match arguments {
            [exception] => attached.described(exception),
            _ => Err(attached.raise_type_error("describe takes an exception")),
        })?;
        namespace.insert(&attached.str("describe")?, &describe)?;
        let is_retiring = Arc::clone(&self.is_retiring);
        let retire = attached.callback(move |attached, _| {
            is_retiring.store(true, Ordering::Relaxed);
            Ok(attached.none())
        })?;
        namespace.insert(&attached.str("retire")?, &retire)?;
        let watch_dicts = attached.callback(watch_dicts)?;
        namespace.insert(&attached.str("watch_dicts")?, &watch_dicts)?;
        for program in [
            &DESCRIPTORS,
            &CHANGES,
            &MODULES,
            &PACKAGES,
            &FRESH,
            &SIDE_EFFECTS,
            &PATCHES,
            &IMPORTS,
            &ENDING,
            &SCRIPT,
        ] {
            program.run(attached, &namespace)?;
        }
        let loader = named(attached, &namespace, "load_script")?;
        Ok(self.script.get_or_init(|| loader.keep()))
    }
}

/// The function of that name in the bootstrap's namespace.
pub(super) fn named<'a>(
    attached: Attached<'a>,
    namespace: &Object<'a>,
    name: &str,
) -> PyResult<'a, Object<'a>> {
    let found = namespace.lookup(&attached.str(name)?)?;
    found.ok_or_else(|| attached.raise_type_error("bootstrap.py lacks a function"))
}

/// `watch_dicts(modules, writes)` of patches.py: `watch(owner)` and `end()` of a [`DictWatcher`].
fn watch_dicts<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [modules, writes] = arguments else {
        return Err(attached.raise_type_error("watch_dicts takes two dicts"));
    };
    let watcher = DictWatcher::new(attached, modules, writes)?;
    let watch = attached.callback(move |attached, arguments| match arguments {
        [owner] => watcher.watch(owner),
        _ => Err(attached.raise_type_error("watch takes a module or a class")),
    })?;
    let end = attached.callback(move |attached, _| {
        watcher.end(attached)?;
        Ok(attached.none())
    })?;
    attached.tuple([watch, end])
}

/// Calls the function of that name in the bootstrap's namespace, which is not needed after that: it makes room.
pub(super) fn call_once<'a>(
    attached: Attached<'a>,
    namespace: &Object<'a>,
    name: &str,
    arguments: &[Object<'a>],
) -> PyResult<'a, Object<'a>> {
    let function = named(attached, namespace, name)?;
    namespace.insert(&attached.str(name)?, &attached.none())?;
    function.call(arguments)
}

impl Functions {
    /// For an interpreter with that namespace of the bootstrap.
    pub(super) fn new(bootstrap: &Object<'_>) -> Functions {
        Functions {
            loaders: Loaders {
                functions: OnceCell::new(),
                script: OnceCell::new(),
                is_retiring: Arc::default(),
                namespace: bootstrap.keep(),
            },
            loaded: Vec::new(),
        }
    }

    /// The namespace of the bootstrap.
    pub(super) fn bootstrap(&self) -> &Kept {
        &self.loaders.namespace
    }

    /// Whether no further function is to run here.
    pub(super) fn is_retiring(&self) -> bool {
        self.loaders.is_retiring.load(Ordering::Relaxed)
    }

    /// Loads a function again when it is used next.
    pub(super) fn forget(&mut self, function: &Function) {
        self.loaded[function.id()] = Loaded::NotYet;
    }

    /// The callable, loaded at its first use.
    pub(super) fn get<'a>(
        &mut self,
        attached: Attached<'a>,
        function: &Function,
        budget: &Budget,
    ) -> Result<Object<'a>> {
        let known = self.known(attached, function);
        known.unwrap_or_else(|| self.load_now(attached, function, budget))
    }

    /// The callable, or why there is none, if it need not be loaded.
    #[inline]
    pub(super) fn known<'a>(
        &self,
        attached: Attached<'a>,
        function: &Function,
    ) -> Option<Result<Object<'a>>> {
        match self.loaded.get(function.id())? {
            Loaded::Function(kept) => Some(Ok(kept.get(attached))),
            Loaded::Failed(error, when) if when.elapsed() < RETRY_AFTER => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// The callable, loaded now.
    #[cold]
    pub(super) fn load_now<'a>(
        &mut self,
        attached: Attached<'a>,
        function: &Function,
        budget: &Budget,
    ) -> Result<Object<'a>> {
        let loaded = self.load(attached, function, budget);
        if self.loaded.len() <= function.id() {
            self.loaded.resize_with(function.id() + 1, Loaded::default);
        }
        self.loaded[function.id()] = match &loaded {
            Ok(callable) => Loaded::Function(callable.keep()),
            Err(error) => Loaded::Failed(error.clone(), Instant::now()),
        };
        loaded
    }

    fn load<'a>(
        &self,
        attached: Attached<'a>,
        function: &Function,
        budget: &Budget,
    ) -> Result<Object<'a>> {
        let loaders = &self.loaders;
        // A path need not be text.
        let path_of = |path: &Path| attached.bytes(path.as_os_str().as_encoded_bytes());
        let word = |word: &str| attached.str(word);
        let failed = |raised| load_error(function, &raised);
        let of_functions = || loaders.functions(attached).map_err(failed);
        let (loader, arguments) = match function.location() {
            Location::File { path, module, name } => {
                let arguments = vec![path_of(path), word(module), word(name)];
                (&of_functions()?.file, arguments)
            }
            Location::Module { module, name, .. } => {
                (&of_functions()?.module, vec![word(module), word(name)])
            }
            Location::Source { text, module, name } => {
                let execute = attached.callback(execute);
                let arguments = vec![word(text), word(module), word(name), execute];
                (&of_functions()?.source, arguments)
            }
            Location::Script {
                script,
                shown,
                keeps_packages,
            } => {
                let loader = loaders.script(attached).map_err(failed)?;
                let none = || Ok(attached.none());
                let path = script.path().map_or_else(none, path_of);
                let text = script.text().map_or_else(none, |text| attached.bytes(text));
                let keeps_packages = Ok(attached.bool(*keeps_packages));
                let kind = word(script.kind());
                (loader, vec![kind, path, text, word(shown), keeps_packages])
            }
            Location::Malformed { .. } => {
                return Err(LoadError::malformed(&function.to_string()).into());
            }
        };
        let arguments: PyResult<'a, Vec<_>> = arguments.into_iter().collect();
        let load = |arguments: Vec<_>| {
            let loader = loader.get(attached);
            budget.hold(|| loader.call(&arguments))
        };
        let loaded = arguments.and_then(load);
        loaded.map_err(failed)
    }
}
