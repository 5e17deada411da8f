//! Pools: calls, tasks, maps, broadcasts, output and errors, on every backend.

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use owngil::{
    Backend, Error, ExceptionKind, Function, LoadErrorKind, OutputPolicy, Payload, Pool, Stream,
    Task, Value, keywords,
};
use serde::{Deserialize, Serialize};
use support::{BACKENDS, f, pool};

const IDENTITY: &str = "def f(x):\n    return x\n";

#[test]
fn a_call_takes_any_arguments_and_gives_any_value() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Person {
        name: String,
        age: Option<u8>,
    }
    for backend in BACKENDS {
        let pool = pool(backend, 2);
        let describe = f("def f(*args, **kwargs):\n    return repr((args, kwargs))");
        let text = |value: Result<String, Error>| value.unwrap();
        assert_eq!(text(pool.call(&describe, ())), "((), {})");
        assert_eq!(text(pool.call(&describe, 5)), "((5,), {})");
        assert_eq!(text(pool.call(&describe, (5, "a"))), "((5, 'a'), {})");
        assert_eq!(text(pool.call(&describe, vec![5])), "(([5],), {})");
        assert_eq!(text(pool.call(&describe, ((5, 6),))), "(((5, 6),), {})");
        let options = HashMap::from([("depth", 3)]);
        assert_eq!(
            text(pool.call(&describe, keywords(("x",), options))),
            "(('x',), {'depth': 3})"
        );
        let person = Person {
            name: "Ada".into(),
            age: None,
        };
        let same: Person = pool.call(&f(IDENTITY), (&person,)).unwrap();
        assert_eq!(same, person);
        let big: u128 = pool.call(&f(IDENTITY), u128::MAX).unwrap();
        assert_eq!(big, u128::MAX);
        let nothing: () = pool.call(&f("def f(): pass"), ()).unwrap();
        assert_eq!(nothing, ());
    }
}

#[test]
fn ten_thousand_tasks_give_each_result_once_in_order_and_use_all_workers() {
    let source = "import threading\ndef f(x):\n    return x, threading.get_native_id()\n";
    for backend in BACKENDS {
        for n_workers in [1, 2, 5] {
            let pool = pool(backend, n_workers);
            let results: Vec<(u32, u64)> = pool
                .map(&f(source), 0..10_000u32)
                .collect::<Result<_, _>>()
                .unwrap();
            let inputs: Vec<u32> = results.iter().map(|(input, _)| *input).collect();
            assert_eq!(inputs, Vec::from_iter(0..10_000));
            let threads: HashSet<u64> = results.iter().map(|(_, thread)| *thread).collect();
            assert_eq!(threads.len(), n_workers, "{backend}");

            let unordered: Vec<(u32, u64)> = pool
                .map_unordered(&f(source), 0..10_000u32)
                .collect::<Result<_, _>>()
                .unwrap();
            let inputs: HashSet<u32> = unordered.iter().map(|(input, _)| *input).collect();
            assert_eq!((unordered.len(), inputs.len()), (10_000, 10_000));

            let tasks: Vec<Task<(u32, u64)>> = (0..2_000)
                .map(|x| pool.submit(&f(source), x).unwrap())
                .collect();
            for (input, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.wait().unwrap().0, input as u32);
            }
        }
    }
}

#[test]
fn each_worker_has_an_interpreter_of_its_own_or_shares_the_main_one() {
    let id = f(
        "def f():\n    try:\n        import _interpreters as i\n    except ImportError:\n        \
                import _xxsubinterpreters as i\n    found = i.get_current()\n    \
                return int(found[0] if isinstance(found, tuple) else found)",
    );
    for (backend, n_distinct) in [(Backend::Interpreter, 3), (Backend::Thread, 1)] {
        let ids: Vec<i64> = pool(backend, 3)
            .broadcast(&id, ())
            .unwrap()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let distinct: HashSet<i64> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), n_distinct, "{backend}: {ids:?}");
        assert_eq!(distinct.contains(&0), backend == Backend::Thread);
    }
}

