//! Extension modules from private copies: modules of every kind, made here with the C compiler, in four
//! interpreters at once.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use owngil::{
    Error, Extensions, Function, Initialization, Interpreter, Pool, PythonError, Refusal, Value,
};

use crate::support;

/// The folder with the package `pack`, made once.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("extensions");
        let pack = folder.join("pack");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&pack).unwrap();
        let write = |path: &str, text: &str| std::fs::write(folder.join(path), text).unwrap();
        write("pack/__init__.py", "");
        write("copies.py", include_str!("copies.py"));
        // As packages do that have a slow version of everything.
        let fallback = "
try:
    from pack.late import Thing
    kind = 'native'
except ImportError:
    kind = 'slow'
";
        write("pack/fallback.py", fallback);
        let include = Interpreter::scope(|python| {
            python.exec("import sysconfig")?;
            python.eval::<String>("sysconfig.get_path('include')")
        });
        let include = format!("-I{}", include.unwrap());
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
        let compile = |name: &str, source: &str, arguments: &[&str]| {
            let mut cc = Command::new("cc");
            cc.args([
                "-shared",
                "-fPIC",
                "-O1",
                "-Wl,-rpath,$ORIGIN",
                &include,
                "-o",
            ]);
            cc.arg(pack.join(name).with_extension("so"))
                .arg(sources.join(source));
            let done = cc.args(arguments).status().unwrap();
            assert!(done.success(), "{name}");
        };
        for name in [
            "single", "inner", "provider", "consumer", "threaded", "states", "older",
        ] {
            compile(name, &format!("{name}.c"), &[]);
        }
        for name in ["raises_at_once", "raises_later", "says_nothing", "is_fine"] {
            compile(name, "raising.c", &[]);
        }
        for (name, says) in [
            ("multi", ""),
            ("late", ""),
            ("none", "-DSAYS=Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED"),
            ("shared", "-DSAYS=Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED"),
            ("willing", "-DSAYS=Py_MOD_PER_INTERPRETER_GIL_SUPPORTED"),
        ] {
            let name_of = format!("-DNAME=PyInit_{name}");
            let says: Vec<_> = std::iter::once(&*name_of)
                .chain([says].into_iter().filter(|s| !s.is_empty()))
                .collect();
            compile(name, "multi.c", &says);
        }
        let refused = "-DSAYS=Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED";
        compile("exported", "exported.c", &["-DNAME=PyModExport_exported"]);
        // By punycode.
        compile(
            "bücher",
            "exported.c",
            &["-DNAME=PyModExportU_bcher_kva", refused],
        );
        folder
    })
}

fn function(name: &str) -> Function {
    Function::at(format!("{}/copies.py:{name}", folder().display()))
}

fn four_workers(extensions: Extensions) -> Pool {
    folder();
    Pool::builder()
        .workers(4)
        .extensions(extensions)
        .build()
        .unwrap()
}

/// The exception of every worker.
fn raised(pool: &Pool, name: &str, argument: &str) -> Vec<PythonError> {
    let results = pool
        .broadcast::<Value, _>(&function(name), (argument,))
        .unwrap();
    let errors = results.into_iter().map(|result| match result {
        Err(Error::Python(error)) => error,
        other => panic!("{name}({argument}): {other:?}"),
    });
    errors.collect()
}

#[test]
fn variables_of_an_extension_are_each_interpreters_own() {
    let pool = four_workers(Extensions::Private);
    // Four at once count without a lock: had they one number, or one object, some would be lost.
    for round in 1..=3_i64 {
        let found = pool
            .broadcast::<(i64, i64), _>(&function("single"), (1_000_000,))
            .unwrap();
        assert!(
            found
                .into_iter()
                .all(|found| found == Ok((round * 1_000_000, 1)))
        );
    }
    for name in ["multi", "none", "shared", "willing"] {
        let found = pool
            .broadcast::<i64, _>(&function("multi"), (name,))
            .unwrap();
        assert!(
            found.iter().all(|found| *found == Ok(1)),
            "{name}: {found:?}"
        );
    }
    // PEP 793 came with 3.15; before it CPython says what such a file lacks.
    for name in ["exported", "bücher"] {
        if cfg!(Py_3_15) {
            let found = pool
                .broadcast::<i64, _>(&function("multi"), (name,))
                .unwrap();
            assert!(
                found.iter().all(|found| *found == Ok(1)),
                "{name}: {found:?}"
            );
        } else {
            for error in raised(&pool, "multi", name) {
                assert_eq!((error.type_name(), error.refusal()), ("ImportError", None));
                assert!(error.message().contains("(PyInit"), "{error}");
            }
        }
    }
    let found = pool.broadcast::<i64, _>(&function("capsules"), ()).unwrap();
    assert!(found.into_iter().all(|found| found == Ok(3)));
    let found = pool.broadcast::<i64, _>(&function("inner"), ()).unwrap();
    assert!(found.iter().all(|found| *found == Ok(42)), "{found:?}");
}

