//! Values: arguments and what a function returns, on every backend.

use std::collections::BTreeMap;

use owngil::{Backend, BigInt, Buffer, Function, Keywords, Payload, Pool, PoolBuilder, Value};
use serde::{Deserialize, Serialize};

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows};

/// Each of them, and functions that move from one to another.
fn backends() -> impl Iterator<Item = Backend> {
    rows(BACKENDS.into_iter().chain([Backend::Auto]))
}

fn echo(builder: PoolBuilder) -> PoolBuilder {
    builder.host_function("echo", |value: Payload| ok(value))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    price: Option<f64>,
    tags: Vec<String>,
}

#[test]
fn arguments_and_values_are_of_any_serde_type() {
    for backend in backends() {
        let pool = builder(backend, 2)
            .host_function("none", || ok(()))
            .host_function("shop.price", |id: u64| ok(id as f64 * 1.5))
            .host_function("shop.add", |a: i64, b: i64| ok(a + b))
            .host_function("shop.many", many)
            .host_function("shop.stock.count", |items: Vec<Item>| {
                let prices: Vec<Option<f64>> = items.iter().map(|item| item.price).collect();
                ok((items.len(), prices, items.into_iter().next()))
            })
            .host_function("wide", |number: u128| ok(number + 1))
            .host_function("big", |number: BigInt| ok(number))
            .build()
            .unwrap();
        let source = "
from owngil.host import big, none, shop, wide
import owngil.host.shop.stock
def f():
    item = {'name': 'tea', 'price': 2.5, 'tags': ['hot', 'é\\u2615']}
    n, prices, first = owngil.host.shop.stock.count([item, {**item, 'price': None}])
    assert (n, prices, first) == (2, [2.5, None], item)
    assert none() is None and shop.price(3) == 4.5 and shop.add(-1, 2) == 1
    assert shop.many(1, 'b', [3], {4: 5}, None, True, 7.0, b'8') == (1, 'b', [3], {4: 5}, None, True, 7.0, 1)
    assert wide(2**100) == 2**100 + 1 and big(-2**200) == -2**200
    return 'done'
";
        assert_eq!(
            pool.call::<String, _>(&f(source), ()).unwrap(),
            "done",
            "{backend}"
        );
    }
}

type Many = (
    u8,
    String,
    Vec<u8>,
    BTreeMap<u8, u8>,
    Option<u8>,
    bool,
    f32,
    usize,
);

#[expect(
    clippy::too_many_arguments,
    reason = "it is as many as a host function may have"
)]
fn many(
    a: u8,
    b: String,
    c: Vec<u8>,
    d: BTreeMap<u8, u8>,
    e: Option<u8>,
    g: bool,
    h: f32,
    i: Buffer,
) -> Result<Many, String> {
    Ok((a, b, c, d, e, g, h, i.len()))
}

#[test]
fn objects_that_rust_cannot_read_pass_through_it() {
    let source = "
import datetime, enum
from owngil.host import echo
def f():
    shared = [1]
    for value in (
        datetime.date(2026, 1, 2), {1: datetime.timedelta(3)}, (1, [2, {3}], frozenset({4})), 2**70, 'é' * 1000,
        [shared, shared], b'x' * 100_000, bytearray(b'y'), float('inf'), '\\ud800', [[]] * 100,
    ):
        came = echo(value)
        assert came == value and type(came) is type(value), value
    both = echo([shared, shared])
    assert both[0] is both[1]
    return 'done'
";
    for backend in backends() {
        let pool = echo(builder(backend, 1)).build().unwrap();
        assert_eq!(
            pool.call::<String, _>(&f(source), ()).unwrap(),
            "done",
            "{backend}"
        );
    }
}

