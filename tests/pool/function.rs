//! Functions and scripts: what is loaded, how often, and what is said where it cannot be.

use std::collections::HashSet;

use crate::support::{self, BACKENDS, builder, f, pool, rows};
use owngil::{Backend, Error, Function, LoadErrorKind, OutputPolicy, Pool, Value};
use serde::Serialize;

#[test]
fn a_function_that_cannot_be_loaded_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("scoring_one.py", "def score(x): return x\nvalue = 3\n");
    let broken = write("broken_one.py", "def score(x) return x\n");
    let raising = write("raising_one.py", "import no_such_module_at_all\n");
    let missing = format!("{}/scoring_two.py:score", folder.path().display());
    let cases = [
        (missing, LoadErrorKind::MissingFile, "scoring_one.py"),
        (
            format!("{good}:scroe"),
            LoadErrorKind::MissingName,
            "did you mean score?",
        ),
        (format!("{good}:value"), LoadErrorKind::NotCallable, ""),
        (format!("{broken}:score"), LoadErrorKind::Syntax, ""),
        (format!("{raising}:score"), LoadErrorKind::Import, ""),
        (
            "jsn:dumps".to_owned(),
            LoadErrorKind::MissingModule,
            "did you mean json?",
        ),
        (
            "json:JSONDecoder.decod".to_owned(),
            LoadErrorKind::MissingName,
            "decode",
        ),
        ("nonsense".to_owned(), LoadErrorKind::Reference, "FILE.py"),
    ];
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        for (reference, kind, hint) in rows(&cases) {
            let function = Function::at(reference);
            let Err(Error::Load(error)) = pool.load(&function) else {
                panic!("{reference}")
            };
            assert_eq!(error.kind, *kind, "{error}");
            assert!(
                error.hint.clone().unwrap_or_default().contains(hint),
                "{error:?}"
            );
            let has_cause = matches!(kind, LoadErrorKind::Syntax | LoadErrorKind::Import);
            assert_eq!(error.cause.is_some(), has_cause, "{error:?}");
            // Without loading it first, a call and a map say the same, and a map says it once.
            assert_eq!(
                pool.call::<Value, _>(&function, 1),
                Err(Error::Load(error.clone()))
            );
            let all: Vec<_> = pool.map::<Value, _>(&function, 0..1000).collect();
            assert_eq!(all, [Err(Error::Load(error))]);
        }
        assert_eq!(
            pool.call::<i32, _>(&Function::at(format!("{good}:score")), 1),
            Ok(1)
        );
    }
}

#[test]
fn a_module_is_imported_once_per_worker_and_finds_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("neighbour_mod.py"),
        "def twice(x): return 2 * x\n",
    )
    .unwrap();
    let path = folder.path().join("counted_mod.py");
    std::fs::write(
        &path,
        "
import neighbour_mod
n_calls = 0
class Tools:
    @staticmethod
    def count(x):
        global n_calls
        n_calls += 1
        return n_calls, neighbour_mod.twice(x), __name__
",
    )
    .unwrap();
    let pool = pool(support::PARALLEL, 1);
    let count = Function::file(&path, "Tools.count");
    for n in 1..=3 {
        let (calls, twice, name): (u32, u32, String) = pool.call(&count, n).unwrap();
        assert_eq!((calls, twice, name.as_str()), (n, 2 * n, "counted_mod"));
    }
}

#[test]
fn workers_that_share_an_interpreter_import_a_module_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow_mod.py");
    let source = "
import time
time.sleep(0.05)
mark = object()
def f(): return id(mark)
";
    std::fs::write(&path, source).unwrap();
    let pool = pool(Backend::Thread, 4);
    pool.load(&Function::file(&path, "f")).unwrap();
    let marks: HashSet<u64> = pool
        .broadcast(&Function::file(&path, "f"), ())
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(marks.len(), 1);
}

