//! The cfgs of the Python version, what it was called when we were built, and a clear stop when it
//! is too old: own-GIL interpreters came with CPython 3.12 (PEP 684). The same stop elsewhere than on
//! Linux. It also compiles the programs in src: at run time, that would take longer than running them.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use pyo3_build_config::{InterpreterConfig, PythonImplementation};

/// Where the programs are, and what their tracebacks call them.
const PROGRAMS: [(&str, &str); 7] = [
    ("extension/dlopen", "libraries"),
    ("extension/private_copy", "imports"),
    ("interpreter/isolate", "isolate"),
    ("interpreter/threads", "end"),
    ("object/describe", "exception"),
    ("runtime/exit", "exit"),
    ("runtime/finalize", "finalize"),
];

fn main() {
    let system = env::var("CARGO_CFG_TARGET_OS").expect("cargo sets it");
    if system != "linux" {
        eprintln!("\nerror: owngil cannot be built for {system}");
        eprintln!("caused by: it uses memory files and /proc, which only Linux has\n");
        std::process::exit(1);
    }
    let config = pyo3_build_config::get();
    if let Err(reason) = check(config) {
        eprintln!("\nerror: owngil cannot be built with this Python: {reason}\n");
        eprintln!("  found:   {}", found(config));
        eprintln!("  needed:  CPython 3.12 or later, with a shared libpython\n");
        eprintln!("hint: name another one in the environment variable PYO3_PYTHON, for instance");
        eprintln!("        PYO3_PYTHON=python3.14 cargo build");
        eprintln!(
            "      or activate a virtual environment of it (VIRTUAL_ENV), or put it first on PATH;"
        );
        eprintln!("      `make run` and `make test` look for one by themselves\n");
        std::process::exit(1);
    }
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
    println!(
        "cargo:rustc-env=OWNGIL_BUILT_PYTHON={}",
        config.executable().unwrap_or("")
    );
    println!(
        "cargo:rustc-env=OWNGIL_BUILT_VERSION={}",
        full_version(config)
    );
    println!("cargo:rerun-if-changed=build.rs");
    for (path, name) in PROGRAMS {
        let source = format!("src/{path}.py");
        println!("cargo:rerun-if-changed={source}");
        let folder = env::var("OUT_DIR").expect("cargo sets it");
        let target = Path::new(&folder).join(format!("{name}.pyc"));
        if !compile(config, &source, name, &target) {
            // Without a Python at hand, as in a cross build: then the source is compiled at run time.
            fs::write(&target, []).expect("OUT_DIR can be written");
        }
    }
}

/// Compiles a program into a .pyc file, with the Python that this is built for.
fn compile(config: &InterpreterConfig, source: &str, name: &str, target: &Path) -> bool {
    let Some(python) = config.executable() else {
        return false;
    };
    let script = "import py_compile, sys
source, target, name = sys.argv[1:]
py_compile.compile(source, target, f'<owngil {name}>', doraise=True, optimize=2)";
    let compiled = Command::new(python)
        .args(["-I", "-S", "-c", script, source])
        .arg(target)
        .arg(name)
        .status();
    compiled.is_ok_and(|status| status.success())
}

fn check(config: &InterpreterConfig) -> Result<(), String> {
    if config.implementation() != PythonImplementation::CPython {
        return Err(
            "it is not CPython, and only CPython has sub-interpreters with their own GIL".into(),
        );
    }
    let version = config.version();
    if (version.major, version.minor) < (3, 12) {
        return Err(format!(
            "it is {version}, and own-GIL interpreters came with 3.12 (PEP 684)"
        ));
    }
    Ok(())
}

fn found(config: &InterpreterConfig) -> String {
    let name = config
        .executable()
        .unwrap_or("(no executable named by the build configuration)");
    format!("Python {} at {name}", config.version())
}

/// The version down to the patch, for comparison with what is loaded at run time. Only the minor
/// version where no executable is named (a file in PYO3_CONFIG_FILE) or it cannot be run.
fn full_version(config: &InterpreterConfig) -> String {
    let script = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = config
        .executable()
        .and_then(|_| config.run_python_script(script).ok());
    match output {
        Some(version) => version.trim().to_owned(),
        None => config.version().to_string(),
    }
}
