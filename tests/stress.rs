//! Many tasks and many interpreters, under a memory check. `OWNGIL_STRESS=10` makes it ten times as
//! long.

mod support;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use owngil::{Error, Interpreter, Pool, Task};
use support::{BACKENDS, f, pool, resident_kib, rows};

/// The tests of this file take turns: memory is measured for the process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn scale() -> u64 {
    support::scale().into()
}

/// What interpreters of this version lose when they end, in KiB each (facts of CPython: its arenas
/// are not freed before 3.14, gh-110411, gh-113055).
fn known_loss_kib() -> u64 {
    let version = owngil::runtime_info().unwrap().version;
    let minor: u64 = version.split('.').nth(1).unwrap().parse().unwrap();
    if minor < 14 { 2600 } else { 60 }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn a_hundred_interpreters_come_and_go() {
    let _turn = turn();
    let cycle = || {
        Interpreter::scope(|python| {
            python.exec("data = [str(i) for i in range(1000)]")?;
            python.eval::<usize>("len(data)")
        })
        .unwrap()
    };
    for _ in 0..10 {
        assert_eq!(cycle(), 1000);
    }
    let before = resident_kib();
    let n = 100 * scale();
    for _ in 0..n {
        cycle();
    }
    let grown = resident_kib().saturating_sub(before);
    let allowed = n * known_loss_kib() + (8 << 10);
    assert!(grown < allowed, "{grown} KiB for {n} interpreters");
    eprintln!("{} KiB for each interpreter that ended", grown / n);
}

/// What the function below returns.
type Row = (u64, String, HashMap<String, u64>);

#[test]
fn a_hundred_thousand_tasks_leave_no_memory_behind() {
    let _turn = turn();
    let function = f("def f(x):\n    return [x, str(x), {'x': x}]");
    let raise = f("def f(x):\n    raise ValueError(x)");
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let round = |n: u64| {
            let sum: u64 = pool
                .map::<Row, _>(&function, 0..n)
                .map(|result| result.unwrap().0)
                .sum();
            assert_eq!(sum, n * (n - 1) / 2);
            let n_raised = pool
                .map::<(), _>(&raise, 0..n / 50)
                .filter(Result::is_err)
                .count();
            assert_eq!(n_raised as u64, n / 50);
            let tasks: Vec<Task<Row>> = (0..n / 50)
                .map(|x| pool.submit(&function, x).unwrap())
                .collect();
            assert!(
                tasks
                    .into_iter()
                    .enumerate()
                    .all(|(x, task)| task.wait().unwrap().0 == x as u64)
            );
        };
        round(20_000);
        let before = resident_kib();
        round(100_000 * scale());
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 8 << 10, "{backend}: {grown} KiB");
        eprintln!("{backend}: {grown} KiB after {} tasks", 100_000 * scale());
    }
}

/// Eight workers at once on what has crashed interpreters before: extensions of the standard library
/// with static types, imports at the same time, threads, exceptions, garbage.
const MIXED: &str = "
import asyncio, collections, datetime, decimal, hashlib, json, logging, re, sqlite3, struct, threading, zlib
def f(x):
    when = datetime.datetime(2026, 1, 1) + datetime.timedelta(days=x % 1000)
    number = decimal.Decimal(x) / 7
    text = json.dumps({'when': when.isoformat(), 'number': str(number)})
    with sqlite3.connect(':memory:') as base:
        base.execute('create table t (a, b)')
        base.executemany('insert into t values (?, ?)', [(i, text) for i in range(20)])
        (n,) = base.execute('select count(*) from t').fetchone()
    base.close()
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = re.findall(r'[0-9]+', text)
    threads = [threading.Thread(target=zlib.compress, args=(text.encode() * 50,)) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    async def wait():
        await asyncio.sleep(0)
        return len(found)
    cycle = []; cycle.append(cycle)
    try:
        struct.unpack('>Q', b'short')
    except struct.error:
        pass
    logging.getLogger(digest[:4]).debug(text)
    return n + asyncio.run(wait()) + len(digest)
";

#[test]
fn eight_workers_survive_a_mix_of_the_standard_library() {
    let _turn = turn();
    let function = f(MIXED);
    for round in 0..2 * scale() {
        let pool = pool(support::PARALLEL, 8);
        let n = 400;
        let sum: u64 = pool
            .map::<u64, _>(&function, 0..n)
            .map(Result::unwrap)
            .sum();
        assert!(sum > n * 84, "round {round}");
    }
}

#[test]
fn pools_come_and_go_with_work_in_them() {
    let _turn = turn();
    let function = f("import decimal, datetime\ndef f(x):\n    return str(decimal.Decimal(x))");
    for round in 0..10 * scale() {
        let pool = Pool::builder().workers(4).queue_limit(16).build().unwrap();
        let mut map = pool.map::<String, _>(&function, 0..10_000);
        for x in 0..100 * (round % 3) {
            assert_eq!(map.next(), Some(Ok(x.to_string())));
        }
        drop(map);
        let tasks: Vec<Task<String>> = (0..10)
            .map(|x| pool.submit(&function, x).unwrap())
            .collect();
        if round % 2 == 0 {
            pool.shutdown();
        } else {
            drop(pool);
        }
        for (x, task) in tasks.into_iter().enumerate() {
            let outcome = task.wait();
            assert!(
                outcome == Ok(x.to_string()) || matches!(outcome, Err(Error::Cancelled { .. })),
                "{outcome:?}"
            );
        }
    }
}
