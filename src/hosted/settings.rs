//! Settings: the builder of a pool, from Python values.

use std::time::Duration;

use owngil_ffi::{Attached, Borrowed, Object, PyResult};

use super::{codec, raised};
use crate::bytes::Bytes;
use crate::error::Result;
use crate::extensions::Extensions;
use crate::function::Function;
use crate::payload::Encoding;
use crate::pool::{Pool, PoolBuilder};
use crate::task::Batch;
use crate::worker::Backend;

/// Runs in each worker before anything else does.
const PREPARE: &str = include_str!("prepare.py");

/// The builder that these arguments describe: workers, backend, extensions, timeout, memory limit, grace, calls per
/// worker, whether workers have directories of their own, and what [`initializer`] takes.
///
/// # Errors
///
/// `ValueError` and `TypeError` for settings that are none.
pub(super) fn builder<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, PoolBuilder> {
    let [
        workers,
        backend,
        extensions,
        timeout,
        memory_limit,
        grace,
        n_calls,
        own_directories,
        initializer @ ..,
    ] = arguments
    else {
        return Err(attached.raise_type_error("too few settings of a pool"));
    };
    let config = |result: Result<PoolBuilder>| result.map_err(|error| raised(attached, &error));
    let mut builder = Pool::builder()
        .keep_exceptions()
        .lazy(true)
        .take_variables_later();
    let named = backend.text()?.parse::<Backend>();
    builder = config(named.map(|backend| builder.backend(backend)))?;
    if !extensions.is_none() {
        let named = extensions.text()?.parse::<Extensions>();
        builder = config(named.map(|extensions| builder.extensions(extensions)))?;
    }
    if let Some(workers) = count(workers, "workers")? {
        builder = builder.workers(workers);
    }
    if let Some(limit) = seconds(timeout, "timeout")? {
        builder = builder.time_limit(limit);
    }
    if let Some(limit) = count(memory_limit, "memory_limit")? {
        builder = builder.memory_limit(limit);
    }
    if let Some(grace) = seconds(grace, "grace")? {
        builder = builder.grace(grace);
    }
    if let Some(n_calls) = count(n_calls, "max_tasks_per_child")? {
        builder = builder.max_tasks_per_worker(n_calls as u64);
    }
    if own_directories.is_true()? {
        builder = builder.own_directories(true);
    }
    match initializer_batch(attached, initializer)? {
        Some(batch) => Ok(builder.initializer_batch(batch)),
        None => Ok(builder),
    }
}

/// `sys.path` of workers, and the function that each calls first, with the pickle of its arguments.
fn initializer_batch<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Option<Batch>> {
    let [path, module, name, pickle] = arguments else {
        return Err(attached.raise_type_error("too few or many settings of a pool"));
    };
    if path.is_none() && module.is_none() {
        return Ok(None);
    }
    let values = [path, module, name, pickle].map(|value| Object::clone(value));
    let call = attached.tuple(values)?;
    let mut encoding = Encoding::default();
    let encoded = codec::with_codec(attached, |codec| {
        codec::encode_call(codec, attached, &call, None, &mut encoding)
    })?;
    encoded.map_err(|error| raised(attached, &error.into()))?;
    let calls = Bytes::take_from(&mut encoding);
    let function = Function::source(PREPARE, "prepare");
    Ok(Some(Batch::of_encoded(&function, calls, 1, None)))
}

/// A number that may be left out: whatever Python takes for an index.
///
/// # Errors
///
/// `TypeError` for what is none, `ValueError` for what is negative.
pub(super) fn count<'a>(value: &Object<'a>, name: &str) -> PyResult<'a, Option<usize>> {
    if value.is_none() {
        return Ok(None);
    }
    let attached = value.attached();
    let operator = attached.import(c"_operator")?;
    let number = operator.invoke("index", &[Object::clone(value)])?;
    let number = number.as_i64().and_then(|n| usize::try_from(n).ok());
    number.map(Some).ok_or_else(|| {
        attached.raise_value_error(&format!(
            "{name} must not be negative, nor larger than a pointer"
        ))
    })
}

/// A time in seconds that may be left out: whatever Python takes for a float. One that is too long for a clock is none.
///
/// # Errors
///
/// `TypeError` for what is none, `ValueError` for what is negative.
pub(super) fn seconds<'a>(value: &Object<'a>, name: &str) -> PyResult<'a, Option<Duration>> {
    match number_of_seconds(value)? {
        None => Ok(None),
        Some(number) if number >= 0.0 => Ok(Duration::try_from_secs_f64(number).ok()),
        Some(_) => Err(value
            .attached()
            .raise_value_error(&format!("{name} must not be negative"))),
    }
}

/// Like [`seconds`], for a time that is left: none is, if it is negative.
///
/// # Errors
///
/// As [`seconds`].
pub(super) fn seconds_left<'a>(value: &Object<'a>, name: &str) -> PyResult<'a, Option<Duration>> {
    match number_of_seconds(value)? {
        Some(number) if number < 0.0 => Ok(Some(Duration::ZERO)),
        _ => seconds(value, name),
    }
}

fn number_of_seconds<'a>(value: &Object<'a>) -> PyResult<'a, Option<f64>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Some(number) = value.as_f64() {
        return Ok(Some(number));
    }
    // Unlike `float`, it takes no texts.
    let attached = value.attached();
    let number = attached
        .import(c"math")?
        .invoke("ldexp", &[Object::clone(value), attached.int(0)?])?;
    Ok(number.as_f64())
}
