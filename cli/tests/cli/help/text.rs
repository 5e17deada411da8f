//! Help, version, the examples, and the page about the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{command, owngil, run, scripts, words};

const COMMANDS: [&str; 5] = [
    "--help",
    "map --help",
    "run --help",
    "bench --help",
    "doctor --help",
];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    fs::read_to_string(path).unwrap()
}

/// A folder with what the examples need, and the path on which `owngil` is.
fn prepared() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    for name in ["photos/a.jpg", "photos/b.jpg", "a.jpg", "b.jpg"] {
        write(name, "");
    }
    write("names.txt", "Ada Lovelace\nGrace Hopper\n");
    let people = "{\"name\": \"Ada\", \"points\": 3}\n{\"name\": \"Grace\", \"points\": 5}\n";
    write("people.jsonl", people);
    write("people.csv", "name,points\nAda,3\nGrace,5\n");
    write("sizes.csv", "file,width\na.jpg,20\nb.jpg,30\n");
    for script in [
        "text.py",
        "scoring.py",
        "resize.py",
        "warm_up.py",
        "primes.py",
    ] {
        fs::copy(scripts().join(script), folder.path().join(script)).unwrap();
    }
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_owngil"));
    let path = std::env::var("PATH").unwrap();
    (
        folder,
        format!("{}:{path}", binary.parent().unwrap().display()),
    )
}

/// Runs each line as a person would who pasted it; returns how many there were.
fn run_examples<'a>(examples: impl Iterator<Item = &'a str>) -> usize {
    let (folder, path) = prepared();
    let mut n = 0;
    for example in examples {
        let mut shell = command("sh");
        shell
            .args(["-c", example])
            .current_dir(folder.path())
            .env("PATH", &path);
        let ended = run(&mut shell);
        let said = &ended.check(0).stderr;
        // The one example without inputs has a note that it has none.
        let is_noted = |line: &str| line.starts_with("note: no inputs were given");
        assert!(said.lines().all(is_noted), "{example}: {said}");
        n += 1;
    }
    n
}

#[test]
fn the_examples_in_the_help_work() {
    let mut n = 0;
    for arguments in COMMANDS {
        let help = run(&mut words(arguments));
        let (_, examples) = help.check(0).stdout.split_once("\nExamples:\n").unwrap();
        n += run_examples(examples.lines().filter_map(|line| line.strip_prefix("  ")));
    }
    assert!(n >= 12, "{n}");
}

#[test]
fn the_examples_on_the_page_work() {
    let page = page();
    let n = run_examples(page.lines().filter_map(|line| line.strip_prefix("$ ")));
    assert!(n >= 5, "{n}");
}

#[test]
fn the_page_names_every_option_and_every_status() {
    let page = page();
    let mut options = BTreeSet::new();
    for arguments in COMMANDS {
        let help = run(&mut words(arguments));
        let (_, help) = help.stdout.split_once("\nOptions:\n").unwrap();
        let (help, _) = help.split_once("Examples:").unwrap();
        let words = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"));
        options.extend(words.map(|word| word.trim_end_matches([',', '.', ']']).to_owned()));
    }
    assert!(options.len() >= 9, "{options:?}");
    for option in options {
        assert!(page.contains(&format!("`{option}")), "{option}");
    }
    for status in [0, 1, 2, 3, 4, 130, 143] {
        assert!(page.contains(&format!("\n| {status} |")), "status {status}");
    }
}

#[test]
fn the_version_is_that_of_owngil_and_that_of_python() {
    let ended = run(&mut owngil(["--version"]));
    let start = format!("owngil {} (Python 3.", env!("CARGO_PKG_VERSION"));
    assert!(
        ended.check(0).stdout.starts_with(&start),
        "{}",
        ended.stdout
    );
}

#[test]
fn without_a_command_the_help_is_an_error() {
    let ended = run(&mut owngil::<&str>([]));
    assert_eq!(ended.check(2).stdout, "");
    assert!(
        ended.stderr.contains("Usage: owngil <COMMAND>"),
        "{}",
        ended.stderr
    );
}
