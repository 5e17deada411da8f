//! Which Python is used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{command, owngil, plain_python, run, scripts, words};

/// The executable that a command's Python takes itself for.
fn executable(command: &mut Command) -> PathBuf {
    let ended = run(command);
    serde_json::from_str(ended.check(0).stdout.trim_end()).unwrap()
}

fn environment(folder: &Path) {
    let mut make = command(plain_python());
    let made = run(make.args(["-m", "venv", "--without-pip"]).arg(folder));
    made.check(0);
}

#[test]
fn a_virtual_environment_is_found_here_or_above_or_named() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let (found, named) = (home.join("work/.venv"), home.join("named"));
    let below = home.join("work/src");
    fs::create_dir_all(&below).unwrap();
    environment(&found);
    environment(&named);

    let function = format!("{}:executable", scripts().join("text.py").display());
    let map = |options: &[&str]| {
        let mut command = owngil(["map", &function, "x"]);
        command.args(options).current_dir(&below);
        command
    };
    let in_folder = |path: PathBuf, folder: &Path| {
        assert!(
            path.starts_with(folder),
            "{} in {}",
            path.display(),
            folder.display()
        );
    };
    in_folder(executable(&mut map(&[])), &found);
    in_folder(executable(map(&[]).env("VIRTUAL_ENV", &named)), &named);
    in_folder(executable(map(&[]).env("CONDA_PREFIX", &named)), &named);
    in_folder(
        executable(map(&[]).env("OWNGIL_PYTHON", named.join("bin/python"))),
        &named,
    );
    let mut command = map(&["--python", named.to_str().unwrap()]);
    in_folder(executable(command.env("VIRTUAL_ENV", "/nowhere")), &named);

    let said = run(&mut map(&["-v"]));
    let expected = format!("{}: it is the .venv here or above)", found.display());
    assert!(
        said.check(0).stderr.starts_with("python: 3."),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.lines().next().unwrap().ends_with(&expected),
        "{}",
        said.stderr
    );
}

#[test]
fn an_environment_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    fs::write(folder.path().join("bin/python3"), "").unwrap();
    fs::write(
        folder.path().join("pyvenv.cfg"),
        "home = /usr/bin\nversion = 3.9.18\n",
    )
    .unwrap();
    let mut command = words("map text.py:same x");
    let ended = run(command.env("VIRTUAL_ENV", folder.path()));
    ended.check(4);
    assert!(
        ended.stderr.contains("is Python 3.9.18"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("was chosen: VIRTUAL_ENV names it\nhint: name a Python 3.")
    );
}

const BLOCK: &str = "# /// script\n# requires-python = \">=3.12\"\n# dependencies = [\"rich\"]\n# ///\n\
    import sys\nprint(sys.executable)\ndef executable(x): return sys.executable\n";

/// A folder with a script that has a block, and a uv that runs this.
fn with_uv(block: &str, uv: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("needs.py"), block).unwrap();
    let path = folder.path().join("bin/uv");
    fs::create_dir(folder.path().join("bin")).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{uv}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `owngil` there, where no other uv is.
fn there(folder: &Path, arguments: &str) -> Command {
    let mut command = words(arguments);
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    command.current_dir(folder).env("PATH", path);
    command
}