/// Two tasks that each spin until they have seen the other: a proof of parallelism without a clock.
#[test]
fn interpreters_run_python_code_at_the_same_time_and_threads_do_not() {
    // A GIL changes hands at the switch interval, if its holder does not let go by itself.
    let interval = f(
        "import sys\ndef f(seconds):\n    before = sys.getswitchinterval()\n    sys.setswitchinterval(seconds)\n    return before",
    );
    let meet = f("import mmap\ndef f(path, me, other, rounds):\n    \
         with open(path, 'r+b') as file, mmap.mmap(file.fileno(), 2) as seen:\n        \
         seen[me] = 1\n        for _ in range(rounds):\n            \
         if seen[other]:\n                return True\n    return False");
    for (backend, meets) in [(Backend::Interpreter, true), (Backend::Thread, false)] {
        let pool = pool(backend, 2);
        let before: Vec<f64> = pool
            .broadcast(&interval, 100.0)
            .unwrap()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0, 0]).unwrap();
        let path = file.path().to_str().unwrap();
        // In an own-GIL interpreter both may spin as long as it takes the other to be scheduled;
        // on one GIL the first spins to its end before the second begins.
        let rounds = if meets { u64::MAX >> 1 } else { 300_000 };
        let one: Task<bool> = pool.submit(&meet, (path, 0, 1, rounds)).unwrap();
        let two: Task<bool> = pool.submit(&meet, (path, 1, 0, rounds)).unwrap();
        let both = (one.wait().unwrap(), two.wait().unwrap());
        assert_eq!(both.0 && both.1, meets, "{backend}: {both:?}");
        let _: Vec<owngil::Result<f64>> = pool.broadcast(&interval, before[0].min(0.005)).unwrap();
    }
}

