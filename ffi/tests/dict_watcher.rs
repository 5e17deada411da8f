//! Dict watchers: which writes to modules and classes are noted, and that nothing else changes by it.

mod support;

use owngil_ffi::{Attached, DictWatcher, Object, PyResult, Runtime};
use support::{eval, in_interpreter};

/// Classes whose attributes are watched, code that writes to them, and what it shows afterwards.
const WRITES: &str = "
import sys, types
noted = []
target, stays = types.ModuleType('target'), types.ModuleType('stays')
target.kept = target.gone = 'before'
exec('class Class: attribute = 1', vars(target))
exec('''
import target
def write(): target.by_one_that_stays = target.Class.attribute = 1
''', vars(sys.modules.setdefault('target', target) and stays))
exec('def write(): global own; own = 1', vars(target))
";

const BY_OTHERS: &str = "
__name__ = 'script'
import target
def fail():
    try: 1 / 0
    finally: target.in_a_finally = 1
target.kept = 'after'; target.kept = 'again'; target.new = 1; del target.gone
target.Class.attribute = 2; target.Class.added = 1
target.write(); sys_stays.write()
try: fail()
except ZeroDivisionError: target.in_a_handler = 1
exec('target.without_a_name = 1', {'target': target})
vars(target)[1] = 1
";

/// Has code in a module `script` write to what is watched, and gives what is noted, as text.
fn noted<'a>(attached: Attached<'a>) -> PyResult<'a, String> {
    let (globals, script) = (attached.dict()?, attached.dict()?);
    attached.exec(WRITES, "<test>", &globals)?;
    let evaluated = |source: &str| attached.eval(source, &globals);
    let modules = evaluated("{id(vars(stays)): None}")?;
    let writes = attached.dict()?;
    let watcher = DictWatcher::new(attached, &modules, &writes)?;
    for owner in ["target", "target.Class"] {
        watcher.watch(&evaluated(owner)?)?;
    }
    assert!(watcher.watch(&evaluated("[]")?).is_err());
    script.insert(&attached.str("sys_stays")?, &evaluated("stays")?)?;
    attached.exec(BY_OTHERS, "<script>", &script)?;
    let n_noted = writes.len();
    watcher.end(attached)?;
    attached.exec("target.after_the_end = 1", "<script>", &script)?;
    assert_eq!(writes.len(), n_noted);
    assert!(watcher.end(attached).is_err());
    globals.insert(&attached.str("writes")?, &writes)?;
    let lines = "'\\n'.join(' '.join([writer, 'target' if variables is vars(target) else 'class', name, *map(str, before)])
        for (_, _, name), (variables, writer, *before) in writes.items())";
    evaluated(lines)?.text()
}

#[test]
fn the_first_write_to_each_name_by_code_of_others_is_noted() {
    if Runtime::IS_FREE_THREADED {
        return;
    }
    let noted = in_interpreter(|attached| match noted(attached) {
        Ok(noted) => noted,
        Err(raised) => panic!("{raised:?}"),
    });
    let expected = "\
script target kept before
script target new
script target gone before
script class attribute 1
script class added
script target in_a_finally
script target in_a_handler";
    assert_eq!(noted, expected);
}

#[test]
fn all_that_a_dict_held_is_noted_when_it_is_cleared() {
    if Runtime::IS_FREE_THREADED {
        return;
    }
    in_interpreter(|attached| {
        let globals = attached.dict().unwrap();
        attached.exec(WRITES, "<test>", &globals).unwrap();
        let target = attached.eval("target", &globals).unwrap();
        let (modules, writes) = (attached.dict().unwrap(), attached.dict().unwrap());
        let watcher = DictWatcher::new(attached, &modules, &writes).unwrap();
        watcher.watch(&target).unwrap();
        let count = || attached.eval("len(vars(target))", &globals).unwrap();
        let n_names = count().as_i64().unwrap();
        let clear = "__name__ = 'script'\nvars(target).clear()";
        attached.exec(clear, "<script>", &globals).unwrap();
        assert_eq!((count().as_i64(), writes.len() as i64), (Some(0), n_names));
    });
}

/// How many references there are to each of what a write passes.
fn counts(objects: &[Object<'_>]) -> Vec<usize> {
    objects.iter().map(Object::n_references).collect()
}

#[test]
fn a_write_that_is_noted_before_takes_no_reference() {
    if Runtime::IS_FREE_THREADED {
        return;
    }
    in_interpreter(|attached| {
        let globals = attached.dict().unwrap();
        attached.exec(WRITES, "<test>", &globals).unwrap();
        let (modules, writes) = (attached.dict().unwrap(), attached.dict().unwrap());
        let watcher = DictWatcher::new(attached, &modules, &writes).unwrap();
        let target = attached.eval("target", &globals).unwrap();
        watcher.watch(&target).unwrap();
        let write = |times: usize| {
            let source =
                format!("__name__ = 'script'\nfor turn in range({times}): target.kept = None");
            attached.exec(&source, "<script>", &globals).unwrap();
        };
        write(1);
        let seen = [
            modules.clone(),
            writes.clone(),
            target.clone(),
            globals.clone(),
        ];
        let before = counts(&seen);
        write(10_000);
        assert_eq!(counts(&seen), before);
    });
}

#[test]
fn a_watcher_is_for_two_dicts_of_its_own_interpreter() {
    if Runtime::IS_FREE_THREADED {
        return;
    }
    let watcher = in_interpreter(|attached| {
        let dict = attached.dict().unwrap();
        assert!(DictWatcher::new(attached, &eval(attached, "[]"), &dict).is_err());
        DictWatcher::new(attached, &dict, &dict).unwrap()
    });
    in_interpreter(move |attached| {
        assert!(
            watcher
                .watch(&eval(attached, "type('Class', (), {})"))
                .is_err()
        );
        assert!(watcher.end(attached).is_err());
    });
}
