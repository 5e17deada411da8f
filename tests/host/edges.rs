//! Edges: many workers, large values, numbers and names at their limits, and calls from where nothing is expected.

use std::sync::{Arc, Mutex, PoisonError};

use owngil::{Backend, Buffer, Caller, Keywords, Pool, Value};
use serde::Deserialize;

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows};

#[test]
fn many_workers_call_one_closure_that_panics_with_a_lock() {
    for backend in rows(BACKENDS) {
        let n_workers = if backend == Backend::Process { 4 } else { 32 };
        let count = Arc::new(Mutex::new(0_u32));
        let inside = Arc::clone(&count);
        let next = move |n: u32| {
            // Poisoned by one of them.
            let mut count = inside.lock().map_err(|_| "it is poisoned")?;
            *count += 1;
            assert!(n != 77, "panics with the lock");
            Ok::<u32, &str>(*count)
        };
        let builder = builder(backend, n_workers).host_function("next", next);
        let pool = builder.build().unwrap();
        let call = f("
import owngil
from owngil.host import next
def f(n):
    try: return next(n)
    except owngil.HostError as error: return str(error)
");
        let results: Vec<Value> = pool
            .map_unordered(&call, 0..200_u32)
            .collect::<owngil::Result<_>>()
            .unwrap();
        let n_counted = *count.lock().unwrap_or_else(PoisonError::into_inner) as usize;
        let numbers = results
            .iter()
            .filter(|value| matches!(value, Value::Int(_)));
        // All but the one that panicked.
        assert_eq!(numbers.count(), n_counted - 1, "{backend}");
        let texts = results.iter().filter_map(|value| match value {
            Value::Str(text) => Some(text.to_string()),
            _ => None,
        });
        assert!(
            texts
                .clone()
                .all(|text| text.contains("poisoned") || text.contains("panic")),
            "{backend}: {:?}",
            texts.collect::<Vec<_>>()
        );
    }
}

#[test]
fn numbers_at_their_limits_and_large_values_cross() {
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1)
            .host_function("least", |n: i64| ok(n))
            .host_function("most", |n: u64| ok(n))
            .host_function("wide", |n: i128| ok(n))
            .host_function("float", |x: f64| ok(x))
            .host_function("large", |data: Buffer| ok(data))
            .build()
            .unwrap();
        let call = f("
import math
from owngil.host import float, large, least, most, wide
class Index:
    def __index__(self): raise KeyError('mine')
def raised(call, value):
    try: return repr(call(value))
    except Exception as error: return type(error).__name__
def f():
    assert least(-2**63) == -2**63 and most(2**64 - 1) == 2**64 - 1 and wide(-2**127) == -2**127
    assert math.isnan(float(math.nan)) and float(-math.inf) == -math.inf
    data = bytes(100_000_000)
    assert large(data) == data
    return [raised(least, 2**63), raised(most, -1), raised(wide, 2**127), raised(least, Index())]
");
        let errors: Vec<String> = pool.call(&call, ()).unwrap();
        assert_eq!(errors[..3], ["TypeError"; 3], "{backend}");
        assert!(
            ["TypeError", "KeyError"].contains(&&*errors[3]),
            "{backend}: {errors:?}"
        );
    }
}

/// Which are closed with `deny_unknown_fields`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    limit: u8,
}

#[test]
fn a_keyword_that_a_struct_does_not_know_is_a_type_error_that_names_it() {
    let pool = builder(Backend::Interpreter, 1)
        .host_function("find", |Keywords(options): Keywords<Options>| {
            ok(options.limit)
        })
        .build()
        .unwrap();
    let call = f("
from owngil.host import find
def f():
    try: find(most=1)
    except TypeError as error: return find(limit=7), str(error)
");
    let (limit, error): (u8, String) = pool.call(&call, ()).unwrap();
    assert_eq!(limit, 7);
    assert!(error.contains("most"), "{error}");
}

#[test]
fn calls_come_from_where_nothing_is_expected() {
    for backend in rows(BACKENDS) {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let inside = Arc::clone(&seen);
        let note = move |text: String| {
            inside.lock().unwrap().push(text);
            ok(())
        };
        let pool = builder(backend, 1)
            .host_function("note", note)
            .build()
            .unwrap();
        let call = f("
import asyncio, atexit, gc, threading
from owngil.host import note
class Last:
    def __del__(self): note('finalizer')
async def later(): await asyncio.to_thread(note, 'loop')
def f():
    last = Last(); last.itself = last; del last; gc.collect()
    thread = threading.Thread(target=note, args=['thread']); thread.start(); thread.join()
    asyncio.run(later()); atexit.register(note, 'exit')
");
        pool.call::<(), _>(&call, ()).unwrap();
        pool.shutdown();
        let seen = seen.lock().unwrap();
        assert_eq!(seen[..3], ["finalizer", "thread", "loop"], "{backend}");
        // The main interpreter, which threads share, ends with the process.
        assert!(
            seen.len() == 4 || backend == Backend::Thread,
            "{backend}: {seen:?}"
        );
    }
}

#[test]
fn a_caller_that_is_kept_after_its_call_still_answers() {
    for backend in rows(BACKENDS) {
        let kept: Arc<Mutex<Option<Caller>>> = Arc::default();
        let inside = Arc::clone(&kept);
        let keep = move |caller: Caller| {
            *inside.lock().unwrap() = Some(caller);
            ok(())
        };
        let pool: Pool = builder(backend, 1)
            .host_function("keep", keep)
            .build()
            .unwrap();
        let call = f("from owngil.host import keep\ndef f(): keep()");
        pool.call::<(), _>(&call, ()).unwrap();
        drop(pool);
        let caller = kept.lock().unwrap().take().unwrap();
        assert_eq!(caller.worker(), Some(0), "{backend}");
        // No call needs it any more, and none is out of time.
        let _ = (caller.is_cancelled(), caller.time_left(), caller.task());
    }
}

#[test]
fn what_is_forked_off_a_worker_process_leaves_its_calls_alone() {
    let pool = builder(Backend::Process, 1)
        .host_function("same", |n: u32| ok(n))
        .build()
        .unwrap();
    let call = f("
import os, signal
from owngil.host import same
def f(n):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try: same(0)
        except BaseException: os._exit(3)
        os._exit(4)
    return same(n), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
");
    for n in 0..20_u32 {
        let (same, status): (u32, i32) = pool.call(&call, n).unwrap();
        assert_eq!(same, n);
        assert_eq!(
            status, 3,
            "the child gets an exception, and no answer of its parent"
        );
    }
}
