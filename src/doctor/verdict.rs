//! Verdict: what an import needs, and why, in words.

use std::path::PathBuf;

use super::evidence::Evidence;
use super::listed;
use super::loaded;
use super::native::{first_line, natives, refused_because, signal_text};
use super::outcome::{Ending, Outcome};
use super::report::{Import, NativeModule, Need};
use super::survey::{Found, ImportStanding};
use crate::tested::List;

/// What an import needs and why.
#[derive(Debug, Default)]
struct Verdict {
    need: Option<Need>,
    why: String,
    /// The native module that it comes from.
    native: Option<String>,
    left_out: Vec<String>,
    left_out_with_copies: Vec<String>,
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

/// What follows for an import from what was found and tried, and from what is on the list.
pub(super) fn judge(
    found: &Found,
    evidence: Option<&Evidence>,
    is_remembered: bool,
    list: &List,
) -> Import {
    let mut native = natives(found, evidence);
    let untested = listed::judge_natives(&mut native, list);
    let import = Import {
        untested,
        is_remembered,
        ..drawn(found, evidence, native)
    };
    listed::judge(import, found, evidence, list)
}

/// What follows from the trials.
fn drawn(found: &Found, evidence: Option<&Evidence>, native: Vec<NativeModule>) -> Import {
    let verdict = match (found.kind, evidence) {
        (ImportStanding::Missing, _) => {
            Verdict::new(Need::Missing, "it is not installed in this Python")
        }
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
        left_out_with_copies: verdict.left_out_with_copies,
        native,
        untested: Vec::new(),
        is_remembered: false,
    }
}

/// The verdict by files alone.
fn of_symbols(native: &[NativeModule]) -> Verdict {
    let worst = native.iter().max_by_key(|native| native.need);
    match worst.filter(|worst| worst.need > Need::Unknown) {
        Some(worst) => {
            Verdict::new(worst.need, format!("`{}` {}", worst.name, worst.why)).from(&worst.name)
        }
        None => Verdict::new(Need::Unknown, "untried"),
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

/// Why private copies did not hold, if they did not.
pub(super) fn of_attempt(found: &Found, evidence: &Evidence) -> Option<String> {
    let Some(private) = &evidence.private else {
        return Some(of_plain(found, &evidence.plain).why);
    };
    if !private.is_imported() {
        return Some(without_copies(private, &[]).why);
    }
    // One of the interpreters may have gone on without what the others have.
    let plain = &evidence.plain;
    let failed = private.failed.iter();
    let mut failed = failed.filter(|(name, _)| plain.has(name) && !name.is_empty());
    if let Some((name, text)) = failed.next() {
        return Some(format!("`{name}` does not load: {}", first_line(text)));
    }
    let missed = evidence.left_out(private);
    let missed = missed.first()?;
    Some(format!(
        "it goes on without `{missed}`, which a plain process loads"
    ))
}

/// Of an import that has libraries loaded by Python code, if one of them is not known to be safe.
fn of_libraries(plain: &Outcome) -> Option<Verdict> {
    let loaded = loaded::by_python_code(plain);
    let library = loaded.first()?;
    let name = library.file_name().unwrap_or(library.as_os_str());
    let why = format!(
        "its Python code loads {}, which is not known to be safe for several threads at once",
        name.to_string_lossy()
    );
    Some(Verdict::new(Need::Process, why))
}

/// Of an import that works in a plain process.
fn of_trials(found: &Found, evidence: &Evidence, native: &[NativeModule]) -> Verdict {
    if let Some(verdict) = of_libraries(&evidence.plain) {
        return verdict;
    }
    let Some(strict) = &evidence.strict else {
        return Verdict::new(Need::Unknown, "untried in an interpreter");
    };
    let missed = match strict.is_imported() {
        true => evidence.left_out(strict),
        false => Vec::new(),
    };
    let refused = match strict.is_imported() {
        true if missed.is_empty() => {
            let why = match found.kind {
                ImportStanding::Installed if native.iter().any(|native| !native.is_standard) => {
                    "it loads as it is"
                }
                ImportStanding::Installed => "it is pure Python",
                _ => "it is part of Python",
            };
            return Verdict::new(Need::Strict, why);
        }
        true => silent("as it is", &found.name, &missed),
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
    let missed = evidence.left_out(private);
    let is_own = |name: &String| name.split('.').next() == Some(&*found.name);
    let (own, others): (Vec<_>, Vec<_>) = missed.iter().cloned().partition(is_own);
    if !own.is_empty() {
        let verdict = silent("even with private copies", &found.name, &own).with(Need::Process);
        return Verdict {
            left_out: refused.left_out,
            left_out_with_copies: missed,
            ..verdict
        };
    }
    let mut verdict = refused.with(Need::PrivateCopy);
    if !others.is_empty() {
        // Another package that is used where it is installed.
        verdict.need = Some(Need::Process);
        verdict.why = format!(
            "{}; `{}` has no private copy, and without it `{}` is not what it is in a plain process",
            verdict.why, others[0], found.name
        );
    }
    verdict.left_out_with_copies = missed;
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
                // The loader begins with the file, whose name is shown already.
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
fn silent(when: &str, package: &str, left_out: &[String]) -> Verdict {
    let Some(first) = left_out.first() else {
        return Verdict::default();
    };
    let (more, them) = match left_out.len() {
        1 => (" is".to_owned(), "it"),
        n => (format!(" and {} more are", n - 1), "them"),
    };
    let why = format!(
        "{when}, `{first}`{more} refused, and `{package}` silently goes on without {them}: slower, or \
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
                None => format!("`{name}` {}", refused_because(text, false)),
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

#[cfg(all(test, not(model)))]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::super::trial::Probed;
    use super::*;

    const NATIVE: &str = "module\tp._n\textension\t\tnew\t\n";
    const BORROWED: &str = "module\tother._n\textension\t\tnew\t\n";

    /// A trial that imported all, with these modules there at its end.
    fn imported(modules: &str) -> Outcome {
        outcome(&format!("stage\talone\n{modules}done\n"), Some(0), 1)
    }

    fn refused(name: &str) -> Outcome {
        let failed = format!("failed\t{name}\tImportError\tno\nraised\tImportError\tno\t\n");
        outcome(&format!("stage\talone\n{failed}done\n"), Some(0), 1)
    }

    fn verdict(plain: Outcome, strict: Option<Outcome>, private: Option<Outcome>) -> Import {
        let found = Found {
            name: "p".to_owned(),
            targets: vec!["p".to_owned()],
            kind: ImportStanding::Installed,
            path: "/p.py".to_owned(),
            files: Vec::new(),
            lines: Vec::new(),
            is_lazy: false,
            is_optional: false,
            distribution: String::new(),
        };
        let evidence = Evidence {
            plain,
            strict,
            private,
            probed: vec![("builtin_one".to_owned(), Probed::Accepted)],
        };
        let native = natives(&found, Some(&evidence));
        drawn(&found, Some(&evidence), native)
    }

    #[test]
    fn what_loads_as_it_is_needs_nothing() {
        let both = || imported(NATIVE);
        assert_eq!(verdict(both(), Some(both()), None).need, Need::Strict);
        let pure = verdict(imported(""), Some(imported("")), None);
        assert_eq!((pure.need, &*pure.why), (Need::Strict, "it is pure Python"));
    }

    #[test]
    fn what_is_left_out_silently_counts_as_refused() {
        let quiet = verdict(imported(NATIVE), Some(imported("")), Some(imported(NATIVE)));
        assert_eq!(
            (quiet.need, quiet.left_out),
            (Need::PrivateCopy, vec!["p._n".to_owned()])
        );
        assert!(
            quiet.why.contains("silently goes on without it"),
            "{}",
            quiet.why
        );
        let still = verdict(imported(NATIVE), Some(imported("")), Some(imported("")));
        assert_eq!(
            (still.need, still.decisive.as_deref()),
            (Need::Process, Some("p._n"))
        );
    }

    #[test]
    fn what_another_package_lacks_counts() {
        let both = || imported(&[NATIVE, BORROWED].concat());
        let without = verdict(both(), Some(refused("p._n")), Some(imported(NATIVE)));
        assert_eq!(without.need, Need::Process);
        assert_eq!(without.left_out_with_copies, ["other._n"]);
        assert!(
            without.why.contains("`other._n` has no private copy"),
            "{}",
            without.why
        );
    }

    #[test]
    fn what_no_code_asked_for_is_not_left_out() {
        let plain = "module\tbuiltin_one\tbuiltin\t\tnew\tstandard\n";
        let import = verdict(imported(plain), Some(imported("")), None);
        assert_eq!((import.need, import.left_out.len()), (Need::Strict, 0));
    }

    #[test]
    fn a_crash_is_reported_with_its_place_and_time() {
        let crashed = outcome("stage\ttogether\nbegin\tp._n\n", Some(6), 3);
        let ends = outcome("stage\talone\ntarget\tp\ndone\n", Some(11), 3);
        let import = verdict(imported(NATIVE), Some(crashed.clone()), Some(ends));
        assert_eq!(import.need, Need::Process);
        let said = "even from private copies, `p` crashes in an interpreter, when the interpreter ends: SIGSEGV";
        assert!(import.why.starts_with(said), "{}", import.why);
        let import = verdict(imported(NATIVE), Some(crashed), None);
        assert!(
            import.why.contains("at the same time: SIGABRT"),
            "{}",
            import.why
        );
        let import = verdict(outcome("stage\talone\ntarget\tp\n", None, 1), None, None);
        assert_eq!(
            (import.need, &*import.why),
            (Need::Broken, "importing `p` does not end")
        );
    }
}
