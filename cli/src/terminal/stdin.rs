//! Stdin: standard input, which belongs to the command and to no task.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use crate::exit::Exit;
use crate::fatal::Fatal;

/// What standard input is, for those who may read inputs from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdin {
    Terminal,
    /// A pipe or a file.
    Data,
    /// Such as `/dev/null`.
    Other,
}

impl Stdin {
    pub(crate) fn find() -> Stdin {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Stdin::Terminal;
        }
        let owned = stdin.as_fd().try_clone_to_owned().map(File::from);
        let kind = owned.and_then(|file| Ok(file.metadata()?.file_type()));
        match kind {
            Ok(kind) if kind.is_file() || kind.is_fifo() => Stdin::Data,
            _ => Stdin::Other,
        }
    }

    /// A descriptor of it that no program which a task starts gets; nothing to read where it is closed.
    pub(crate) fn open() -> Box<dyn Read + Send> {
        match rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) {
            Ok(own) => Box::new(File::from(own)),
            Err(_) => Box::new(io::empty()),
        }
    }

    /// From now on tasks, and the programs that they start, find it empty: they would read inputs of others.
    pub(crate) fn close() -> Result<(), Fatal> {
        let nothing = File::open("/dev/null");
        let closed = nothing.and_then(|nothing| Ok(rustix::stdio::dup2_stdin(&nothing)?));
        closed.map_err(|error| Fatal::new(Exit::Failed, format!("/dev/null: {error}")))
    }
}
