//! Programs: Python code of owngil's own, which was compiled when owngil was.

use owngil_ffi::Program;

/// The program in this file of src/python, and what build.rs compiled it to.
macro_rules! program {
    ($name:literal) => {
        Program::compiled(
            concat!("<owngil ", $name, ">"),
            include_str!(concat!("../../python/", $name, ".py")),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".pyc")),
        )
    };
}

/// Runs in each interpreter when it starts.
pub(crate) static BOOTSTRAP: Program = program!("bootstrap");

/// Runs after [`BOOTSTRAP`], in its namespace.
pub(crate) static STREAMS: Program = program!("streams");

/// Runs after [`BOOTSTRAP`], and says when the programs of `deferred` run.
pub(crate) static DEFERRED: Program = program!("builtin/deferred");

/// For each interpreter whose tasks' output is caught.
pub(crate) static CHILDREN: Program = program!("builtin/children");

/// Runs in each interpreter whose pool has host functions.
pub(crate) static HOST: Program = program!("host");

/// Runs before an interpreter's first function or script is loaded.
pub(crate) static LOADING: Program = program!("loading");

/// Runs before an interpreter's first pickle.
pub(crate) static PICKLING: Program = program!("pickling");

/// For each interpreter whose refused calls are made elsewhere.
pub(crate) static REFUSALS: Program = program!("refusals");

/// Runs before an interpreter's first stream.
pub(crate) static ITERATE: Program = program!("iterate");

/// For each interpreter that shares its process with others.
pub(crate) static LOCKS: Program = program!("builtin/locks");

/// For each interpreter whose process has others.
pub(crate) static SIGNALS: Program = program!("builtin/signals");

/// For each interpreter whose process has others.
pub(crate) static WHOLE_PROCESS: Program = program!("builtin/whole_process");

/// Runs once it is settled how the interpreter loads extension modules.
pub(crate) static SITE: Program = program!("site");

/// Runs after [`DESCRIPTORS`].
pub(crate) static CHANGES: Program = program!("scripts/changes");

/// Runs before [`FRESH`].
pub(crate) static MODULES: Program = program!("scripts/modules");

/// Runs before [`FRESH`].
pub(crate) static PACKAGES: Program = program!("scripts/packages");

/// Runs before [`FRESH`].
pub(crate) static DESCRIPTORS: Program = program!("scripts/descriptors");

/// Runs before [`ENDING`].
pub(crate) static FRESH: Program = program!("scripts/fresh");

/// Runs after [`FRESH`].
pub(crate) static SIDE_EFFECTS: Program = program!("scripts/side_effects");

/// Runs after [`SIDE_EFFECTS`].
pub(crate) static PATCHES: Program = program!("scripts/patches");

/// Runs after [`PATCHES`].
pub(crate) static IMPORTS: Program = program!("scripts/imports");

/// Runs before [`SCRIPT`].
pub(crate) static ENDING: Program = program!("scripts/ending");

/// Runs before an interpreter's first script.
pub(crate) static SCRIPT: Program = program!("scripts/script");
