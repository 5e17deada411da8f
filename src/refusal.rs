//! Refusal: what CPython does not allow in an interpreter with its own GIL, told from what it raises.
//!
//! CPython has no exception type for it, so the texts are all there is to go by
//! (Python/import.c, Objects/moduleobject.c, Modules/posixmodule.c, Lib/threading.py).

/// Texts by which packages and CPython refuse, and what to say of each.
const REFUSALS: &[(&str, &str)] = &[
    ("does not support loading in subinterpreters", EXTENSION),
    (
        "failed to import from subinterpreter due to exception",
        EXTENSION,
    ),
    ("cannot load module more than once per process", EXTENSION),
    (
        "Interpreter change detected - this module can only be loaded",
        EXTENSION,
    ),
    ("PyO3 modules do not yet support subinterpreters", EXTENSION),
    ("'datetime' has no attribute 'datetime_CAPI'", EXTENSION),
    ("SAXReaderNotAvailable: No parsers found", EXTENSION),
    (
        "fork not supported for isolated subinterpreters",
        "use subprocess: os.fork works in the main interpreter alone",
    ),
    (
        "exec not supported for isolated subinterpreters",
        "use subprocess: os.exec* works in the main interpreter alone",
    ),
    (
        "preexec_fn not supported within subinterpreters",
        "subprocess works without preexec_fn",
    ),
    (
        "daemon threads are disabled in this",
        "start the thread without daemon=True",
    ),
    (
        "only works in main thread of the main interpreter",
        "handle signals in the host program",
    ),
];

const EXTENSION: &str = "an extension module refuses interpreters with their own GIL; the `thread` \
                         backend runs it, on one GIL";

/// What a person could do about an exception that is such a refusal, told from its traceback.
///
/// Packages wrap the refusal in exceptions of their own, so the whole chain's is searched.
pub(crate) fn hint(traceback: &str) -> Option<String> {
    let known = REFUSALS.iter().find(|(text, _)| traceback.contains(text));
    known.map(|(_, hint)| (*hint).to_owned())
}
