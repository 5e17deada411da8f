//! What a terminal shows: progress while a run goes on, and what is left of it.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::support::{command, owngil, run, run_with, scripts, words};

/// A pseudo-terminal of this size, with what was written to it.
struct Terminal {
    host: File,
}

impl Terminal {
    fn new(n_columns: u16) -> Terminal {
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&host).unwrap();
        unlockpt(&host).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: n_columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&host, size).unwrap();
        Terminal {
            host: File::from(host),
        }
    }

    fn stream(&self) -> File {
        let name = ptsname(&self.host, Vec::new()).unwrap();
        let path = name.into_string().unwrap();
        File::options().read(true).write(true).open(path).unwrap()
    }

    /// Runs the command with its standard error here, and its standard output if `both`.
    fn run(mut self, command: &mut Command, both: bool) -> (Option<i32>, String) {
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command.stderr(self.stream());
        command.stdout(if both { self.stream() } else { null() });
        let mut child = command.spawn().unwrap();
        // The command has the only other ends, so that the last of them ends what is read.
        command.stderr(null()).stdout(null());
        let mut written = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = self.host.read(&mut chunk) {
            written.extend_from_slice(&chunk[..n]);
        }
        let status = child.wait().unwrap().code();
        (status, String::from_utf8(written).unwrap())
    }
}

fn null() -> File {
    File::options().write(true).open("/dev/null").unwrap()
}

/// The lines that are on a screen of that many columns after that was written, without those that are empty at its
/// end. What does not fit into a line goes on in the next one, as terminals do it.
fn on_screen(written: &str, n_columns: u16) -> Vec<String> {
    let mut screen: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(rest.next(), Some('['));
                let mut number = String::new();
                let end = loop {
                    match rest.next().unwrap() {
                        digit if digit.is_ascii_digit() => number.push(digit),
                        end => break end,
                    }
                };
                match end {
                    'K' => screen[row].clear(),
                    'J' => screen.truncate(row),
                    'A' => row -= number.parse::<usize>().unwrap(),
                    other => panic!("{other:?} in {written:?}"),
                }
            }
            c => {
                let width = c.width().unwrap_or(0);
                if width == 0 {
                    continue;
                }
                if column + width > usize::from(n_columns) {
                    (row, column) = (row + 1, 0);
                    screen.resize(screen.len().max(row + 1), Vec::new());
                }
                let line = &mut screen[row];
                line.resize(line.len().max(column + width), ' ');
                line[column] = c;
                // The other half of a wide character.
                line[column + 1..column + width].fill('\0');
                column += width;
            }
        }
        screen.resize(screen.len().max(row + 1), Vec::new());
    }
    let text = |line: Vec<char>| line.into_iter().filter(|c| *c != '\0').collect();
    let mut lines: Vec<String> = screen.into_iter().map(text).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// `waiting.py:nap` for so many inputs, each of which takes a tenth of a second.
fn naps(n: usize) -> Command {
    let mut command = owngil(["map", "-j", "2", "waiting.py:nap"]);
    command.args((0..n).map(|_| "0.1"));
    command.current_dir(scripts());
    command
}

#[test]
fn progress_is_shown_below_results_and_nothing_of_it_is_left() {
    for n_columns in [79, 120] {
        let terminal = Terminal::new(n_columns);
        let (status, written) = terminal.run(&mut naps(24), true);
        assert_eq!(status, Some(0), "{written}");
        assert!(written.contains("/24 done, "), "{written}");
        assert!(written.contains(" s left"), "{written}");
        assert!(written.contains('█'), "{written}");
        let has_workers = written.contains("worker 1 ") && written.contains("waiting.py:nap");
        assert_eq!(has_workers, n_columns >= 100, "{written}");
        // A line that is broken would not be taken away as a whole.
        let shown = written.split(['\n', '\x1b']);
        let shown = shown.filter(|line| line.starts_with("[0") || line.starts_with("  worker"));
        let widest = shown.map(|line| line.trim_end().chars().count()).max();
        assert!(widest.unwrap() < usize::from(n_columns), "{written}");
        let lines = on_screen(&written, n_columns);
        let results = lines.iter().filter(|line| *line == "\"0.1\"").count();
        assert_eq!(results, 24, "{lines:#?}");
        let summary = lines.last().unwrap();
        assert!(summary.starts_with("summary: 24 inputs in "), "{lines:#?}");
        let others = lines.iter().filter(|line| !line.starts_with("warning: "));
        assert_eq!(others.count(), 25, "{lines:#?}");
    }
}

