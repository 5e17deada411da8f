//! Program: Python code of a Rust crate's own, which is compiled once in a process and runs in many interpreters.

use std::sync::OnceLock;

use super::reference::{Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// The header of a .pyc file: the magic number of a Python, flags, and what tells whether the source is newer (PEP 552).
const PYC_HEADER: usize = 16;

/// The program of this crate in that file beside the one that names it; build.rs has compiled it.
macro_rules! program {
    ($name:literal, $file:literal) => {
        $crate::object::Program::compiled(
            concat!("<owngil ", $name, ">"),
            include_str!($file),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".pyc")),
        )
    };
}
pub(crate) use program;

/// Python source code, and what it was compiled to.
///
/// To compile a source takes some twenty times as long as to read its code.
#[derive(Debug)]
pub struct Program {
    filename: &'static str,
    source: &'static str,
    /// A .pyc file; empty if there is none.
    pyc: &'static [u8],
    /// The code, marshalled by this process.
    code: OnceLock<Vec<u8>>,
}

impl Program {
    /// A program whose tracebacks show `filename`.
    pub const fn new(filename: &'static str, source: &'static str) -> Program {
        Program::compiled(filename, source, &[])
    }

    /// A program with the .pyc file of this source, which is used if it is for the Python that runs.
    pub const fn compiled(
        filename: &'static str,
        source: &'static str,
        pyc: &'static [u8],
    ) -> Program {
        Program {
            filename,
            source,
            pyc,
            code: OnceLock::new(),
        }
    }

    /// Runs it as a module body in `globals`, a `dict`.
    ///
    /// # Errors
    ///
    /// What Python raises, `SyntaxError` included.
    pub fn run<'a>(&self, attached: Attached<'a>, globals: &Object<'a>) -> PyResult<'a, ()> {
        let code = match self.marshalled(attached) {
            Some(marshalled) => unmarshal(attached, marshalled)?,
            None => {
                let code = attached.compile(self.source, self.filename, raw::Py_file_input)?;
                // Another thread may have been first. To wait for it here would be a deadlock if its compiler collects
                // garbage whose finalizers come here.
                let _ = self.code.set(marshal(attached, &code)?);
                code
            }
        };
        attached.evaluate(&code, globals).map(drop)
    }

    fn marshalled(&self, attached: Attached<'_>) -> Option<&[u8]> {
        let made = self.code.get().map(Vec::as_slice);
        made.or_else(|| {
            let code = self.pyc.get(PYC_HEADER..)?;
            self.pyc.starts_with(&magic(attached)).then_some(code)
        })
    }
}

/// With what .pyc files begin that are for the Python that runs.
fn magic(_attached: Attached<'_>) -> [u8; 4] {
    static MAGIC: OnceLock<[u8; 4]> = OnceLock::new();
    *MAGIC.get_or_init(|| {
        // SAFETY: attached: `_attached` exists. It reads a number that importlib has, which is loaded.
        let number = unsafe { raw::PyImport_GetMagicNumber() };
        (number as u32).to_le_bytes()
    })
}

fn marshal<'a>(attached: Attached<'a>, code: &Object<'a>) -> PyResult<'a, Vec<u8>> {
    // SAFETY: attached, and the object is alive.
    let bytes =
        unsafe { raw::PyMarshal_WriteObjectToString(code.as_ptr(), raw::Py_MARSHAL_VERSION) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    let bytes: Object<'_> = unsafe { Object::from_new(bytes) }?;
    let bytes = bytes.as_bytes().map(<[u8]>::to_vec);
    bytes.ok_or_else(|| attached.raise_type_error("marshal gave no bytes"))
}

fn unmarshal<'a>(_attached: Attached<'a>, marshalled: &[u8]) -> PyResult<'a, Object<'a>> {
    let (data, len) = (marshalled.as_ptr().cast(), marshalled.len() as isize);
    // SAFETY: attached: `_attached` exists. The bytes are `len` long, and are only read.
    let code = unsafe { raw::PyMarshal_ReadObjectFromString(data, len) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    unsafe { Object::from_new(code) }
}
