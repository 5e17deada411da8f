//! What is around a run: help topics, completions, manual pages, a project's defaults, the log.

use std::fs;
use std::path::Path;

use crate::support::{command, owngil, run, scripts, words};

#[test]
fn help_lists_topics_and_shows_each() {
    let ended = run(&mut words("help"));
    let (_, topics) = ended
        .check(0)
        .stdout
        .split_once("Topics, with `owngil help TOPIC`:\n")
        .unwrap();
    let topics: Vec<&str> = topics.split([',', '\n', ' ']).collect();
    let topics = topics.iter().filter(|topic| !topic.is_empty());
    let mut n = 0;
    for topic in topics {
        let ended = run(&mut owngil(["help", topic]));
        assert!(ended.check(0).lines().len() > 3, "{topic}");
        let is_markdown = |line: &&str| line.starts_with("```") || line.contains("](");
        assert_eq!(ended.stdout.lines().find(is_markdown), None, "{topic}");
        n += 1;
    }
    assert!(n >= 6, "{}", ended.stdout);
    let ended = run(&mut words("help exit-status"));
    assert!(ended.check(0).stdout.contains("\n  130\n      interrupted"));
    let help = run(&mut words("map --help"));
    assert_eq!(run(&mut words("help map")).check(0).stdout, help.stdout);
    let ended = run(&mut words("help no-such"));
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: there is no topic \"no-such\"\nhint: ")
    );
}

#[test]
fn bash_completes_commands_options_and_files_for_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let completions = run(&mut words("completions bash"));
    fs::write(
        folder.path().join("owngil.bash"),
        &completions.check(0).stdout,
    )
    .unwrap();
    let complete = |line: &str| {
        let script = format!(
            "source ./owngil.bash; COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             _owngil owngil \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = command("bash");
        let ended = run(bash.args(["-c", &script]).current_dir(folder.path()));
        ended.check(0).stdout.clone()
    };
    assert_eq!(complete("owngil do"), "doctor\n");
    assert_eq!(complete("owngil run --keep"), "--keep-order\n");
    assert!(complete("owngil map --extensions ''").contains("strict"));
    // What is left to the shell is the name of a file.
    assert!(completions.stdout.contains("-o default owngil"));
}

#[test]
fn other_shells_get_their_scripts() {
    for (shell, part) in [
        ("zsh", "#compdef owngil"),
        ("fish", "complete -c owngil"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let ended = run(&mut owngil(["completions", shell]));
        assert!(ended.check(0).stdout.contains(part), "{shell}");
    }
    let ended = run(&mut words("completions tcsh"));
    assert!(ended.check(2).stderr.contains("[possible values: bash,"));
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    run(owngil(["man"]).arg(&pages)).check(0);
    for name in [
        "owngil",
        "owngil-map",
        "owngil-run",
        "owngil-bench",
        "owngil-doctor",
    ] {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    let map = fs::read_to_string(pages.join("owngil-map.1")).unwrap();
    assert!(
        map.contains("\\-\\-keep\\-order") && map.contains("Exit status"),
        "{map}"
    );
    let ended = run(&mut words("man"));
    assert!(ended.check(0).stdout.contains(".SH SUBCOMMANDS"));
    let ended = run(&mut words("man /dev/null/man1"));
    assert!(
        ended
            .check(1)
            .stderr
            .starts_with("error: cannot write manual pages to /dev/null/man1\n")
    );
}

/// A project with these defaults, and `owngil` in a folder below.
fn in_project(folder: &Path, defaults: &str, arguments: &str) -> std::process::Command {
    fs::write(folder.join("pyproject.toml"), defaults).unwrap();
    let below = folder.join("below");
    fs::create_dir_all(&below).unwrap();
    for script in ["text.py", "arguments.py"] {
        fs::copy(scripts().join(script), below.join(script)).unwrap();
    }
    let mut command = words(arguments);
    command.current_dir(below);
    command
}

#[test]
fn a_projects_defaults_count_unless_the_command_line_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let defaults =
        "[tool.owngil]\njobs = 3\nverbose = true\n[tool.owngil.map]\ninput = \"jsonl\"\n";
    let in_project = |arguments: &str| run(&mut in_project(folder.path(), defaults, arguments));

    let ended = in_project("run arguments.py");
    assert_eq!(ended.check(0).lines().len(), 3);
    assert!(ended.stderr.starts_with("python: 3."), "{}", ended.stderr);
    assert_eq!(in_project("run -j2 arguments.py").check(0).lines().len(), 2);
    let quiet = in_project("run -q arguments.py");
    assert!(
        !quiet.check(0).stderr.contains("python: 3."),
        "{}",
        quiet.stderr
    );
    let plain = in_project("run -j1 --no-config arguments.py");
    assert!(
        !plain.check(0).stderr.contains("python: 3."),
        "{}",
        plain.stderr
    );
    // What belongs to the script is the script's.
    let ended = in_project("run -q arguments.py --no-config -j 9");
    assert_eq!(ended.check(0).lines().len(), 3);
    assert!(
        ended
            .stdout
            .contains("['arguments.py', '--no-config', '-j', '9']")
    );
}

#[test]
fn a_mistake_in_a_projects_defaults_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (defaults, parts) in [
        (
            "keep_order = true",
            ["no option keep_order\n", "hint: did you mean keep-order?\n"],
        ),
        (
            "jobs = \"many\"",
            ["'many' for '--jobs <N>'", "hint: use --no-config"],
        ),
        (
            "quiet = 1",
            ["quiet: it must be true or false\n", "hint: use --no-config"],
        ),
        ("jobs = ", ["cannot read ", "hint: use --no-config"]),
    ] {
        let defaults = format!("[tool.owngil]\n{defaults}\n");
        let ended = run(&mut in_project(
            folder.path(),
            &defaults,
            "map text.py:same x",
        ));
        assert_eq!(ended.check(2).stdout, "");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert!(ended.stderr.contains("/pyproject.toml"), "{}", ended.stderr);
        parts
            .iter()
            .for_each(|part| assert!(ended.stderr.contains(*part), "{part}: {}", ended.stderr));
        let ended = run(&mut in_project(
            folder.path(),
            &defaults,
            "map --no-config text.py:same x",
        ));
        assert_eq!(ended.check(0).stdout, "\"x\"\n");
    }
}

#[test]
fn the_log_shows_the_events_that_are_asked_for() {
    let log = |filter: &str| {
        let mut command = words("map -q text.py:same x");
        run(command.env("OWNGIL_LOG", filter))
    };
    let ended = log("owngil=debug");
    assert_eq!(ended.check(0).stdout, "\"x\"\n");
    assert!(ended.stderr.contains("DEBUG"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("pool started n_workers=1"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    assert_eq!(log("owngil=error").check(0).stderr, "");
    let ended = log("a=b=c");
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: OWNGIL_LOG=a=b=c cannot be read\n")
    );
}