#[test]
fn a_script_with_a_pep_723_block_runs_in_the_environment_that_uv_makes() {
    let home = tempfile::tempdir().unwrap();
    let made = home.path().canonicalize().unwrap().join("made");
    environment(&made);
    let other = home.path().join("other");
    environment(&other);
    let uv = format!(
        "echo \"$@\" >> words\nif [ \"$1\" = python ]; then echo {}/bin/python; fi",
        made.display()
    );
    let folder = with_uv(BLOCK, &uv);
    let run_in = |arguments: &str, variable: &str| {
        let mut command = there(folder.path(), arguments);
        let ended = run(command.env(variable, &other));
        ended.check(0);
        ended
    };
    // It ranks below --python and OWNGIL_PYTHON, and above VIRTUAL_ENV.
    let ended = run_in("run -v needs.py ::: 1", "VIRTUAL_ENV");
    assert!(
        ended.stdout.starts_with(made.to_str().unwrap()),
        "{}",
        ended.stdout
    );
    let why = "uv made it for the PEP 723 block of needs.py)";
    assert!(
        ended.stderr.lines().next().unwrap().ends_with(why),
        "{}",
        ended.stderr
    );
    let ended = run_in("map needs.py:executable 1", "VIRTUAL_ENV");
    assert!(
        ended.stdout.contains(made.to_str().unwrap()),
        "{}",
        ended.stdout
    );
    let ended = run_in("run -q needs.py ::: 1", "OWNGIL_PYTHON");
    assert!(
        ended.stdout.starts_with(other.to_str().unwrap()),
        "{}",
        ended.stdout
    );
    let asked = fs::read_to_string(folder.path().join("words")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(asked.len(), 4);
    assert!(
        asked[0].starts_with("sync --script=needs.py --python=3."),
        "{asked:?}"
    );
    assert_eq!(asked[1], "python find --script=needs.py");
}

#[test]
fn a_block_that_cannot_be_met_is_an_error_that_names_both_versions_and_the_way_out() {
    let folder = with_uv(BLOCK, "echo no such package >&2; exit 2");
    let ended = run(&mut there(folder.path(), "run needs.py ::: 1"));
    ended.check(4);
    assert_eq!(
        ended.stderr,
        "error: there is no environment for the PEP 723 block of needs.py\n\
         caused by: uv said: no such package\nhint: --python PATH passes the block over\n"
    );
    let folder = with_uv(&BLOCK.replace(">=3.12", ">=3.99"), "exit 3");
    let ended = run(&mut there(folder.path(), "run needs.py ::: 1"));
    ended.check(4);
    let start = "error: needs.py asks for Python >=3.99, and owngil is linked with 3.";
    assert!(ended.stderr.starts_with(start), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("\nhint: build owngil for such a Python"),
        "{}",
        ended.stderr
    );
    let folder = with_uv(&BLOCK.replace("[\"rich\"]", "["), "exit 3");
    let ended = run(&mut there(folder.path(), "run needs.py ::: 1"));
    let start = "error: the PEP 723 block of needs.py cannot be read\n";
    assert!(ended.check(2).stderr.starts_with(start), "{}", ended.stderr);
}

#[test]
fn without_uv_a_block_with_dependencies_is_reported_and_the_run_goes_on() {
    let folder = with_uv(BLOCK, "");
    fs::remove_file(folder.path().join("bin/uv")).unwrap();
    let ended = run(&mut there(folder.path(), "run needs.py ::: 1"));
    let note =
        "note: needs.py depends on rich (PEP 723), and uv, which would install it, is missing; ";
    assert!(ended.check(0).stderr.starts_with(note), "{}", ended.stderr);
    let ended = run(&mut there(folder.path(), "run -q needs.py ::: 1"));
    assert_eq!(ended.check(0).stderr, "");
    let without = BLOCK.replace("\"rich\"", "");
    fs::write(folder.path().join("needs.py"), without).unwrap();
    let ended = run(&mut there(folder.path(), "run needs.py ::: 1"));
    assert_eq!(ended.check(0).stderr, "");
}

#[test]
fn the_python_of_a_project_ranks_below_the_variable() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    environment(&home.join("env"));
    environment(&home.join("other"));
    fs::write(
        home.join("pyproject.toml"),
        "[tool.owngil]\npython = \"env\"\n",
    )
    .unwrap();
    let below = home.join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("needs.py"), BLOCK).unwrap();
    let there = |arguments: &str| {
        let mut command = words(arguments);
        command.current_dir(&below);
        command
    };
    let ended = run(&mut there("map -v needs.py:executable 1"));
    let env = home.join("env");
    assert!(
        ended.check(0).stdout.contains(env.to_str().unwrap()),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("[tool.owngil] names it)"),
        "{}",
        ended.stderr
    );
    let mut command = there("map needs.py:executable 1");
    let ended = run(command.env("OWNGIL_PYTHON", home.join("other")));
    assert!(
        ended.check(0).stdout.contains("/other/"),
        "{}",
        ended.stdout
    );
}
