//! Refusal: what CPython does not allow in an interpreter with its own GIL, told from what it raises.
//!
//! CPython has no exception type for it, so the texts are all there is to go by
//! (Python/import.c, Objects/moduleobject.c, Modules/posixmodule.c, Lib/threading.py).

/// What an interpreter with its own GIL would not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Import an extension module that refuses such interpreters. A private copy of it might do; see
    /// [`Extensions::Private`](crate::Extensions::Private).
    Extension,
    /// Import an extension module that cannot have a private copy, or was refused all the same.
    PrivateCopy,
    /// Fork, replace the process, start a daemon thread, handle a signal: what belongs to the process's main
    /// interpreter.
    Process,
}

/// Texts by which packages, CPython and private copies refuse, what that is, and what to say of each.
///
/// A copy's comes first: the chain of an exception may have both.
const REFUSALS: &[(&str, Refusal, &str)] = &[
    ("cannot have a private copy: ", Refusal::PrivateCopy, COPY),
    (
        "does not support loading in subinterpreters",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "failed to import from subinterpreter due to exception",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "cannot load module more than once per process",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "Interpreter change detected - this module can only be loaded",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "PyO3 modules do not yet support subinterpreters",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "'datetime' has no attribute 'datetime_CAPI'",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "SAXReaderNotAvailable: No parsers found",
        Refusal::Extension,
        EXTENSION,
    ),
    (
        "fork not supported for isolated subinterpreters",
        Refusal::Process,
        "use subprocess: os.fork works in the main interpreter alone",
    ),
    (
        "exec not supported for isolated subinterpreters",
        Refusal::Process,
        "use subprocess: os.exec* works in the main interpreter alone",
    ),
    (
        "preexec_fn not supported within subinterpreters",
        Refusal::Process,
        "subprocess works without preexec_fn",
    ),
    (
        "daemon threads are disabled in this",
        Refusal::Process,
        "start the thread without daemon=True",
    ),
    (
        "only works in main thread of the main interpreter",
        Refusal::Process,
        "handle signals in the host program",
    ),
];

const EXTENSION: &str = "an extension module refuses interpreters with their own GIL; the `thread` \
                         backend runs it, on one GIL";

const COPY: &str = "the `thread` backend runs it, on one GIL";

/// What an exception refuses, if that is what it does, told from its traceback.
///
/// Packages wrap the refusal in exceptions of their own, so the whole chain's is searched.
pub(crate) fn of(traceback: &str) -> Option<Refusal> {
    find(traceback).map(|(_, refusal, _)| *refusal)
}

/// What a person could do about an exception that is such a refusal.
pub(crate) fn hint(traceback: &str) -> Option<String> {
    find(traceback).map(|(_, _, hint)| (*hint).to_owned())
}

fn find(traceback: &str) -> Option<&'static (&'static str, Refusal, &'static str)> {
    REFUSALS
        .iter()
        .find(|(text, _, _)| traceback.contains(text))
}
