//! What GNU parallel's authors test other tools with: the list in parallel_alternatives(7), "Testing other
//! tools", as far as it is about what tasks print and what they are given.
//!
//! Sizes are such that the suite stays quick; `make huge` sets OWNGIL_TEST_HUGE, and they are those that
//! cannot pass by chance: more output than a disk cache hides, and a line beyond 4 GiB.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Running, command, owngil, plain_python, run, run_with};

/// A module whose function does for an argument what its script does for its own.
const TOOL: &str = r#"
import os, sys, time

def main(what, *more):
    return globals()[what](*more)

def mix(name, *_):
    for stream in (sys.stdout, sys.stderr) * 20:
        for _ in range(20):
            stream.write(name * 500)
            stream.flush()
        stream.write("\n")
        time.sleep(0.001)

def both(name, *_):
    print("to stdout", name)
    print("to stderr", name, file=sys.stderr)

def much(n_megabytes, *_):
    block = ("x" * 1023 + "\n") * 1024
    for _ in range(int(n_megabytes)):
        sys.stdout.write(block)

def line(n_megabytes, *_):
    block = "x" * (1 << 20)
    for _ in range(int(n_megabytes)):
        sys.stdout.write(block)
    print()

def words(line, n_lines, *_):
    line = line * 10_000 if line == "x" else "wor " * 2_500
    for _ in range(int(n_lines)):
        print(line)

def length(text):
    print("length", len(text))
    return len(text)

def size(name):
    print("size", os.path.getsize(name))
    return os.path.getsize(name)

def f(argument):
    return main(*argument.split(" "))

if __name__ == "__main__":
    main(*sys.argv[1:])
"#;

struct Tool(tempfile::TempDir);

