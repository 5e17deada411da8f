//! Function: what to call, named so that every interpreter can load it for itself.
//!
//! A Python function object belongs to one interpreter, so what crosses is where to find it. Loading
//! happens once per worker. Two functions that name the same place are the same: what is known of a
//! place is kept for the rest of the process, as the modules are that it names, so a [`Function`] is
//! a reference to that and costs nothing to copy.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::LoadError;

/// Something that Python can call: a function in a file or a module, source text, or a script.
#[derive(Clone, Copy)]
pub struct Function {
    known: &'static Known,
}

/// What is known of a place.
struct Known {
    /// Counts from 0, without gaps.
    id: usize,
    location: Location,
}

/// Where the code is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// `name`, dotted, of the file at `path`, which is imported as `module`.
    File {
        path: PathBuf,
        module: String,
        name: String,
    },
    /// `name`, dotted, of the module that `import module` gives. A label tells functions apart that go through the same
    /// one.
    Module {
        module: String,
        name: String,
        label: Option<String>,
    },
    /// `name`, dotted, of what the text defines.
    Source {
        text: String,
        module: String,
        name: String,
    },
    /// What runs as `__main__`; `shown` is its name, and its `sys.argv[0]` but for a module.
    Script {
        script: Script,
        shown: String,
        /// Whether installed packages stay loaded.
        keeps_packages: bool,
    },
    /// A reference that names nothing.
    Malformed { reference: String },
}

/// What runs as `__main__`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Script {
    /// A file that is read when it is loaded, or a folder or zip archive with a `__main__.py`.
    File(OsString),
    /// What was read from there, or from standard input.
    Text {
        path: Option<OsString>,
        text: Vec<u8>,
    },
    /// As `python -m` does; it is found by its name.
    Module,
}

impl Script {
    /// What src/python/script.py calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Script::File(_) => "file",
            Script::Text { .. } => "text",
            Script::Module => "module",
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Script::File(path) => Some(Path::new(path)),
            Script::Text { path, .. } => path.as_ref().map(Path::new),
            Script::Module => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self {
            Script::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl Function {
    /// The function named by a reference: `path/to/file.py:name` or `package.module:name`.
    ///
    /// The name may be dotted (`Class.method`). The part before the last colon is a file if it ends in `.py` or
    /// contains a path separator, and a module otherwise. A relative path is resolved against the current
    /// directory. Whether the file, module or name exists is checked on first use.
    ///
    /// A file is imported as a module named after it, as `import` would do from the file's own directory,
    /// which is put at the front of `sys.path`. Its `if __name__ == "__main__"` block does not run.
    pub fn at(reference: impl AsRef<str>) -> Function {
        let reference = reference.as_ref();
        let malformed = || Location::Malformed {
            reference: reference.to_owned(),
        };
        Function::new(referenced(reference).unwrap_or_else(malformed))
    }

    /// The function `name`, which may be dotted, from the Python file at `path`.
    pub fn file(path: impl AsRef<Path>, name: &str) -> Function {
        Function::new(file(path.as_ref(), name))
    }

    /// The function `name`, which may be dotted, defined by Python source text.
    ///
    /// ```
    /// let double = owngil::Function::source("def double(x):\n    return 2 * x\n", "double");
    /// ```
    pub fn source(text: impl Into<String>, name: &str) -> Function {
        let text = text.into();
        let module = format!("owngil_source_{:016x}", hash(&text));
        Function::new(Location::Source {
            text,
            module,
            name: name.to_owned(),
        })
    }

    /// A script, run as `__main__` at each call, as `python path` would. `path` is a file, or a folder or zip archive
    /// with a `__main__.py`.
    ///
    /// The call's arguments must be `str`, and become `sys.argv[1:]`. Its value is the exit status: 0, or the
    /// argument of `sys.exit` (`sys.exit("message")` prints and gives 1, as in Python). A script takes two keyword
    /// arguments: `stdin`, the bytes to read from `sys.stdin`, and `slot`, a text to replace in the arguments with
    /// the worker's number, counted from 1.
    ///
    /// Each call begins as a new Python does, except that the standard library stays loaded. If the script has imported
    /// an installed package with extension modules, other than numpy, a new interpreter takes the place of the worker's.
    /// At its end, the call waits for the non-daemon threads that the script started, and runs its `atexit`
    /// functions. Changes to `os.environ`, to `sys.path` and other settings of `sys`, and to `builtins`, `logging`,
    /// `warnings`, `random` and the context of `decimal` are undone, and so is what it assigns to attributes of modules
    /// that stay loaded.
    pub fn script(path: impl AsRef<Path>) -> Function {
        let path = path.as_ref();
        let shown = path.to_string_lossy().into_owned();
        Function::new(Location::Script {
            script: Script::File(absolute(path).into_os_string()),
            shown,
            keeps_packages: false,
        })
    }

    /// Like [`script`](Function::script), for a script whose text you have already read: from the file at `path`, or
    /// from elsewhere.
    ///
    /// Without a path it has no `__file__`, and its `sys.argv[0]` is `-`.
    pub fn script_text(path: Option<&Path>, text: impl Into<Vec<u8>>) -> Function {
        let shown = path.map_or_else(
            || "-".to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        Function::new(Location::Script {
            script: Script::Text {
                path: path.map(|path| absolute(path).into_os_string()),
                text: text.into(),
            },
            shown,
            keeps_packages: false,
        })
    }

    /// Like [`script`](Function::script), for a module or package by name, as `python -m name` runs it.
    pub fn script_module(name: impl Into<String>) -> Function {
        Function::new(Location::Script {
            script: Script::Module,
            shown: name.into(),
            keeps_packages: false,
        })
    }

    /// The same script, for which the installed packages that it imports stay loaded. Other functions are as they are.
    ///
    /// Each call after the first then imports them at no cost, and finds what earlier calls have set in them: open
    /// figures, options, registries.
    pub fn keeping_packages(&self) -> Function {
        match self.location() {
            Location::Script { script, shown, .. } => Function::new(Location::Script {
                script: script.clone(),
                shown: shown.clone(),
                keeps_packages: true,
            }),
            _ => *self,
        }
    }

    /// The function `name`, dotted, of a module; `label` tells it from others that go through the same one.
    pub(crate) fn labelled(module: &str, name: &str, label: Option<&str>) -> Function {
        Function::new(Location::Module {
            module: module.to_owned(),
            name: name.to_owned(),
            label: label.map(str::to_owned),
        })
    }

    /// What is at that location, which another process has named.
    pub(crate) fn of_location(location: Location) -> Function {
        Function::new(location)
    }

    fn new(location: Location) -> Function {
        static KNOWN: LazyLock<Mutex<HashMap<Location, Function>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = known.get(&location) {
            return *function;
        }
        let id = known.len();
        let entry = Known {
            id,
            location: location.clone(),
        };
        let function = Function {
            known: Box::leak(Box::new(entry)),
        };
        known.insert(location, function);
        function
    }

    /// Counts from 0, without gaps.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.known.id
    }

    pub(crate) fn location(&self) -> &'static Location {
        &self.known.location
    }
}

impl FromStr for Function {
    type Err = LoadError;

