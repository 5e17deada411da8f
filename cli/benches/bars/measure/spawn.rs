//! Spawn: this program once more, as a process that measures one figure and prints it.

use std::process::Command;

use crate::Result;

/// The figure that the process prints; `what` selects it, as in `child`.
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