#[test]
fn an_initializer_runs_once_on_every_worker_and_its_failure_is_the_pools() {
    let source = "
ready = []
def start(x):
    ready.append(x)
    if x < 0: raise ValueError('negative')
def state():
    return ready
";
    let (start, state) = (
        Function::source(source, "start"),
        Function::source(source, "state"),
    );
    let pool = Pool::builder()
        .workers(3)
        .initializer(&start, 5)
        .build()
        .unwrap();
    // Threads of one interpreter have one list.
    let n_times = if support::PARALLEL == Backend::Thread {
        3
    } else {
        1
    };
    for result in pool.broadcast::<Vec<i32>, _>(&state, ()).unwrap() {
        assert_eq!(result, Ok(vec![5; n_times]));
    }
    let error = Pool::builder()
        .workers(2)
        .initializer(&start, -1)
        .build()
        .unwrap_err();
    assert!(matches!(&error, Error::Worker { .. }), "{error:?}");
    assert_eq!(error.python().unwrap().message(), "negative");
    let broken = Function::at("no_such_module_here:f");
    let error = Pool::builder()
        .initializer(&broken, ())
        .build()
        .unwrap_err();
    assert!(
        matches!(&error, Error::Worker { source, .. } if matches!(**source, Error::Load(_))),
        "{error:?}"
    );
}

#[test]
fn a_script_runs_as_main_with_its_arguments_in_a_fresh_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script_one.py");
    let source = "
import sys, threading, time
assert __name__ == '__main__'
assert sys.modules['__main__'].__dict__ is globals()
assert 'seen' not in globals()
seen = True
print(sys.argv[1:], __file__ == sys.argv[0])
def late():
    time.sleep(0.02); print('late')
threading.Thread(target=late).start()
if sys.argv[1] == 'exit': sys.exit(int(sys.argv[2]))
if sys.argv[1] == 'say': sys.exit('last words')
if sys.argv[1] == 'raise': raise ValueError('no')
";
    std::fs::write(&path, source).unwrap();
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 2)
            .output(OutputPolicy::Capture)
            .build()
            .unwrap();
        let script = Function::script(&path);
        let run = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|a| Value::from(*a)).collect();
            let inputs = std::iter::once(Value::Tuple(arguments));
            pool.map::<i32, _>(&script, inputs.map(Spread))
                .completed()
                .next()
                .unwrap()
        };
        let fine = run(&["a", "b c"]);
        assert_eq!(fine.result, Ok(0));
        // On threads of one interpreter the output of the late thread belongs to no call.
        let stdout = String::from_utf8(fine.output.stdout).unwrap();
        let late = if backend == Backend::Thread {
            ""
        } else {
            "late\n"
        };
        assert_eq!(stdout, format!("['a', 'b c'] True\n{late}"));
        assert_eq!(run(&["exit", "300"]).result, Ok(300 & 0xFF));
        let said = run(&["say"]);
        assert_eq!(
            (said.result, said.output.stderr),
            (Ok(1), b"last words\n".to_vec())
        );
        let error = run(&["raise"]).result.unwrap_err();
        assert_eq!(error.python().unwrap().to_string(), "ValueError: no");
        // Two at a time, also where they share an interpreter, each has its own arguments.
        std::fs::write(
            folder.path().join("own_args.py"),
            "
import sys, time
before = sys.argv[1]
time.sleep(0.002)
assert sys.argv[1] == before
print(before)",
        )
        .unwrap();
        let script = Function::script(folder.path().join("own_args.py"));
        let numbers = (0..40).map(|number: u32| number.to_string());
        for completed in pool.map::<i32, _>(&script, numbers).completed() {
            assert_eq!(completed.result, Ok(0));
            let printed = String::from_utf8(completed.output.stdout).unwrap();
            assert_eq!(printed, format!("{}\n", completed.index));
        }
    }
}

