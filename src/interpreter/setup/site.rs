//! Site: what Python runs when it starts, in an interpreter that has what it needs for that.

use std::ffi::OsString;

use owngil_ffi::{Attached, Object, PyResult, Runtime};

use super::programs::SITE;
use crate::interpreter::functions::named;
use crate::interpreter::refusals::Refusals;

/// Runs `.pth` files and `sitecustomize`. Where they fail in an interpreter of its own, what runs in it would not run
/// as in plain Python: that is a refusal, or a warning where nothing moves.
pub(crate) fn run<'a>(attached: Attached<'a>, refusals: Option<&Refusals>) -> PyResult<'a, ()> {
    let site = attached.dict()?;
    SITE.run(attached, &site)?;
    let failed = Refusals::default();
    let noted = failed.clone();
    let note = attached.callback(move |attached, arguments| {
        if let Some(text) = arguments.first() {
            noted.add(text.text()?);
        }
        Ok(attached.none())
    })?;
    let changes = changes(attached)?;
    named(attached, &site, "run")?.call(&[attached.site()?, note, changes])?;
    let failed = failed.take();
    for text in &failed {
        tracing::warn!("{text}");
    }
    if let Some(refusals) = refusals {
        refusals.add_first(failed);
        refusals.stop_calls();
    }
    Ok(())
}

/// What the main interpreter's hooks have changed in the environment: names, and values before and after.
fn changes<'a>(attached: Attached<'a>) -> PyResult<'a, Object<'a>> {
    let value = |value: Option<&OsString>| match value {
        Some(value) => attached.bytes(value.as_encoded_bytes()),
        None => Ok(attached.none()),
    };
    let changes = Runtime::site_changes().iter().map(|change| {
        let before = value(change.before.as_ref())?;
        attached.tuple([
            value(Some(&change.name))?,
            before,
            value(change.after.as_ref())?,
        ])
    });
    let changes: Vec<Object<'a>> = changes.collect::<PyResult<'a, _>>()?;
    attached.list(changes)
}
