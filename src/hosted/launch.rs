//! Launch: the command in a host becomes the same command under another Python.
//!
//! The Python that has loaded the command need not be the one whose packages the user's code wants. A process runs one
//! Python, so it becomes the other one, which loads the command from where this one has it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::process::own_program;

/// How the command was called, and what another Python runs to be called so.
#[derive(Debug)]
struct Called {
    words: Vec<OsString>,
    /// Source text, for `python -c`; none where this process was started by it.
    program: Option<OsString>,
}

static CALLED: OnceLock<Called> = OnceLock::new();

/// Whether a Python has loaded this library.
pub fn is_hosted() -> bool {
    owngil_ffi::hosted::is_hosted()
}

/// Notes how the command was called, its name first, and the program by which another Python is called so, unless this
/// process was started by that already.
pub fn note_command(words: Vec<OsString>, program: Option<OsString>) {
    let _ = CALLED.set(Called { words, program });
}

/// Has the process become the same command under that Python: an executable, a name on `PATH`, or the directory of a
/// virtual environment. Returns if it is that already, or is no command in a host.
///
/// # Errors
///
/// [`Error::Start`] where there is no such Python, [`Error::Config`] where it cannot be started.
pub fn become_python(python: &Path) -> Result<()> {
    let (Some(called), Some(own)) = (CALLED.get(), own_program()) else {
        return Ok(());
    };
    let Some(program) = &called.program else {
        return Ok(());
    };
    let target = owngil_ffi::locate_python(python)?;
    if is_same(&target, Path::new(own)) {
        return Ok(());
    }
    let error = Command::new(&target)
        .arg("-c")
        .arg(program)
        .args(called.words.iter().skip(1))
        .exec();
    Err(Error::config(format!(
        "{} cannot be started: {error}",
        target.display()
    )))
}

/// Whether both are executables of one Python with the same packages: `bin/python` and `bin/python3` of an environment
/// are.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || (one.parent() == other.parent() && real(one) == real(other))
}
