//! The extension module `owngil._owngil`, by which the Python package reaches the library and the command.
//!
//! What its functions do is in `owngil::hosted`; here is what needs the command, and what was built.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use owngil_ffi::{Attached, Borrowed, Object, PyResult};

owngil_ffi::export_module!(PyInit__owngil, c"_owngil", populate);

fn populate<'a>(attached: Attached<'a>, module: &Object<'a>) -> PyResult<'a, ()> {
    owngil::hosted::populate(attached, module)?;
    module.set("build_info", &attached.callback(build_info)?)?;
    module.set("main", &attached.callback(main)?)
}

/// `build_info()`
fn build_info<'a>(attached: Attached<'a>, _: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let info = attached.dict()?;
    let version = attached.str(env!("CARGO_PKG_VERSION"))?;
    info.insert(&attached.str("version")?, &version)?;
    let python = attached.str(env!("OWNGIL_MINOR_VERSION"))?;
    info.insert(&attached.str("python")?, &python)?;
    let free_threaded = attached.bool(cfg!(Py_GIL_DISABLED));
    info.insert(&attached.str("free_threaded")?, &free_threaded)?;
    Ok(info)
}

/// `main(words)`: the command, with these words as bytes. It ends the process.
fn main<'a>(attached: Attached<'a>, arguments: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let [words] = arguments else {
        return Err(attached.raise_type_error("main takes a list of bytes"));
    };
    let mut found = Vec::new();
    while let Some(word) = words.item(found.len()) {
        let Some(bytes) = word.as_bytes() else {
            return Err(attached.raise_type_error("main takes a list of bytes"));
        };
        found.push(OsString::from_vec(bytes.to_vec()));
    }
    attached.detach(|| {
        let status = owngil_cli::main(found);
        // Flushes what Python and Rust hold, and ends over threads that do not.
        owngil::exit(status)
    })
}