impl Tool {
    fn new() -> Tool {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tool.py"), TOOL).unwrap();
        Tool(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `owngil run` of the script, where inputs come last.
    fn run<S: AsRef<OsStr>>(&self, options: &[&str], what: &str, inputs: &[S]) -> Command {
        let mut command = owngil(["run"]);
        command.args(options).args(["tool.py", what, ":::"]);
        command.args(inputs).current_dir(self.path());
        command
    }

    /// `owngil map` of the function, which gets both.
    fn map(&self, options: &[&str], what: &str, inputs: &[&str]) -> Command {
        let mut command = owngil(["map"]);
        let inputs = inputs.iter().map(|input| format!("{what} {input}"));
        command.args(options).arg("tool.py:f").args(inputs);
        command.current_dir(self.path());
        command
    }
}

fn is_huge() -> bool {
    std::env::var_os("OWNGIL_TEST_HUGE").is_some()
}

/// `huge` if that is asked for, else what is done in a moment.
fn pick<T>(usual: T, huge: T) -> T {
    if is_huge() { huge } else { usual }
}

/// How much a command printed, how much memory it used at the most, in KiB, and how it ended.
struct Measured {
    n_bytes: u64,
    n_lines: u64,
    peak_kib: u64,
    status: Option<i32>,
    others: String,
}

/// Reads one of the streams of a command to its end.
fn measured(command: &mut Command, of_stderr: bool) -> Measured {
    // The last that is heard of it is how much memory it has used.
    let mut shell = Command::new(plain_python());
    let source = "import resource, subprocess, sys\n\
                  status = subprocess.call(sys.argv[2:], close_fds=True)\n\
                  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n\
                  open(sys.argv[1], 'w').write(f'{status} {peak}')\n";
    let note = tempfile::NamedTempFile::new().unwrap();
    shell.args(["-c", source]).arg(note.path());
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (counted, other): (&mut dyn Read, Box<dyn Read + Send>) = match of_stderr {
        false => (&mut stdout, Box::new(stderr)),
        true => (&mut stderr, Box::new(stdout)),
    };
    let others = std::thread::spawn(move || std::io::read_to_string(other).unwrap());
    let (mut n_bytes, mut n_lines) = (0, 0);
    let mut piece = vec![0; 1 << 20];
    loop {
        let n = counted.read(&mut piece).unwrap();
        if n == 0 {
            break;
        }
        n_bytes += n as u64;
        n_lines += piece[..n].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    child.wait().unwrap();
    let note = fs::read_to_string(note.path()).unwrap();
    let (status, peak) = note.split_once(' ').unwrap();
    Measured {
        n_bytes,
        n_lines,
        peak_kib: peak.parse().unwrap(),
        status: status.parse().ok(),
        others: others.join().unwrap(),
    }
}

#[test]
fn mix_the_lines_of_tasks_do_not_mix() {
    let tool = Tool::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for backend in ["auto", "process", "thread"] {
        for option in ["--keep-order", "--line-buffer"] {
            let options = ["-j6", "--backend", backend, option];
            let of_run = run(&mut tool.run(&options, "mix", &names));
            let of_map = run(tool.map(&options, "mix", &names).arg("--output=none"));
            let streams = [&of_run.stdout, &of_run.stderr, &of_map.stderr];
            for (text, n) in streams.into_iter().zip([20, 20, 40]) {
                let mut lines: Vec<&str> = text.lines().collect();
                if option == "--line-buffer" {
                    lines.sort_unstable();
                }
                let expected = names.iter().flat_map(|name| vec![name.repeat(10_000); n]);
                assert!(expected.eq(lines.iter().copied()), "{backend} {option}");
            }
            assert_eq!(
                (of_run.check(0).status, of_map.check(0).stdout.len()),
                (Some(0), 0)
            );
        }
    }
}

#[test]
fn stderrmerge_the_two_streams_stay_apart() {
    let tool = Tool::new();
    for option in ["--keep-order", "--line-buffer", "--ungroup"] {
        let ended = run(&mut tool.run(&["-j1", option], "both", &["1", "2"]));
        assert_eq!(
            ended.check(0).stdout,
            "to stdout 1\nto stdout 2\n",
            "{option}"
        );
        assert_eq!(ended.stderr, "to stderr 1\nto stderr 2\n");
        let mut command = tool.map(&["-j1", option, "--results=kept"], "both", &["1"]);
        let ended = run(&mut command);
        assert_eq!(ended.check(0).stdout, "null\n");
        assert_eq!(ended.stderr, "to stdout 1\nto stderr 1\n");
        for name in ["stdout", "stderr"] {
            let text = fs::read_to_string(tool.path().join("kept/1-both_1").join(name));
            assert_eq!(text.unwrap(), format!("to {name} 1\n"), "{option}");
        }
    }
}

#[test]
fn ram_output_may_be_more_than_memory_holds() {
    let tool = Tool::new();
    // With -k all but the first wait: twenty times a gibibyte is more than the memory of most.
    let (n_megabytes, n_tasks) = pick((50, 3), (1024, 20));
    let inputs = vec![n_megabytes.to_string(); n_tasks];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    for option in ["--keep-order", "--line-buffer"] {
        let mut of_run = tool.run(&["-j2", option], "much", &inputs);
        let mut of_map = tool.map(&["-j2", option], "much", &inputs);
        for (command, of_stderr) in [(&mut of_run, false), (&mut of_map, true)] {
            let measured = measured(command, of_stderr);
            assert_eq!(measured.status, Some(0), "{}", measured.others);
            assert_eq!(measured.n_bytes, (n_megabytes * n_tasks) as u64 * (1 << 20));
            assert_eq!(measured.n_lines, measured.n_bytes / 1024);
            assert!(measured.peak_kib < 160 << 10, "{} KiB", measured.peak_kib);
        }
    }
}

#[test]
fn diskfull_a_full_disk_is_an_error_and_what_is_done_is_not_lost() {
    let tool = Tool::new();
    // No file may grow beyond this many blocks of 512 bytes: the file in which output waits is "full".
    let limited = |command: &Command, n_blocks: u32| {
        let mut shell = self::command("sh");
        let limit = format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$@\"");
        shell.args(["-c", &limit, "sh"]).arg(command.get_program());
        shell.args(command.get_args()).current_dir(tool.path());
        shell
    };
    // The second has more than memory may hold. No third: what fits there depends on which is first.
    let of_run = |inputs: &[&str]| tool.run(&["-j2", "-k"], "much", inputs);
    let of_map = |inputs: &[&str]| tool.map(&["-j2", "-k", "--output=none"], "much", inputs);
    for (lacking, whole) in [
        (of_run(&["0", "50"]), of_run(&["0", "50", "1"])),
        (of_map(&["0", "50"]), of_map(&["0", "50", "1"])),
    ] {
        let ended = run(&mut limited(&lacking, 1024));
        let text = ended.check(1).stdout.clone() + &ended.stderr;
        assert!(
            ended.stderr.contains("error: input 2 ("),
            "{}",
            ended.last_words()
        );
        let reason = ": its output could not be kept: File too large";
        assert!(ended.stderr.contains(reason), "{}", ended.last_words());
        assert!(ended.stderr.contains("\nhint: TMPDIR names another place"));
        // What was there before.
        let n_lines = text.lines().filter(|line| line.len() == 1023).count();
        assert!((20 * 1024..50 * 1024).contains(&n_lines), "{n_lines}");
        assert_eq!(ended.last_words(), "error: 1 of 2 inputs failed");
        let ended = run(&mut limited(&whole, 1_000_000));
        assert_eq!(
            (ended.check(0).stdout.clone() + &ended.stderr)
                .lines()
                .count(),
            51 * 1024
        );
    }
    // Standard output is full.
    for command in [
        tool.run(&[], "both", &["1", "2"]),
        tool.map(&[], "length", &["x"]),
    ] {
        let mut shell = self::command("sh");
        shell.args(["-c", "exec \"$@\" > /dev/full", "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        let ended = run(shell.current_dir(tool.path()));
        ended.check(1);
        let reason = "error: cannot write results: No space left on device";
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
    }
}

#[test]
fn cleanup_nothing_is_left_behind_when_it_is_killed() {
    let tool = Tool::new();
    let temporary = tool.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    for backend in ["auto", "process"] {
        for mut command in [
            tool.run(
                &["-j2", "-k", "--backend", backend],
                "much",
                &["100", "100"],
            ),
            tool.map(
                &["-j2", "-k", "--backend", backend],
                "much",
                &["100", "100"],
            ),
        ] {
            let running = Running::start(command.env("TMPDIR", &temporary));
            // It waits for a reader, and has put out what it must keep.
            let start = Instant::now();
            while running.deleted_bytes() < 10 << 20 {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "it keeps nothing"
                );
                std::thread::sleep(Duration::from_millis(5));
            }
            running.signal("KILL");
            assert_eq!(running.end().status, None);
            assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{backend}");
        }
    }
}

#[test]
fn spcchar_names_of_files_may_have_any_character() {
    let tool = Tool::new();
    let names: [&[u8]; 9] = [
        b"My brother's 12\" *** record  (costs $$$).jpg",
        b"`echo $HOME`; rm -rf x & | < > # ~ ! ^ % {} {.} {#} \\ \\n \t",
        b"two\nlines\n",
        b" spaces ",
        b"-n",
        b"--help",
        b":::",
        "ü\u{1F600}\u{202E}".as_bytes(),
        b"no \xff utf-8 \xc3",
    ];
    for (number, name) in names.iter().enumerate() {
        let path = tool.path().join(OsStr::from_bytes(name));
        fs::write(path, vec![b'x'; number + 1]).unwrap();
    }
    let inputs: Vec<&OsStr> = names.iter().map(|name| OsStr::from_bytes(name)).collect();
    // `:::` begins another group of inputs; it can be a name in a stream.
    let plain: Vec<&OsStr> = inputs
        .iter()
        .copied()
        .filter(|name| *name != ":::")
        .collect();
    let sizes = |prefix: &str| -> Vec<String> {
        let sizes = (1..=names.len()).filter(|size| *size != 7);
        sizes.map(|size| format!("{prefix}{size}")).collect()
    };
    for option in ["--keep-order", "--tagstring={#}"] {
        let ended = run(&mut tool.run(&["-j1", option], "size", &plain));
        let lines = ended.check(0).lines();
        let lines = lines
            .iter()
            .map(|line| &line[line.find("size ").unwrap()..]);
        assert!(lines.eq(sizes("size ")), "{}", ended.stdout);
    }
    let mut command = owngil(["map", "-k", "tool.py:size", "--"]);
    let ended = run(command.args(&plain).current_dir(tool.path()));
    assert_eq!(ended.check(0).lines(), sizes(""));
}

#[test]
fn inputsize_an_input_may_have_any_length() {
    let tool = Tool::new();
    // What the system takes as one argument.
    let long = "x".repeat(131_000);
    let ended = run(&mut tool.run(&[], "length", &[&long]));
    assert_eq!(ended.check(0).stdout, "length 131000\n");
    let mut command = owngil(["map", "tool.py:length", &long]);
    let ended = run(command.current_dir(tool.path()));
    assert_eq!(ended.check(0).stdout, "131000\n");
    // And beyond that, from a stream.
    let n = pick(20, 200) << 20;
    let mut text = vec![b'y'; n];
    text.extend_from_slice(b"\nz\n");
    let mut command = owngil(["map", "-k", "tool.py:length"]);
    let ended = run_with(command.current_dir(tool.path()), text);
    assert_eq!(ended.check(0).lines(), [n.to_string(), "1".to_owned()]);
}

#[test]
fn numwords_speed_does_not_depend_on_the_number_of_words() {
    let tool = Tool::new();
    // As many bytes and lines: a word on each, or 2 500 words.
    let (one, many) = (["x 500"; 4], ["many 500"; 4]);
    let time = |inputs: &[&str], of_map: bool| {
        let split: Vec<&str> = inputs.iter().flat_map(|input| input.split(' ')).collect();
        let mut command = match of_map {
            true => tool.map(&["-k"], "words", inputs),
            false => tool.run(&["-k"], "words", &split[..1]),
        };
        if !of_map {
            // The number of lines is the script's own argument, the inputs are the lines.
            command = owngil(["run", "-k", "tool.py", "words", "{}", "500", ":::"]);
            command.args(inputs.iter().map(|input| input.split(' ').next().unwrap()));
            command.current_dir(tool.path());
        }
        let start = Instant::now();
        let measured = measured(&mut command, of_map);
        assert_eq!((measured.status, measured.n_lines), (Some(0), 2000));
        assert_eq!(measured.n_bytes, 2000 * 10_001);
        start.elapsed()
    };
    for of_map in [false, true] {
        let best = |inputs: &[&str]| (0..3).map(|_| time(inputs, of_map)).min().unwrap();
        let (one, many) = (best(&one), best(&many));
        assert!(
            many < 3 * one + Duration::from_millis(200),
            "{one:?}, {many:?}"
        );
    }
    // Inputs with many words, too.
    let input = |line: &str| format!("{line}\n").repeat(500);
    let time = |input: String| {
        let mut command = owngil(["map", "-k", "tool.py:length"]);
        let start = Instant::now();
        let ended = run_with(command.current_dir(tool.path()), input);
        assert_eq!(ended.check(0).lines(), vec!["10000"; 500]);
        start.elapsed()
    };
    let (one, many) = ("x".repeat(10_000), "wor ".repeat(2_500));
    let best = |line: &str| (0..3).map(|_| time(input(line))).min().unwrap();
    let (one, many) = (best(&one), best(&many));
    assert!(
        many < 3 * one + Duration::from_millis(200),
        "{one:?}, {many:?}"
    );
}

#[test]
fn a_line_may_be_longer_than_4_gib() {
    let tool = Tool::new();
    let n_megabytes = pick(40, 4200);
    let input = n_megabytes.to_string();
    for option in ["--keep-order", "--line-buffer"] {
        for (mut command, of_stderr) in [
            (tool.run(&["-j2", option], "line", &["1", &input]), false),
            (tool.map(&["-j2", option], "line", &["1", &input]), true),
        ] {
            let measured = measured(&mut command, of_stderr);
            assert_eq!(measured.status, Some(0), "{}", measured.others);
            assert_eq!(measured.n_bytes, ((n_megabytes + 1) << 20) + 2, "{option}");
            assert_eq!(measured.n_lines, 2);
            assert!(measured.peak_kib < 160 << 10, "{} KiB", measured.peak_kib);
        }
    }
}
