//! Machine: what the figures were measured on and with.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::measure::limits::Echo;
use crate::measure::peers;
use crate::setting::Setting;

/// Where and with what a run measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) n_cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) python: String,
    /// What that Python was compiled with.
    pub(crate) python_build: String,
    pub(crate) rust: String,
    pub(crate) packages: Vec<String>,
    pub(crate) commit: String,
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// A message to another thread and back, in seconds: one core instead of two makes it several
    /// times as long.
    pub(crate) hand_over: f64,
}

impl Machine {
    pub(crate) fn here(setting: &Setting) -> Machine {
        let root = &setting.root;
        let python = |code: &str| {
            let python = setting.python.to_string_lossy();
            output(root, &python, &["-c", code])
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Machine {
            processor: of_file("/proc/cpuinfo", "model name"),
            n_cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: of_file("/proc/meminfo", "MemTotal")
                .trim_end_matches(" kB")
                .parse::<f64>()
                .map_or(0.0, |kib| kib / f64::from(1 << 20)),
            kernel: output(root, "uname", &["-sr"]),
            python: python("import platform; print(platform.python_version())"),
            python_build: python("import platform; print(platform.python_compiler())"),
            rust: output(root, "rustc", &["--version"]),
            packages: peers::packages(setting),
            commit: commit(root),
            at: now.map_or(0, |elapsed| elapsed.as_secs()),
            hand_over: Echo::start().round_trip(20_000).unwrap_or(0.0),
        }
    }

    /// `2 cores of AMD EPYC, 24 GiB, Linux 6.1`
    pub(crate) fn show(&self) -> String {
        let (n, processor) = (self.n_cores, &self.processor);
        let (memory, kernel) = (self.memory_gib, &self.kernel);
        format!("{n} cores of {processor}, {memory:.0} GiB, {kernel}")
    }

    /// The day, as `2026-02-28`.
    pub(crate) fn day(&self) -> String {
        // Days since the first of March of the year 0, so that a leap day ends its year.
        let days = self.at / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, year) = match month {
            0..=9 => (month + 3, year + era * 400),
            _ => (month - 9, year + era * 400 + 1),
        };
        format!("{year}-{month:02}-{day:02}")
    }
}

/// The commit, with a word if what was built differs from it.
fn commit(root: &Path) -> String {
    let commit = output(root, "git", &["rev-parse", "--short=10", "HEAD"]);
    // What this program itself writes does not count.
    let changed = [
        "status",
        "--porcelain",
        "--",
        ".",
        ":!docs/benchmarks.md",
        ":!docs/benchmarks",
    ];
    if commit.is_empty() {
        "unknown".to_owned()
    } else if output(root, "git", &changed).is_empty() {
        commit
    } else {
        format!("{commit} with changes")
    }
}

/// What a program prints; nothing where it cannot be run.
fn output(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}

/// The value after this name and a colon in a file of the system's.
fn of_file(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}
