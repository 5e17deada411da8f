//! Other: this same program, built for a free-threaded Python and run beside this one.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use owngil::{Backend, Pool, runtime_info};

use super::comparison::{AnyError, is_small};
use super::work;

/// Says to this program that it is the other one.
const ROLE: &str = "OWNGIL_EXAMPLE_FREE_THREADED";

/// The other program. It ends when its standard input does.
pub(crate) struct Other {
    program: PathBuf,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// What it said of its Python.
    python: String,
}

impl Other {
    /// Builds and starts it; `None`, said loudly, where there is no free-threaded Python.
    pub(crate) fn start() -> Result<Option<Other>, AnyError> {
        match python() {
            Some(python) => Other::of(build(&python)?).map(Some),
            None => {
                println!(
                    "SKIPPED: the free-threaded part, for want of such a Python: name one, as in\n  \
                     FREE_THREADED_PYTHON=/usr/bin/python3.14t cargo run --release --example free_threaded\n"
                );
                Ok(None)
            }
        }
    }

    /// Another process of it.
    pub(crate) fn again(&self) -> Result<Other, AnyError> {
        Other::of(self.program.clone())
    }

    fn of(program: PathBuf) -> Result<Other, AnyError> {
        let mut child = Command::new(&program)
            .env(ROLE, "1")
            .env_remove("VIRTUAL_ENV")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else {
            return Err("the other program has no pipes".into());
        };
        let mut other = Other {
            program,
            child,
            to,
            from: BufReader::new(from),
            python: String::new(),
        };
        other.python = other.answer()?;
        Ok(other)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn describe(&self) -> &str {
        &self.python
    }

    /// Has it do one kind of work on so many threads.
    pub(crate) fn work(&mut self, kind: &str, n_workers: usize) -> Result<Vec<i64>, AnyError> {
        writeln!(self.to, "{kind} {n_workers}")?;
        let answer = self.answer()?;
        let sums: Result<Vec<i64>, _> = answer.split_whitespace().map(str::parse).collect();
        Ok(sums.map_err(|_| answer)?)
    }

    fn answer(&mut self) -> Result<String, AnyError> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err("the free-threaded program has ended".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the other program does, if this is it.
pub(crate) fn asked() -> Option<Result<(), AnyError>> {
    env::var_os(ROLE).map(|_| serve())
}

fn serve() -> Result<(), AnyError> {
    let info = runtime_info()?;
    let gil = if info.is_gil_enabled { "on" } else { "off" };
    println!("Python {}, free-threaded, its GIL is {gil}", info.version);
    let mut pool: Option<Pool> = None;
    for line in std::io::stdin().lines() {
        let line = line?;
        let (kind, n) = line.split_once(' ').ok_or("a line without a number")?;
        let n: usize = n.parse()?;
        let made = match pool.take() {
            Some(pool) if pool.n_workers() == n => pool,
            _ => Pool::builder()
                .backend(Backend::Thread)
                .workers(n)
                .build()?,
        };
        let sums = work(&made, kind)?;
        let sums: Vec<String> = sums.iter().map(i64::to_string).collect();
        println!("{}", sums.join(" "));
        pool = Some(made);
    }
    Ok(())
}

/// The free-threaded Python, by its name or its path.
fn python() -> Option<OsString> {
    let named = env::var_os("FREE_THREADED_PYTHON").filter(|name| !name.is_empty());
    let on_path = || {
        let names = ["python3.15t", "python3.14t", "python3.13t"];
        let runs = |name: &&str| Command::new(name).arg("-V").output().is_ok();
        names.into_iter().find(runs).map(OsString::from)
    };
    named.or_else(on_path)
}

/// Builds this program for that Python, in a folder of its own; gives where it is.
fn build(python: &OsString) -> Result<PathBuf, AnyError> {
    let root = env!("CARGO_MANIFEST_DIR");
    let target = PathBuf::from(root).join("target/free-threaded");
    println!(
        "Building for {} in {} …",
        python.display(),
        target.display()
    );
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--quiet", "--example", "free_threaded"])
        .args((!is_small()).then_some("--release"))
        .env("CARGO_TARGET_DIR", &target)
        .env("PYO3_PYTHON", python)
        // pyo3-ffi supports free-threaded Pythons from 3.14 on, and refuses 3.13 without this variable.
        .env("UNSAFE_PYO3_SKIP_VERSION_CHECK", "1");
    if !command.status()?.success() {
        return Err(format!("it cannot be built for {}", python.display()).into());
    }
    let profile = if is_small() { "debug" } else { "release" };
    Ok(target.join(profile).join("examples/free_threaded"))
}

/// The memory of a process, in KiB; 0 where the system does not tell.
pub(crate) fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}
