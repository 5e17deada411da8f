//! Inherited: what workers take over from the program when its pool starts: variables, working directory, umask.
//!
//! All interpreters of a process share these, and each task may change them. So they are noted once, and given to
//! workers that are made later, too.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{fchdir, umask};

/// What workers start with.
#[derive(Debug)]
pub(crate) struct Inherited {
    variables: OnceLock<Vec<(OsString, OsString)>>,
    /// Where each worker has a working directory of its own.
    pub(crate) directory: Option<Directory>,
}

/// A working directory, and a umask.
#[derive(Debug)]
pub(crate) struct Directory {
    folder: OwnedFd,
    umask: Mode,
}

impl Inherited {
    /// As they are now; with directories of their own if asked for.
    pub(crate) fn now(own_directories: bool) -> io::Result<Inherited> {
        let inherited = Inherited::with_variables_later(own_directories)?;
        inherited.variables();
        Ok(inherited)
    }

    /// Like [`now`](Inherited::now), but with the variables as they are when they are asked for first.
    pub(crate) fn with_variables_later(own_directories: bool) -> io::Result<Inherited> {
        Ok(Inherited {
            variables: OnceLock::new(),
            directory: own_directories.then(Directory::here).transpose()?,
        })
    }

    pub(crate) fn variables(&self) -> &[(OsString, OsString)] {
        self.variables.get_or_init(|| env::vars_os().collect())
    }
}

impl Directory {
    /// Those of the calling thread.
    pub(crate) fn here() -> io::Result<Directory> {
        // O_PATH: a folder that may not be read can be the working directory all the same.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Directory {
            folder: open(".", flags, Mode::empty())?,
            umask: Directory::umask_here()?,
        })
    }

    /// Without setting it, which is the only other way to ask (proc_pid_status(5)).
    fn umask_here() -> io::Result<Mode> {
        let status = fs::read_to_string("/proc/thread-self/status")?;
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
        umask
            .map(Mode::from_raw_mode)
            .ok_or_else(|| io::Error::other("the system does not tell the umask"))
    }

    /// Makes them those of the calling thread, and of the threads that share them with it.
    pub(crate) fn enter(&self) -> io::Result<()> {
        fchdir(&self.folder)?;
        umask(self.umask);
        Ok(())
    }

    /// A path that leads to the folder, in this process and in a child of it that has not begun another program.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
    }

    /// Makes it that of the process.
    pub(crate) fn set_umask(mode: u32) {
        umask(Mode::from_raw_mode(mode));
    }

    pub(crate) fn umask(&self) -> u32 {
        self.umask.as_raw_mode()
    }
}
