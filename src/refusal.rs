//! Refusal: what CPython does not allow in an interpreter with its own GIL, recognized by what it raises.
//!
//! CPython has no exception type for it, so the texts are all there is to go by
//! (Python/import.c, Objects/moduleobject.c, Modules/posixmodule.c, Lib/threading.py).

/// Something that an interpreter with its own GIL refused to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Import an extension module that refuses such interpreters. A private copy may work; see
    /// [`Extensions`](crate::Extensions).
    Extension,
    /// Import an extension module that cannot have a private copy: it was not tested in one, is known to fail in
    /// one, or cannot be loaded from one.
    PrivateCopy,
    /// Load a library, by `ctypes` or cffi, that is not known to be safe to use from several threads at once.
    Library,
    /// Start up as Python does: a `.pth` file or `sitecustomize` fails in it.
    Site,
    /// Fork, replace the process, or handle a signal: only the process's main interpreter can.
    Process,
}

/// A text by which packages, CPython and private copies refuse.
struct Known {
    text: &'static str,
    refusal: Refusal,
    /// What to say of it.
    hint: &'static str,
    /// What it needs, where a worker process has that.
    need: Option<&'static str>,
}

impl Known {
    const fn extension(text: &'static str) -> Known {
        Known {
            text,
            refusal: Refusal::Extension,
            hint: "an extension module refuses interpreters with their own GIL; private copies load it in them, and \
                   the backend `auto` runs what cannot be loaded in worker processes",
            need: Some("an extension module refuses interpreters with their own GIL"),
        }
    }

    const fn process(text: &'static str, hint: &'static str, need: Option<&'static str>) -> Known {
        Known {
            text,
            refusal: Refusal::Process,
            hint,
            need,
        }
    }
}

/// What stands between a library's name and the reason why it is not loaded.
const NO_LIBRARY: &str = " cannot be loaded in an interpreter with its own GIL: ";

/// What stands between an extension module's name and the reason why it has no private copy.
const NO_COPY: &str = " cannot have a private copy: ";

/// What stands between a hook of the module `site` and the exception that it ends with (src/python/site.py).
const NO_HOOK: &str = " fails in an interpreter with its own GIL: ";

/// A hook's comes first, and then a copy's: the chain of an exception may have several.
const KNOWN: &[Known] = &[
    Known {
        text: NO_HOOK,
        refusal: Refusal::Site,
        hint: "the backend `auto` runs everything in worker processes then",
        need: Some("what Python runs when it starts fails in interpreters with their own GIL"),
    },
    Known {
        text: NO_COPY,
        refusal: Refusal::PrivateCopy,
        hint: "the backend `auto` runs it in worker processes",
        need: Some("an extension module cannot have a private copy for each interpreter"),
    },
    Known {
        text: NO_LIBRARY,
        refusal: Refusal::Library,
        hint: "interpreters would share the library, and each has a GIL of its own: the backend `auto` runs it in \
               worker processes",
        need: Some("Python code loads a library that is not known to be safe for several threads"),
    },
    Known::extension("does not support loading in subinterpreters"),
    Known::extension("failed to import from subinterpreter due to exception"),
    Known::extension("cannot load module more than once per process"),
    Known::extension("Interpreter change detected - this module can only be loaded"),
    Known::extension("PyO3 modules do not yet support subinterpreters"),
    Known::extension("'datetime' has no attribute 'datetime_CAPI'"),
    Known::extension("SAXReaderNotAvailable: No parsers found"),
    Known::process(
        "fork not supported for isolated subinterpreters",
        "use subprocess, or the backend `process`, where os.fork works",
        Some("it forks"),
    ),
    Known::process(
        "fork not supported for subinterpreters",
        "use subprocess, or the backend `process`, where os.forkpty works",
        Some("it forks"),
    ),
    Known::process(
        "exec not supported for isolated subinterpreters",
        "use subprocess: os.exec* would end all workers",
        None,
    ),
    Known::process(
        "preexec_fn not supported within subinterpreters",
        "subprocess works without preexec_fn; with it on the backend `process`",
        Some("it gives subprocess a preexec_fn"),
    ),
    Known::process(
        "cannot be replaced in an interpreter: it is the whole process's",
        "descriptors 0, 1 and 2 are one for all workers; on the backend `process` each has its own",
        Some("it replaces standard streams of the process"),
    ),
    Known::process(
        "cannot be changed in an interpreter: it is the whole process's",
        "the system gives threads no working directory of their own; processes have one each",
        Some("it changes the working directory"),
    ),
    Known::process(
        "are left open for a script in an interpreter: it is for the whole process",
        "close them, or use file objects; on the backend `process` they are closed after each script",
        Some("scripts leave descriptors open"),
    ),
    Known::process(
        "of a standard stream cannot be called in an interpreter: it is for the whole process",
        "descriptors 0, 1 and 2 are one for all workers; on the backend `process` each has its own",
        Some("it changes standard streams of the process"),
    ),
    Known::process(
        "in an interpreter: it is for the whole process",
        "user, groups, session, root, limits, locale and time zone are one for all workers; on the backend `process` \
         each has its own",
        Some("it changes the process as a whole"),
    ),
    Known::process(
        "cannot be called in an interpreter: it looks at all threads",
        "before CPython 3.13.16 and 3.14.8 it crashes over the threads of other interpreters; on the backend `process` \
         there are none",
        Some("it looks at the frames of all threads"),
    ),
    Known::process(
        "only works in main thread of the main interpreter",
        "signals belong to the process, not to a task: on the backend `process` each worker has its own",
        Some("it handles signals"),
    ),
];

