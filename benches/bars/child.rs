//! Child: what this program is as the process that a row measures.

use crate::Result;

pub(crate) fn run(what: &[String]) -> Result<()> {
    match what.first().map(String::as_str) {
        other => Err(format!("no child {other:?}").into()),
    }
}
