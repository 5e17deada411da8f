//! Peers: what Python itself and others offer for the same job, each in a Python of its own.
//!
//! A peer is a script that reads one request per line and answers with one line, so that it takes its
//! turns in the rounds with a pool that is warm. One that crashes, or does not answer in time, is ended
//! with all its processes and shown as failed.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use serde_json::{Value, json};

use crate::Result;
use crate::setting::{MARK, N_WORKERS, Setting};

/// What a peer is, and where it can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    script: &'static str,
    argument: &'static str,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The standard library, from this minor version on.
    Since(u32),
    /// A package that is installed into a virtual environment.
    Package(&'static str),
    /// The virtual environment of `cli/tests/packages`.
    Packages,
}

pub(crate) const THREADS: Peer = Peer {
    name: "ThreadPoolExecutor",
    script: "futures.py",
    argument: "threads",
    source: Source::Since(0),
};
pub(crate) const INTERPRETERS: Peer = Peer {
    name: "InterpreterPoolExecutor",
    script: "futures.py",
    argument: "interpreters",
    source: Source::Since(14),
};
pub(crate) const PROCESSES: Peer = Peer {
    name: "ProcessPoolExecutor",
    script: "futures.py",
    argument: "processes",
    source: Source::Since(0),
};
pub(crate) const POOL: Peer = Peer {
    name: "multiprocessing.Pool",
    script: "mp_pool.py",
    argument: "",
    source: Source::Since(0),
};
pub(crate) const JOBLIB: Peer = Peer {
    name: "joblib",
    script: "joblib_loky.py",
    argument: "",
    source: Source::Package("joblib"),
};
pub(crate) const MPIRE: Peer = Peer {
    name: "mpire",
    script: "mpire_pool.py",
    argument: "",
    source: Source::Package("mpire"),
};

pub(crate) const PACKAGES_IN_PROCESSES: Peer = Peer {
    source: Source::Packages,
    ..PROCESSES
};

pub(crate) const ALL: [Peer; 6] = [INTERPRETERS, POOL, PROCESSES, THREADS, JOBLIB, MPIRE];

/// The versions that the rows were measured with are noted, so they are fixed nowhere else.
const PACKAGES: [&str; 2] = ["joblib", "mpire"];

/// How long a peer may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A peer that runs.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    mark: String,
}

impl Peer {
    /// Starts it, or says why it cannot be had.
    pub(crate) fn start(&self, setting: &Setting) -> Result<Running> {
        let python = match self.source {
            Source::Since(minor) if setting.minor < minor => {
                return Err(format!("skipped: Python has it from 3.{minor} on").into());
            }
            Source::Since(_) => setting.python.clone(),
            Source::Package(package) => python_with(setting, package)?,
            Source::Packages => setting.python_with_packages()?,
        };
        let mark = format!("{}{}{}.", setting.mark, self.script, self.argument);
        let mut child = Command::new(python)
            .arg(setting.peers().join(self.script))
            .arg(N_WORKERS.to_string())
            .arg(self.argument)
            // For the interpreters and processes that look for the functions.
            .env("PYTHONPATH", setting.peers())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(MARK, &mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let requests = child.stdin.take().ok_or("no standard input")?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let (lines, answers) = unbounded();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Running {
            name: self.name,
            child,
            requests,
            answers,
            mark,
        })
    }
}

impl Running {
    /// Has it do something; its answer.
    pub(crate) fn ask(&mut self, what: &str, mut arguments: Value) -> Result<Value> {
        arguments["do"] = json!(what);
        writeln!(self.requests, "{arguments}")?;
        self.requests.flush()?;
        let Ok(line) = self.answers.recv_timeout(PATIENCE) else {
            let ended = self.child.try_wait()?.is_some();
            let how = if ended {
                "crashed"
            } else {
                "gave no answer in 30 s"
            };
            end_all(&self.mark);
            return Err(format!("failed: it {how}").into());
        };
        let mut answer: Value = serde_json::from_str(&line)?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(format!("failed: {error}").into()),
            None => Ok(answer["answer"].take()),
        }
    }

    /// As [`ask`](Running::ask), for an answer that is one number.
    pub(crate) fn figure(&mut self, what: &str, arguments: Value) -> Result<f64> {
        let answer = self.ask(what, arguments)?;
        let name = self.name;
        Ok(answer
            .as_f64()
            .ok_or_else(|| format!("{name}: {answer} is no number"))?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_all(&self.mark);
        let _ = self.child.wait();
    }
}

