//! Command: what is started as a worker process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The words that start this program again, where it is not what `/proc/self/exe` leads to.
static OWN: OnceLock<Vec<OsString>> = OnceLock::new();

/// Says how this program is started: in a host it is a Python that is given what to run.
pub(crate) fn set_own(words: Vec<OsString>) {
    let _ = OWN.set(words);
}

/// The program of these words.
pub(crate) fn own_program() -> Option<&'static OsString> {
    OWN.get()?.first()
}

/// What starts this program, or the one that is named where it is started as usual.
pub(crate) fn of_own(program: &Path) -> Command {
    of_worker(OWN.get().is_none().then_some(program))
}

/// The command of a worker process, without the argument that says so: a program that was named, or this one.
pub(super) fn of_worker(program: Option<&Path>) -> Command {
    match (program, OWN.get().map(Vec::as_slice)) {
        (Some(program), _) => Command::new(program),
        (None, Some([program, words @ ..])) => {
            let mut command = Command::new(program);
            command.args(words);
            command
        }
        (None, _) => {
            let mut command = Command::new("/proc/self/exe");
            if let Some(name) = std::env::args_os().next() {
                command.arg0(name);
            }
            command
        }
    }
}