#[test]
fn exceptions_come_back_whole_and_the_pool_goes_on() {
    let raise = f("import sys\nclass Odd(Exception):\n    \
        def __init__(self, a, b): super().__init__(a); self.b = b\n    \
        def __str__(self): return 'odd one'\ndef f(kind):\n    \
        if kind == 'odd':\n        try:\n            {}['missing']\n        except KeyError as error:\n            \
        problem = Odd(1, 2); problem.add_note('a note'); raise problem from error\n    \
        if kind == 'exit': sys.exit(3)\n    if kind == 'interrupt': raise KeyboardInterrupt\n    \
        if kind == 'memory': return [0] * (1 << 60)\n    if kind == 'deep': return f(kind)\n    return kind");
    for backend in BACKENDS {
        let pool = pool(backend, 2);
        let error = |kind: &str| match pool.call::<String, _>(&raise, kind) {
            Err(Error::Python(error)) => error,
            other => panic!("{kind}: {other:?}"),
        };
        let odd = error("odd");
        assert!(odd.type_name().ends_with(".Odd"), "{}", odd.type_name());
        assert_eq!(
            (odd.message(), odd.notes()),
            ("odd one", &["a note".to_owned()][..])
        );
        assert_eq!(odd.cause().unwrap().type_name(), "KeyError");
        // The source is shown, and no frame of owngil's.
        assert!(
            odd.traceback().contains("{}['missing']"),
            "{}",
            odd.traceback()
        );
        assert!(!odd.traceback().contains("owngil>"), "{}", odd.traceback());
        for (kind, expected) in [
            ("exit", ExceptionKind::SystemExit),
            ("interrupt", ExceptionKind::KeyboardInterrupt),
            ("memory", ExceptionKind::MemoryError),
            ("deep", ExceptionKind::RecursionError),
        ] {
            assert_eq!(error(kind).kind(), expected, "{kind}");
        }
        assert_eq!(error("exit").exit_status(), Some(3));
        assert_eq!(pool.call::<String, _>(&raise, "fine").unwrap(), "fine");
    }
}

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
    for backend in BACKENDS {
        let pool = pool(backend, 2);
        for (reference, kind, hint) in &cases {
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
        "import neighbour_mod\nn_calls = 0\nclass Tools:\n    @staticmethod\n    def count(x):\n        \
         global n_calls\n        n_calls += 1\n        return n_calls, neighbour_mod.twice(x), __name__\n",
    )
    .unwrap();
    let pool = pool(Backend::Interpreter, 1);
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
    let source = "import time\ntime.sleep(0.05)\nmark = object()\ndef f(): return id(mark)\n";
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
fn a_failing_input_fails_alone() {
    let function = f("def f(x):\n    return 10 // x");
    for backend in BACKENDS {
        let pool = pool(backend, 2);
        let results: Vec<_> = pool.map::<i64, _>(&function, -500..500).collect();
        assert_eq!(results.len(), 1000);
        for (input, result) in (-500..500).zip(results) {
            match result {
                Ok(value) => assert_eq!(value, (10.0 / input as f64).floor() as i64, "{input}"),
                Err(Error::Python(error)) => {
                    assert_eq!((input, error.type_name()), (0, "ZeroDivisionError"));
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn an_input_that_cannot_cross_is_told_in_its_place() {
    let deep = |n: usize| (0..n).fold(Value::None, |value, _| Value::List(vec![value]));
    let pool = pool(Backend::Interpreter, 2);
    let inputs = [deep(1), deep(200), deep(2)];
    let results: Vec<_> = pool.map::<Value, _>(&f(IDENTITY), inputs).collect();
    assert_eq!(results[0], Ok(deep(1)));
    assert!(
        matches!(&results[1], Err(Error::Value(error)) if error.to_string().contains("128")),
        "{:?}",
        results[1]
    );
    assert_eq!(results[2], Ok(deep(2)));
}

#[test]
fn a_value_of_another_shape_is_told_where() {
    let pool = pool(Backend::Interpreter, 1);
    let function = f("def f():\n    return [{'n': 1}, {'n': 'two'}]");
    #[derive(Debug, Deserialize)]
    struct Row {
        #[expect(dead_code, reason = "the error is what matters")]
        n: i64,
    }
    let error = pool.call::<Vec<Row>, _>(&function, ()).unwrap_err();
    assert!(error.to_string().starts_with("result[1][\"n\"]"), "{error}");
}

#[test]
fn a_map_is_lazy_and_bounded() {
    let n_taken = AtomicUsize::new(0);
    let inputs = (0..u64::MAX).inspect(|_| {
        n_taken.fetch_add(1, Ordering::Relaxed);
    });
    let pool = pool(Backend::Interpreter, 2);
    let mut map = pool.map::<u64, _>(&f(IDENTITY), inputs);
    assert_eq!(
        n_taken.load(Ordering::Relaxed),
        0,
        "nothing before it is asked for"
    );
    for expected in 0..1000 {
        assert_eq!(map.next().unwrap().unwrap(), expected);
    }
    assert!(n_taken.load(Ordering::Relaxed) < 1_000_000);
    drop(map);
    // What was ahead is dropped with it; the pool is free again.
    assert_eq!(pool.call::<i32, _>(&f(IDENTITY), 1), Ok(1));
}

#[test]
fn a_cancelled_map_yields_what_had_begun_and_an_outcome_for_all_that_it_took() {
    for ordered in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (begun, go_on) = (folder.path().join("begun"), folder.path().join("go_on"));
        let wait = f("import os, time\n\
             def f(begun, go_on):\n    \
             open(begun, 'w').close()\n    \
             while not os.path.exists(go_on): time.sleep(0.001)\n    \
             return 'done'\n");
        let pool = pool(Backend::Interpreter, 1);
        let paths = (begun.to_str().unwrap(), go_on.to_str().unwrap());
        let map = match ordered {
            true => pool.map::<String, _>(&wait, std::iter::repeat(paths)),
            false => pool.map_unordered(&wait, std::iter::repeat(paths)),
        };
        let canceller = map.canceller();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !begun.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                canceller.cancel();
                std::fs::write(&go_on, "").unwrap();
            });
            map.collect()
        });
        let (done, cancelled) = outcomes.split_at(1);
        assert_eq!(done, [Ok("done".to_owned())]);
        assert!(!cancelled.is_empty());
        for outcome in cancelled {
            assert_eq!(*outcome, Err(Error::Cancelled));
        }
        assert_eq!(pool.call::<i32, _>(&f(IDENTITY), 1), Ok(1));
    }
}

#[test]
fn a_map_over_a_channel_yields_while_the_channel_is_quiet() {
    let pool = pool(Backend::Interpreter, 2);
    for ordered in [true, false] {
        let (inputs, channel) = crossbeam_channel::bounded(10);
        let mut map = pool.map_channel::<u32, u32>(&f(IDENTITY), channel, ordered);
        for input in 0..50 {
            inputs.send(input).unwrap();
            assert_eq!(map.next(), Some(Ok(input)));
        }
        drop(inputs);
        assert_eq!(map.next(), None);
    }
}

#[test]
fn many_threads_share_a_pool_and_its_small_queue() {
    let pool = Pool::builder().workers(2).queue_limit(1).build().unwrap();
    let function = f(IDENTITY);
    let sum: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u64)
            .map(|thread| {
                let (pool, function) = (&pool, &function);
                scope.spawn(move || -> u64 {
                    let base = thread * 1000;
                    let mapped: u64 = pool
                        .map::<u64, _>(function, base..base + 500)
                        .map(Result::unwrap)
                        .sum();
                    let called: u64 = (base + 500..base + 1000)
                        .map(|x| pool.call::<u64, _>(function, x).unwrap())
                        .sum();
                    mapped + called
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(sum, (0..8000).sum());
}

#[test]
fn a_wait_has_a_limit_and_the_task_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let pool = pool(Backend::Interpreter, 1);
    let wait = f(
        "import os, time\ndef f(path):\n    while not os.path.exists(path): time.sleep(0.001)\n    return 7",
    );
    let task: Task<i32> = pool.submit(&wait, gate.to_str().unwrap()).unwrap();
    assert_eq!(task.wait_timeout(Duration::from_millis(5)), None);
    assert!(!task.is_finished());
    std::fs::write(&gate, "").unwrap();
    assert_eq!(task.wait_timeout(Duration::from_secs(60)), Some(Ok(7)));
    assert_eq!(task.wait(), Ok(7));
}

#[test]
fn an_initializer_runs_once_on_every_worker_and_its_failure_is_the_pools() {
    let source = "ready = []\ndef start(x):\n    ready.append(x)\n    if x < 0: raise ValueError('negative')\n\
                  def state():\n    return ready\n";
    let (start, state) = (
        Function::source(source, "start"),
        Function::source(source, "state"),
    );
    let pool = Pool::builder()
        .workers(3)
        .initializer(&start, 5)
        .build()
        .unwrap();
    for result in pool.broadcast::<Vec<i32>, _>(&state, ()).unwrap() {
        assert_eq!(result, Ok(vec![5]));
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
fn settings_that_cannot_be_are_refused() {
    assert!(matches!(
        Pool::builder().workers(0).build(),
        Err(Error::Config(_))
    ));
    assert!(matches!(
        Pool::builder().queue_limit(0).build(),
        Err(Error::Config(_))
    ));
}

#[test]
fn the_output_of_a_task_belongs_to_that_task() {
    let print = f(
        "import sys\ndef f(n):\n    for line in range(n % 7):\n        \
                   print(f'task {n} line {line}')\n        print(f'oops {n}', file=sys.stderr)\n    \
                   sys.stdout.buffer.write(b'bytes\\n')\n    return n",
    );
    for backend in BACKENDS {
        let pool = Pool::builder()
            .backend(backend)
            .workers(3)
            .output(OutputPolicy::Capture)
            .build()
            .unwrap();
        let mut n_seen = 0;
        for completed in pool.map::<u64, _>(&print, 0..500u64).completed() {
            let n = completed.index;
            assert_eq!(completed.result, Ok(n));
            let expected: String = (0..n % 7)
                .map(|line| format!("task {n} line {line}\n"))
                .collect();
            let stdout = String::from_utf8(completed.output.stdout).unwrap();
            assert_eq!(stdout, expected + "bytes\n");
            let stderr = String::from_utf8(completed.output.stderr).unwrap();
            assert_eq!(stderr, format!("oops {n}\n").repeat((n % 7) as usize));
            n_seen += 1;
        }
        assert_eq!(n_seen, 500);
        let task: Task<u64> = pool.submit(&print, 1).unwrap();
        assert_eq!(
            task.wait_completed().output.stdout,
            b"task 1 line 0\nbytes\n"
        );
    }
}

#[test]
fn a_sink_gets_whole_lines_of_one_task_at_a_time() {
    let print = f("def f(n):\n    for _ in range(n):\n        print(n, end=' ')\n        print(n)");
    for backend in BACKENDS {
        let text = Arc::new(Mutex::new(Vec::new()));
        let inside = Arc::clone(&text);
        let sink = move |stream: Stream, piece: &[u8]| {
            assert_eq!(stream, Stream::Stdout);
            inside.lock().unwrap().extend_from_slice(piece);
        };
        let pool = Pool::builder()
            .backend(backend)
            .workers(4)
            .output(OutputPolicy::Sink(Arc::new(sink)))
            .build()
            .unwrap();
        // The large one is handed on in pieces while it runs.
        let inputs = (1..200).chain([40_000]);
        assert_eq!(
            pool.map::<(), _>(&print, inputs)
                .filter(|r| r.is_ok())
                .count(),
            200
        );
        drop(pool);
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let (one, two) = line.split_once(' ').unwrap();
            assert_eq!(one, two, "a line of two tasks");
            *counts.entry(one.parse::<u32>().unwrap()).or_insert(0) += 1;
        }
        assert!(counts.iter().all(|(n, count)| n == count), "{counts:?}");
        assert_eq!(counts.len(), 200);
    }
}

#[test]
fn standard_input_is_empty() {
    let read = f("import sys\ndef f():\n    return sys.stdin.read(), list(sys.stdin.buffer)");
    let ask = f("def f():\n    return input('name? ')");
    for backend in BACKENDS {
        let pool = pool(backend, 2);
        assert_eq!(
            pool.call::<(String, Vec<u8>), _>(&read, ()),
            Ok((String::new(), vec![]))
        );
        let error = pool.call::<String, _>(&ask, ()).unwrap_err();
        assert_eq!(error.python().unwrap().type_name(), "EOFError");
    }
}

#[test]
fn output_without_end_is_an_error_in_the_task_that_prints_it() {
    let flood = f("def f():\n    line = 'x' * 999999\n    while True: print(line)");
    let pool = Pool::builder()
        .workers(1)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    let error = pool.call::<(), _>(&flood, ()).unwrap_err();
    assert_eq!(error.python().unwrap().type_name(), "OSError");
    assert_eq!(pool.call::<i32, _>(&f(IDENTITY), 1), Ok(1));
}

#[test]
fn a_sink_that_panics_is_an_error_or_a_lost_worker_and_never_a_hang() {
    let sink = |_: Stream, _: &[u8]| panic!("a faulty sink");
    let pool = Pool::builder()
        .workers(2)
        .output(OutputPolicy::Sink(Arc::new(sink)))
        .build()
        .unwrap();
    let print = f("def f(n):\n    if n % 10 == 0: print(n)\n    return n");
    let results: Vec<_> = pool.map::<u32, _>(&print, 0..100).collect();
    assert_eq!(results.len(), 100);
    let n_lost = results
        .iter()
        .filter(|result| matches!(result, Err(Error::WorkerLost(_))))
        .count();
    let n_values = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(n_lost + n_values, 100);
    assert!(n_lost >= 10);
    // The workers were replaced.
    for n in 1..10 {
        assert_eq!(pool.call::<u32, _>(&print, n), Ok(n));
    }
}

#[test]
fn a_script_runs_as_main_with_its_arguments_in_a_fresh_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script_one.py");
    let source = "import sys, threading, time\nassert __name__ == '__main__'\n\
        assert sys.modules['__main__'].__dict__ is globals()\n\
        assert 'seen' not in globals()\nseen = True\nprint(sys.argv[1:], __file__ == sys.argv[0])\n\
        def late():\n    time.sleep(0.02); print('late')\n\
        threading.Thread(target=late).start()\n\
        if sys.argv[1] == 'exit': sys.exit(int(sys.argv[2]))\n\
        if sys.argv[1] == 'say': sys.exit('last words')\n\
        if sys.argv[1] == 'raise': raise ValueError('no')\n";
    std::fs::write(&path, source).unwrap();
    for backend in BACKENDS {
        let pool = Pool::builder()
            .backend(backend)
            .workers(2)
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
        // On threads of one interpreter the late thread is nobody's.
        let stdout = String::from_utf8(fine.output.stdout).unwrap();
        let late = if backend == Backend::Interpreter {
            "late\n"
        } else {
            ""
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
            "import sys, time\nbefore = sys.argv[1]\ntime.sleep(0.002)\nassert sys.argv[1] == before\nprint(before)",
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
fn shutting_down_runs_what_is_queued_and_dropping_cancels_it() {
    for backend in BACKENDS {
        let pool = pool(backend, 1);
        let tasks: Vec<Task<u32>> = (0..100)
            .map(|x| pool.submit(&f(IDENTITY), x).unwrap())
            .collect();
        pool.shutdown();
        for (x, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.wait(), Ok(x as u32));
        }
        assert_eq!(pool.call::<u32, _>(&f(IDENTITY), 1), Err(Error::ShutDown));
        assert_eq!(
            pool.broadcast::<u32, _>(&f(IDENTITY), 1),
            Err(Error::ShutDown)
        );
        assert_eq!(pool.load(&f(IDENTITY)), Err(Error::ShutDown));
        let all: Vec<_> = pool.map::<u32, _>(&f(IDENTITY), 0..5).collect();
        assert!(all.iter().all(Result::is_err), "{all:?}");
        pool.shutdown();
        drop(pool);

        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let wait = f(
            "import os, time\ndef f(path):\n    open(path + '.begun', 'w').close()\n    \
             while not os.path.exists(path): time.sleep(0.001)\n    return 1",
        );
        let pool = self::pool(backend, 1);
        let running: Task<u32> = pool.submit(&wait, gate.to_str().unwrap()).unwrap();
        while !gate.with_extension("begun").exists() {
            std::thread::yield_now();
        }
        let queued: Vec<Task<u32>> = (0..10)
            .map(|x| pool.submit(&f(IDENTITY), x).unwrap())
            .collect();
        std::thread::scope(|scope| {
            let dropper = scope.spawn(move || drop(pool));
            for task in queued {
                assert_eq!(task.wait(), Err(Error::Cancelled));
            }
            std::fs::write(&gate, "").unwrap();
            assert_eq!(running.wait(), Ok(1));
            dropper.join().unwrap();
        });
    }
}

#[test]
fn a_pool_may_be_dropped_on_any_thread_and_pools_may_live_side_by_side() {
    let (send, receive) = mpsc::channel();
    let pools: Vec<Pool> = (0..3).map(|_| pool(Backend::Interpreter, 2)).collect();
    let threads = pool(Backend::Thread, 2);
    for pool in pools.iter().chain([&threads]) {
        assert_eq!(pool.call::<u32, _>(&f(IDENTITY), 1), Ok(1));
    }
    for pool in pools {
        send.send(pool).unwrap();
    }
    std::thread::spawn(move || receive.try_iter().for_each(drop))
        .join()
        .unwrap();
    assert_eq!(threads.call::<u32, _>(&f(IDENTITY), 2), Ok(2));
}

#[test]
fn a_payload_is_handed_on_unread() {
    let pool = pool(Backend::Interpreter, 2);
    let make = f("import datetime, decimal\ndef f():\n    \
                  return {'when': datetime.datetime(2026, 1, 2), 'n': decimal.Decimal('1.5'), 'plain': [1, 2]}");
    let read = f("def f(x):\n    return x['when'].year, str(x['n']), x['plain']");
    let payload: Payload = pool.call(&make, ()).unwrap();
    assert!(payload.contains_opaque());
    let (year, n, plain): (u32, String, Vec<u8>) = pool.call(&read, (payload,)).unwrap();
    assert_eq!((year, n.as_str(), plain), (2026, "1.5", vec![1, 2]));
}

#[test]
fn refusals_of_cpython_come_with_a_hint() {
    let pool = pool(Backend::Interpreter, 1);
    for source in [
        "import os\ndef f(): os.fork()",
        "import os\ndef f(): os.execv('/bin/true', ['true'])",
        "import threading\ndef f(): threading.Thread(target=print, daemon=True).start()",
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
