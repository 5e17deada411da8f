//! Gunicorn: the server that a Flask application commonly runs on, with worker processes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::FOLDER;
use super::comparison::AnyError;

/// A server with its processes, which end with this value.
pub(crate) struct Gunicorn {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Gunicorn {
    pub(crate) fn start(python: &Path, n_workers: usize) -> Result<Gunicorn, AnyError> {
        let mut command = Command::new(python);
        command.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers"]);
        command.args([
            &n_workers.to_string(),
            "--chdir",
            FOLDER,
            "--no-control-socket",
            "app:app",
        ]);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = child.stderr.take().ok_or("it has no standard error")?;
        let mut lines = BufReader::new(errors);
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            if lines.read_line(&mut said)? == 0 {
                return Err(format!("gunicorn did not start:\n{said}").into());
            }
            if let Some((_, rest)) = said[from..].split_once("Listening at: http://") {
                let address = rest.split_whitespace().next().unwrap_or_default();
                break address.parse()?;
            }
        };
        // What else it says must go somewhere.
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Ok(Gunicorn { child, address })
    }
}

impl Drop for Gunicorn {
    fn drop(&mut self) {
        // It ends its workers when it is asked to end, not when it is killed.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
