//! Which Python is used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{command, owngil, run, scripts, words};

/// The executable that a command's Python takes itself for.
fn executable(command: &mut Command) -> PathBuf {
    let ended = run(command);
    serde_json::from_str(ended.check(0).stdout.trim_end()).unwrap()
}

fn environment(folder: &Path) {
    let python = executable(&mut words("map text.py:executable x"));
    let mut make = command(python);
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
