//! Interpreters that Python code makes by itself, and those of others, which it is kept away from. 3.12
//! refuses the module.

use crate::support::f;
use owngil::{Error, Extensions, Pool, Value};

fn three_workers() -> Pool {
    let pool = Pool::builder().workers(3).extensions(Extensions::Strict);
    pool.build().unwrap()
}

/// What each of three workers gives at once.
fn each(pool: &Pool, source: &str) -> Vec<Result<Value, Error>> {
    pool.broadcast::<Value, _>(&f(source), ()).unwrap()
}

/// As import hooks of packages do that watch what is imported.
#[test]
fn a_finder_that_asks_all_others_finds_the_module_guarded() {
    let pool = three_workers();
    let found = each(
        &pool,
        r"
import sys

class Asking:
    def find_spec(self, name, path=None, target=None):
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        return next((spec for spec in specs if spec is not None), None)

def f():
    for place in 0, len(sys.meta_path):
        sys.modules.pop('_interpreters', None)
        finder = Asking()
        sys.meta_path.insert(place, finder)
        import _interpreters
        sys.meta_path.remove(finder)
        try:
            _interpreters.destroy(2**40)
        except _interpreters.InterpreterError as error:
            assert 'owngil keeps them apart' in str(error), error
",
    );
    for outcome in found {
        outcome.unwrap();
    }
}

#[test]
fn code_uses_the_interpreters_that_it_has_made() {
    let pool = three_workers();
    let found = each(
        &pool,
        "
import _interpreters
def f():
    before = len(_interpreters.list_all())
    for n in range(5):
        made = _interpreters.create(reqrefs=True)
        assert len(_interpreters.list_all()) == before + 1
        failed = _interpreters.run_string(made, 'import json, threading; x = json.loads(str(1))')
        assert failed is None, failed
        assert _interpreters.run_string(made, 'y') is not None
        _interpreters.incref(made)
        assert _interpreters.is_running(made) is False
        if n % 2:
            _interpreters.destroy(made)
        else:
            _interpreters.decref(made)
    assert len(_interpreters.list_all()) == before
    return before
",
    );
    // The main one, which is there in plain Python too, and the worker's own; no other worker's.
    assert!(
        found.iter().all(|found| *found == Ok(Value::Int(2))),
        "{found:?}"
    );
}

#[test]
fn code_cannot_end_or_enter_an_interpreter_that_it_did_not_make() {
    let pool = three_workers();
    let source = r#"
import _interpreters
def f():
    own, _ = _interpreters.get_current()
    attacks = [
        'destroy(id)', 'run_string(id, "x = 1")', 'exec(id, "x = 1")', 'incref(id)', 'decref(id)',
        'run_func(id, print)', 'set___main___attrs(id, {})', 'destroy(id=id, restrict=False)', 'whence(id)',
    ]
    class Index:
        def __index__(self):
            return self.id
    made = _interpreters.create()
    n = 0
    for other in range(own + 3):
        for attack in attacks:
            for number in other, Index():
                if number is not other:
                    number.id = other
                if other in (own, 0, made) and 'whence' in attack or other == made:
                    continue
                try:
                    eval('_interpreters.' + attack, {'id': number, '_interpreters': _interpreters})
                except _interpreters.InterpreterError as error:
                    n += 'not made by this one' in str(error)
        # Nor through one that it has made.
        if other != made:
            code = f'import _interpreters\ntry:\n    _interpreters.destroy({other})\n'
            code += 'except _interpreters.InterpreterError as error:\n    assert "not made" in str(error)\n'
            code += 'else:\n    raise SystemError'
            failed = _interpreters.run_string(made, code)
            assert failed is None, failed
            n += 1
    _interpreters.destroy(made)
    assert n > 20
    return True
"#;
    for _ in 0..3 {
        let found = each(&pool, source);
        assert!(
            found.iter().all(|found| *found == Ok(Value::Bool(true))),
            "{found:?}"
        );
    }
}

#[test]
#[cfg_attr(not(Py_3_14), ignore = "concurrent.interpreters came with 3.14")]
fn the_standard_librarys_own_interpreters_work_in_a_task() {
    let found = each(
        &three_workers(),
        "
from concurrent import interpreters
from concurrent.futures import InterpreterPoolExecutor
def f():
    made = interpreters.create()
    made.exec('x = 1')
    assert made.call(len, 'abc') == 3
    made.close()
    for one in interpreters.list_all():
        if one.id != 0:
            try:
                one.close()
            except interpreters.InterpreterError:
                pass
    with InterpreterPoolExecutor(2) as pool:
        return sum(pool.map(abs, [-1, -2, -3]))
",
    );
    assert!(
        found.iter().all(|found| *found == Ok(Value::Int(6))),
        "{found:?}"
    );
}