#[test]
fn what_all_interpreters_share_is_never_freed_by_extensions_that_count_as_before_3_12() {
    let found = four_workers(Extensions::Private).broadcast::<i64, _>(&function("older"), (1,));
    assert_eq!(found.unwrap(), [Ok(0), Ok(0), Ok(0), Ok(0)]);
}

#[test]
fn threads_of_an_extension_call_the_interpreter_that_it_belongs_to() {
    let pool = four_workers(Extensions::Private);
    let found = pool.broadcast::<Vec<i64>, _>(&function("calls_back"), (2000,));
    for (worker, found) in found.unwrap().into_iter().enumerate() {
        // Each thread's last result says whose interpreter it ran in.
        let expected = worker as i64 * 1_000_000 + 1999;
        assert_eq!(found, Ok(vec![expected; 4]));
    }
}

#[test]
fn an_extension_attaches_in_every_way_that_it_may_elsewhere() {
    let pool = four_workers(Extensions::Private);
    for (how, n_calls) in [
        // On the interpreter's own thread, and counted by the extension itself.
        ("N", 7),
        ("C", 8),
        // On one that Python does not know.
        ("n", 7),
        ("c", 8),
        // In the destructor of a key, and in that of a thread-local variable: twice, once, with and without a
        // call before.
        ("k", 21),
        ("K", 14),
        ("t", 14),
        ("T", 7),
    ] {
        let found = pool
            .broadcast::<i64, _>(&function("attaches"), (how,))
            .unwrap();
        assert!(
            found.iter().all(|found| *found == Ok(n_calls)),
            "{how}: {found:?}"
        );
    }
}

#[test]
fn no_call_is_left_for_the_main_interpreter() {
    let pool = four_workers(Extensions::Private);
    let found = pool
        .broadcast::<i64, _>(&function("adds_pending"), ())
        .unwrap();
    assert_eq!(found, [Ok(-1), Ok(-1), Ok(-1), Ok(-1)]);
}

#[test]
fn a_thread_that_is_attached_elsewhere_may_call_into_an_extension() {
    let pool = four_workers(Extensions::Private);
    let given = pool.broadcast::<Value, _>(&function("gives"), ()).unwrap();
    let given: Vec<Value> = given.into_iter().map(Result::unwrap).collect();
    // Each worker's thread calls into all four, its own among them.
    let found = pool
        .broadcast::<bool, _>(&function("calls_into"), (given,))
        .unwrap();
    assert!(found.iter().all(|found| *found == Ok(true)), "{found:?}");
    let found = pool
        .broadcast::<i64, _>(&function("was_called"), ())
        .unwrap();
    assert!(
        found.iter().all(|found| *found == Ok(4 * 20 * 7)),
        "{found:?}"
    );
}

#[test]
fn an_interpreter_is_not_taken_for_one_that_had_its_address() {
    folder();
    let one = || Interpreter::with_extensions(Extensions::Private).unwrap();
    let check = move || {
        let mut ended: Vec<(i64, i64, i64, i64)> = Vec::new();
        for _ in 0..20 {
            let mut python = one();
            let now: (i64, i64, i64, i64) = python.call(&function("where_it_is"), ()).unwrap();
            if let Some((_, address, ensured, _)) = ended.iter().find(|then| then.0 == now.0) {
                // The thread waits for ever, as one does that comes after the end.
                let arguments = (*address, *ensured);
                let came_back = python.call(&function("calls_into_ended"), arguments);
                assert_eq!(came_back, Ok(false));
                // It would wait for that thread, which is inside.
                std::mem::forget(python);
                return;
            }
            ended.push(now);
        }
        panic!("no address was used again");
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(check).unwrap().join().unwrap();
}

#[test]
fn a_release_too_many_ends_the_process_and_says_why() {
    let copies = folder().join("copies.py");
    for (place, says) in [
        ("here", "called once more than PyGILState_Ensure"),
        ("detaching", "called once more than PyGILState_Ensure"),
        ("elsewhere", "no thread-state for this thread"),
        ("after", "no thread-state for this thread"),
    ] {
        let mut own = Command::new(support::WORKER);
        own.arg(format!("{}:releases", copies.display())).arg(place);
        let output = own.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(6), "{said}");
        assert!(
            said.contains("Fatal Python error") && said.contains(says),
            "{place}: {said}"
        );
    }
}