#[test]
fn wide_characters_do_not_overflow_the_progress() {
    let folder = tempfile::tempdir().unwrap();
    let name = "统计每个文件里的词语数量并且返回最长的词语".repeat(3);
    let module = format!("数据处理{}.py", "👩‍🔬".repeat(4));
    let source = format!("import time\ndef {name}(x): time.sleep(0.6); return x\n");
    std::fs::write(folder.path().join(&module), source).unwrap();
    let mut command = owngil(["map", "-j", "2", &format!("{module}:{name}")]);
    command
        .args(["a", "b", "c", "d", "e", "f"])
        .current_dir(&folder);
    let n_columns = 110;
    let (status, written) = Terminal::new(n_columns).run(&mut command, true);
    assert_eq!(status, Some(0), "{written}");
    let shown = written.split(['\r', '\n', '\x1b']);
    let workers: Vec<&str> = shown.filter(|line| line.starts_with("  worker")).collect();
    let has_name = |line: &&str| line.contains("数据处理");
    assert!(workers.iter().any(has_name), "{written}");
    for line in workers {
        assert!(line.width() < usize::from(n_columns), "{line}");
    }
    // A line that overflowed would leave a part of itself behind.
    let lines = on_screen(&written, n_columns);
    let left = lines.iter().filter(|line| line.starts_with("  worker"));
    assert_eq!(left.count(), 0, "{lines:#?}");
    assert!(
        !lines.iter().any(|line| has_name(&line.as_str())),
        "{lines:#?}"
    );
    let results = lines.iter().filter(|line| line.len() == 3);
    assert_eq!(results.count(), 6, "{lines:#?}");
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.py"), "import json\n").unwrap();
    let doctor = |variable: &str| {
        let owngil = owngil(["doctor", "f.py"]);
        let mut command = command("env");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            command.args(["-u", name]);
        }
        command.arg(variable).arg(owngil.get_program());
        command.args(owngil.get_args()).current_dir(&folder);
        command
    };
    for (variable, is_coloured) in [
        ("TERM=xterm", true),
        ("NO_COLOR=", true),
        ("NO_COLOR=1", false),
        ("CLICOLOR=0", false),
        ("TERM=dumb", false),
    ] {
        let (status, written) = Terminal::new(80).run(&mut doctor(variable), true);
        assert_eq!(status, Some(0), "{written}");
        assert_eq!(
            written.contains("\x1b[3"),
            is_coloured,
            "{variable}: {written:?}"
        );
    }
    for (variable, is_coloured) in [("TERM=xterm", false), ("CLICOLOR_FORCE=1", true)] {
        let ended = run(&mut doctor(variable));
        let written = &ended.check(0).stdout;
        assert_eq!(
            written.contains("\x1b[3"),
            is_coloured,
            "{variable}: {written:?}"
        );
    }
}

