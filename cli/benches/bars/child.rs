//! Child: what this program is as the process that a row measures. It prints one number.

use std::process::Command;

use crate::Result;
use crate::{instructions, memory, start};

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

/// The number that such a process prints.
pub(crate) fn figure(what: &[&str]) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--child")
        .args(what)
        .output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{} ended with {}: {errors}", what[0], output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