/// Not on threads: there other tests' scripts run in the same interpreter, and put back what they have found.
#[test]
fn what_functions_change_between_scripts_is_what_scripts_find() {
    let source = "
import os
def change(value): os.environ['BETWEEN'] = value
def look(): return os.environ.get('BETWEEN')
";
    let [change, look] = ["change", "look"].map(|name| Function::source(source, name));
    let script = "
import os
print(os.environ.get('BETWEEN'))
os.environ['BETWEEN'] = 'of a script'
";
    let script = Function::script_text(None, script);
    let own = BACKENDS
        .into_iter()
        .filter(|backend| *backend != Backend::Thread);
    for backend in rows(own) {
        let pool = builder(backend, 1).output(OutputPolicy::Capture);
        let pool = pool.build().unwrap();
        let printed = || {
            let completed = pool.map::<i32, _>(&script, [()]).completed().next();
            String::from_utf8(completed.expect("one").output.stdout).expect("text")
        };
        printed();
        for value in ["first", "second"] {
            pool.call::<(), _>(&change, value).expect("it is set");
            assert_eq!(
                [printed(), printed()].concat(),
                format!("{value}\n{value}\n")
            );
            let found = pool.call::<String, _>(&look, ());
            assert_eq!(found.as_deref(), Ok(value));
        }
    }
}

/// A tuple whose items become the arguments.
struct Spread(Value);

impl Serialize for Spread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let Value::Tuple(items) = &self.0 else {
            unreachable!()
        };
        let mut tuple = serializer.serialize_tuple(items.len())?;
        items
            .iter()
            .try_for_each(|item| tuple.serialize_element(item))?;
        tuple.end()
    }
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: threads are refused nothing")]
fn refusals_of_cpython_come_with_a_hint() {
    let pool = pool(support::PARALLEL, 1);
    for source in [
        "import os\ndef f(): os.fork()",
        "import os\ndef f(): os.execv('/bin/true', ['true'])",
        "import signal\ndef f(): signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "def f(): import readline",
        "import readline\ndef f(): pass",
    ] {
        let error = pool.call::<(), _>(&f(source), ()).unwrap_err();
        assert!(error.hint().is_some(), "{source}: {error:?}");
    }
    let plain = pool.call::<(), _>(&f("def f(): 1 / 0"), ()).unwrap_err();
    assert_eq!(plain.hint(), None);
}

#[test]
fn what_functions_import_while_a_script_runs_in_their_interpreter_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let waits = "
import os, sys, time
open(sys.argv[1] + '/runs', 'w').close()
while not os.path.exists(sys.argv[1] + '/go'): time.sleep(0.001)
import of_the_script
";
    let script = Function::script(file("waits.py", waits));
    let keeper = "
import importlib, sys, late_mod
mark = object()
def f(name):
    importlib.import_module(name)
    return id(mark)
def imported(name):
    return name in sys.modules
";
    for name in ["of_the_script", "late_mod", "later_mod", "last_mod"] {
        file(&format!("{name}.py"), "");
    }
    let keeper = file("keeper_mod.py", keeper);
    let (runs, go) = (folder.path().join("runs"), folder.path().join("go"));
    let (scripts, functions) = (pool(Backend::Thread, 1), pool(Backend::Thread, 1));
    let run = scripts
        .submit::<i32, _>(&script, (folder.path().to_str().unwrap(),))
        .unwrap();
    while !runs.exists() {
        std::thread::yield_now();
    }
    let mark = |name: &str| functions.call::<u64, _>(&Function::file(&keeper, "f"), name);
    let imported =
        |name: &str| functions.call::<bool, _>(&Function::file(&keeper, "imported"), name);
    let before = mark("later_mod").unwrap();
    std::fs::write(go, "").unwrap();
    assert_eq!(run.wait(), Ok(0));
    // The folder of the functions can be imported from as before, too.
    assert_eq!(mark("last_mod"), Ok(before));
    assert_eq!(imported("late_mod"), Ok(true));
    assert_eq!(imported("later_mod"), Ok(true));
    assert_eq!(imported("of_the_script"), Ok(false));
}
