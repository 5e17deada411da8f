//! The cfgs of the Python version, and its minor version by name.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    println!(
        "cargo::rustc-env=OWNGIL_MINOR_VERSION={}",
        pyo3_build_config::get().version()
    );
    println!("cargo::rerun-if-changed=build.rs");
}
