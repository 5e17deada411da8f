//! The examples: each runs, and prints what it should (`programs`); the README and other documents show what really
//! happens.

mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// What an example prints, run where the README runs it.
fn example(name: &str) -> String {
    printed(&mut command_of(name))
}

fn command_of(name: &str) -> Command {
    let mut command = Command::new(built(&format!("examples/{name}")));
    command.current_dir(ROOT).env("OWNGIL_EXAMPLES", "small");
    command.env_remove("VIRTUAL_ENV");
    command
}

/// A program of this workspace: cargo puts tests into `deps`, and examples into `examples` beside that.
fn built(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        program.is_file(),
        "{} is not there: run `cargo build --workspace --bins --examples`, as `cargo test --workspace` does",
        program.display()
    );
    program
}

/// What an example prints that needs packages; `None`, said loudly, unless `OWNGIL_TEST_PACKAGES=1` asks for them
/// (`make packages` sets it), or where they cannot be fetched.
fn example_with_packages(name: &str) -> Option<String> {
    // The first one makes their environment.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if std::env::var("OWNGIL_TEST_PACKAGES").as_deref() != Ok("1") {
        eprintln!("SKIPPED: {name}: set OWNGIL_TEST_PACKAGES=1");
        return None;
    }
    let mut command = command_of(name);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        eprintln!("{name}: {stderr}");
        return None;
    }
    assert!(
        output.status.success(),
        "{name}: {}\n{stderr}",
        output.status
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What a command prints; it must succeed.
fn printed(command: &mut Command) -> String {
    let command = command.current_dir(ROOT).env_remove("VIRTUAL_ENV");
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
    String::from_utf8(stdout).unwrap()
}

/// A document's blocks of code in one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = read(document);
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Whether it prints the times of so many places, and whether the cores were free.
fn has_comparison(text: &str, n_places: usize) {
    let row = |name: &str| {
        let line = text.lines().find(|line| line.trim().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    assert_eq!(row("median").matches('s').count(), n_places, "{text}");
    // How large the ratios are, no test can say: others may run beside it.
    let ratios = row("speed-up").split_whitespace().skip(1);
    let n_ratios = ratios
        .filter(|ratio| ratio.parse::<f64>().is_ok_and(|ratio| ratio > 0.0))
        .count();
    assert_eq!(n_ratios, n_places, "{text}");
    assert!(
        text.contains("The cores were") || text.contains("Whether the cores were free is unknown"),
        "{text}"
    );
}

#[test]
fn the_readme_shows_the_example_that_runs() {
    let hello = read("examples/hello.rs");
    let (_, code) = hello.split_once("\n\n").unwrap();
    assert_eq!(
        blocks("README.md", "rust"),
        [code],
        "README.md and examples/hello.rs"
    );
    assert!(code.lines().count() <= 20);
    assert_eq!(
        blocks("README.md", "python"),
        [read("examples/hello.py"), read("examples/wordcount.py")]
    );
}

/// Each example has a line in their own README, with the command that runs it.
#[test]
fn the_list_of_examples_has_them_all() {
    let list = read("examples/README.md");
    for entry in std::fs::read_dir(Path::new(ROOT).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let is_example = path.extension().is_some_and(|extension| extension == "rs")
            || path.join("main.rs").is_file();
        if is_example {
            let name = path.file_stem().unwrap().to_string_lossy();
            let command = format!("cargo run --release --example {name}`");
            assert!(
                list.contains(&command),
                "examples/README.md lacks {command}"
            );
        }
    }
}

#[test]
fn the_guide_shows_the_script_that_runs() {
    let script = read("examples/moving_over.py");
    let (_, code) = script.split_once("\n\n").unwrap();
    assert_eq!(blocks("docs/guide.md", "python"), [code]);
}

/// Runs each `$ owngil …` and `$ cargo run --example …` of the README, and of the guide.
#[test]
fn the_readme_shows_what_its_commands_print() {
    assert!(shows_what_commands_print("README.md") >= 3);
    assert!(shows_what_commands_print("docs/guide.md") >= 1);
}

/// Compares what a document shows with what its commands print; how many they are.
fn shows_what_commands_print(document: &str) -> usize {
    let mut n_commands = 0;
    for block in blocks(document, "console") {
        for shown in block.split("$ ") {
            let (line, expected) = shown.split_once('\n').unwrap_or_default();
            let words: Vec<_> = line.split_whitespace().collect();
            let printed = match words[..] {
                ["owngil", ref words @ ..] => printed(Command::new(built("owngil")).args(words)),
                ["cargo", "run", .., "--example", name] => example(name),
                _ => continue,
            };
            assert_eq!(printed, expected, "$ {line}");
            n_commands += 1;
        }
    }
    n_commands
}
