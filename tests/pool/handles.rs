//! Handles: what keeps a pool, what ends with it, and which worker makes a call.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use owngil::{Backend, Error, Function, Map, Pool, Task};

use super::futures::block_on;
#[cfg(feature = "stream")]
use super::futures::stream::all;
use crate::support::{BACKENDS, HERE, PARALLEL, builder, f, pool, rows};

const DOUBLE: &str = "def f(x): return 2 * x";
const SPIN: &str = "def f():\n    while True: pass";

/// A map that outlives every name of its pool.
fn doubled(n: u64) -> Map<std::ops::Range<u64>, u64> {
    pool(PARALLEL, 2).map(&f(DOUBLE), 0..n)
}

#[test]
fn a_map_is_a_handle_to_its_pool() {
    let values: owngil::Result<Vec<u64>> = doubled(10_000).collect();
    assert!(values.unwrap().into_iter().eq((0..10_000).map(|x| 2 * x)));
    let indices = doubled(100).completed().map(|completed| completed.index);
    assert!(indices.eq(0..100));
}

#[test]
fn a_map_can_move_to_another_thread() {
    let values = doubled(100);
    let sum = thread::spawn(move || values.map(Result::unwrap).sum::<u64>());
    assert_eq!(sum.join().unwrap(), 9900);
}

#[cfg(feature = "stream")]
#[test]
fn a_stream_is_a_handle_to_its_pool() {
    fn doubled() -> impl futures_core::Stream<Item = owngil::Result<u64>> + 'static {
        pool(PARALLEL, 2).map_async(&f(DOUBLE), 0..100)
    }
    let values = block_on(all(doubled())).into_iter().map(Result::unwrap);
    assert!(values.eq((0..100).map(|x| 2 * x)));
}

#[test]
fn calls_that_wait_for_room_are_handles_to_their_pool() {
    fn doubled(x: u64) -> impl Future<Output = owngil::Result<u64>> + Send + 'static {
        pool(PARALLEL, 1).call_async(&f(DOUBLE), x)
    }
    assert_eq!(block_on(doubled(4)), Ok(8));
    let submitted = pool(PARALLEL, 1).submit_async::<(), _>(&f(SPIN), ());
    let task = block_on(submitted).unwrap();
    // The submission was the last handle, and is gone.
    assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
}

#[test]
fn a_pool_ends_with_its_last_clone() {
    for backend in rows(HERE) {
        let pool = pool(backend, 1);
        let clone = pool.clone();
        let task: Task<()> = pool.submit(&f(SPIN), ()).unwrap();
        drop(pool);
        assert!(task.wait_timeout(Duration::from_millis(200)).is_none());
        drop(clone);
        assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
    }
}

#[test]
fn shutting_down_one_clone_shuts_down_all() {
    let pool = pool(PARALLEL, 1);
    let clone = pool.clone();
    clone.shutdown();
    let refused = pool.call::<u64, _>(&f(DOUBLE), 1);
    assert_eq!(refused, Err(Error::ShutDown));
}

#[test]
fn a_call_can_choose_its_worker() {
    const COUNT: &str = "
import owngil
def f():
    owngil.state.n = getattr(owngil.state, 'n', 0) + 1
    return owngil.worker_id(), owngil.state.n
";
    for backend in rows(BACKENDS).filter(|backend| *backend != Backend::Thread) {
        let pool = pool(backend, 3);
        let count = f(COUNT);
        for worker in [2, 0, 1] {
            let call = || pool.task(&count).on_worker(worker);
            let tasks: Vec<Task<(usize, u32)>> = (0..20)
                .map(|number| match number % 3 {
                    0 => call().try_submit().unwrap(),
                    1 => block_on(call().submit_async()).unwrap(),
                    _ => call().submit().unwrap(),
                })
                .collect();
            let values = tasks.into_iter().map(|task| task.wait().unwrap());
            assert!(values.eq((1..=20).map(|n| (worker, n))));
        }
    }
}

#[test]
fn a_worker_that_is_chosen_does_not_hold_up_the_others() {
    let pool = builder(PARALLEL, 2).queue_limit(4).build().unwrap();
    let busy: Task<()> = pool.task(&f(SPIN)).on_worker(0).submit().unwrap();
    let double = f(DOUBLE);
    let call = || pool.task(&double).args(4).on_worker(0);
    // More than the queue holds.
    let mut waiting: Vec<Task<u64>> = (0..50).map(|_| call().submit().unwrap()).collect();
    let late = call().deadline(Duration::from_millis(50)).submit::<u64>();
    assert_eq!(late.unwrap().wait(), Err(Error::timed_out(None)));
    let mut others = pool.map::<u64, _>(&double, 0..1000);
    assert!(others.all(|value| value.is_ok()));
    drop(waiting.pop());
    busy.cancel();
    assert!(waiting.into_iter().all(|task| task.wait() == Ok(8)));
}

#[test]
fn there_are_only_as_many_workers() {
    let pool = pool(PARALLEL, 2);
    let double = f(DOUBLE);
    let call = || pool.task(&double).args(1).on_worker(2);
    let refusals = [
        call().submit::<u64>().err(),
        call().try_submit::<u64>().err(),
        call().submit_timeout::<u64>(Duration::ZERO).err(),
        block_on(call().submit_async::<u64>()).err(),
    ];
    let expected = Error::config("there is no worker 2 in a pool of 2");
    assert!(
        refusals
            .into_iter()
            .all(|refusal| refusal.as_ref() == Some(&expected))
    );
}

#[test]
fn a_builder_can_be_used_again() {
    let builder =
        builder(PARALLEL, 1).initializer(&f("def f(x): import owngil; owngil.state.x = x"), 5);
    let read = f("import owngil\ndef f(): return owngil.state.x");
    let pools: Vec<Pool> = (0..2).map(|_| builder.clone().build().unwrap()).collect();
    let values: BTreeSet<i64> = pools
        .iter()
        .map(|pool| pool.call(&read, ()).unwrap())
        .collect();
    assert_eq!(values, BTreeSet::from([5]));
}

#[test]
fn a_reference_that_names_nothing_is_refused_at_once() {
    for reference in rows(["math", "math.hypot", ":f", "f.py:", "f.py:a-b", "a b:c", ""]) {
        let error = reference.parse::<Function>().unwrap_err();
        assert!(error.to_string().contains(reference), "{error}");
        assert!(error.hint.is_some());
    }
    for reference in rows(["math:hypot", "dir/f.py:C.m", "f.py:f", "a.b:c.d"]) {
        assert_eq!(reference.parse(), Ok(Function::at(reference)));
    }
}
