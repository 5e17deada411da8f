//! Host: the Rust functions that bootstrap.py is given.

use std::sync::{Arc, Weak};

use owngil_ffi::{Attached, Borrowed, Object, Raised};

use crate::monitor::JobMonitor;
use crate::output::{Capture, OutputStream};

/// `execute(text, filename, namespace)` of loading.py.
pub(crate) fn execute<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [text, filename, namespace] = arguments else {
        return Err(attached.raise_type_error("execute takes a text, a filename and a namespace"));
    };
    let text = text.text()?;
    attached.exec(&text, &filename.text()?, namespace)?;
    Ok(attached.none())
}

/// `load(function)` of bootstrap.py: what the function gives, whose time the limit of the call leaves out.
pub(crate) fn load<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    worker: &Weak<JobMonitor>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [function] = arguments else {
        return Err(attached.raise_type_error("load takes a function"));
    };
    match worker.upgrade() {
        Some(monitor) => monitor.load(|| function.call(&[])),
        None => function.call(&[]),
    }
}

/// `descriptor(number)` of bootstrap.py and children.py.
pub(super) fn descriptor<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    fallback: &Arc<Capture>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [number] = arguments else {
        return Err(attached.raise_type_error("descriptor takes a number"));
    };
    let found = Capture::current(fallback).descriptor(stream_of(number));
    match found.map_err(|error| attached.raise_os_error(&error.to_string()))? {
        Some(descriptor) => attached.int(i64::from(descriptor)),
        None => Ok(attached.none()),
    }
}

/// `started(pid)` of children.py.
pub(super) fn started<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    fallback: &Arc<Capture>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let pid = arguments.first().and_then(|pid| pid.as_i64());
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        Capture::current(fallback).parent().add(pid);
    }
    Ok(attached.none())
}

/// `note()` of children.py: the working directory or the umask is changed.
pub(super) fn note_directory<'a>(
    attached: Attached<'a>,
    fallback: &Arc<Capture>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    Capture::current(fallback).note_directory();
    Ok(attached.none())
}

fn stream_of(number: &Borrowed<'_>) -> OutputStream {
    match number.as_i64() {
        Some(2) => OutputStream::Stderr,
        _ => OutputStream::Stdout,
    }
}

/// `write(number, data)` of bootstrap.py.
pub(super) fn write<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    fallback: &Arc<Capture>,
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [number, data] = arguments else {
        return Err(attached.raise_type_error("write takes a number and the data"));
    };
    let stream = stream_of(number);
    let capture = Capture::current(fallback);
    if data.is_none() {
        attached.detach(|| capture.flush());
        return Ok(attached.none());
    }
    if capture.has_children() {
        attached.detach(|| capture.catch_up());
    }
    let encoded;
    let bytes = match (data.as_str(), data.as_bytes()) {
        (Some(text), _) => text.as_bytes(),
        (_, Some(bytes)) => bytes,
        _ => {
            // A str with lone surrogates raises here, as it does in a file.
            encoded = data.invoke("encode", &[])?;
            encoded.as_bytes().unwrap_or_default()
        }
    };
    // Detached while it waits.
    let is_much = capture
        .write_at_once(stream, bytes)
        .unwrap_or_else(|| attached.detach(|| capture.write(stream, bytes)));
    if is_much.map_err(|message| attached.raise_os_error(&message))? {
        attached.detach(|| capture.hand_on(stream));
    }
    Ok(attached.none())
}
