//! Native: what each module in machine code needs, by its symbol table and by what was tried.

use std::path::Path;

use owngil_ffi::{Extension, Initialization};

use super::evidence::Evidence;
use super::outcome::Ending;
use super::report::{NativeModule, Need};
use super::survey::Found;
use super::trial::{Probed, Way};

/// What the files say of a native module, without loading it.
struct Symbols {
    extension: Option<Extension>,
    /// Why the file is no extension module.
    trouble: Option<String>,
}

impl Symbols {
    fn read(path: &Path) -> Symbols {
        if path.as_os_str().is_empty() {
            return Symbols {
                extension: None,
                trouble: None,
            };
        }
        match Extension::read(path) {
            Ok(extension) => Symbols {
                extension: Some(extension),
                trouble: None,
            },
            Err(error) => Symbols {
                extension: None,
                trouble: Some(error.to_string()),
            },
        }
    }

    fn is_single_phase(&self) -> bool {
        let initialization = self.extension.as_ref().map(Extension::initialization);
        initialization == Some(Initialization::SinglePhase)
    }
}

/// The native modules that an import pulls in, and those that were asked about besides.
pub(super) fn natives(found: &Found, evidence: Option<&Evidence>) -> Vec<NativeModule> {
    let Some(evidence) = evidence else {
        let files = found.files.iter();
        return files.map(|(name, path)| native(name, path, None)).collect();
    };
    let loaded = evidence.plain.natives();
    let mut all: Vec<_> = loaded
        .map(|module| native(&module.name, Path::new(&module.path), Some(evidence)))
        .collect();
    // What was probed besides was not imported, but is there.
    for (name, path) in &found.files {
        let is_new = !all.iter().any(|native| native.name == *name);
        if is_new && evidence.probe_of(name).is_some() {
            all.push(native(name, path, Some(evidence)));
        }
    }
    // What ended a plain process is not among those that were loaded.
    for (name, _) in &evidence.plain.failed {
        let file = found.files.iter().find(|(file, _)| file == name);
        if let (Some((name, path)), None) = (file, all.iter().find(|native| native.name == *name)) {
            all.push(native(name, path, Some(evidence)));
        }
    }
    all
}

fn native(name: &str, path: &Path, evidence: Option<&Evidence>) -> NativeModule {
    let symbols = Symbols::read(path);
    let (need, why) = native_need(name, &symbols, evidence);
    let plain = evidence.map(|evidence| &evidence.plain);
    let module = plain.and_then(|plain| plain.modules.iter().find(|module| module.name == name));
    let tried = plain.filter(|plain| plain.has(name) || plain.failure_of(name).is_some());
    NativeModule {
        name: name.to_owned(),
        is_standard: module.is_some_and(|module| module.is_standard),
        path: (!path.as_os_str().is_empty()).then(|| path.to_owned()),
        need,
        why,
        chain: tried.map_or_else(Vec::new, |plain| plain.chain(name)),
        initialization: symbols.extension.as_ref().map(Extension::initialization),
        uses_gil_state: symbols
            .extension
            .as_ref()
            .is_some_and(Extension::uses_gil_state),
        has_static_tls: symbols
            .extension
            .as_ref()
            .is_some_and(Extension::has_static_tls),
    }
}

fn native_need(name: &str, symbols: &Symbols, evidence: Option<&Evidence>) -> (Need, String) {
    if let Some(trouble) = &symbols.trouble {
        return (Need::Broken, format!("cannot be loaded: {trouble}"));
    }
    if let Some(text) = evidence.and_then(|evidence| evidence.plain.failure_of(name)) {
        return (Need::Broken, format!("does not load: {}", first_line(text)));
    }
    let strict = evidence.and_then(|evidence| evidence.strict.as_ref());
    if strict.is_some_and(|strict| strict.has(name)) {
        return (Need::Strict, "loads as it is".to_owned());
    }
    let probed = evidence.and_then(|evidence| evidence.probe_of(name));
    let failure = strict.and_then(|strict| strict.failure_of(name));
    let refused = match (failure, probed) {
        (Some(text), _) => refused_because(text, symbols.is_single_phase()),
        (None, Some(Probed::Accepted)) => {
            return (
                Need::Strict,
                "declares support for interpreters with their own GIL".to_owned(),
            );
        }
        (None, Some(Probed::Refused(text))) => refused_because(text, symbols.is_single_phase()),
        (None, Some(Probed::Ended(Ending::Killed(signal)))) => {
            format!("crashes in an interpreter: {}", signal_text(*signal))
        }
        (None, Some(Probed::Ended(_))) => "ends or halts an interpreter's process".to_owned(),
        (None, None) if symbols.is_single_phase() => SINGLE_PHASE.to_owned(),
        (None, None) => return (Need::Unknown, "was not tried".to_owned()),
    };
    let private = evidence.and_then(|evidence| evidence.private.as_ref());
    let was_imported = evidence.is_some_and(|evidence| evidence.plain.has(name));
    let need = match private {
        Some(private) if private.has(name) => Need::PrivateCopy,
        Some(private) if private.failure_of(name).is_some() => Need::Process,
        Some(private) if private.is_imported() && was_imported => Need::Process,
        // It was not come to, or not tried: by its file nothing speaks against a copy.
        _ if Way::Private.is_here() && symbols.extension.is_some() => Need::PrivateCopy,
        _ => Need::Process,
    };
    (need, refused)
}

const SINGLE_PHASE: &str =
    "is made in one step (single-phase), which no interpreter with its own GIL takes";

/// A refusal in plain words, going by the exception's text.
pub(super) fn refused_because(text: &str, is_single_phase: bool) -> String {
    if is_single_phase {
        return SINGLE_PHASE.to_owned();
    }
    let refusals = [
        (
            "does not support loading in subinterpreters",
            "declares no support for interpreters with their own GIL",
        ),
        (
            "cannot load module more than once per process",
            "lets itself be loaded once per process",
        ),
        (
            "Interpreter change detected",
            "lets itself be loaded in one interpreter per process",
        ),
        (
            "PyO3 modules do not yet support subinterpreters",
            "is written with PyO3, which refuses all interpreters but the main one",
        ),
    ];
    let known = refusals.iter().find(|(part, _)| text.contains(part));
    match known {
        Some((_, words)) => (*words).to_owned(),
        None => format!("raises {}", first_line(text)),
    }
}

pub(super) fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// The name of a signal, and what it stands for.
pub(super) fn signal_text(signal: i32) -> String {
    match owngil_ffi::describe_signal(signal) {
        Some(known) => known.to_owned(),
        None => format!("signal {signal}"),
    }
}
