//! Refusal: what CPython does not allow in an interpreter with its own GIL, told from what it raises.
//!
//! CPython has no exception type for it, so the texts are all there is to go by
//! (Python/import.c, Objects/moduleobject.c, Modules/posixmodule.c, Lib/threading.py).

/// A text by which packages and CPython refuse.
struct Refusal {
    text: &'static str,
    hint: &'static str,
    /// What is refused, where a process allows it.
    need: Option<&'static str>,
}

impl Refusal {
    const fn extension(text: &'static str) -> Refusal {
        Refusal {
            text,
            hint: "an extension module refuses interpreters with their own GIL; the backend `auto` runs it in \
                   worker processes",
            need: Some("an extension module refuses interpreters with their own GIL"),
        }
    }

    const fn of(text: &'static str, hint: &'static str, need: Option<&'static str>) -> Refusal {
        Refusal { text, hint, need }
    }
}

const REFUSALS: &[Refusal] = &[
    Refusal::extension("does not support loading in subinterpreters"),
    Refusal::of(
        // Of owngil's own: `ffi/src/private_copy.rs`.
        "cannot have a private copy",
        "the backend `auto` runs it in worker processes",
        Some("an extension module cannot have a private copy for each interpreter"),
    ),
    Refusal::extension("failed to import from subinterpreter due to exception"),
    Refusal::extension("cannot load module more than once per process"),
    Refusal::extension("Interpreter change detected - this module can only be loaded"),
    Refusal::extension("PyO3 modules do not yet support subinterpreters"),
    Refusal::extension("'datetime' has no attribute 'datetime_CAPI'"),
    Refusal::extension("SAXReaderNotAvailable: No parsers found"),
    Refusal::of(
        "fork not supported for isolated subinterpreters",
        "use subprocess: os.fork works in processes alone",
        Some("it forks"),
    ),
    Refusal::of(
        "exec not supported for isolated subinterpreters",
        "use subprocess: os.exec* would end the whole process",
        None,
    ),
    Refusal::of(
        "preexec_fn not supported within subinterpreters",
        "subprocess works without preexec_fn",
        Some("it gives subprocess a preexec_fn"),
    ),
    Refusal::of(
        "daemon threads are disabled in this",
        "start the thread without daemon=True",
        Some("it starts daemon threads"),
    ),
    Refusal::of(
        "only works in main thread of the main interpreter",
        "handle signals in the host program",
        None,
    ),
];

/// The refusal in a traceback. Packages wrap it in exceptions of their own, so the whole chain's is
/// searched.
fn find(traceback: &str) -> Option<&'static Refusal> {
    REFUSALS
        .iter()
        .find(|refusal| traceback.contains(refusal.text))
}

/// What a person could do about an exception that is such a refusal, told from its traceback.
pub(crate) fn hint(traceback: &str) -> Option<String> {
    find(traceback).map(|refusal| refusal.hint.to_owned())
}

/// Why a call that ended with such a traceback can be made in a worker process, if it can: there all
/// extension modules load, and what CPython allows a process is allowed.
pub(crate) fn needs_process(traceback: &str) -> Option<&'static str> {
    find(traceback)?.need
}
