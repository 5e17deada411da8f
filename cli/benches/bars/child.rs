//! Child: the figures that a row measures in a process of their own, which prints the figure and ends.

use crate::Result;
use crate::rows::{instructions, memory, start};

pub(crate) fn run(what: &[String]) -> Result<()> {
    let number = |place: usize| -> Result<usize> {
        Ok(what.get(place).ok_or("a number is missing")?.parse()?)
    };
    let figure = match what.first().map(String::as_str) {
        Some("start-pool") => start::pool_child()?,
        Some("start-bare") => start::bare_child()?,
        Some("idle-workers") => memory::idle_workers(number(1)?)?,
        Some("idle-interpreters") => memory::idle_interpreters(number(1)?)?,
        Some("many-workers") => memory::many_workers(number(1)?)?,
        Some("flat-map") => memory::flat_map(number(1)?)?,
        Some("flat-submit") => memory::flat_submit(number(1)?)?,
        Some("instructions") => instructions::child(number(1)?)?,
        other => return Err(format!("no child {other:?}").into()),
    };
    println!("{figure:e}");
    owngil::exit(0)
}
