//! Record: what `owngil doctor --json` writes. The names of its fields stay as they are.

use owngil::Initialization;
use owngil::doctor::{Import, NativeModule, Need, Report, Subject};
use serde::Serialize;

#[derive(Serialize)]
struct ReportRecord<'a> {
    owngil: &'static str,
    python: &'a str,
    executable: String,
    subject: String,
    needs: &'static str,
    imports: Vec<ImportRecord<'a>>,
}

#[derive(Serialize)]
struct ImportRecord<'a> {
    name: &'a str,
    targets: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution: Option<&'a str>,
    path: Option<String>,
    lines: &'a [u32],
    lazy: bool,
    optional: bool,
    needs: &'static str,
    why: &'a str,
    decisive: Option<&'a str>,
    left_out: &'a [String],
    left_out_with_copies: &'a [String],
    untested: &'a [String],
    remembered: bool,
    native: Vec<NativeRecord<'a>>,
}

#[derive(Serialize)]
struct NativeRecord<'a> {
    name: &'a str,
    path: Option<String>,
    standard: bool,
    needs: &'static str,
    why: &'a str,
    chain: &'a [String],
    initialization: Option<&'static str>,
    gil_state: bool,
    static_tls: bool,
}

/// As JSON, with a newline at its end.
pub(super) fn json(subject: &Subject, report: &Report) -> serde_json::Result<String> {
    let record = ReportRecord {
        owngil: env!("CARGO_PKG_VERSION"),
        python: report.python.split_whitespace().next().unwrap_or_default(),
        executable: report.executable.display().to_string(),
        subject: subject.to_string(),
        needs: word(report.need()),
        imports: report.imports.iter().map(import).collect(),
    };
    Ok(serde_json::to_string_pretty(&record)? + "\n")
}

fn word(need: Need) -> &'static str {
    match need {
        Need::PrivateCopy => "private-copy",
        other => other.as_str(),
    }
}

fn import(import: &Import) -> ImportRecord<'_> {
    ImportRecord {
        name: &import.name,
        targets: &import.targets,
        distribution: import.distribution.as_deref(),
        path: import.path.as_ref().map(|path| path.display().to_string()),
        lines: &import.lines,
        lazy: import.is_lazy,
        optional: import.is_optional,
        needs: word(import.need),
        why: &import.why,
        decisive: import.decisive.as_deref(),
        left_out: &import.left_out,
        left_out_with_copies: &import.left_out_with_copies,
        untested: &import.untested,
        remembered: import.is_remembered,
        native: import.native.iter().map(native).collect(),
    }
}

fn native(native: &NativeModule) -> NativeRecord<'_> {
    NativeRecord {
        name: &native.name,
        path: native.path.as_ref().map(|path| path.display().to_string()),
        standard: native.is_standard,
        needs: word(native.need),
        why: &native.why,
        chain: &native.chain,
        initialization: native
            .initialization
            .map(|initialization| match initialization {
                Initialization::MultiPhase => "multi-phase",
                Initialization::SinglePhase => "single-phase",
                _ => "unknown",
            }),
        gil_state: native.uses_gil_state,
        static_tls: native.has_static_tls,
    }
}
