//! Verdict: what an import needs, and why, in words.

use std::path::{Path, PathBuf};

use owngil_ffi::{Extension, Initialization};

use super::evidence::Evidence;
use super::survey::{Found, Standing};
use super::trial::{Ending, Outcome, Probed, Way};
use super::{Import, NativeModule, Need};

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

    /// Bundled libraries that call Python: copies of the extension would share what they keep.
    fn shared_libraries(&self) -> Vec<String> {
        let libraries = self.extension.iter().flat_map(Extension::libraries);
        let shared = libraries.filter(|library| library.uses_python());
        shared.map(|library| library.name().to_owned()).collect()
    }
}

/// What an import needs and why.
#[derive(Debug, Default)]
struct Verdict {
    need: Option<Need>,
    why: String,
    /// The native module that it comes from.
    native: Option<String>,
    left_out: Vec<String>,
}

impl Verdict {
    fn new(need: Need, why: impl Into<String>) -> Verdict {
        Verdict {
            need: Some(need),
            why: why.into(),
            ..Verdict::default()
        }
    }

    fn from(mut self, native: &str) -> Verdict {
        self.native = Some(native.to_owned());
        self
    }

    fn with(self, need: Need) -> Verdict {
        Verdict {
            need: Some(need),
            ..self
        }
    }
}

