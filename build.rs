//! The cfgs of the Python version, the path of libpython for our own binaries, examples and tests (link
//! arguments that a dependency's build script prints do not reach its dependents), and the bootstrap
//! compiled: each interpreter runs it when it starts, and compiling it would take longer than running it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const BOOTSTRAP: &str = "src/python/bootstrap.py";

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={BOOTSTRAP}");
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("bootstrap.pyc");
    if !compile(&target) {
        // Without a Python at hand, as in a cross build: then the source is compiled at run time.
        fs::write(&target, []).expect("OUT_DIR can be written");
    }
}

/// Compiles the bootstrap into a .pyc file, with the Python that this is built for.
fn compile(target: &Path) -> bool {
    let Some(python) = pyo3_build_config::get().executable() else {
        return false;
    };
    let script = "import py_compile, sys
source, target = sys.argv[1:]
py_compile.compile(source, target, '<owngil bootstrap>', doraise=True, optimize=0)";
    let compiled = Command::new(python)
        .args(["-I", "-S", "-c", script, BOOTSTRAP])
        .arg(target)
        .status();
    compiled.is_ok_and(|status| status.success())
}
