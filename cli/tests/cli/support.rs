//! The command as a child process, with a limit on its time.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, LazyLock, Once};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

/// No child takes longer, also on a busy machine; one that does hangs, and is killed.
const LIMIT: Duration = Duration::from_secs(120);

/// How much longer than usual the long tests are: `OWNGIL_STRESS`, or 1.
pub(crate) fn scale() -> u64 {
    let scale = std::env::var("OWNGIL_STRESS").ok();
    scale.map_or(1, |scale| scale.parse().expect("OWNGIL_STRESS is a number"))
}

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of the Python files that the tests use.
pub(crate) fn scripts() -> PathBuf {
    root().join("tests/scripts")
}

/// `owngil` with these arguments, in the folder of the scripts.
pub(crate) fn owngil<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_owngil"));
    command.args(arguments);
    command
}

/// `owngil` with arguments that spaces divide.
pub(crate) fn words(words: &str) -> Command {
    owngil(words.split(' '))
}

/// Has programs that tests start find signals as a terminal's programs do: what runs in a shell's background has SIGINT
/// ignored, and so would they.
fn heed_signals() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for signal in [SIGINT, SIGQUIT, SIGTERM] {
            // A signal with a handler is back at its default in the next program; this one keeps to its own.
            if is_ignored(signal) {
                signal_hook::flag::register(signal, Arc::default()).expect("it can be handled");
            }
        }
    });
}

/// The bits of proc_pid_status(5).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("there is procfs");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.expect("it tells what is ignored") >> (signal - 1) & 1 == 1
}

/// A command in the folder of the scripts, untouched by the settings of who runs the tests.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    heed_signals();
    let mut command = Command::new(program);
    command.current_dir(scripts()).stdin(Stdio::null());
    // What is remembered from run to run is not to be that of who runs the tests.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.env("XDG_CONFIG_HOME", "/nowhere");
    for variable in [
        "OWNGIL_PYTHON",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "OWNGIL_LOG",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
    ] {
        command.env_remove(variable);
    }
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The last line of standard error.
    pub(crate) fn last_words(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn check(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }
}

/// Runs a command without input to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Running::start(command).end()
}

/// Runs a command to its end, with this for standard input.
pub(crate) fn run_with(command: &mut Command, input: impl Into<Vec<u8>>) -> Ended {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.feed(input.into());
    running.end()
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<BufReader<std::process::ChildStderr>>,
    /// Dropped when the child has ended.
    _watched: Sender<()>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().unwrap();
        let (watched, watch) = mpsc::channel::<()>();
        let group = child.id();
        thread::spawn(move || {
            if watch.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("process {group} takes too long and is killed");
                signals(&["KILL"], &format!("-{group}"));
            }
        });
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            stderr: child.stderr.take().map(BufReader::new),
            child,
            _watched: watched,
        }
    }

    /// Sends a signal to the command alone.
    pub(crate) fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends it signals, with nothing between them.
    pub(crate) fn signals(&self, names: &[&str]) {
        signals(names, &self.child.id().to_string());
    }

    /// Writes input on a thread of its own, as far as it is read.
    pub(crate) fn feed(&mut self, input: Vec<u8>) {
        let mut stdin = self.stdin.take().unwrap();
        thread::spawn(move || stdin.write_all(&input));
    }

    /// Writes the same input again and again, as long as it is read.
    pub(crate) fn feed_without_end(&mut self, input: &'static [u8]) {
        let mut stdin = self.stdin.take().unwrap();
        let many = input.repeat(1 + (64 << 10) / input.len());
        thread::spawn(move || while stdin.write_all(&many).is_ok() {});
    }

    /// Writes one line, now.
    pub(crate) fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line of standard output.
    pub(crate) fn read_line(&mut self) -> String {
        line_of(self.stdout.as_mut().unwrap())
    }

    /// The next line of standard error.
    pub(crate) fn read_error_line(&mut self) -> String {
        line_of(self.stderr.as_mut().unwrap())
    }

    /// The most memory that the command has used, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let figure = line.and_then(|line| line.split_whitespace().nth(1));
        figure.unwrap().parse().unwrap()
    }

    /// How large the files are that the command has open and that have no name.
    pub(crate) fn deleted_bytes(&self) -> u64 {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let is_deleted = |path: &PathBuf| {
            let target = fs::read_link(path).unwrap_or_default();
            target.to_string_lossy().ends_with(" (deleted)") && !target.starts_with("/memfd:")
        };
        let sizes = paths
            .filter(is_deleted)
            .filter_map(|path| fs::metadata(path).ok());
        sizes.map(|metadata| metadata.len()).sum()
    }

    /// Reads what comes on standard error, and drops it.
    pub(crate) fn stderr_to_nothing(&mut self) {
        let stderr = self.stderr.take().unwrap();
        thread::spawn(move || stderr.bytes().all(|byte| byte.is_ok()));
    }

    /// Waits for the end; what is still open of its streams is read until then.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let rest_of_stderr = self.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut text = Vec::new();
                stderr.read_to_end(&mut text).unwrap();
                text
            })
        });
        let mut stdout = Vec::new();
        if let Some(mut rest) = self.stdout.take() {
            rest.read_to_end(&mut stdout).unwrap();
        }
        let stderr = rest_of_stderr.map(|thread| thread.join().unwrap());
        let status = self.child.wait().unwrap().code();
        Ended {
            status,
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr.unwrap_or_default()).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves its child running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_of(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "it ended early, with {line:?}");
    line.pop();
    line
}

fn signals(names: &[&str], process: &str) {
    let kills = names
        .iter()
        .map(|name| format!("kill -s {name} -- {process}"));
    let kill = kills.collect::<Vec<_>>().join(" && ");
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success(), "{kill}");
}

/// The Python that the command was built with; what `python3` is called is not the same everywhere.
pub(crate) fn plain_python() -> &'static Path {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let reported = run(&mut words("map text.py:executable x"));
        serde_json::from_str(reported.check(0).stdout.trim_end()).unwrap()
    });
    &PYTHON
}

pub(crate) fn is_python_3_12() -> bool {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| run(command(plain_python()).arg("--version")).stdout);
    VERSION.starts_with("Python 3.12.")
}

/// The command line, whose words spaces divide, is refused with an error that begins so.
#[track_caller]
pub(crate) fn refused(arguments: &str, message: &str) {
    let ended = run(&mut words(arguments));
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with(&format!("error: {message}")),
        "{arguments}: {}",
        ended.stderr
    );
}
