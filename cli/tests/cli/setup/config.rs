//! A project's defaults, and `--no-config`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{run, scripts, words};

/// A project with these defaults, and `owngil` in a folder below.
fn in_project(folder: &Path, defaults: &str, arguments: &str) -> Command {
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
fn a_mistake_in_a_projects_defaults_is_reported_before_anything_runs() {
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