/// The refusal in a traceback. Packages wrap it in exceptions of their own, so the whole chain's is
/// searched.
fn find(traceback: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| traceback.contains(known.text))
}

/// What an exception refuses, if that is what it does.
pub(crate) fn of(traceback: &str) -> Option<Refusal> {
    find(traceback).map(|known| known.refusal)
}

/// What a person could do about an exception that is such a refusal.
pub(crate) fn hint(traceback: &str) -> Option<String> {
    find(traceback).map(|known| known.hint.to_owned())
}

/// What a call that was refused so needs, if worker processes have it: there all extension modules load,
/// and what CPython allows a process is allowed.
pub(crate) fn need(traceback: &str) -> Option<String> {
    let known = find(traceback)?;
    let need = known.need?.to_owned();
    Some(match known.refusal {
        Refusal::Extension => match module(traceback) {
            Some(module) => format!("{need} ({module})"),
            None => need,
        },
        Refusal::PrivateCopy => copyless(traceback).unwrap_or(need),
        Refusal::Library => match library(traceback) {
            Some(library) => format!("{need} ({library})"),
            None => need,
        },
        Refusal::Site => hook(traceback).unwrap_or(need),
        Refusal::Process => need,
    })
}

/// What fails as an interpreter starts, and with what.
fn hook(traceback: &str) -> Option<String> {
    let line = traceback.lines().find(|line| line.contains(NO_HOOK))?;
    let line = line.strip_prefix("ImportError: ").unwrap_or(line);
    let (hook, error) = line.split_once(NO_HOOK)?;
    Some(format!(
        "{hook} fails in interpreters with their own GIL ({error})"
    ))
}

/// Why a module has no private copy: a sentence of its own, or one about "it".
fn copyless(traceback: &str) -> Option<String> {
    let line = traceback.lines().find(|line| line.contains(NO_COPY))?;
    let (before, reason) = line.split_once(NO_COPY)?;
    let module = before.rsplit(' ').next()?;
    Some(match reason.strip_prefix("it ") {
        Some(rest) => format!("{module} {rest}"),
        None => reason.to_owned(),
    })
}

/// The extension module that refuses, where CPython tells its name (Python/import.c).
fn module(traceback: &str) -> Option<&str> {
    let (before, _) = traceback.split_once(" does not support loading in subinterpreters")?;
    before.rsplit_once("module ").map(|(_, name)| name)
}

/// The name of the library that is refused.
fn library(traceback: &str) -> Option<&str> {
    let (before, _) = traceback.split_once(NO_LIBRARY)?;
    before.rsplit([' ', '\n']).next()
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_no_copy_names_the_package_or_the_module() {
        let wrapped =
            "ImportError: no\n  a.b cannot have a private copy: a 1.0 is not among them (x)\nhelp";
        assert_eq!(of(wrapped), Some(Refusal::PrivateCopy));
        assert_eq!(
            need(wrapped).as_deref(),
            Some("a 1.0 is not among them (x)")
        );
        let library =
            "x\nOSError: libfoo.so cannot be loaded in an interpreter with its own GIL: no\n";
        assert_eq!(of(library), Some(Refusal::Library));
        assert!(need(library).is_some_and(|need| need.ends_with(" (libfoo.so)")));
        let own = "ImportError: a.b cannot have a private copy: it has objects in c.so\n";
        assert_eq!(need(own).as_deref(), Some("a.b has objects in c.so"));
    }
}
