//! `owngil::doctor` without trials: what source and symbol tables tell, with nothing run.

use std::fs;
use std::path::Path;
use std::process::Command;

use owngil::doctor::{Doctor, Need, Report, Subject};
use owngil::{Function, Initialization, Interpreter};

/// By source and symbol tables alone.
fn examine(subject: &Subject) -> Report {
    Doctor::new().without_cache().examine(subject).unwrap()
}

/// Compiles an extension module that is made in one phase, and that would end the process.
fn compile(folder: &Path, name: &str) {
    let [include, suffix]: [String; 2] = Interpreter::scope(|python| {
        python.exec("import sysconfig")?;
        python.eval("(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'))")
    })
    .unwrap();
    let source = format!(
        "#include <Python.h>
#include <signal.h>
static PyModuleDef definition = {{PyModuleDef_HEAD_INIT, .m_name = \"{name}\"}};
PyMODINIT_FUNC PyInit_{name}(void) {{ raise(SIGSEGV); return PyModule_Create(&definition); }}"
    );
    let file = folder.join(format!("{name}.c"));
    fs::write(&file, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-I", &include, "-o"]);
    cc.arg(folder.join(format!("{name}{suffix}"))).arg(file);
    assert!(cc.status().unwrap().success());
}

#[test]
fn symbol_tables_tell_what_refuses_without_running_it() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), "old");
    let script = folder.path().join("script.py");
    let source = "import json, old, os.path\nfrom not_there import x\nraise SystemExit(3)\n";
    fs::write(&script, source).unwrap();
    let function = Function::file(&script, "f");
    let report = examine(&Subject::of(&function).unwrap());
    let needs: Vec<_> = report
        .imports
        .iter()
        .map(|one| (&*one.name, one.need))
        .collect();
    let expected = [
        ("json", Need::Unknown),
        ("old", Need::Process),
        ("os", Need::Unknown),
        ("not_there", Need::Missing),
    ];
    assert_eq!(needs, expected);
    assert_eq!(report.need(), Need::Missing);
    let old = &report.imports[1].native[0];
    assert_eq!(old.initialization, Some(Initialization::SinglePhase));
    assert!(old.chain.is_empty() && !report.imports[1].is_remembered);
}

#[test]
fn functions_name_what_is_examined() {
    assert_eq!(
        Subject::of(&Function::at("numpy.linalg:svd")),
        Some(Subject::modules(["numpy.linalg"]))
    );
    assert_eq!(Subject::of(&Function::source("f = 1", "f")), None);
}

#[test]
fn imports_are_read_from_the_source_with_their_circumstances() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.py");
    let source = "\
from __future__ import annotations
import a_one.x as x, a_two
from a_one import y, z
from . import sibling
if TYPE_CHECKING:
    import checkers
else:
    import a_three
try:
    import a_four
except (ImportError, KeyError):
    import a_five
with contextlib.suppress(ModuleNotFoundError):
    import a_six
try:
    import a_seven
except ValueError:
    pass
class Late:
    import a_eight
    def f(self):
        import a_nine
        importlib.import_module('a_ten')
        importlib.import_module(name)
        __import__('a_two')
";
    fs::write(&script, source).unwrap();
    let report = examine(&Subject::Script(script));
    let found: Vec<_> = report
        .imports
        .iter()
        .map(|one| (&*one.name, one.is_lazy, one.is_optional))
        .collect();
    let expected = [
        ("a_one", false, false),
        ("a_two", false, false),
        ("a_three", false, false),
        ("a_four", false, true),
        ("a_five", false, false),
        ("a_six", false, true),
        ("a_seven", false, false),
        ("a_eight", false, false),
        ("a_nine", true, false),
        ("a_ten", true, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.imports[0].targets, ["a_one.x", "a_one y z"]);
    assert_eq!(report.imports[0].lines, [2, 3]);
    assert_eq!(report.imports[1].lines, [2, 25]);
}
