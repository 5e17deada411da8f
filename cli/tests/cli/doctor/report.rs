//! `owngil doctor`: what can run where, and why.
//!
//! The extension modules are a few lines of C each, which the test compiles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Ended, command, owngil, plain_python, run};

/// A folder in which modules lie and a cache of its own is kept.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Where Python.h is, and what files of extension modules end in.
    include: String,
    pub(crate) suffix: String,
}

/// What differs between the extension modules: what their slots say, and what happens when they are
/// executed.
const MULTI_PHASE: &str = "
#include <Python.h>
#include <signal.h>
static int execute(PyObject *module) { EXECUTE return 0; }
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, SLOTS {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = \"NAME\", .m_slots = slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&definition); }
";

const SINGLE_PHASE: &str = "
#include <Python.h>
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = \"NAME\", .m_size = -1};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&definition); }
";

pub(crate) const OWN_GIL: &str =
    "{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},";

impl Place {
    pub(crate) fn new() -> Place {
        let python = plain_python();
        let script = "import sysconfig
print(sysconfig.get_path('include'))
print(sysconfig.get_config_var('EXT_SUFFIX'))";
        let reported = run(command(python).args(["-c", script]));
        let lines = reported.check(0).lines();
        Place {
            folder: tempfile::tempdir().unwrap(),
            include: lines[0].to_owned(),
            suffix: lines[1].to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Compiles an extension module; its name may be dotted.
    fn compile(&self, module: &str, source: &str) {
        let name = module.rsplit('.').next().unwrap();
        let base = self.path(&module.replace('.', "/"));
        let (source_file, file) = (
            base.with_extension("c"),
            self.path(&format!("{}{}", module.replace('.', "/"), self.suffix)),
        );
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&source_file, source.replace("NAME", name)).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-I", &self.include, "-o"]);
        let made = cc.arg(&file).arg(&source_file).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{module}: {said}");
    }

    pub(crate) fn multi_phase(&self, module: &str, slots: &str, execute: &str) {
        let source = MULTI_PHASE.replace("SLOTS", slots);
        self.compile(module, &source.replace("EXECUTE", execute));
    }

    /// The doctor in this folder, with a cache in it.
    pub(crate) fn doctor(&self, arguments: &[&str]) -> Command {
        let mut command = owngil(["doctor"]);
        command.args(arguments).current_dir(self.folder.path());
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// What the doctor writes as JSON, and the status that it ends with.
    fn examine(&self, arguments: &[&str]) -> (Value, i32) {
        let ended = run(self.doctor(&["--json"]).args(arguments));
        let report = serde_json::from_str(&ended.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        (report, ended.status.unwrap())
    }
}

#[track_caller]
fn import<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut imports = report["imports"].as_array().unwrap().iter();
    let found = imports.find(|import| import["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

#[track_caller]
fn check(report: &Value, name: &str, needs: &str, why: &str) {
    let import = import(report, name);
    let found = import["why"].as_str().unwrap();
    assert!(
        import["needs"] == needs && found.contains(why),
        "{name} needs {needs} since {why:?}: {import:#}"
    );
}

/// Imports of all kinds.
fn prepared() -> Place {
    let place = Place::new();
    place.multi_phase("willing", OWN_GIL, "");
    place.multi_phase("refusing", "", "");
    place.compile("old", SINGLE_PHASE);
    place.multi_phase("crashing", OWN_GIL, "raise(SIGSEGV);");
    place.multi_phase(
        "timid",
        OWN_GIL,
        "if (PyInterpreterState_GetID(PyInterpreterState_Get())) abort();",
    );
    place.write(
        &format!("broken{}", place.suffix),
        "this is no machine code",
    );
    place.multi_phase("quiet._fast", "", "");
    let quiet = "try:\n    from . import _fast\nexcept ImportError:\n    _fast = None\n";
    place.write("quiet/__init__.py", quiet);
    place.write("needy.py", "import refusing\nimport nothing_like_this\n");
    place.write("plain.py", "import json\n");
    place
}

const SCRIPT: &str = "\
import json
import willing, refusing
from old import *
import crashing
import broken
import timid
from quiet import _fast
import needy
import not_installed
try:
    import optional_one
except ImportError:
    optional_one = None

if TYPE_CHECKING:
    import for_checkers

def late():
    import plain
    raise SystemExit('the script itself never runs')

late()
";

/// Packages that watch imports have such finders.
#[test]
fn a_module_whose_finder_asks_all_others_is_a_row_as_any_other() {
    let place = Place::new();
    let asking = "
import sys

class Asking:
    def find_spec(self, name, path=None, target=None):
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        return next((spec for spec in specs if spec is not None), None)

sys.meta_path.insert(0, Asking())
import asking_later, concurrent.futures
";
    place.write("asking.py", asking);
    place.write("asking_later.py", "");
    place.write("script.py", "import asking\n");
    let (report, status) = place.examine(&["script.py"]);
    assert_eq!(status, 0, "{report:#}");
    check(&report, "asking", "strict", "pure Python");
}

#[test]
fn imports_of_all_kinds_are_rows() {
    let place = prepared();
    place.write("script.py", SCRIPT);
    let (report, status) = place.examine(&["script.py"]);
    assert_eq!(status, 1);
    assert_eq!(
        report["imports"].as_array().unwrap().len(),
        12,
        "{report:#}"
    );
    check(&report, "json", "strict", "part of Python");
    check(&report, "willing", "strict", "loads as it is");
    check(
        &report,
        "refusing",
        "process",
        "`refusing` declares no support",
    );
    check(&report, "old", "process", "single-phase");
    check(
        &report,
        "crashing",
        "broken",
        "`crashing` crashes any Python: SIGSEGV",
    );
    check(&report, "broken", "broken", "`broken` does not load");
    check(
        &report,
        "timid",
        "process",
        "crashes in an interpreter: SIGABRT",
    );
    check(
        &report,
        "quiet",
        "process",
        "`quiet` silently goes on without it",
    );
    check(&report, "needy", "missing", "it needs `nothing_like_this`");
    check(&report, "not_installed", "missing", "not installed");
    check(&report, "optional_one", "missing", "not installed");
    check(&report, "plain", "strict", "pure Python");
    assert_eq!(import(&report, "optional_one")["optional"], true);
    assert_eq!(import(&report, "plain")["lazy"], true);
    assert_eq!(import(&report, "old")["lines"], serde_json::json!([3]));
    let fast = &import(&report, "quiet")["native"];
    let fast = fast.as_array().unwrap().iter();
    let fast = fast.clone().find(|native| native["name"] == "quiet._fast");
    let chain = &fast.unwrap()["chain"];
    assert_eq!(chain, &serde_json::json!(["quiet", "quiet._fast"]));
}

#[test]
fn a_table_is_for_people_and_knows_the_second_time() {
    let place = prepared();
    place.write(
        "script.py",
        "import willing\nimport refusing\nimport broken\n",
    );
    let first = run(&mut place.doctor(&["script.py"]));
    let text = &first.check(1).stdout;
    assert_eq!(first.stderr, "");
    let mut lines = text.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("script.py: 3 imports, Python 3.")
    );
    assert_eq!(
        lines.nth(1).unwrap().split_whitespace().collect::<Vec<_>>(),
        HEAD
    );
    assert!(
        text.contains("\nadvice: Fix or install `broken` first"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let second = run(&mut place.doctor(&["script.py"]));
    assert_eq!(second.check(1).stdout, *text);
    let (report, _) = place.examine(&["script.py"]);
    for name in ["willing", "refusing", "broken"] {
        assert_eq!(import(&report, name)["remembered"], true, "{name}");
    }
    let all = run(&mut place.doctor(&["-v", "script.py"]));
    assert!(
        all.check(1)
            .stdout
            .contains("\n  process       `refusing` declares")
    );
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "private copies are for Linux")]
fn what_was_tested_has_private_copies_and_what_was_not_says_so() {
    let place = Place::new();
    place.multi_phase("listed", "", "");
    place.multi_phase("duckdb", "", "");
    place.multi_phase("untried", "", "");
    place.write("numba.py", "");
    let (report, _) = place.examine(&["json"]);
    let version = report["python"]
        .as_str()
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let minor = version.rsplit_once('.').unwrap().0;
    for (name, version) in [("listed", "1.5"), ("duckdb", "1.0"), ("untried", "3.0")] {
        let info = format!("{name}-{version}.dist-info");
        place.write(
            &format!("{info}/RECORD"),
            &format!("{name}{},,\n", place.suffix),
        );
        place.write(
            &format!("{info}/WHEEL"),
            "Tag: cp3-abi3-manylinux_2_17_x86_64\n",
        );
    }
    place.write(
        "config/owngil/tested.tsv",
        &format!("listed\tlisted\t{minor}\t1.0\t2.0\ttried here\n"),
    );
    let ended = run(place
        .doctor(&["--json", "listed", "duckdb", "untried", "numba"])
        .env("XDG_CONFIG_HOME", place.path("config")));
    let report: Value = serde_json::from_str(&ended.check(0).stdout).unwrap();
    check(
        &report,
        "listed",
        "private-copy",
        "1.0 to 2.0 were tested (tried here)",
    );
    check(
        &report,
        "duckdb",
        "process",
        "locks a file for the whole process",
    );
    check(
        &report,
        "untried",
        "process",
        "untried 3.0 is not among the packages tested on Python 3.",
    );
    check(
        &report,
        "numba",
        "process",
        "`numba` compiles with one LLVM",
    );
    assert_eq!(
        import(&report, "untried")["untested"],
        serde_json::json!(["untried"])
    );
}

const HEAD: [&str; 4] = ["import", "needs", "native", "why"];

#[test]
fn what_is_remembered_holds_until_a_file_changes_and_is_never_trusted() {
    let place = Place::new();
    place.multi_phase("changing", "", "");
    let remembered = |arguments: &[&str]| {
        let (report, status) = place.examine(arguments);
        assert_eq!(status, 0);
        let needs = report["imports"][0]["needs"].as_str().unwrap().to_owned();
        (needs, report["imports"][0]["remembered"].as_bool().unwrap())
    };
    let refused = "process".to_owned();
    assert_eq!(remembered(&["changing"]), (refused.clone(), false));
    assert_eq!(remembered(&["changing"]), (refused.clone(), true));
    assert_eq!(
        remembered(&["--refresh", "changing"]),
        (refused.clone(), false)
    );
    assert_eq!(
        remembered(&["--no-cache", "changing"]),
        (refused.clone(), false)
    );

    place.multi_phase("changing", OWN_GIL, "");
    assert_eq!(remembered(&["changing"]), ("strict".to_owned(), false));
    assert_eq!(remembered(&["changing"]), ("strict".to_owned(), true));

    // Entries that were cut off, or overwritten.
    let entries = |change: &dyn Fn(&Path)| {
        let folder = place.path("cache/owngil/doctor");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let n = files.map(|file| change(&file)).count();
        assert!(n > 0);
    };
    for junk in [&b""[..], b"\x01", b"\x01\xff\xff\xff\xff\xff", &[0; 4096]] {
        entries(&|file| fs::write(file, junk).unwrap());
        assert_eq!(remembered(&["changing"]), ("strict".to_owned(), false));
        assert_eq!(remembered(&["changing"]), ("strict".to_owned(), true));
    }
    entries(&|file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert_eq!(remembered(&["changing"]), ("strict".to_owned(), false));

    // A place where nothing can be kept.
    fs::remove_dir_all(place.path("cache")).unwrap();
    fs::write(place.path("cache"), "").unwrap();
    assert_eq!(remembered(&["changing"]), ("strict".to_owned(), false));
    assert_eq!(remembered(&["changing"]), ("strict".to_owned(), false));
}

#[test]
fn an_import_that_hangs_or_ends_the_process_or_prints_garbage_is_a_row() {
    let place = Place::new();
    place.write("hanging.py", "while True: pass\n");
    let (report, status) = place.examine(&["--time-limit", "2", "hanging"]);
    assert_eq!(status, 1);
    check(
        &report,
        "hanging",
        "broken",
        "importing `hanging` does not end",
    );
    // It may have been a matter of time.
    let (report, _) = place.examine(&["--time-limit", "2", "hanging"]);
    assert_eq!(import(&report, "hanging")["remembered"], false);

    place.write("leaving.py", "import os\nos._exit(7)\n");
    place.write("silent_end.py", "import os\nos._exit(0)\n");
    place.write("saying_no.py", "import sys\nsys.exit('no')\n");
    let noise = "import os, sys\nos.write(1, b'done\\ndone\\n\\xff\\0')\nprint('done')\nos.write(2, b'\\xfe\\n')\n";
    place.write("noisy.py", noise);
    let daemon = "import threading\nthreading.Thread(target=print, daemon=True).start()\n";
    place.write("daemonic.py", daemon);
    let modules = ["leaving", "silent_end", "saying_no", "noisy", "daemonic"];
    let (report, status) = place.examine(&modules);
    assert_eq!(status, 1);
    check(
        &report,
        "leaving",
        "broken",
        "ends the process with status 7",
    );
    check(
        &report,
        "silent_end",
        "broken",
        "ends the process with status 0",
    );
    check(&report, "saying_no", "broken", "it raises SystemExit: no");
    check(&report, "noisy", "strict", "");
    check(&report, "daemonic", "strict", "");
}

#[test]
fn packages_that_are_installed_are_found_by_their_files() {
    let place = Place::new();
    let site = |name: &str| format!("site/{name}");
    place.multi_phase("site.found._native", "", "");
    place.write(&site("found/__init__.py"), "");
    place.write(&site("plain/__init__.py"), "");
    for (name, file) in [
        ("found", format!("found/_native{}", place.suffix)),
        ("plain", "plain/__init__.py".to_owned()),
    ] {
        let folder = site(&format!("{name}-1.5.dist-info"));
        place.write(
            &format!("{folder}/METADATA"),
            &format!("Name: {name}\nVersion: 1.5\n"),
        );
        place.write(&format!("{folder}/RECORD"), &format!("{file},,\n"));
    }
    let mut command = place.doctor(&["--all", "--json"]);
    let ended = run(command.env("PYTHONPATH", place.path("site")));
    let report: Value = serde_json::from_str(&ended.check(0).stdout).unwrap();
    let names: Vec<_> = report["imports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert!(names.contains(&&Value::from("found")) && !names.contains(&&Value::from("plain")));
    assert_eq!(import(&report, "found")["distribution"], "found 1.5");
    check(
        &report,
        "found",
        "process",
        "`found._native`, which `import found` does not load",
    );
}

#[test]
fn what_cannot_be_examined_is_an_error() {
    let place = Place::new();
    place.write("wrong.py", "def f(:\n");
    let reported = |arguments: &[&str], status: i32, text: &str| {
        let ended: Ended = run(&mut place.doctor(arguments));
        assert_eq!(ended.check(status).stdout, "");
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(text),
            "{ended:?}"
        );
    };
    reported(&["nowhere.py"], 2, "cannot load nowhere.py: No such file");
    reported(&["wrong.py"], 2, "SyntaxError");
    reported(&["wrong.py", "json"], 2, "a script is examined alone");
    reported(&[], 2, "required");
    reported(
        &["--python", "/nowhere/python", "json"],
        4,
        "--python names it",
    );
}

#[test]
fn only_children_of_the_doctor_are_trials() {
    let ended = run(&mut owngil(["--owngil-trial", "strict", "/nowhere/python"]));
    assert_eq!(ended.check(1).stdout, "");
    assert!(ended.stderr.contains("/nowhere/python"), "{}", ended.stderr);
}

#[test]
fn a_library_that_python_code_loads_is_a_reason_for_a_process() {
    let place = Place::new();
    let source = place.path("binding.c");
    fs::write(&source, "int answer(void) { return 42; }").unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]);
    let made = cc
        .arg(place.path("libbinding_of_test.so"))
        .arg(&source)
        .status();
    assert!(made.unwrap().success());
    let load = "import ctypes, os\nlibrary = ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'NAME'))\n";
    place.write("binding.py", &load.replace("NAME", "libbinding_of_test.so"));
    // As some do, to go on with slower code of their own.
    let swallowed = "try:\n    from binding import library\nexcept OSError:\n    library = None\n";
    place.write("swallowing.py", swallowed);
    let script = "import binding, swallowing, ctypes, sqlite3, ssl, uuid\nctypes.CDLL(None)\n";
    place.write("script.py", script);
    let (report, _) = place.examine(&["script.py"]);
    for name in ["binding", "swallowing"] {
        let import = import(&report, name);
        assert_eq!(import["needs"], "process", "{import:#}");
        let why = import["why"].as_str().unwrap();
        assert!(why.contains("loads libbinding_of_test.so"), "{why}");
    }
    // 3.12 refuses `ctypes` itself, and `datetime`, which `sqlite3` uses.
    let skipped = if cfg!(Py_3_13) { 0 } else { 2 };
    for name in &["ctypes", "sqlite3", "ssl", "uuid"][skipped..] {
        assert_ne!(import(&report, name)["needs"], "process", "{name}");
    }
}