/// What follows for an import from what was found and tried.
pub(super) fn judge(found: &Found, evidence: Option<&Evidence>, is_remembered: bool) -> Import {
    let native = natives(found, evidence);
    let verdict = match (found.kind, evidence) {
        (Standing::Missing, _) => Verdict::new(Need::Missing, "it is not installed in this Python"),
        (_, Some(evidence)) if !evidence.plain.is_imported() => of_plain(found, &evidence.plain),
        (_, Some(evidence)) => {
            let verdict = of_trials(found, evidence, &native);
            match found.distribution.is_empty() {
                true => verdict,
                false => with_all_files(verdict, found, &native),
            }
        }
        (_, None) => of_symbols(&native),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Import {
        name: found.name.clone(),
        targets: found.targets.clone(),
        lines: found.lines.clone(),
        is_lazy: found.is_lazy,
        is_optional: found.is_optional,
        distribution: text(&found.distribution),
        path: text(&found.path).map(PathBuf::from),
        need: verdict.need.unwrap_or(Need::Unknown),
        why: verdict.why,
        decisive: verdict.native,
        left_out: verdict.left_out,
        native,
        is_remembered,
    }
}

/// The verdict by files alone.
fn of_symbols(native: &[NativeModule]) -> Verdict {
    let worst = native.iter().max_by_key(|native| native.need);
    match worst.filter(|worst| worst.need > Need::Unknown) {
        Some(worst) => {
            Verdict::new(worst.need, format!("`{}` {}", worst.name, worst.why)).from(&worst.name)
        }
        None => Verdict::new(Need::Unknown, "nobody has tried it"),
    }
}

/// Of a package whose import may leave most of its native modules to those who ask for them.
fn with_all_files(verdict: Verdict, found: &Found, native: &[NativeModule]) -> Verdict {
    let is_more = |native: &&NativeModule| {
        native.need.is_met() && Some(native.need) > verdict.need && native.chain.is_empty()
    };
    match native
        .iter()
        .filter(is_more)
        .max_by_key(|native| native.need)
    {
        Some(worst) => {
            let why = format!(
                "`{}`, which `import {}` does not load, {}",
                worst.name, found.name, worst.why
            );
            Verdict::new(worst.need, why).from(&worst.name)
        }
        None => verdict,
    }
}

/// Of an import that works in a plain process.
fn of_trials(found: &Found, evidence: &Evidence, native: &[NativeModule]) -> Verdict {
    let Some(strict) = &evidence.strict else {
        return Verdict::new(Need::Unknown, "nobody has tried it in an interpreter");
    };
    let missed = match strict.is_imported() {
        true => evidence.left_out(strict),
        false => Vec::new(),
    };
    let refused = match strict.is_imported() {
        true if missed.is_empty() => {
            let why = match found.kind {
                Standing::Installed if native.iter().any(|native| !native.is_standard) => {
                    "it loads as it is"
                }
                Standing::Installed => "it is pure Python",
                _ => "it is part of Python",
            };
            return Verdict::new(Need::Strict, why);
        }
        true => silent(&found.name, &missed),
        false => refusal(strict, native),
    };
    let refused = Verdict {
        left_out: missed,
        ..refused
    };
    let Some(private) = &evidence.private else {
        return refused.with(Need::Process);
    };
    if !private.is_imported() {
        let mut verdict = without_copies(private, native);
        verdict.left_out = refused.left_out;
        return verdict;
    }
    // A trial cannot show what all copies would share.
    let mut loaded = native.iter().filter(|native| private.has(&native.name));
    if let Some(shares) = loaded.find(|native| !native.shared_libraries.is_empty()) {
        let verdict = Verdict::new(Need::Process, format!("`{}` {}", shares.name, shares.why));
        return verdict.from(&shares.name);
    }
    let missed = evidence.left_out(private);
    let is_own = |name: &String| name.split('.').next() == Some(&*found.name);
    let (own, others): (Vec<_>, Vec<_>) = missed.iter().cloned().partition(is_own);
    if !own.is_empty() {
        let verdict = silent(&found.name, &own).with(Need::Process);
        return Verdict {
            left_out: missed,
            ..verdict
        };
    }
    let mut verdict = refused.with(Need::PrivateCopy);
    if !others.is_empty() {
        // Another package that is used where it is installed.
        verdict.why = format!(
            "{}; `{}` has no private copy, so `{}` does without, as where it is not installed",
            verdict.why, others[0], found.name
        );
    }
    verdict.left_out = missed;
    verdict
}

/// Of an import that works nowhere.
fn of_plain(found: &Found, plain: &Outcome) -> Verdict {
    let at = &plain.at;
    match &plain.ending {
        Ending::Raised(kind, _, missing) if kind == "ModuleNotFoundError" => {
            let why = match missing.is_empty() || *missing == found.name {
                true => "it is not installed in this Python".to_owned(),
                false => format!("it needs `{missing}`, which is not installed in this Python"),
            };
            Verdict::new(Need::Missing, why)
        }
        Ending::Raised(kind, text, _) => match plain.failed.first() {
            Some((name, text)) => {
                // The loader begins with the file, whose name is told already.
                let file = found.files.iter().find(|(file, _)| file == name);
                let file = file.map(|(_, path)| format!("{}: ", path.display()));
                let text = first_line(text).replace(&file.unwrap_or_default(), "");
                let why = format!("`{name}` does not load: {text}");
                Verdict::new(Need::Broken, why).from(name)
            }
            None => Verdict::new(
                Need::Broken,
                format!("it raises {kind}: {}", first_line(text)),
            ),
        },
        Ending::Killed(signal) => {
            let words = words_after(&plain.last_words);
            let signal = signal_text(*signal);
            Verdict::new(
                Need::Broken,
                format!("`{at}` crashes any Python: {signal}{words}"),
            )
            .from(at)
        }
        Ending::Exited(status) => {
            let why = format!("`{at}` ends the process with status {status} when it is imported");
            Verdict::new(Need::Broken, why).from(at)
        }
        Ending::TimedOut => {
            Verdict::new(Need::Broken, format!("importing `{at}` does not end")).from(at)
        }
        Ending::Imported => Verdict::default(),
    }
}

/// A package that goes on without native modules.
fn silent(package: &str, left_out: &[String]) -> Verdict {
    let Some(first) = left_out.first() else {
        return Verdict::default();
    };
    let (more, them) = match left_out.len() {
        1 => (" is".to_owned(), "it"),
        n => (format!(" and {} more are", n - 1), "them"),
    };
    let why = format!(
        "`{first}`{more} refused, and `{package}` silently goes on without {them}: slower, or \
         broken later"
    );
    Verdict::new(Need::PrivateCopy, why).from(first)
}

/// Why an interpreter could not import it.
fn refusal(outcome: &Outcome, native: &[NativeModule]) -> Verdict {
    let at = &outcome.at;
    let when = match outcome.stage.as_str() {
        "together" => ", when interpreters import it at the same time",
        "ending" => ", when the interpreter ends",
        _ => "",
    };
    let words = words_after(&outcome.last_words);
    let why = match &outcome.ending {
        Ending::Raised(kind, text, _) => {
            let Some((name, text)) = outcome.failed.first() else {
                let why = format!("it raises {kind}: {}", first_line(text));
                return Verdict::new(Need::Process, why);
            };
            let known = native.iter().find(|native| native.name == *name);
            let why = match known.filter(|known| known.need > Need::Strict) {
                Some(known) => format!("`{name}` {}", known.why),
                None => format!("`{name}` {}", refused_because(text, None)),
            };
            return Verdict::new(Need::Process, why).from(name);
        }
        Ending::Killed(signal) => {
            let signal = signal_text(*signal);
            format!("`{at}` crashes in an interpreter{when}: {signal}{words}")
        }
        Ending::Exited(status) => {
            format!("`{at}` ends the process with status {status} in an interpreter{when}{words}")
        }
        Ending::TimedOut => format!("importing `{at}` in an interpreter does not end{when}"),
        Ending::Imported => String::new(),
    };
    Verdict::new(Need::Process, why).from(at)
}

/// Why not even private copies help.
fn without_copies(private: &Outcome, native: &[NativeModule]) -> Verdict {
    match (&private.ending, private.failed.first()) {
        (Ending::Raised(..), Some((name, text))) => {
            // The exception's type is that of every import that fails.
            let text = first_line(text).trim_start_matches("ImportError: ");
            let text = text.trim_start_matches(&format!("{name} "));
            Verdict::new(Need::Process, format!("`{name}` {text}")).from(name)
        }
        _ => {
            let verdict = refusal(private, native);
            let why = format!("even from private copies, {}", verdict.why);
            Verdict { why, ..verdict }
        }
    }
}

fn words_after(last_words: &str) -> String {
    match last_words {
        "" => String::new(),
        words => format!(" ({words})"),
    }
}

fn natives(found: &Found, evidence: Option<&Evidence>) -> Vec<NativeModule> {
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
        shared_libraries: symbols.shared_libraries(),
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
        (Some(text), _) => refused_because(text, Some(symbols)),
        (None, Some(Probed::Accepted)) => {
            return (
                Need::Strict,
                "declares support for interpreters with their own GIL".to_owned(),
            );
        }
        (None, Some(Probed::Refused(text))) => refused_because(text, Some(symbols)),
        (None, Some(Probed::Ended(Ending::Killed(signal)))) => {
            format!("crashes in an interpreter: {}", signal_text(*signal))
        }
        (None, Some(Probed::Ended(_))) => "ends or halts an interpreter's process".to_owned(),
        (None, None) if symbols.is_single_phase() => SINGLE_PHASE.to_owned(),
        (None, None) => return (Need::Unknown, "was not tried".to_owned()),
    };
    let private = evidence.and_then(|evidence| evidence.private.as_ref());
    if !symbols.shared_libraries().is_empty() {
        let libraries = symbols.shared_libraries().join(", ");
        return (
            Need::Process,
            format!(
                "{refused}, and uses {libraries}, which may keep Python objects and which all copies would share"
            ),
        );
    }
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
fn refused_because(text: &str, symbols: Option<&Symbols>) -> String {
    if symbols.is_some_and(Symbols::is_single_phase) {
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

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// The name of a signal, and what it stands for.
fn signal_text(signal: i32) -> String {
    let known = match signal {
        4 => "SIGILL, an instruction that this processor lacks",
        6 => "SIGABRT, it gave up by itself",
        7 => "SIGBUS, memory that is not there",
        8 => "SIGFPE, a division by zero or the like",
        9 => "SIGKILL, it was killed from outside",
        11 => "SIGSEGV, memory that is not its own",
        15 => "SIGTERM, it was asked to end",
        _ => return format!("signal {signal}"),
    };
    known.to_owned()
}
