//! The cfgs of the Python version, and the path of libpython for the command and its tests.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
    println!("cargo::rerun-if-changed=build.rs");
}
