//! `owngil doctor --try` and `--list`: whether private copies of a package hold, and the user's own list.

use std::fs;

use super::report::Place;
use crate::support::{Ended, owngil, run};

/// Raises in the second interpreter that has it, without a copy of its own.
const FINE: &str = "";

/// Ends the process in all interpreters but the main one.
const TIMID: &str = "if (PyInterpreterState_GetID(PyInterpreterState_Get())) abort();";

/// Packages as installers leave them, in the folder `site`.
fn installed() -> Place {
    let place = Place::new();
    for (name, execute, tag) in [
        ("fine", FINE, "manylinux_2_17_x86_64"),
        ("timid", TIMID, "manylinux_2_17_x86_64"),
        ("homemade", FINE, "linux_x86_64"),
        ("lmdb", FINE, "manylinux_2_17_x86_64"),
    ] {
        place.multi_phase(&format!("site.{name}"), "", execute);
        let info = format!("site/{name}-1.5.dist-info");
        place.write(
            &format!("{info}/METADATA"),
            &format!("Name: {name}\nVersion: 1.5\n"),
        );
        place.write(
            &format!("{info}/RECORD"),
            &format!("{name}{},,\n", place.suffix),
        );
        place.write(&format!("{info}/WHEEL"), &format!("Tag: cp3-abi3-{tag}\n"));
    }
    let functions = "import fine\ndef one(x): return [x]\ndef none(): return 1\n\
                     def other(x): return __import__('os').getpid()\n\
                     def never(x): raise ValueError(x)\n";
    place.write("functions.py", functions);
    place
}

fn doctor(place: &Place, arguments: &[&str]) -> Ended {
    let mut command = place.doctor(arguments);
    command.env("PYTHONPATH", place.path("site"));
    run(command.env("XDG_CONFIG_HOME", place.path("config")))
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the doctor is about interpreters of one's own"
)]
fn a_package_that_holds_is_added_and_has_private_copies_from_then_on() {
    let place = installed();
    let mapped = || {
        let mut command = owngil(["map", "-k", "-j", "2", "functions.py:one", "a", "b"]);
        command.current_dir(place.path("."));
        command.env("PYTHONPATH", place.path("site"));
        run(command.env("XDG_CONFIG_HOME", place.path("config")))
    };
    let before = mapped();
    assert_eq!(before.check(0).stdout, "[\"a\"]\n[\"b\"]\n");
    assert_eq!(before.stderr.lines().count(), 1, "{before:?}");
    let reported = "functions.py:one runs in worker processes: fine 1.5 is not among the packages tested on Python 3.";
    assert!(before.stderr.contains(reported), "{before:?}");
    assert!(
        before
            .stderr
            .contains("`owngil doctor --try fine` tests it"),
        "{before:?}"
    );
    let own = place.path("config/owngil/tested.tsv");
    let held = doctor(&place, &["--try", "Fine==1.5"]);
    assert!(
        held.check(0)
            .stdout
            .contains("held: fine imported by four workers at once"),
        "{held:?}"
    );
    assert!(!own.exists());
    for _ in 0..2 {
        let with = [
            "--try",
            "fine",
            "--add",
            "--with",
            "functions.py:one",
            "a",
            "b",
        ];
        let added = doctor(&place, &with);
        assert!(
            added
                .check(0)
                .stdout
                .contains("held: functions.py:one in four workers"),
            "{added:?}"
        );
        let text = fs::read_to_string(&own).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), 1, "{text}");
        assert!(
            rows[0].starts_with("fine\tfine\t3.") && rows[0].contains("\t1.5\t1.5\t"),
            "{text}"
        );
    }
    let without = doctor(&place, &["--try", "fine", "--with", "functions.py:none"]);
    assert!(
        without.check(0).stdout.contains("held: functions.py:none"),
        "{without:?}"
    );
    let after = mapped();
    assert_eq!(after.check(0).stdout, before.stdout);
    let reported = "note: each interpreter has private copies of the extension modules of fine (";
    assert!(after.stderr.starts_with(reported), "{after:?}");
    let known = doctor(&place, &["--json", "fine"]);
    assert!(
        known
            .check(0)
            .stdout
            .contains("\"needs\": \"private-copy\""),
        "{known:?}"
    );
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the doctor is about interpreters of one's own"
)]
fn what_does_not_hold_says_why_and_is_not_added() {
    let place = installed();
    for (arguments, status, reported) in [
        (
            &["--try", "timid", "--add"][..],
            1,
            "crashes in an interpreter: SIGABRT",
        ),
        (
            &["--try", "lmdb", "--add"],
            1,
            "failed: lmdb must not open a file twice in one process",
        ),
        (
            &["--try", "homemade", "--add"],
            0,
            "not added: it is not a published wheel",
        ),
        (
            &[
                "--try",
                "fine",
                "--add",
                "--with",
                "functions.py:other",
                "x",
            ],
            1,
            "gives other results",
        ),
        (
            &["--try", "fine", "--with", "functions.py:never", "x"],
            1,
            "fails in a plain process too",
        ),
        (
            &["--try", "fine==2.0"],
            2,
            "fine 2.0 is not installed; 1.5 is",
        ),
        (
            &["--try", "absent"],
            2,
            "no package absent with native modules is installed",
        ),
        (&["--try", "fine", "x"], 2, "inputs are for its function"),
    ] {
        let ended = doctor(&place, arguments);
        let text = format!("{}{}", ended.check(status).stdout, ended.stderr);
        assert!(text.contains(reported), "{arguments:?}: {text}");
    }
    assert!(!place.path("config/owngil/tested.tsv").exists());
}

#[test]
fn the_list_shows_what_was_tested_and_why_others_run_in_processes() {
    let place = Place::new();
    place.write(
        "config/owngil/tested.tsv",
        "mine\tmine\t3.14\t1.0\t2.0\ttried here\n",
    );
    let list = doctor(&place, &["--list"]);
    let text = &list.check(0).stdout;
    assert!(
        text.contains("mine") && text.contains("1.0 to 2.0"),
        "{text}"
    );
    assert!(text.contains("duckdb: locks a file"), "{text}");
    place.write("config/owngil/tested.tsv", "mine\n");
    let wrong = doctor(&place, &["--list"]);
    assert!(
        wrong
            .stderr
            .contains("tested.tsv: line 1: 1 columns, not 6"),
        "{wrong:?}"
    );
}
