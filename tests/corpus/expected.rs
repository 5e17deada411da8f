//! What the corpus expects to differ from a plain `python` process: tables, and no logic.
//!
//! docs/compatibility.md says the same in words, and a test compares the two.

use std::ops::RangeInclusive;

use owngil::Backend;

/// A case whose outcome differs from a plain process's.
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    /// What differs, as docs/compatibility.md names it.
    pub(crate) subject: &'static str,
    pub(crate) versions: Versions,
    pub(crate) backends: &'static [Backend],
    pub(crate) instead: Instead,
}

/// What is there in place of the plain process's outcome.
pub(crate) enum Instead {
    /// An exception with a hint: its type, and what its message contains.
    Refused(&'static str, &'static str),
    /// An exception that is no refusal of CPython's but a bug of it, without a hint.
    Fails(&'static str, &'static str),
    /// Another value.
    Gives(&'static str),
}

pub(crate) const OWN: &[Backend] = &[Backend::Interpreter];
pub(crate) const THREAD: &[Backend] = &[Backend::Thread];
pub(crate) const BOTH: &[Backend] = &[Backend::Interpreter, Backend::Thread];

/// Versions as minor and patch numbers.
pub(crate) type Versions = RangeInclusive<(u8, u8)>;

const ALL: Versions = (12, 0)..=(15, u8::MAX);
const ONLY_3_12: Versions = (12, 0)..=(12, u8::MAX);
const FROM_3_13: Versions = (13, 0)..=(15, u8::MAX);

const EXTENSION: Instead =
    Instead::Refused("ImportError", "does not support loading in subinterpreters");
const SIGNAL: Instead = Instead::Refused(
    "ValueError",
    "only works in main thread of the main interpreter",
);

pub(crate) const DIFFERENCES: &[Difference] = &[
    new("import_curses", "`curses`", ALL, OWN, EXTENSION),
    new("import_readline", "`readline`", ALL, OWN, EXTENSION),
    new("import_tracemalloc", "`tracemalloc`", ALL, OWN, EXTENSION),
    new("import_faulthandler", "`faulthandler`", ALL, OWN, EXTENSION),
    new("import_ctypes", "`ctypes`", ONLY_3_12, OWN, EXTENSION),
    new("foreign_functions", "`ctypes`", ONLY_3_12, OWN, EXTENSION),
    new("import_cprofile", "`cProfile`", ONLY_3_12, OWN, EXTENSION),
    new("import_plistlib", "`plistlib`", ONLY_3_12, OWN, EXTENSION),
    new("xml_documents", "`xml.dom`", ONLY_3_12, OWN, EXTENSION),
    new(
        "xml_trees",
        "`xml.etree`",
        ONLY_3_12,
        OWN,
        Instead::Refused("ImportError", "No module named expat"),
    ),
    new(
        "xml_that_is_malformed",
        "`xml.etree`",
        ONLY_3_12,
        OWN,
        Instead::Refused("ImportError", "No module named expat"),
    ),
    new(
        "xml_events",
        "`xml.sax`",
        ONLY_3_12,
        OWN,
        Instead::Refused(
            "xml.sax._exceptions.SAXReaderNotAvailable",
            "No parsers found",
        ),
    ),
    new(
        "date_out_of_range",
        "`datetime`",
        ONLY_3_12,
        OWN,
        Instead::Fails("OverflowError", "result out of range"),
    ),
    new(
        "division_by_zero_of_decimals",
        "`decimal`",
        ONLY_3_12,
        OWN,
        Instead::Fails("decimal.DivisionByZero", "x / 0"),
    ),
    new(
        "fork",
        "`os.fork`",
        ALL,
        OWN,
        Instead::Refused(
            "RuntimeError",
            "fork not supported for isolated subinterpreters",
        ),
    ),
    new(
        "execute_in_place",
        "`os.exec*`",
        ALL,
        BOTH,
        Instead::Refused(
            "RuntimeError",
            "exec not supported for isolated subinterpreters",
        ),
    ),
    new(
        "preexec_function",
        "`subprocess` with `preexec_fn`",
        ALL,
        OWN,
        Instead::Refused(
            "RuntimeError",
            "preexec_fn not supported within subinterpreters",
        ),
    ),
    new("signal_handler", "`signal.signal`", ALL, BOTH, SIGNAL),
    new("signal_wakeup", "`signal.set_wakeup_fd`", ALL, BOTH, SIGNAL),
    new(
        "signal_handler_of_a_loop",
        "`loop.add_signal_handler`",
        ALL,
        BOTH,
        Instead::Refused(
            "RuntimeError",
            "only works in main thread of the main interpreter",
        ),
    ),
    new(
        "context_token",
        "`contextvars.Token.MISSING`",
        (12, 0)..=(13, u8::MAX),
        OWN,
        Instead::Fails("AttributeError", "has no attribute 'MISSING'"),
    ),
    new(
        "main_thread",
        "`threading.main_thread`",
        ALL,
        THREAD,
        Instead::Gives("False"),
    ),
];

const fn new(
    case: &'static str,
    subject: &'static str,
    versions: Versions,
    backends: &'static [Backend],
    instead: Instead,
) -> Difference {
    Difference {
        case,
        subject,
        versions,
        backends,
        instead,
    }
}

/// The modules of the standard library that cannot be imported in an interpreter with its own GIL.
pub(crate) const MODULES: &[(&str, Versions)] = &[
    ("_ctypes", ONLY_3_12),
    ("_curses", ALL),
    ("_curses_panel", ALL),
    ("_datetime", ONLY_3_12),
    ("_decimal", ONLY_3_12),
    ("_elementtree", ONLY_3_12),
    ("_lsprof", ONLY_3_12),
    ("_suggestions", FROM_3_13),
    ("_tkinter", ALL),
    ("_tracemalloc", ALL),
    ("_zoneinfo", ONLY_3_12),
    ("cProfile", ONLY_3_12),
    ("ctypes", ONLY_3_12),
    ("curses", ALL),
    ("faulthandler", ALL),
    ("nis", ONLY_3_12),
    ("ossaudiodev", ONLY_3_12),
    ("plistlib", ONLY_3_12),
    ("pyexpat", ONLY_3_12),
    ("readline", ALL),
    ("tkinter", ALL),
    ("tracemalloc", ALL),
];

/// Values that cannot be pickled, and what the error says of them: where they sat, and their types.
pub(crate) const CANNOT_CROSS: &[(&str, &str)] = &[
    ("generator_as_value", "result (generator)"),
    ("lambda_as_value", "result[1][\"f\"] (function)"),
    (
        "local_class_as_value",
        "result[1] (corpus_cases.classes.local_class_as_value.<locals>.Local)",
    ),
    ("lock_as_value", "result[\"held\"][\"lock\"] (_thread.lock)"),
    ("module_as_value", "result (module)"),
    (
        "unpicklable_exception_as_value",
        "result[\"error\"] (corpus_cases.errors.Unpicklable)",
    ),
];
