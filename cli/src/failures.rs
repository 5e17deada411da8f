//! Failures: which failures are shown, and a file with the inputs that failed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args as ClapArgs;

/// What becomes of failures.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Python and messages")]
pub(crate) struct FailureArgs {
    /// Number of failures to print; the rest are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) max_errors_shown: u64,

    /// Write failing inputs to FILE, one per line, in the form that -a reads
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,
}

/// Where inputs that fail are written.
#[derive(Debug)]
pub(crate) struct FailedInputs {
    file: Mutex<BufWriter<File>>,
    /// Why not all of them are there.
    trouble: Mutex<Option<io::Error>>,
}

impl FailedInputs {
    pub(crate) fn create(path: &Path) -> io::Result<FailedInputs> {
        Ok(FailedInputs {
            file: Mutex::new(BufWriter::new(File::create(path)?)),
            trouble: Mutex::default(),
        })
    }

    pub(crate) fn add(&self, input: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(input).and_then(|()| file.write_all(b"\n"));
        if let Err(error) = written {
            self.note(error);
        }
    }

    /// Nothing comes any more; why not all is there, if so.
    pub(crate) fn finish(&self) -> Option<io::Error> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.flush() {
            self.note(error);
        }
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.take()
    }

    fn note(&self, error: io::Error) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert(error);
    }
}
