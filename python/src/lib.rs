//! The extension module `owngil._owngil`, by which the Python package reaches the library and the command.
//!
//! What its functions do is in `owngil::hosted`; here is what needs the command, and what was built.

use std::ffi::OsString;

use owngil::hosted::{note_command, words_of};
use owngil_ffi::{Attached, Borrowed, Object, PyResult};

owngil_ffi::export_module!(PyInit__owngil, PyModExport__owngil, c"_owngil", populate);

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

/// `main(words, program)`: the command, with these words as bytes. It ends the process, or becomes the same command under
/// another Python, which runs that program; it does not where it is `None`.
fn main<'a>(attached: Attached<'a>, arguments: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    let [words, program] = arguments else {
        return Err(attached.raise_type_error("main takes a list of bytes and a program"));
    };
    let words = words_of(words)?;
    let program = match program.is_none() {
        true => None,
        false => Some(OsString::from(program.text()?)),
    };
    note_command(words.clone(), program);
    attached.detach(|| {
        let status = owngil_cli::main(words);
        // Flushes what Python and Rust hold, and ends over threads that do not.
        owngil::exit(status)
    })
}