    /// Like [`Function::at`], for a reference from a user or a file: one that names no function is an error at once.
    ///
    /// ```
    /// use owngil::Function;
    ///
    /// let function: Function = "math:hypot".parse()?;
    /// assert!("math.hypot".parse::<Function>().is_err());
    /// # Ok::<(), owngil::LoadError>(())
    /// ```
    fn from_str(reference: &str) -> Result<Function, LoadError> {
        let location = referenced(reference).ok_or_else(|| LoadError::malformed(reference))?;
        Ok(Function::new(location))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Location::File { path, name, .. } => write!(f, "{}:{name}", path.display()),
            Location::Module {
                label: Some(label), ..
            } => f.write_str(label),
            Location::Module { module, name, .. } => write!(f, "{module}:{name}"),
            Location::Source { name, .. } => write!(f, "<source>:{name}"),
            Location::Script { shown, .. } => f.write_str(shown),
            Location::Malformed { reference } => write!(f, "{reference:?}"),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({self})")
    }
}

/// The location that a reference names, if it names one.
fn referenced(reference: &str) -> Option<Location> {
    let (place, name) = reference.rsplit_once(':')?;
    if place.is_empty() || !is_dotted_name(name) {
        return None;
    }
    if place.ends_with(".py") || place.contains(['/', '\\']) {
        return Some(file(Path::new(place), name));
    }
    is_dotted_name(place).then(|| Location::Module {
        module: place.to_owned(),
        name: name.to_owned(),
        label: None,
    })
}

fn file(path: &Path, name: &str) -> Location {
    let path = absolute(path);
    let module = module_name(&path);
    Location::File {
        path,
        module,
        name: name.to_owned(),
    }
}

/// Absolute, links left as they are: a file's neighbours are those of the path that was named.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The name under which every interpreter of the process imports the file.
///
/// The file's own name, so that what it defines can be pickled in one interpreter and found in
/// another; where another file has that name already, one with a hash.
fn module_name(path: &Path) -> String {
    static TAKEN: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name: String = stem
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !is_dotted_name(&name) {
        name.insert(0, '_');
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = taken.entry(name.clone()).or_insert_with(|| path.to_owned());
    if owner == path {
        name
    } else {
        format!("{name}_{:016x}", hash(path))
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Whether the text is identifiers with dots between them.
fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut chars = part.chars();
        chars
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && chars.all(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_file_or_a_module() {
        let place = |reference: &str| Function::at(reference).location().clone();
        let Location::File { path, module, name } = place("some/where.py:Class.method") else {
            panic!("a file")
        };
        assert!(path.is_absolute() && path.ends_with("some/where.py"));
        assert_eq!((module.as_str(), name.as_str()), ("where", "Class.method"));
        assert!(matches!(place("dir/script:main"), Location::File { .. }));
        assert_eq!(
            place("package.module:name"),
            Location::Module {
                module: "package.module".into(),
                name: "name".into(),
                label: None
            }
        );
        for malformed in [
            "", "name", "file.py", ":name", "module:", "a b:c", "m:1x", "x.py:a-b",
        ] {
            assert!(
                matches!(place(malformed), Location::Malformed { .. }),
                "{malformed:?}"
            );
        }
    }

    #[test]
    fn the_same_place_is_the_same_function() {
        assert_eq!(Function::at("a.b:c"), Function::at("a.b:c"));
        assert_ne!(Function::at("a.b:c"), Function::at("a.b:d"));
        assert_eq!(Function::source("x", "f"), Function::source("x", "f"));
        assert_ne!(Function::source("x", "f"), Function::source("y", "f"));
    }

    #[test]
    fn files_of_one_name_get_modules_of_their_own() {
        let first = module_name(Path::new("/one/same_name.py"));
        let second = module_name(Path::new("/two/same_name.py"));
        assert_eq!(first, "same_name");
        assert!(second.starts_with("same_name_") && second != first);
        assert_eq!(module_name(Path::new("/two/same_name.py")), second);
        assert_eq!(module_name(Path::new("/x/2nd-try.v3.py")), "_2nd_try_v3");
    }
}
