//! Site: what Python runs when it starts, in an interpreter that has what it needs for that.

use owngil_ffi::{Attached, PyResult};

use super::functions::named;
use super::program::SITE;
use super::refusals::Refusals;

/// Runs `.pth` files and `sitecustomize`. Where they fail in an interpreter of its own, what runs in it would not run
/// as in plain Python: that is a refusal, or where nobody moves anything a warning.
pub(super) fn run<'a>(attached: Attached<'a>, refusals: Option<&Refusals>) -> PyResult<'a, ()> {
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
    named(attached, &site, "run")?.call(&[attached.site()?, note])?;
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