/// Ends every process whose mark begins like this: `kill` reaches those too that left their parent.
pub(crate) fn end_all(mark: &str) {
    // Those that were just being started are found the second time.
    for _ in 0..3 {
        let found = marked(mark);
        if found.is_empty() {
            return;
        }
        let _ = Command::new("sh")
            .args(["-c", "kill -KILL \"$@\"", "sh"])
            .args(found)
            .stderr(Stdio::null())
            .status();
        thread::sleep(Duration::from_millis(5));
    }
}

/// The ids of the processes whose mark begins like this.
pub(crate) fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let is_marked = |id: &String| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable.starts_with(wanted.as_bytes()))
    };
    let names = processes.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(is_marked)
        .collect()
}

/// The virtual environment's Python, if the package is in it.
fn python_with(setting: &Setting, package: &str) -> Result<PathBuf> {
    let venv = setting.venv();
    let python = venv.join("bin/python");
    if venv.join(package).exists() {
        return Ok(python);
    }
    let reason = std::fs::read_to_string(venv.join("reason")).unwrap_or_default();
    Err(format!("skipped: {package} could not be had: {reason}").into())
}

/// Makes the virtual environment, if it is not there; says loudly what cannot be had.
pub(crate) fn prepare(setting: &Setting) {
    let venv = setting.venv();
    if PACKAGES.iter().all(|package| venv.join(package).exists()) {
        return;
    }
    eprintln!(
        "making a virtual environment for {}",
        PACKAGES.join(" and ")
    );
    if let Err(error) = install(setting) {
        eprintln!("SKIPPED: {}: {error}", PACKAGES.join(" and "));
        let _ = std::fs::create_dir_all(&venv);
        let _ = std::fs::write(venv.join("reason"), error.to_string());
    }
}

fn install(setting: &Setting) -> Result<()> {
    let venv = setting.venv();
    let run = |program: &PathBuf, arguments: &[&str]| -> Result<String> {
        // Without a network pip would try for minutes.
        let limited = Command::new("timeout")
            .arg("90")
            .arg(program)
            .args(arguments)
            .output()?;
        if !limited.status.success() {
            let errors = String::from_utf8_lossy(&limited.stderr).into_owned();
            let last = errors.lines().rfind(|line| !line.trim().is_empty());
            let last = last.unwrap_or("it took longer than 90 s");
            return Err(format!("{} {}: {last}", program.display(), arguments[0]).into());
        }
        Ok(String::from_utf8_lossy(&limited.stdout).into_owned())
    };
    let folder = venv.to_string_lossy();
    run(&setting.python, &["-m", "venv", "--clear", &folder])?;
    let python = venv.join("bin/python");
    for package in PACKAGES {
        run(&python, &["-m", "pip", "install", "--quiet", package])?;
        let code =
            format!("import {package}, importlib.metadata as m; print(m.version('{package}'))");
        let version = run(&python, &["-c", &code])?;
        std::fs::write(venv.join(package), version.trim())?;
    }
    Ok(())
}

/// The packages in the virtual environment, with their versions.
pub(crate) fn packages(setting: &Setting) -> Vec<String> {
    let version = |package: &&str| {
        let version = std::fs::read_to_string(setting.venv().join(package)).ok()?;
        Some(format!("{package} {version}"))
    };
    PACKAGES.iter().filter_map(version).collect()
}
