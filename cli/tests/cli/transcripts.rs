//! Transcripts: what a person types, and all that comes back, word by word.
//!
//! Each is a file in `transcripts/`: `$` and a line of shell, what it writes to standard output, then what to
//! standard error, and `? STATUS` where the status is not 0. `[..]` stands for any text within a line.
//! `OWNGIL_WRITE_TRANSCRIPTS=1` writes the files again, for a person to read through; they lose their `[..]`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{command, run, scripts};

/// A line of shell and what comes back.
struct Scene {
    line: String,
    expected: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/transcripts")
}

fn scenes(text: &str) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), scenes.last_mut()) {
            (Some(shell), _) => scenes.push(Scene {
                line: shell.to_owned(),
                expected: String::new(),
            }),
            (None, Some(scene)) => scene.expected += &format!("{line}\n"),
            (None, None) => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    scenes
}

/// Whether the text is the pattern, in which `[..]` stands for anything.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("[..]") else {
        return text == pattern;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let ends = (0..=text.len()).filter(|at| text.is_char_boundary(*at));
    let mut rests = ends.map(|at| &text[at..]);
    rests.any(|text| fits(text, rest))
}

fn play(name: &str) -> usize {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let there = tempfile::tempdir().unwrap();
    for script in ["text.py", "failing.py", "scoring.py"] {
        fs::copy(scripts().join(script), there.path().join(script)).unwrap();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_owngil")).parent().unwrap();
    let search = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let scenes = scenes(&text);
    let mut whole: String = text
        .lines()
        .take_while(|line| !line.starts_with('$'))
        .map(|line| format!("{line}\n"))
        .collect();
    for scene in &scenes {
        let mut shell = command("sh");
        let ended = run(shell
            .args(["-c", &scene.line])
            .current_dir(there.path())
            .env("PATH", &search));
        // Neither of the two streams waits for the other.
        let both = ended.stdout.clone() + &ended.stderr;
        // Where Python puts its marks below a line differs from version to version.
        let is_text = |line: &&str| line.is_empty() || line.contains(|c| !" ~^".contains(c));
        let lines = both.lines().filter(is_text);
        let mut shown: String = lines.map(|line| format!("{line}\n")).collect();
        if ended.status != Some(0) {
            shown += &format!("? {}\n", ended.status.unwrap());
        }
        whole += &format!("$ {}\n{shown}\n", scene.line);
        let (shown, expected) = (shown.trim_end(), scene.expected.trim_end());
        let is_alike = shown.lines().count() == expected.lines().count()
            && shown
                .lines()
                .zip(expected.lines())
                .all(|(line, pattern)| fits(line, pattern));
        let is_written = std::env::var_os("OWNGIL_WRITE_TRANSCRIPTS").is_some();
        assert!(
            is_alike || is_written,
            "{name}: $ {}\n{shown}\n--- and not\n{expected}",
            scene.line
        );
    }
    if std::env::var_os("OWNGIL_WRITE_TRANSCRIPTS").is_some() {
        fs::write(path, whole.trim_end().to_owned() + "\n").unwrap();
    }
    scenes.len()
}

#[test]
fn mistakes_are_reported_with_the_way_out() {
    assert!(play("mistakes.txt") >= 10);
}

#[test]
fn each_command_says_what_it_does() {
    assert!(play("help.txt") >= 4);
}

#[test]
fn help_and_first_steps_read_as_they_should() {
    assert!(play("first-steps.txt") >= 4);
}

#[test]
fn patterns_fit_what_they_say() {
    assert!(fits("a b c", "a [..] c") && fits("abc", "[..]c") && fits("é", "[..]"));
    assert!(!fits("abd", "a[..]c") && !fits("ab", "a") && !fits("b", "a[..]"));
}