#[test]
fn bytes_and_buffers_cross_as_in_calls() {
    let source = "
from owngil.host import keep, made
def f(n):
    data = bytes(range(256)) * (n // 256)
    assert keep(data) == n and keep(memoryview(data)) == n and keep(bytearray(data)) == n
    view = made(n)
    assert type(view) is memoryview and view.readonly and view.nbytes == n and view[n - 1] == 7
    return 'done'
";
    for backend in backends() {
        let (sender, kept) = std::sync::mpsc::channel::<Buffer>();
        let keep = move |data: Buffer| {
            let n = data.len();
            // It outlives the call, and what it was lent by.
            sender.send(data).map(|()| n)
        };
        let pool = builder(backend, 1)
            .host_function("keep", keep)
            .host_function("made", |n: usize| ok(Buffer::from(vec![7; n])))
            .build()
            .unwrap();
        for n in [256, 64 << 10, 4 << 20] {
            let done: String = pool.call(&f(source), n).unwrap();
            assert_eq!(done, "done");
            for _ in 0..3 {
                let data = kept.try_recv().unwrap();
                assert!(
                    data.iter()
                        .enumerate()
                        .all(|(place, byte)| place as u8 == *byte)
                );
            }
        }
        drop(pool);
    }
}

#[derive(Deserialize)]
struct Options {
    currency: String,
    #[serde(default)]
    discount: f64,
}

#[test]
fn keyword_arguments_fill_a_struct_or_a_map() {
    let source = "
from owngil.host import any_names, price
def f():
    assert price(2, currency='EUR') == '2 EUR' and price(2, discount=0.5, currency='CHF') == '1 CHF'
    assert any_names(x=1, y=[2]) == {'x': 1, 'y': [2]} and any_names() == {}
    assert any_names(**{'with space': 3}) == {'with space': 3}
    wrong = {}
    for name, call in {
        'missing': lambda: price(2),
        'unknown': lambda: price(2, currency='EUR', discout=0.1),
        'shape': lambda: price(2, currency=5),
        'positional': lambda: price(2, 'EUR'),
    }.items():
        try: call()
        except TypeError as error: wrong[name] = str(error)
    return wrong
";
    for backend in backends() {
        let price = |amount: f64, Keywords(options): Keywords<Options>| {
            let price = amount * (1.0 - options.discount);
            ok(format!("{price} {}", options.currency))
        };
        let any_names = |names: Keywords<BTreeMap<String, Value>>| ok(names.0);
        let pool = builder(backend, 1)
            .host_function("price", price)
            .host_function("any_names", any_names)
            .build()
            .unwrap();
        let wrong: BTreeMap<String, String> = pool.call(&f(source), ()).unwrap();
        assert_eq!(
            wrong["missing"],
            "price(): kwargs (dict): missing field `currency`"
        );
        assert_eq!(
            wrong["unknown"],
            "price(): unexpected keyword argument \"discout\"\nhint: it takes currency, discount"
        );
        assert!(
            wrong["shape"].starts_with("price(): kwargs[\"currency\"] (int): "),
            "{wrong:?}"
        );
        assert_eq!(
            wrong["positional"],
            "price(): it takes 1 positional argument, but 2 were given"
        );
    }
}

#[test]
fn functions_are_called_from_threads_of_a_task_at_once() {
    let source = "
import threading
from owngil.host import echo
def f():
    came, lock = [], threading.Lock()
    def work(n):
        for k in range(200):
            value = echo([n, k, str(k), {'a': (n, k)}])
            with lock: came.append(value)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    expected = [[n, k, str(k), {'a': (n, k)}] for n in range(4) for k in range(200)]
    return sorted(came, key=lambda value: value[:2]) == expected
";
    for backend in backends() {
        let pool = echo(builder(backend, 2)).build().unwrap();
        assert!(pool.call::<bool, _>(&f(source), ()).unwrap(), "{backend}");
    }
}

#[test]
fn other_threads_of_the_interpreter_go_on_while_rust_runs() {
    // The function returns when another thread of the interpreter has called the other one.
    let source = "
import threading
from owngil.host import meet
def f():
    met = []
    threads = [threading.Thread(target=lambda: met.append(meet())) for _ in range(3)]
    for thread in threads: thread.start()
    met.append(meet())
    for thread in threads: thread.join()
    return len(met)
";
    for backend in backends() {
        let barrier = std::sync::Barrier::new(4);
        let meet = move || {
            barrier.wait();
            ok(())
        };
        let pool = builder(backend, 1)
            .host_function("meet", meet)
            .build()
            .unwrap();
        assert_eq!(pool.call::<u8, _>(&f(source), ()).unwrap(), 4, "{backend}");
    }
}

#[test]
fn a_function_that_moves_to_a_process_has_the_same_host_functions() {
    let source = "
import os
from owngil.host import shop
def f(n):
    before = shop.price(n)
    pid = os.fork()
    if pid == 0:
        try: shop.price(n)
        except RuntimeError as error: os._exit('forked' in str(error))
        os._exit(9)
    return before, shop.price(n), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
";
    let price = |id: u64| ok(id * 2);
    let pool = builder(Backend::Auto, 2)
        .host_function("shop.price", price)
        .build()
        .unwrap();
    let came: (u64, u64, i32) = pool.call(&f(source), 21).unwrap();
    assert_eq!(came, (42, 42, 1));
    #[cfg(not(Py_GIL_DISABLED))]
    assert_eq!(pool.moved().len(), 1);
}

#[test]
fn references_are_counted_and_closures_dropped_with_their_pool() {
    let source = "
import sys
from owngil.host import echo, fail
def f():
    thing, text = ['x' * 10], 'y' * 5000
    data = b'z' * 100_000
    def counts(): return [sys.getrefcount(it) for it in (thing, text, data, echo, fail)]
    def again(n):
        for _ in range(n):
            echo(thing), echo(text), echo(data)
            for wrong in (lambda: fail(thing), lambda: echo(), lambda: echo(object()), lambda: echo(a=thing)):
                try: wrong()
                except Exception: pass
    again(10)
    before = counts()
    again(100)
    return [before, counts()]
";
    for backend in backends() {
        let alive = std::sync::Arc::new(());
        let held = std::sync::Arc::clone(&alive);
        let fail = move |value: Payload| {
            let _ = &held;
            Err::<(), _>(format!("no {}", value.type_name()))
        };
        let pool = echo(builder(backend, 1))
            .host_function("fail", fail)
            .build()
            .unwrap();
        let source = f(source);
        // What is lent is given back by the time of the next call.
        let [before, after]: [Vec<usize>; 2] = pool.call(&source, ()).unwrap();
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| after <= &(before + 2)),
            "{backend}: {before:?} {after:?}"
        );
        drop(pool);
        crate::support::soon("the closure is dropped", || {
            std::sync::Arc::strong_count(&alive) == 1
        });
    }
}