#[test]
fn a_pool_lists_the_copies_of_each_worker() {
    let pool = four_workers(Extensions::Private);
    pool.broadcast::<Value, _>(&function("single"), (1,))
        .unwrap();
    pool.broadcast::<Value, _>(&function("multi"), ("none",))
        .unwrap();
    let copies = pool.private_copies();
    assert_eq!(copies.len(), 4);
    for of_worker in copies {
        let modules: Vec<_> = of_worker
            .iter()
            .map(|copy| (&*copy.module, copy.initialization))
            .collect();
        let expected = [
            ("pack.single", Initialization::SinglePhase),
            ("pack.none", Initialization::MultiPhase),
        ];
        assert_eq!(modules, expected);
        for copy in of_worker {
            let size = std::fs::metadata(&copy.path).unwrap().len();
            assert!(copy.path.starts_with(folder()) && !copy.load_time.is_zero());
            assert!(copy.n_bytes > 4096 && copy.n_bytes < 2 * size, "{copy:?}");
        }
    }
}

#[test]
fn values_of_an_extensions_types_cross_between_interpreters() {
    let pool = four_workers(Extensions::Private);
    for x in 0..40_i64 {
        let point: Value = pool.call(&function("point"), (x,)).unwrap();
        let found = pool
            .broadcast::<i64, _>(&function("x_of"), (&point,))
            .unwrap();
        assert!(found.into_iter().all(|found| found == Ok(x)));
    }
}

#[test]
fn importing_again_and_at_once_gives_what_it_gives_elsewhere() {
    let pool = four_workers(Extensions::Private);
    let found = pool
        .broadcast::<(i64, i64), _>(&function("at_once"), ())
        .unwrap();
    assert!(found.iter().all(|found| *found == Ok((8, 1))), "{found:?}");
    let found = pool.broadcast::<bool, _>(&function("again"), ()).unwrap();
    assert!(found.iter().all(|found| *found == Ok(true)), "{found:?}");
    let found = pool
        .broadcast::<String, _>(&function("falls_back"), ())
        .unwrap();
    assert!(
        found.iter().all(|found| found.as_deref() == Ok("native")),
        "{found:?}"
    );
    let found = pool
        .broadcast::<bool, _>(&function("stand_ins"), ())
        .unwrap();
    assert!(found.iter().all(|found| *found == Ok(false)), "{found:?}");
}

#[test]
fn an_extension_that_raises_does_so_as_it_does_elsewhere() {
    let pool = four_workers(Extensions::Private);
    for _ in 0..2 {
        for (name, type_name, text) in [
            ("raises_at_once", "ValueError", "no, at once"),
            ("raises_later", "ValueError", "no, later"),
            (
                "says_nothing",
                "SystemError",
                "without setting an exception",
            ),
        ] {
            for error in raised(&pool, "raises", name) {
                assert_eq!(error.type_name(), type_name);
                assert!(error.message().contains(text), "{error}");
                assert_eq!(error.refusal(), None);
            }
        }
        let fine = pool
            .broadcast::<Value, _>(&function("raises"), ("is_fine",))
            .unwrap();
        assert!(fine.iter().all(Result::is_ok), "{fine:?}");
    }
}

#[test]
fn one_interpreter_without_a_pool_may_have_copies_too() {
    folder();
    std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(|| {
            let mut python = Interpreter::with_extensions(Extensions::Private).unwrap();
            let found: (i64, i64) = python.call(&function("single"), (5,)).unwrap();
            assert_eq!(found, (5, 1));
            let error = Interpreter::new()
                .unwrap()
                .call::<Value, _>(&function("single"), (5,));
            let Err(Error::Python(error)) = error else {
                panic!("{error:?}")
            };
            assert_eq!(error.refusal(), Some(Refusal::Extension));
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn libraries_that_compute_start_no_threads_for_each_worker() {
    let pool = four_workers(Extensions::Private);
    let source = "import os\ndef f(): return [os.environ.get(name) for name in \
                  ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS')]";
    let found: Vec<String> = pool.call(&Function::source(source, "f"), ()).unwrap();
    // As the user has it, or else one.
    let expected = |name: &str| std::env::var(name).unwrap_or_else(|_| "1".to_owned());
    let names = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"];
    assert_eq!(found, names.map(expected));
}

#[test]
fn a_refused_extension_is_another_error_than_a_broken_one() {
    let strict = four_workers(Extensions::Strict);
    let private = four_workers(Extensions::Private);
    for error in raised(&strict, "raises", "none") {
        assert_eq!(error.refusal(), Some(Refusal::Extension), "{error}");
    }
    assert!(strict.private_copies().iter().all(Vec::is_empty));
    std::fs::write(folder().join("pack/broken.so"), "no extension").unwrap();
    for error in raised(&private, "raises", "broken") {
        assert_eq!((error.type_name(), error.refusal()), ("ImportError", None));
    }
}
