//! The cfgs of the Python version, and the path of libpython for our own binaries, examples and
//! tests: link arguments that a dependency's build script prints do not reach its dependents.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
}
