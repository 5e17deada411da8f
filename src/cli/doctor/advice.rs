//! Advice: what follows from the verdicts, and what to type.

use owngil::doctor::{Need, Report, Subject};

/// A sentence or two.
pub(super) fn advise(subject: &Subject, report: &Report) -> String {
    let of = |need: Need| -> Vec<&str> {
        let imports = report.imports.iter().filter(|import| import.need == need);
        imports.map(|import| import.name.as_str()).collect()
    };
    let mut sentences = Vec::new();
    let stopped: Vec<&str> = report
        .imports
        .iter()
        .filter(|import| !import.need.is_met() && !import.is_optional)
        .map(|import| import.name.as_str())
        .collect();
    if !stopped.is_empty() {
        let they = if stopped.len() == 1 {
            "it works"
        } else {
            "they work"
        };
        sentences.push(format!(
            "Mend or install {} first: {they} in no Python.",
            listed(&stopped)
        ));
    }
    let (processes, copies) = (of(Need::Process), of(Need::PrivateCopy));
    if !processes.is_empty() {
        let them = if processes.len() == 1 { "it" } else { "them" };
        sentences.push(format!(
            "{} cannot be had in an interpreter with its own GIL; {} runs {them}, on one GIL.",
            listed(&processes),
            command(subject, "--backend thread ")
        ));
    } else if !copies.is_empty() {
        let (they, need) = if copies.len() == 1 {
            ("its", "needs")
        } else {
            ("their", "need")
        };
        sentences.push(format!(
            "{} {need} private copies of {they} native modules: in a Rust program, \
             `Extensions::Private` of the pool's builder. {} runs all on one GIL.",
            listed(&copies),
            command(subject, "--backend thread ")
        ));
    } else if stopped.is_empty()
        && report
            .imports
            .iter()
            .all(|import| import.need == Need::Strict)
    {
        sentences.push(format!(
            "All of it runs in interpreters with their own GIL, in parallel: {}",
            command(subject, "")
        ));
    }
    sentences.join(" ")
}

/// What one would type to run the subject.
fn command(subject: &Subject, options: &str) -> String {
    match subject {
        Subject::Script(path) => format!("`owngil run {options}{}`", path.display()),
        _ => format!("`owngil map {options}MODULE:NAME`"),
    }
}

/// `a`, `b` and `c`; of many the first few.
fn listed(names: &[&str]) -> String {
    const N_SHOWN: usize = 4;
    let quoted = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match names {
        [only] => format!("`{only}`"),
        [first @ .., last] if names.len() <= N_SHOWN => format!("{} and `{last}`", quoted(first)),
        _ => format!(
            "{} and {} more",
            quoted(&names[..N_SHOWN]),
            names.len() - N_SHOWN
        ),
    }
}
