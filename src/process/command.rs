//! Command: the command line that starts a worker process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The words that start this program again, if `/proc/self/exe` does not.
static OWN: OnceLock<Vec<OsString>> = OnceLock::new();

/// Sets how to start this program again: a host is a Python with arguments that say what to run.
pub(crate) fn set_own(words: Vec<OsString>) {
    let _ = OWN.set(words);
}

/// The first of these words: the program.
pub(crate) fn own_program() -> Option<&'static OsString> {
    OWN.get()?.first()
}

/// The command that starts this program again: the words of [`set_own`], or `program` without them.
pub(crate) fn of_own(program: &Path) -> Command {
    of_worker(OWN.get().is_none().then_some(program))
}

/// The command of a worker process, without the argument that makes it one: the named program, or this one.
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
