//! A folder of files: ten thousand texts are parsed, counted and converted, by the command and by what else does it.
//!
//! The command is given the paths, as lines, and the function's name; `xargs` and, where it is installed, GNU
//! parallel start the same file as a script, which is given 64 paths each time, so that Python's start is paid
//! for by 64; `ProcessPoolExecutor` gets 64 at a time, too (executor.py). The last line has the cost of one file
//! when each has a process of its own. The functions are in stats.py.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use owngil::Interpreter;

use comparison::{AnyError, compare, duration, ended, is_small};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/files");

fn main() -> ExitCode {
    ended(run())
}

fn run() -> Result<(), AnyError> {
    // cargo puts examples into a folder beside the command.
    let owngil = std::env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("owngil"));
    let owngil = owngil
        .filter(|path| path.is_file())
        .ok_or("the command is not built: run cargo build --release")?;
    let python: String = Interpreter::scope(|python| {
        python.exec("import sys")?;
        python.eval("sys.executable")
    })?;
    let n = std::thread::available_parallelism()?.get().to_string();
    let n_files = if is_small() { 200 } else { 10_000 };
    let folder = tempfile::tempdir()?;
    let paths = generate(folder.path(), n_files)?;
    let script = format!("{FOLDER}/stats.py");
    let function = format!("{script}:convert");

    let map = |backend: &'static str| {
        let mut words = vec![owngil.display().to_string()];
        words.extend(["map", "-q", "-j", &n, "--backend", backend, &function].map(str::to_owned));
        words
    };
    let own = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    let mut places = vec![
        ("map, one GIL", map("thread")),
        ("map, own GILs", map("interpreter")),
        ("map, processes", map("process")),
        (
            "executor",
            own(&[&python, &format!("{FOLDER}/executor.py"), &n]),
        ),
        (
            "xargs",
            own(&["xargs", "-P", &n, "-n", "64", &python, &script]),
        ),
    ];
    // The other program of this name, of moreutils, knows no such option.
    let has_parallel = Command::new("parallel")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"GNU"));
    if has_parallel {
        places.push((
            "GNU parallel",
            own(&["parallel", "-j", &n, "-n", "64", &python, &script]),
        ));
    }
    println!("{n_files} files, {n} workers\n");
    let n_words = compare(&places, |words| convert(words, &paths))?;
    println!("All converted {n_files} files of {n_words} words.");

    let few = &paths[..20];
    let each = own(&["xargs", "-P", &n, "-n", "1", &python, &script]);
    let start = Instant::now();
    convert(&each, few)?;
    println!(
        "With a process for each file, one takes {}.",
        duration(start.elapsed() / 20)
    );
    Ok(())
}

/// Has a program convert files, whose paths it reads; the sum of the numbers that it prints.
fn convert(words: &[String], paths: &[PathBuf]) -> Result<u64, AnyError> {
    let converted = tempfile::tempdir()?;
    let lines: String = paths
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("CONVERTED", converted.path());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("it has no standard input")?;
    let output = std::thread::scope(|scope| {
        // It may print before it has read all.
        let writing = scope.spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        writing.join().map_err(|_| "the writer panicked")??;
        Ok::<_, AnyError>(output)
    })?;
    if !output.status.success() {
        return Err(format!("{}: {}", words[0], output.status).into());
    }
    let n_converted = fs::read_dir(&converted)?.count();
    if n_converted != paths.len() {
        return Err(format!(
            "{} converted {n_converted} of {} files",
            words[0],
            paths.len()
        )
        .into());
    }
    let numbers = String::from_utf8(output.stdout)?;
    Ok(numbers
        .lines()
        .map(str::parse::<u64>)
        .sum::<Result<_, _>>()?)
}

/// Texts with fields in front, of words that are spread as words are.
fn generate(folder: &Path, n_files: u64) -> Result<Vec<PathBuf>, AnyError> {
    let mut state = 2_026_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    (0..n_files)
        .map(|number| {
            let mut text = format!(
                "title: text {number}\nauthor: number {}\n\n",
                random() % 100
            );
            for place in 0..300 + random() % 300 {
                let (kind, rank) = (random() % 5_000, random() % 70);
                let word = kind * rank * rank / 5_000;
                let letters = [word / 26 % 26, word % 26, word / 676]
                    .map(|letter| char::from(b'a' + (letter % 26) as u8));
                text.extend(letters);
                text.push(if place % 12 == 11 { '\n' } else { ' ' });
            }
            let path = folder.join(format!("{number:05}.txt"));
            fs::write(&path, text)?;
            Ok(path)
        })
        .collect()
}
