//! Describe: an exception copied out as plain text.
//!
//! An exception never leaves its interpreter. What leaves is an [`Exception`]: type, message, full traceback, notes
//! and cause as text, even if the exception cannot be pickled or its `__str__` raises. Python's own `traceback`
//! module makes the text, in `describe.py`.

use std::iter::successors;

use super::exception::Raised;
use super::program::{Program, program};
use super::reference::{Object, PyResult};
use crate::description::{Exception, ExceptionKind};
use crate::stack::Frame;
use crate::thread::Attached;

static PROGRAM: Program = program!("exception", "describe.py");

/// How many exceptions of a chain are described, and how many frames of each: as in describe.py.
const MAX_LINKS: usize = 32;
const MAX_FRAMES: usize = 200;

/// Files that stand before the user's in a traceback: our loader and importlib's.
const LOADERS: [&str; 3] = ["<owngil", "<frozen importlib", "<frozen runpy"];

impl<'a> Raised<'a> {
    /// Copies the exception out as plain text.
    ///
    /// It never fails. If Python's formatter itself raises, the result holds only the type's name and as much of the
    /// message as can be read.
    pub fn describe(&self) -> Exception {
        let kind = self.kind();
        self.formatted(kind)
            .unwrap_or_else(|failure| self.bare(&failure, MAX_LINKS))
    }

    /// What can be read without the formatter, which may be interrupted, or lack memory or stack.
    fn bare(&self, failure: &Raised<'a>, links_left: usize) -> Exception {
        let kind = self.kind();
        let context = links_left
            .checked_sub(1)
            .and_then(|left| Some(Box::new(self.context()?.bare(failure, left))));
        Exception {
            kind,
            type_name: self.value().type_name(),
            message: self.bare_message(),
            traceback: format!(
                "(no traceback: formatting it raised {})\n",
                failure.value().type_name()
            ),
            frames: self.bare_frames(),
            notes: Vec::new(),
            cause: None,
            context,
            exit_status: (kind == ExceptionKind::SystemExit).then_some(1),
        }
    }

    /// As `_frames` of describe.py.
    fn bare_frames(&self) -> Vec<Frame> {
        let first = self.value().get("__traceback__").ok();
        let traces = successors(first, |trace| trace.get("tb_next").ok());
        let traces = traces.take_while(|trace| !trace.is_none());
        let mut frames: Vec<Frame> = traces
            .filter_map(|trace| bare_frame(&trace).ok())
            .skip_while(|frame| LOADERS.iter().any(|name| frame.file.starts_with(name)))
            .collect();
        frames.drain(..frames.len().saturating_sub(MAX_FRAMES));
        frames
    }

    fn bare_message(&self) -> String {
        let text = self.value().to_python_str().and_then(|text| text.text());
        text.unwrap_or_else(|_| "<exception str() failed>".to_owned())
    }

    fn formatted(&self, kind: ExceptionKind) -> PyResult<'a, Exception> {
        let attached = self.value().attached();
        let plain = formatter(attached)?.call(std::slice::from_ref(self.value()))?;
        let mut exception = read(&plain)?;
        exception.kind = kind;
        Ok(exception)
    }
}

fn bare_frame<'a>(trace: &Object<'a>) -> PyResult<'a, Frame> {
    let code = trace.get("tb_frame")?.get("f_code")?;
    Ok(Frame {
        file: code.get("co_filename")?.text()?,
        line: line(&trace.get("tb_lineno")?),
        function: code.get("co_qualname")?.text()?,
    })
}

fn line(number: &Object<'_>) -> u32 {
    let number = number.as_i64();
    number.and_then(|line| line.try_into().ok()).unwrap_or(0)
}

/// The function `describe` of describe.py, loaded at the interpreter's first exception.
fn formatter<'a>(attached: Attached<'a>) -> PyResult<'a, Object<'a>> {
    let state = attached.interpreter_dict()?;
    let key = attached.str("owngil.describe")?;
    if let Some(function) = state.lookup(&key)? {
        return Ok(function);
    }
    let globals = attached.dict()?;
    PROGRAM.run(attached, &globals)?;
    let function = globals.lookup(&attached.str("describe")?)?;
    let function =
        function.ok_or_else(|| attached.raise_type_error("describe.py lacks describe"))?;
    state.insert(&key, &function)?;
    Ok(function)
}

impl<'a> Attached<'a> {
    /// What [`Raised::describe`] will need of this exception, for the exception to keep: then it no longer needs its
    /// traceback.
    pub fn described(self, exception: &Object<'a>) -> PyResult<'a, Object<'a>> {
        formatter(self)?.call(std::slice::from_ref(exception))
    }
}

/// Reads what `describe` returned: (type, message, traceback, notes, cause, context, status, kind, frames).
fn read<'a>(plain: &Object<'a>) -> PyResult<'a, Exception> {
    let malformed = || {
        plain
            .attached()
            .raise_type_error("describe.py returned something else")
    };
    let field = |place| plain.item(place).ok_or_else(malformed);
    let chained = |place| -> PyResult<'a, Option<Box<Exception>>> {
        let inner = field(place)?;
        if inner.is_none() {
            Ok(None)
        } else {
            read(&inner).map(|inner| Some(Box::new(inner)))
        }
    };
    let frames = field(8)?;
    let frames = (0..frames.len()).filter_map(|place| frames.item(place));
    let frame = |place: Object<'a>| -> PyResult<'a, Frame> {
        let part = |index| place.item(index).ok_or_else(malformed);
        Ok(Frame {
            file: part(0)?.text()?,
            line: line(&part(1)?),
            function: part(2)?.text()?,
        })
    };
    let notes = field(3)?;
    let notes = (0..notes.len()).filter_map(|place| notes.item(place));
    Ok(Exception {
        kind: match field(7)?.text()?.as_str() {
            "SystemExit" => ExceptionKind::SystemExit,
            "KeyboardInterrupt" => ExceptionKind::KeyboardInterrupt,
            "MemoryError" => ExceptionKind::MemoryError,
            "RecursionError" => ExceptionKind::RecursionError,
            "SyntaxError" => ExceptionKind::SyntaxError,
            "ImportError" => ExceptionKind::ImportError,
            _ => ExceptionKind::Other,
        },
        type_name: field(0)?.text()?,
        message: field(1)?.text()?,
        traceback: field(2)?.text()?,
        frames: frames.map(frame).collect::<Result<_, _>>()?,
        notes: notes.map(|note| note.text()).collect::<Result<_, _>>()?,
        cause: chained(4)?,
        context: chained(5)?,
        exit_status: field(6)?.as_i64().map(|status| status as i32),
    })
}