#[test]
fn one_thread_serves_pools_with_functions_of_one_name() {
    let ask = f("from owngil.host import who\ndef f(): return who()");
    let in_thread = Function::source(
        "import threading\nfrom owngil.host import who
def f():
    came = []
    def work():
        try: came.append(who())
        except RuntimeError as error: came.append(str(error))
    thread = threading.Thread(target=work)
    thread.start(); thread.join()
    return came[0]",
        "f",
    );
    for backend in backends() {
        let made = |name: &'static str| {
            let who = move || ok(name);
            let pool: Pool = builder(backend, 1)
                .host_function("who", who)
                .build()
                .unwrap();
            pool
        };
        let (one, other) = (made("one"), made("other"));
        for _ in 0..3 {
            assert_eq!(one.call::<String, _>(&ask, ()).unwrap(), "one");
            assert_eq!(other.call::<String, _>(&ask, ()).unwrap(), "other");
        }
        let came: String = one.call(&in_thread, ()).unwrap();
        match one.backend() {
            // Which of them its thread belongs to is not known.
            Backend::Thread => assert!(came.starts_with("several pools have"), "{came}"),
            _ => assert_eq!(came, "one"),
        }
        drop(other);
        assert_eq!(one.call::<String, _>(&ask, ()).unwrap(), "one");
    }
}

#[test]
fn scripts_call_them_too_run_after_run() {
    let script = "
import owngil, sys
from owngil.host import note
import owngil.host
assert owngil.host.note is note
note(sys.argv[1])
";
    let script = Function::script_text(None, script);
    for backend in backends() {
        let (sender, notes) = std::sync::mpsc::channel();
        let pool = builder(backend, 1)
            .host_function("note", move |text: String| sender.send(text))
            .build()
            .unwrap();
        for argument in ["one", "two", "three"] {
            pool.call::<Value, _>(&script, argument).unwrap();
            assert_eq!(notes.try_recv().unwrap(), argument, "{backend}");
        }
    }
}
