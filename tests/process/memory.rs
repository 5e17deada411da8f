//! The memory of worker processes: counted, limited, and what becomes of one that is full.

use crate::support::{builder, f, scale};
use owngil::{Backend, Pool};

fn limited() -> Pool {
    let builder = builder(Backend::Process, 1).memory_limit(64 << 20);
    builder.build().unwrap()
}

#[test]
fn the_memory_of_a_worker_is_counted_and_limited() {
    let pool = limited();
    let large = f("def f(n): return len(bytearray(n))");
    assert_eq!(pool.call::<usize, _>(&large, 0), Ok(0));
    let empty = pool.stats().workers[0].memory.unwrap();
    // CPython itself counts: it frees later what it took to start.
    assert!((1 << 20..16 << 20).contains(&empty), "{empty}");
    assert_eq!(pool.call::<usize, _>(&large, 1 << 20), Ok(1 << 20));
    let error = pool.call::<usize, _>(&large, 100 << 20).unwrap_err();
    assert_eq!(
        error.python().unwrap().kind(),
        owngil::ExceptionKind::MemoryError
    );
    let keep = f("kept = []\ndef f(n): kept.append(bytearray(n))");
    pool.call::<(), _>(&keep, 20 << 20).unwrap();
    let memory = pool.stats().workers[0].memory.unwrap();
    assert!(
        (20 << 20..24 << 20).contains(&(memory - empty)),
        "{memory} after {empty}"
    );
    // Small blocks may go beyond the limit. Where tasks leave as much behind, another takes the worker's place.
    let pid = f("import os\ndef f(): return os.getpid()");
    let before: u32 = pool.call(&pid, ()).unwrap();
    // Linked, since a list that grows asks for a large one, which fails below the limit.
    let fill = f("
kept = None
def f():
    global kept
    while True: kept = kept, bytes(1000)");
    pool.call::<(), _>(&fill, ()).unwrap_err();
    assert_eq!(pool.call::<usize, _>(&large, 1 << 20), Ok(1 << 20));
    assert_ne!(pool.call::<u32, _>(&pid, ()), Ok(before));
}

#[test]
fn what_is_on_its_way_to_a_worker_that_is_full_runs_once_and_elsewhere() {
    let pool = limited();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("begun");
    let fill = f("
kept = None
def f(path, number):
    global kept
    with open(path, 'a') as file: print(number, file=file)
    try:
        while number % 8 == 0: kept = [kept]
    except MemoryError: pass
    return len(bytearray(1 << 20))");
    // The value of a call that fills the memory is refused; that of none of the others. So many lists take a
    // while to be looked through, before the process says that it is full: meanwhile it is sent the next job.
    let n_rounds = 2 * scale();
    for round in 0..n_rounds {
        let numbers = round * 24..(round + 1) * 24;
        let tasks: Vec<_> = numbers
            .clone()
            .map(|number| pool.submit::<usize, _>(&fill, (&path, number)).unwrap())
            .collect();
        for (number, task) in numbers.zip(tasks) {
            assert_eq!(task.wait().is_ok(), number % 8 != 0, "{number}");
        }
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let mut begun: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    begun.sort_unstable();
    assert_eq!(begun, (0..n_rounds * 24).collect::<Vec<u32>>());
}
