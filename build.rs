//! Sets the cfgs of the Python version and the path of libpython, and compiles the programs of src/python.
//!
//! Link arguments apply to this package's own binaries, examples and tests only, so dependents get the path of
//! libpython as metadata. Interpreters run the compiled programs: compiling one would take longer than running it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const PROGRAMS: [&str; 23] = [
    "bootstrap",
    "builtin/children",
    "builtin/deferred",
    "builtin/locks",
    "builtin/signals",
    "builtin/whole_process",
    "host",
    "iterate",
    "loading",
    "pickling",
    "refusals",
    "scripts/changes",
    "scripts/descriptors",
    "scripts/ending",
    "scripts/fresh",
    "scripts/imports",
    "scripts/modules",
    "scripts/packages",
    "scripts/patches",
    "scripts/script",
    "scripts/side_effects",
    "site",
    "streams",
];

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
    // A dependent's build script finds it in DEP_OWNGIL_LIBPYTHON.
    if let Some(folder) = pyo3_build_config::get().lib_dir() {
        println!("cargo::metadata=LIBPYTHON={folder}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    for program in PROGRAMS {
        let source = format!("src/python/{program}.py");
        println!("cargo::rerun-if-changed={source}");
        let folder = env::var("OUT_DIR").expect("cargo sets it");
        let target = Path::new(&folder).join(program).with_extension("pyc");
        fs::create_dir_all(target.parent().expect("it has a folder"))
            .expect("OUT_DIR can be written");
        if !compile(program, &source, &target) {
            // Without a Python at hand, as in a cross build: then the source is compiled at run time.
            fs::write(&target, []).expect("OUT_DIR can be written");
        }
    }
}

/// Compiles a program into a .pyc file, with the Python that this is built for.
fn compile(program: &str, source: &str, target: &Path) -> bool {
    let Some(python) = pyo3_build_config::get().executable() else {
        return false;
    };
    let script = "import py_compile, sys
source, target, program = sys.argv[1:]
py_compile.compile(source, target, f'<owngil {program}>', doraise=True, optimize=2)";
    let compiled = Command::new(python)
        .args(["-I", "-S", "-c", script, source])
        .arg(target)
        .arg(program)
        .status();
    compiled.is_ok_and(|status| status.success())
}
