//! The life of workers: how they begin, what they keep, and when they are replaced.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{self, BACKENDS, MEET, builder, f, rows};
use owngil::{Backend, Error, Function, OutputPolicy, OutputStream, Pool, Task};

/// Notes what is printed.
fn noting() -> (OutputPolicy, Arc<Mutex<String>>) {
    let noted: Arc<Mutex<String>> = Arc::default();
    let inside = Arc::clone(&noted);
    let sink = move |_: OutputStream, text: &[u8]| {
        inside
            .lock()
            .unwrap()
            .push_str(std::str::from_utf8(text).unwrap());
    };
    (OutputPolicy::Sink(Arc::new(sink)), noted)
}

#[test]
fn initializers_and_exit_hooks_have_arguments_and_run_on_each_worker() {
    let source = "
import owngil
def begin(greeting, *, mark):
    owngil.state.text = f'{greeting} {owngil.worker_id()}{mark}'
def end(word): print(word, owngil.state.text)
def f(): return owngil.state.text";
    let at = |name: &str| Function::source(source, name);
    for backend in rows(BACKENDS) {
        let (output, noted) = noting();
        let arguments = owngil::keywords(("hello",), HashMap::from([("mark", "!")]));
        let builder = builder(backend, 3).output(output);
        let builder = builder.initializer(&at("begin"), arguments);
        let pool = builder.exit_hook(&at("end"), "goodbye").build().unwrap();
        let texts = pool.broadcast::<String, _>(&at("f"), ()).unwrap();
        for (worker, text) in texts.into_iter().enumerate() {
            assert_eq!(text, Ok(format!("hello {worker}!")), "{backend}");
        }
        pool.shutdown();
        let mut lines: Vec<String> = noted.lock().unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        let expected = [0, 1, 2].map(|worker| format!("goodbye hello {worker}!"));
        assert_eq!(lines, expected, "{backend}");
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn a_thread_that_a_task_starts_knows_its_worker() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let source = "
import owngil, threading
def f():
    found = []
    thread = threading.Thread(target=lambda: found.append(owngil.worker_id()))
    thread.start(); thread.join()
    return found";
    let found = pool.broadcast::<Vec<usize>, _>(&f(source), ()).unwrap();
    assert_eq!(found, [Ok(vec![0]), Ok(vec![1])]);
    let none: Option<usize> = owngil::Interpreter::scope(|python| {
        python.exec("import owngil")?;
        python.eval("owngil.worker_id()")
    })
    .unwrap();
    assert_eq!(none, None);
}

#[test]
fn a_lazy_pool_starts_workers_when_there_is_work_for_them() {
    let (output, noted) = noting();
    let begin = f("import owngil\ndef f(): print('begins', owngil.worker_id())");
    let builder = Pool::builder().workers(3).lazy(true).output(output);
    let pool = builder.initializer(&begin, ()).build().unwrap();
    assert_eq!(*noted.lock().unwrap(), "");
    assert!(pool.stacks().workers.is_empty());
    let add = f("def f(x): return x + 1");
    // One call needs one worker; a machine that is busy may take so long for it that others come.
    assert_eq!(pool.call(&add, 1), Ok(2));
    assert!(noted.lock().unwrap().contains("begins 0\n"));
    // Calls that wait for one another need as many as they are.
    let folder = tempfile::tempdir().unwrap();
    let meet = f(MEET);
    let path = folder.path().to_str().unwrap();
    let tasks: Vec<Task<bool>> = (0..3)
        .map(|_| pool.submit(&meet, (path, 3)).unwrap())
        .collect();
    for task in tasks {
        assert_eq!(task.wait(), Ok(true));
    }
    let n_begun = noted.lock().unwrap().lines().count();
    assert_eq!(n_begun, 3);
    // What is for all workers starts those that are left.
    let pool = Pool::builder().workers(2).lazy(true).build().unwrap();
    assert_eq!(pool.broadcast::<i32, _>(&add, 1), Ok(vec![Ok(2), Ok(2)]));
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the next worker finds the same modules"
)]
fn a_worker_is_replaced_after_so_many_calls() {
    let (output, noted) = noting();
    let end = f("def f(): print('worn')");
    let builder = Pool::builder()
        .workers(2)
        .max_tasks_per_worker(10)
        .output(output);
    let pool = builder.exit_hook(&end, ()).build().unwrap();
    let source = "
import _thread, sys
def f(x):
    sys.n_calls = getattr(sys, 'n_calls', 0) + 1
    return (x, _thread.get_ident(), sys.n_calls)";
    let tasks: Vec<Task<(u64, u64, u64)>> = (0..100)
        .map(|x| pool.submit(&f(source), x).unwrap())
        .collect();
    let mut threads = HashSet::new();
    for (x, task) in tasks.into_iter().enumerate() {
        let (value, thread, n_calls) = task.wait().unwrap();
        assert_eq!(value, x as u64);
        assert!(n_calls <= 10, "{n_calls} calls");
        threads.insert(thread);
    }
    // A map's batches are not cut, and nothing of it is lost.
    let values: Vec<u64> = pool
        .map::<(u64, u64, u64), _>(&f(source), 0..2000)
        .map(|result| result.unwrap().0)
        .collect();
    assert!(values.into_iter().eq(0..2000));
    pool.shutdown();
    let n_worn = noted.lock().unwrap().lines().count();
    assert!(n_worn >= 10, "{n_worn} workers");
}

#[test]
fn a_worker_that_reaches_its_limit_while_the_pool_drains_is_replaced() {
    let pool = Pool::builder()
        .workers(1)
        .max_tasks_per_worker(3)
        .build()
        .unwrap();
    let add = f("def f(x): return x + 1");
    let tasks: Vec<Task<u64>> = (0..20).map(|x| pool.submit(&add, x).unwrap()).collect();
    pool.shutdown();
    for (x, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.wait(), Ok(x as u64 + 1));
    }
}

#[test]
fn a_worker_that_cannot_be_replaced_leaves_the_others_to_work() {
    // From the second generation on the initializer fails.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let source = "
import os
def f(folder):
    name = os.path.join(folder, str(len(os.listdir(folder))))
    os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    if len(os.listdir(folder)) > 1: raise ValueError('there was one before')";
    let builder = Pool::builder().workers(1).max_tasks_per_worker(2);
    let pool = builder.initializer(&f(source), path).build().unwrap();
    let add = f("def f(x): return x + 1");
    let start = Instant::now();
    let outcomes: Vec<_> = (0..4)
        .map(|x| pool.submit::<u64, _>(&add, x).and_then(Task::wait))
        .collect();
    assert_eq!(outcomes[..2], [Ok(1), Ok(2)]);
    for outcome in &outcomes[2..] {
        let Err(Error::WorkerLost(lost)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(lost.reason.contains("no worker is left"), "{lost}");
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_pool_needs_settings_that_can_be() {
    let pool = Pool::builder;
    let threads = || pool().backend(Backend::Thread);
    for (name, builder) in [
        ("no worker", pool().workers(0)),
        ("no queue", pool().queue_limit(0)),
        ("no call per worker", pool().max_tasks_per_worker(0)),
        ("a limit that CPython exceeds", pool().memory_limit(1 << 20)),
        ("a limit for threads", threads().memory_limit(64 << 20)),
        ("the memory of threads", threads().count_memory(true)),
    ] {
        assert!(
            matches!(builder.build(), Err(Error::Config { .. })),
            "{name}"
        );
    }
    assert_eq!(
        Pool::builder().build().unwrap().backend(),
        support::PARALLEL
    );
}
