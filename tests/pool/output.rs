//! What tasks print, and where it goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{BACKENDS, builder, f, pool, rows};
use owngil::{
    Backend, Error, Handover, OutputPolicy, OutputSink, OutputStream, Pool, Speaker, Task,
};

const IDENTITY: &str = "def f(x):\n    return x\n";

/// A pool that keeps what tasks print with their outcomes.
fn keeping(backend: Backend, n_workers: usize) -> Pool {
    builder(backend, n_workers)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap()
}

#[test]
fn the_output_of_a_task_belongs_to_that_task() {
    let print = f(r"
import sys
def f(n):
    for line in range(n % 7):
        print(f'task {n} line {line}')
        print(f'oops {n}', file=sys.stderr)
    sys.stdout.buffer.write(b'bytes\n')
    return n");
    for backend in rows(BACKENDS) {
        let pool = keeping(backend, 3);
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
    let print = f("
def f(n):
    for _ in range(n):
        print(n, end=' ')
        print(n)");
    for backend in rows(BACKENDS) {
        let text = Arc::new(Mutex::new(Vec::new()));
        let inside = Arc::clone(&text);
        let sink = move |stream: OutputStream, piece: &[u8]| {
            assert_eq!(stream, OutputStream::Stdout);
            inside.lock().unwrap().extend_from_slice(piece);
        };
        let pool = builder(backend, 4)
            .output(OutputPolicy::Sink(Arc::new(sink)))
            .build()
            .unwrap();
        // The large one is handed on in pieces while it runs.
        let inputs = (1..200).chain([40_000]);
        let failures: Vec<Error> = pool
            .map::<(), _>(&print, inputs)
            .filter_map(Result::err)
            .collect();
        assert_eq!(failures, []);
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

/// `print` only borrows `sys.stdout`: a worker that started and replaced it had it freed under tasks.
#[test]
fn pools_that_start_disturb_no_task_that_prints() {
    let print = f("def f(n):\n    for _ in range(50): print(n)");
    let busy = Pool::builder()
        .backend(Backend::Thread)
        .workers(2)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| (0..30).for_each(|_| drop(pool(Backend::Thread, 2))));
        while !starting.is_finished() {
            for completed in busy.map::<(), _>(&print, 0..50).completed() {
                assert_eq!(completed.result, Ok(()));
                let lines = format!("{}\n", completed.index).repeat(50);
                assert_eq!(completed.output.stdout, lines.into_bytes());
            }
        }
    });
}

#[test]
fn standard_input_is_empty() {
    let read = f("import sys\ndef f():\n    return sys.stdin.read(), list(sys.stdin.buffer)");
    let ask = f("def f():\n    return input('name? ')");
    for backend in rows(BACKENDS) {
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
    let sink = |_: OutputStream, _: &[u8]| panic!("a faulty sink");
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
fn a_sink_that_panics_while_a_worker_is_made_ready_is_the_pools_error() {
    let sink = |_: OutputStream, _: &[u8]| panic!("a faulty sink");
    let print = f("def f(): print('ready')");
    for n_workers in [1, 3] {
        let error = Pool::builder()
            .workers(n_workers)
            .output(OutputPolicy::Sink(Arc::new(sink)))
            .initializer(&print, ())
            .build()
            .unwrap_err();
        assert!(matches!(error, Error::Worker { .. }), "{error:?}");
    }
}

#[test]
fn what_is_printed_counts_towards_what_a_map_keeps_early() {
    // The first call waits until the others have stopped coming.
    let folder = tempfile::tempdir().unwrap();
    let print = f("
import os, time
def f(n, folder):
    if n == 0:
        seen = -1
        while seen != len(os.listdir(folder)):
            seen = len(os.listdir(folder)); time.sleep(0.5)
        return seen
    open(f'{folder}/{n}', 'w').close(); print('x' * (4 << 20))");
    let pool = Pool::builder()
        .workers(2)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let mut map = pool.map::<Option<u32>, _>(&print, (0..400).map(|n| (n, path.clone())));
    let n_ahead = map.next().unwrap().unwrap().unwrap();
    assert!(n_ahead < 200, "{n_ahead} calls of 4 MiB each");
}

/// Notes who says what, piece by piece.
struct Listener(Handover, Mutex<Vec<(Option<u64>, String)>>);

impl OutputSink for Listener {
    fn write(&self, _: OutputStream, _: &[u8]) {
        unreachable!("`write_of` takes all of it");
    }

    fn write_of(&self, speaker: Speaker, _: OutputStream, text: &[u8]) {
        let text = String::from_utf8(text.to_vec()).unwrap();
        self.1.lock().unwrap().push((speaker.index, text));
    }

    fn handover(&self) -> Handover {
        self.0
    }
}

fn listened(backend: Backend, handover: Handover) -> (Pool, Arc<Listener>) {
    let listener = Arc::new(Listener(handover, Mutex::default()));
    let pool = builder(backend, 3)
        .output(OutputPolicy::Sink(Arc::clone(&listener) as _))
        .build()
        .unwrap();
    (pool, listener)
}

#[test]
fn a_sink_gets_the_output_of_a_call_before_the_map_yields_its_result() {
    let print = f("
def f(n):
    if n % 3 == 0:
        print(n)
        print('x' * (n % 7))");
    for backend in rows(BACKENDS) {
        let (pool, listener) = listened(backend, Handover::Blocks);
        for completed in pool.map_unordered::<(), _>(&print, 0..3000u64).completed() {
            let n = completed.index;
            let heard = std::mem::take(&mut *listener.1.lock().unwrap());
            let (own, others): (Vec<_>, Vec<_>) =
                heard.into_iter().partition(|(index, _)| *index == Some(n));
            let expected = format!("{n}\n{}\n", "x".repeat((n % 7) as usize));
            let own: Vec<String> = own.into_iter().map(|(_, text)| text).collect();
            assert_eq!(own, if n % 3 == 0 { vec![expected] } else { vec![] });
            listener.1.lock().unwrap().extend(others);
        }
        assert_eq!(*listener.1.lock().unwrap(), []);
    }
}

#[test]
fn a_sink_may_have_lines_and_pieces_while_the_call_runs() {
    let print = f(r"
import sys
def f(n):
    print('a', n)
    sys.stdout.write('b')
    sys.stdout.write('c\nd')");
    let expected = [
        (Handover::Lines, vec!["a 0\n", "bc\n", "d"]),
        (Handover::Pieces, vec!["a", " ", "0", "\n", "b", "c\nd"]),
    ];
    for backend in rows(BACKENDS) {
        for (handover, expected) in &expected {
            let (pool, listener) = listened(backend, *handover);
            assert_eq!(pool.map::<(), _>(&print, [0]).count(), 1);
            let heard = listener.1.lock().unwrap().clone();
            assert!(heard.iter().all(|(index, _)| *index == Some(0)));
            let pieces: Vec<&str> = heard.iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!(pieces, *expected, "{backend} {handover:?}");
            let task = pool.task(&print).args(5).index(7).timed(true);
            let completed = task.submit::<()>().unwrap().wait_completed();
            assert!(completed.result.is_ok() && completed.timing.is_some());
            let last = listener.1.lock().unwrap().pop().unwrap();
            assert_eq!(last.0, Some(7));
        }
    }
}

/// A sink that never returns from what it is given, once that is a flood.
struct Stuck(Mutex<std::sync::mpsc::Sender<()>>);

impl OutputSink for Stuck {
    fn write(&self, _: OutputStream, text: &[u8]) {
        if text.starts_with(b"flood") {
            let _ = self.0.lock().unwrap().send(());
            loop {
                std::thread::park();
            }
        }
    }
}

#[test]
fn a_sink_that_waits_without_end_holds_up_no_deadline_no_look_and_no_end() {
    let limit = Duration::from_secs(60);
    for backend in rows(BACKENDS) {
        let (arrived, is_there) = std::sync::mpsc::channel();
        let pool = builder(backend, 2)
            .grace(Duration::from_millis(300))
            .output(OutputPolicy::Sink(Arc::new(Stuck(Mutex::new(arrived)))))
            .build()
            .unwrap();
        let flood = f("def f(n):\n    for _ in range(n):\n        print('flood' * 100)");
        let stuck: Task<()> = pool.submit(&flood, (10_000,)).unwrap();
        is_there.recv_timeout(limit).unwrap();
        let endless = f("def f():\n    while True: pass");
        let begun = Instant::now();
        let endless: Task<()> = pool
            .task(&endless)
            .time_limit(Duration::from_millis(300))
            .submit()
            .unwrap();
        let outcome = endless.wait();
        assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{backend}");
        drop(pool.stacks());
        stuck.cancel();
        assert!(
            matches!(stuck.wait(), Err(Error::Cancelled { .. })),
            "{backend}"
        );
        drop(pool);
        assert!(begun.elapsed() < limit, "{backend}");
    }
}

#[test]
fn what_child_processes_print_is_their_tasks_output() {
    let source = "import os, subprocess
def f(n):
    print('before')
    subprocess.run(['echo', f'child {n}'], check=True)
    os.system(f'echo shell {n}; echo error {n} >&2')
    print('after')
    return n";
    for backend in rows(BACKENDS) {
        let pool = keeping(backend, 2);
        for completed in pool.map::<u64, _>(&f(source), 0..20u64).completed() {
            let n = completed.index;
            assert_eq!(completed.result, Ok(n), "{backend}");
            let expected = format!("before\nchild {n}\nshell {n}\nafter\n");
            let stdout = String::from_utf8(completed.output.stdout).unwrap();
            assert_eq!(stdout, expected, "{backend}");
            let stderr = String::from_utf8(completed.output.stderr).unwrap();
            assert_eq!(stderr, format!("error {n}\n"), "{backend}");
        }
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: no interpreters with a GIL of their own"
)]
fn a_flood_of_a_child_process_is_kept_as_far_as_there_is_room_and_says_so() {
    let source = "
import subprocess
def f():
    subprocess.run('yes | head -c 70000000', shell=True)
    return 1";
    let pool = keeping(Backend::Interpreter, 1);
    let completed = pool.map::<u64, _>(&f(source), [(); 2]).completed();
    for completed in completed {
        assert_eq!(completed.result, Ok(1));
        let kept = completed.output.stdout.len();
        assert!(kept <= owngil::OUTPUT_LIMIT && kept > owngil::OUTPUT_LIMIT - (1 << 17));
        let said = String::from_utf8(completed.output.stderr).unwrap();
        assert!(said.contains("the rest is lost"), "{said}");
    }
}
