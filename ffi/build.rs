//! The cfgs of the Python version, what it was called when we were built, and a clear stop when it
//! is too old: own-GIL interpreters came with CPython 3.12 (PEP 684). The same stop elsewhere than on
//! Linux.

use std::env;

use pyo3_build_config::{InterpreterConfig, PythonImplementation};

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
