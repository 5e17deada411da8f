//! OutputFile: the regular file that standard output is, if it is one.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{OFlags, fcntl_getfl};

use super::row::FilePosition;
use crate::terminal::stdout;

/// A regular file that results are written to.
#[derive(Debug)]
pub(crate) struct OutputFile {
    file: File,
    is_append: bool,
    /// It, and how long it is.
    pub(crate) place: FilePosition,
}

impl OutputFile {
    /// Standard output, if it is a regular file.
    pub(crate) fn stdout() -> io::Result<Option<OutputFile>> {
        OutputFile::of(stdout::file()?)
    }

    /// Its name, where the system tells it.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()
    }

    /// For reading what is in it, where that is allowed.
    pub(crate) fn reader(&self) -> Option<File> {
        // Not by its name, which another file may have by now.
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()
    }

    fn of(file: File) -> io::Result<Option<OutputFile>> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let flags = fcntl_getfl(&file)?;
        Ok(Some(OutputFile {
            is_append: flags.contains(OFlags::APPEND),
            place: FilePosition {
                device: metadata.dev(),
                inode: metadata.ino(),
                end: metadata.len(),
            },
            file,
        }))
    }

    /// Takes back what comes after `end`; returns how many bytes that was.
    pub(crate) fn cut(&mut self, end: u64) -> io::Result<u64> {
        let n = self.place.end.saturating_sub(end);
        if n > 0 && self.is_append {
            self.file.set_len(end)?;
            self.place.end = end;
            return Ok(n);
        }
        Ok(0)
    }

    /// Where the next byte goes.
    pub(crate) fn start(&mut self) -> io::Result<FilePosition> {
        let end = match self.is_append {
            true => self.place.end,
            false => self.file.stream_position()?,
        };
        Ok(FilePosition { end, ..self.place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    #[test]
    fn a_file_is_cut_where_it_is_only_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let open = |append| {
            OpenOptions::new()
                .append(append)
                .write(true)
                .open(&path)
                .unwrap()
        };

        let mut target = OutputFile::of(open(false)).unwrap().unwrap();
        assert_eq!((target.place.end, target.cut(8).unwrap()), (11, 0));
        assert_eq!(target.start().unwrap().end, 0);

        let mut target = OutputFile::of(open(true)).unwrap().unwrap();
        let text = std::io::read_to_string(target.reader().unwrap()).unwrap();
        assert_eq!(text, "one\ntwo\nthr");
        assert_eq!((target.cut(20).unwrap(), target.cut(8).unwrap()), (0, 3));
        assert_eq!(target.start().unwrap().end, 8);
        open(true).write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_pipe_is_no_target() {
        let (reader, _writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        assert!(OutputFile::of(file).unwrap().is_none());
    }
}
