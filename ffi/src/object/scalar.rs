//! Scalars: numbers, texts and bytes, made from Rust values and read into them.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use super::reference::{Kind, Object, PyResult};
use crate::raw;
use crate::thread::Attached;

impl<'a> Attached<'a> {
    /// `None`
    #[inline]
    pub fn none(self) -> Object<'a> {
        // SAFETY: reads the address of an immortal object.
        self.immortal(unsafe { raw::Py_None() })
    }

    /// `True` or `False`
    #[inline]
    pub fn bool(self, value: bool) -> Object<'a> {
        self.immortal(match value {
            // SAFETY: reads the address of an immortal object.
            true => unsafe { raw::Py_True() },
            // SAFETY: reads the address of an immortal object.
            false => unsafe { raw::Py_False() },
        })
    }

    fn immortal(self, pointer: *mut raw::PyObject) -> Object<'a> {
        let pointer = NonNull::new(pointer).expect("CPython's constants have an address");
        // SAFETY: attached: `self` exists; the object is immortal.
        unsafe { Object::from_borrowed(pointer) }
    }

    /// An `int`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn int(self, value: i64) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let object = unsafe { raw::PyLong_FromLongLong(value) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// An `int` of any size, from its little-endian two's complement bytes.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn big_int(self, bytes: &[u8]) -> PyResult<'a, Object<'a>> {
        let keywords = self.dict()?;
        keywords.insert(&self.str("signed")?, &self.bool(true))?;
        let arguments = vec![self.bytes(bytes)?, self.str("little")?];
        self.int(0)?
            .class()?
            .get("from_bytes")?
            .call_with(arguments, &keywords)
    }

    /// A `float`; every bit pattern of a NaN is kept.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn float(self, value: f64) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let object = unsafe { raw::PyFloat_FromDouble(value) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// A `str`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn str(self, text: &str) -> PyResult<'a, Object<'a>> {
        let start = text.as_ptr().cast::<c_char>();
        // SAFETY: attached; `start` is the first of `len` bytes of UTF-8, which are copied. A
        // length beyond isize cannot occur: Rust allocates none.
        let object = unsafe { raw::PyUnicode_FromStringAndSize(start, text.len() as isize) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// A `str`, from what should be UTF-8.
    ///
    /// # Errors
    ///
    /// `UnicodeDecodeError`, `MemoryError`.
    #[inline]
    pub fn str_from_utf8(self, bytes: &[u8]) -> PyResult<'a, Object<'a>> {
        let start = bytes.as_ptr().cast::<c_char>();
        // SAFETY: attached; `start` is the first of `len` bytes, which are checked and copied; a
        // null for the name of an error handler stands for "strict".
        let object =
            unsafe { raw::PyUnicode_DecodeUTF8(start, bytes.len() as isize, std::ptr::null()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// An interned `str`, for keys and names that occur again and again.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn interned(self, text: &str) -> PyResult<'a, Object<'a>> {
        let mut pointer = self.str(text)?.into_ptr();
        // SAFETY: attached; `pointer` is an owned reference to a str, which the call may swap
        // for an equal one.
        unsafe { raw::PyUnicode_InternInPlace(&mut pointer) };
        // SAFETY: attached; `pointer` is the owned reference that the call left there.
        unsafe { Object::from_new(pointer) }
    }

    /// A `str` with lone surrogates, from UTF-8 in which each is encoded as three bytes (Python's
    /// error handler "surrogatepass").
    ///
    /// # Errors
    ///
    /// `UnicodeDecodeError`, `MemoryError`.
    pub fn str_with_surrogates(self, bytes: &[u8]) -> PyResult<'a, Object<'a>> {
        let start = bytes.as_ptr().cast::<c_char>();
        let (encoding, errors) = (c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
        // SAFETY: attached; `start` is the first of `len` bytes, which are copied; both names
        // are static C strings.
        let object =
            unsafe { raw::PyUnicode_Decode(start, bytes.len() as isize, encoding, errors) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// A `bytes`, copied.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn bytes(self, bytes: &[u8]) -> PyResult<'a, Object<'a>> {
        let start = bytes.as_ptr().cast::<c_char>();
        // SAFETY: attached; `start` is the first of `len` bytes, which are copied.
        let object = unsafe { raw::PyBytes_FromStringAndSize(start, bytes.len() as isize) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(object) }
    }

    /// `import name`, giving the module that the last dot names.
    ///
    /// # Errors
    ///
    /// What Python raises.
    pub fn import(self, name: &CStr) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached; `name` is a C string.
        let module = unsafe { raw::PyImport_ImportModule(name.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(module) }
    }

    /// Runs source text as a module body in `globals`, a `dict`.
    ///
    /// # Errors
    ///
    /// What Python raises, `SyntaxError` included.
    pub fn exec(self, source: &str, filename: &str, globals: &Object<'a>) -> PyResult<'a, ()> {
        self.run(source, filename, raw::Py_file_input, globals)
            .map(drop)
    }

    /// Evaluates an expression in `globals`, a `dict`.
    ///
    /// # Errors
    ///
    /// What Python raises, `SyntaxError` included.
    pub fn eval(self, source: &str, globals: &Object<'a>) -> PyResult<'a, Object<'a>> {
        self.run(source, "<string>", raw::Py_eval_input, globals)
    }

    fn run(
        self,
        source: &str,
        filename: &str,
        mode: i32,
        globals: &Object<'a>,
    ) -> PyResult<'a, Object<'a>> {
        let code = self.compile(source, filename, mode)?;
        self.evaluate(&code, globals)
    }

    /// Compiles source text; `mode` is one of CPython's start symbols.
    pub(super) fn compile(
        self,
        source: &str,
        filename: &str,
        mode: i32,
    ) -> PyResult<'a, Object<'a>> {
        let (Ok(source), Ok(filename)) = (CString::new(source), CString::new(filename)) else {
            return Err(self.raise_value_error("source code cannot hold null characters"));
        };
        let (text, name) = (source.as_ptr(), filename.as_ptr());
        // SAFETY: attached; both are C strings, which the compiler copies; no flags.
        let code =
            unsafe { raw::Py_CompileStringExFlags(text, name, mode, std::ptr::null_mut(), -1) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(code) }
    }

    /// Evaluates a code object in `globals`, a `dict`.
    ///
    /// # Errors
    ///
    /// What Python raises, and `TypeError` for other objects.
    pub(super) fn evaluate(
        self,
        code: &Object<'a>,
        globals: &Object<'a>,
    ) -> PyResult<'a, Object<'a>> {
        if globals.kind() != Kind::Dict {
            return Err(self.raise_type_error("globals must be a dict"));
        }
        // As the built-in `exec` does: imports look there.
        let builtins = self.str("__builtins__")?;
        if globals.lookup(&builtins)?.is_none() {
            globals.insert(&builtins, &self.import(c"builtins")?)?;
        }
        // SAFETY: attached, and the object is alive.
        if unsafe { raw::PyCode_Check(code.as_ptr()) } == 0 {
            return Err(self.raise_type_error("only a code object can be evaluated"));
        }
        let scope = globals.as_ptr();
        // SAFETY: attached; a code object and a dict, both checked above.
        let value = unsafe { raw::PyEval_EvalCode(code.as_ptr(), scope, scope) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(value) }
    }
}

impl<'a> Object<'a> {
    /// The value of an exact `int` that fits; `None` for a larger one and for other types.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        if self.kind() != Kind::Int {
            return None;
        }
        let mut overflow = 0;
        // SAFETY: attached; the object is an exact int, for which the call raises nothing.
        let value = unsafe { raw::PyLong_AsLongLongAndOverflow(self.as_ptr(), &mut overflow) };
        (overflow == 0).then_some(value)
    }

    /// The little-endian two's complement bytes of an `int`: as few as hold its bits and a sign.
    ///
    /// # Errors
    ///
    /// What Python raises: `AttributeError` for what is no int, `MemoryError`.
    pub fn int_bytes(&self) -> PyResult<'a, Vec<u8>> {
        let attached = self.attached();
        let bits = self.invoke("bit_length", &[])?.as_i64().unwrap_or(0);
        // One bit more for the sign.
        let length = attached.int(bits / 8 + 1)?;
        let little = attached.str("little")?;
        let keywords = attached.dict()?;
        keywords.insert(&attached.str("signed")?, &attached.bool(true))?;
        let bytes = self
            .get("to_bytes")?
            .call_with(vec![length, little], &keywords)?;
        Ok(bytes.as_bytes().unwrap_or_default().to_vec())
    }

    /// The value of an exact `float`.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        if self.kind() != Kind::Float {
            return None;
        }
        // SAFETY: attached; the object is an exact float.
        Some(unsafe { raw::PyFloat_AS_DOUBLE(self.as_ptr()) })
    }

    /// The text of an exact `str`; `None` for other types and where it holds lone surrogates.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        if self.kind() != Kind::Str {
            return None;
        }
        let mut length = 0;
        // SAFETY: attached; the object is an exact str.
        let start = unsafe { raw::PyUnicode_AsUTF8AndSize(self.as_ptr(), &mut length) };
        if start.is_null() {
            // SAFETY: attached; the call set an exception (lone surrogates, or no memory).
            drop(unsafe { super::exception::Raised::take() });
            return None;
        }
        // SAFETY: the call gave `length` bytes, which the str keeps as long as it lives, and
        // `self` keeps it alive; a str never changes.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length as usize) };
        // SAFETY: the bytes are UTF-8: the call's own promise, made by CPython's encoder.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// The text of a `str` in UTF-8, each lone surrogate as three bytes.
    ///
    /// # Errors
    ///
    /// `TypeError` for other types, `MemoryError`.
    pub fn str_bytes_with_surrogates(&self) -> PyResult<'a, Vec<u8>> {
        let (encoding, errors) = (c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
        // SAFETY: attached; the object is alive; both names are static C strings.
        let bytes = unsafe { raw::PyUnicode_AsEncodedString(self.as_ptr(), encoding, errors) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let bytes: Object<'a> = unsafe { Object::from_new(bytes) }?;
        Ok(bytes.as_bytes().unwrap_or_default().to_vec())
    }

    /// A copy of a `str`'s text, lone surrogates shown as Python prints them: `\\ud800`.
    ///
    /// # Errors
    ///
    /// `TypeError` for other types.
    pub fn text(&self) -> PyResult<'a, String> {
        if let Some(text) = self.as_str() {
            return Ok(text.to_owned());
        }
        let (encoding, errors) = (c"utf-8".as_ptr(), c"backslashreplace".as_ptr());
        // SAFETY: attached; the object is alive; both names are static C strings.
        let bytes = unsafe { raw::PyUnicode_AsEncodedString(self.as_ptr(), encoding, errors) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let bytes: Object<'a> = unsafe { Object::from_new(bytes) }?;
        Ok(String::from_utf8_lossy(bytes.as_bytes().unwrap_or_default()).into_owned())
    }

    /// The contents of an exact `bytes`.
    #[inline]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if self.kind() != Kind::Bytes {
            return None;
        }
        // SAFETY: attached; the object is an exact bytes, for which the call raises nothing.
        let start = unsafe { raw::PyBytes_AsString(self.as_ptr()) };
        // SAFETY: as above.
        let length = unsafe { raw::PyBytes_Size(self.as_ptr()) };
        // SAFETY: `start` is the first of `length` bytes, which live as long as the object, and
        // `self` keeps it alive; a bytes never changes.
        Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length as usize) })
    }
}
