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
            "Fix or install {} first: {they} in no Python.",
            listed(&stopped)
        ));
    }
    let (processes, copies) = (of(Need::Process), of(Need::PrivateCopy));
    let runs = command(subject);
    if !processes.is_empty() {
        let need = if processes.len() == 1 {
            "needs"
        } else {
            "need"
        };
        sentences.push(format!(
            "{} {need} worker processes: {runs} starts them when needed, `--backend process` at once.",
            listed(&processes)
        ));
        if let Some(package) = report
            .imports
            .iter()
            .flat_map(|import| &import.untested)
            .next()
        {
            sentences.push(format!(
                "To test private copies, run `owngil doctor --try {package}`."
            ));
        }
    } else if !copies.is_empty() {
        let (run, their) = if copies.len() == 1 {
            ("runs", "its")
        } else {
            ("run", "their")
        };
        sentences.push(format!(
            "{} {run} in interpreters with their own GIL, in parallel, from private copies of \
             {their} files: {runs} creates them.",
            listed(&copies)
        ));
    } else if stopped.is_empty() && report.need() == Need::Strict {
        sentences.push(format!(
            "All of it runs in interpreters with their own GIL, in parallel: {runs}."
        ));
    }
    if let (Some(pool), Subject::Script(path)) = (own_pool(report), subject) {
        sentences.push(format!(
            "It imports {pool}: instead of its own pool, `owngil map {}:NAME` can call its function for each input.",
            path.display()
        ));
    }
    sentences.join(" ")
}

/// What it imports that makes a pool of workers.
fn own_pool(report: &Report) -> Option<&str> {
    let mut names = report.imports.iter().map(|import| import.name.as_str());
    names.find(|name| {
        matches!(
            name.split('.').next(),
            Some("multiprocessing" | "concurrent")
        )
    })
}

/// What one would type to run the subject.
fn command(subject: &Subject) -> String {
    match subject {
        Subject::Script(path) => format!("`owngil run {}`", path.display()),
        _ => "`owngil map MODULE:NAME`".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_and_many_are_counted() {
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b"]), "`a` and `b`");
        assert_eq!(listed(&["a", "b", "c", "d"]), "`a`, `b`, `c` and `d`");
        assert_eq!(
            listed(&["a", "b", "c", "d", "e", "f"]),
            "`a`, `b`, `c`, `d` and 2 more"
        );
    }
}