#[test]
fn failures_are_reported_above_the_progress_and_counted_in_it() {
    let mut command = naps(12);
    command.args(["bad", "bad"]);
    let (status, written) = Terminal::new(80).run(&mut command, false);
    assert_eq!(status, Some(1));
    let lines = on_screen(&written, 80);
    let starting = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(starting("error: input "), 2, "{lines:#?}");
    assert_eq!(starting("ValueError: "), 2, "{lines:#?}");
    assert_eq!(starting("["), 0, "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "error: 2 of 14 inputs failed");
}

#[test]
fn who_wants_no_progress_sees_none() {
    for options in [
        &["-q"][..],
        &["--progress", "none"],
        &["--progress", "none", "-q"],
    ] {
        let (status, written) = Terminal::new(120).run(naps(6).args(options), false);
        assert_eq!(status, Some(0));
        assert!(
            !written.contains('\x1b') && !written.contains("done"),
            "{written:?}"
        );
    }
    // Nor does a terminal that cannot move its cursor.
    let mut command = Command::new("env");
    let naps = naps(6);
    command
        .arg("TERM=dumb")
        .arg(naps.get_program())
        .args(naps.get_args());
    command.current_dir(scripts());
    let (status, written) = Terminal::new(120).run(&mut command, false);
    assert_eq!(status, Some(0));
    assert!(!written.contains('\x1b'), "{written:?}");
}

#[test]
fn a_machine_gets_a_line_of_json_each_second_and_at_the_end() {
    let mut command = naps(24);
    let ended = run(command.args(["bad", "--progress", "json"]));
    ended.check(1);
    let lines = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("{\"progress\":"));
    let reported: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["progress"].clone())
        .collect();
    assert!(reported.len() >= 2, "{}", ended.stderr);
    let done: Vec<u64> = reported
        .iter()
        .map(|reported| reported["done"].as_u64().unwrap())
        .collect();
    assert!(done.is_sorted(), "{done:?}");
    let last = reported.last().unwrap();
    assert_eq!(
        (&last["done"], &last["failed"], &last["total"]),
        (&25.into(), &1.into(), &25.into())
    );
    assert_eq!(last["seconds_left"], 0.0);
    assert_eq!(last["busy"].as_array().unwrap().len(), 2);
}

#[test]
fn the_summary_reports_what_was_slow_and_what_failed() {
    let input = "0\n".repeat(30) + "0.4\nbad\nworse\n";
    for option in ["--summary", "-v"] {
        let ended = run_with(
            &mut words(&format!("map -j 2 waiting.py:nap {option}")),
            input.clone(),
        );
        ended.check(1);
        let (_, summary) = ended.stderr.split_once("\nsummary: ").unwrap();
        assert!(summary.starts_with("33 inputs in "), "{summary}");
        let line = |start: &str| summary.lines().find(|line| line.starts_with(start));
        assert!(line("workers: 2, busy for ").is_some(), "{summary}");
        assert!(line("calls:   median ").is_some(), "{summary}");
        assert!(line("slowest: ").is_some(), "{summary}");
        assert!(summary.contains("ms  input 31 (\"0.4\")\n"), "{summary}");
        let failed = line("failed: ").unwrap();
        assert!(
            failed.contains(" 2  ValueError, first: input 3"),
            "{summary}"
        );
        assert_eq!(
            summary.matches("Traceback (most recent").count(),
            1,
            "{summary}"
        );
        assert_eq!(ended.last_words(), "error: 2 of 33 inputs failed");
    }
    let plain = run(&mut words("map waiting.py:nap 0"));
    assert_eq!(plain.check(0).stderr, "");
    let quiet = run(&mut words("map -q --summary waiting.py:nap 0"));
    assert_eq!(quiet.check(0).stderr, "");
    let script = run(&mut words("run --summary arguments.py ::: a b"));
    let (_, summary) = script
        .check(0)
        .stderr
        .split_once("summary: 2 inputs in ")
        .unwrap();
    assert!(
        summary.contains("slowest: ") && summary.contains("input 2 (\"b\")"),
        "{summary}"
    );
}

#[test]
fn tracebacks_are_the_users_frames_unless_all_are_asked_for() {
    let input = "{\n";
    let map = |option: &str| {
        let line = format!("map {option}--input lines failing.py:parse");
        run_with(&mut words(&line), input)
    };
    let trimmed = map("");
    assert!(
        trimmed.check(1).stderr.contains("failing.py\", line "),
        "{}",
        trimmed.stderr
    );
    assert!(
        trimmed.stderr.contains("frames of json: -v shows all)\n"),
        "{}",
        trimmed.stderr
    );
    assert!(!trimmed.stderr.contains("decoder.py"), "{}", trimmed.stderr);
    let whole = map("-v ");
    assert!(
        whole.check(1).stderr.contains("json/decoder.py\", line "),
        "{}",
        whole.stderr
    );
    assert!(!whole.stderr.contains("shows all"), "{}", whole.stderr);
}
