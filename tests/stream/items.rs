//! Items: what can be streamed, and what comes.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use owngil::{Buffer, Error, ExceptionKind, Function, Payload, Pool, Value};

use crate::support::{BACKENDS, builder, f, pool, rows};

/// Functions that return different iterables over 0, 1 and 2.
const ITERABLES: [&str; 9] = [
    "def f():\n    yield 0\n    yield 1\n    yield 2",
    "def f():\n    yield from range(3)",
    "def f(): return range(3)",
    "def f(): return [0, 1, 2]",
    "def f(): return iter((0, 1, 2))",
    "def f(): return {0: 'a', 1: 'b', 2: 'c'}",
    "def f(): return map(int, '012')",
    "class Old:\n    def __getitem__(self, n): return [0, 1, 2][n]\ndef f(): return Old()",
    "import asyncio\nasync def f():\n    for n in range(3):\n        await asyncio.sleep(0)\n        yield n",
];

fn all<T: serde::de::DeserializeOwned>(pool: &Pool, function: &Function) -> Vec<T> {
    let items: owngil::Result<Vec<T>> = pool.stream(function, ()).collect();
    items.unwrap()
}

#[test]
fn the_items_of_any_iterable_come_in_order() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for source in rows(ITERABLES) {
            assert_eq!(all::<u8>(&pool, &f(source)), [0, 1, 2]);
        }
        assert!(all::<u8>(&pool, &f("def f(): return ()")).is_empty());
        let many = all::<u32>(&pool, &f("def f(): return range(100_000)"));
        assert!(many.into_iter().eq(0..100_000));
        let arguments = pool.stream::<u32, _>(
            &f("def f(a, b, c=0): return [a, b, c]"),
            owngil::keywords((1, 2), std::collections::BTreeMap::from([("c", 3)])),
        );
        let arguments: owngil::Result<Vec<u32>> = arguments.collect();
        assert_eq!(arguments.unwrap(), [1, 2, 3]);
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn items_of_any_size_and_kind_arrive_as_they_were() {
    let source = "
def f():
    for n in range(40):
        yield bytes([n]) * (1 if n % 3 else 300_000)
";
    let kinds = "
import datetime
def f():
    shared = [1]
    yield {'a': [1, 2.5, None], 'b': (True, 'text')}
    yield datetime.date(2026, 12, 1)
    yield [shared, shared]
";
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for (n, item) in all::<Buffer>(&pool, &f(source)).into_iter().enumerate() {
            let length = if n % 3 == 0 { 300_000 } else { 1 };
            assert!(item.len() == length && item.iter().all(|byte| usize::from(*byte) == n));
        }
        let items = all::<Payload>(&pool, &f(kinds));
        let first: Value = items[0].decode().unwrap();
        let known = serde_json::json!({"a": [1, 2.5, null], "b": [true, "text"]});
        assert_eq!(serde_json::to_value(&first).unwrap(), known);
        let same = f("def f(date, pair): return date.year, pair[0] is pair[1]");
        let same: (u32, bool) = pool.call(&same, (&items[1], &items[2])).unwrap();
        assert_eq!(same, (2026, true));
    }
}

#[test]
fn an_item_arrives_before_the_next_one_is_computed() {
    let source = "
from owngil.host import wait
def f():
    for n in range(5):
        yield n
        wait()
";
    for backend in rows(BACKENDS) {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let wait = move || may_go_on.lock().unwrap().recv();
        let pool = builder(backend, 1)
            .host_function("wait", wait)
            .build()
            .unwrap();
        let mut items = pool.stream::<u8, _>(&f(source), ());
        for n in 0..5 {
            assert_eq!(items.next().unwrap().unwrap(), n, "{backend}");
            go_on.send(()).unwrap();
        }
        assert!(items.next().is_none() && items.next().is_none());
    }
}

#[test]
fn what_is_no_iterable_is_a_type_error_that_names_its_type() {
    let rows_of = [
        ("def f(): return 7", "int"),
        ("def f(): pass", "NoneType"),
        ("async def f(): return [1]", "coroutine"),
    ];
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for (source, kind) in rows(rows_of) {
            let mut items = pool.stream::<u8, _>(&f(source), ());
            let Some(Err(Error::Python(error))) = items.next() else {
                panic!("it is an error");
            };
            let text = error.to_string();
            assert!(
                text.starts_with("TypeError: a stream needs an iterable"),
                "{text}"
            );
            assert!(text.contains(kind), "{text}");
            assert_eq!(text.contains("hint"), kind == "coroutine");
            assert!(items.next().is_none());
        }
    }
}

/// `__iter__` that raises, or gives nothing to iterate over, says so itself.
#[test]
fn what_an_iterable_raises_is_the_last_item() {
    let class = |body: &str| format!("class A:\n    {body}\ndef f(): return A()");
    let rows_of = [
        (
            "def __iter__(self): return iter([1 + 'x'])",
            "unsupported operand",
        ),
        // "non-iterator of type" before 3.15, "must return an iterator" since.
        ("def __iter__(self): return 3", "iterator"),
        ("def __next__(self): return 3", "a stream needs an iterable"),
        ("__iter__ = None", "a stream needs an iterable"),
    ];
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for (body, message) in rows(rows_of) {
            let mut items = pool.stream::<u8, _>(&f(&class(body)), ());
            let Some(Err(Error::Python(error))) = items.next() else {
                panic!("it is an error");
            };
            assert!(error.message().contains(message), "{error}");
            assert!(items.next().is_none());
        }
        let by_item = class("def __getitem__(self, n): return [4, 5][n]");
        assert_eq!(all::<u8>(&pool, &f(&by_item)), [4, 5]);
    }
}

/// A file that outlives its stream is not closed by it.
#[test]
fn only_generators_are_closed() {
    let source = "
import io
file = io.StringIO('a\\nb\\n')
def lines(): return file
def is_closed(): return file.closed
";
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let mut lines = pool.stream::<String, _>(&Function::source(source, "lines"), ());
        assert_eq!(lines.next(), Some(Ok("a\n".to_owned())));
        drop(lines);
        let is_closed = Function::source(source, "is_closed");
        assert_eq!(pool.call::<bool, _>(&is_closed, ()), Ok(false));
    }
}

#[test]
fn an_exception_comes_after_the_items_and_shows_the_code_of_the_generator_alone() {
    let sources = [
        "def f():\n    yield 1\n    yield 2\n    raise KeyError('three')",
        "async def f():\n    yield 1\n    yield 2\n    raise KeyError('three')",
    ];
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for source in rows(sources) {
            let mut items: Vec<Result<u8, Error>> = pool.stream(&f(source), ()).collect();
            let Some(Err(Error::Python(error))) = items.pop() else {
                panic!("the last is the exception");
            };
            assert_eq!(items, [Ok(1), Ok(2)]);
            assert_eq!(error.to_string(), "KeyError: 'three'");
            // The one frame is that of the generator.
            let traceback = error.traceback();
            assert_eq!(traceback.matches("  File ").count(), 1, "{traceback}");
            assert!(traceback.contains(", in f\n"), "{traceback}");
        }
        let exit = f("import sys\ndef f():\n    yield 1\n    sys.exit(3)");
        let last = pool.stream::<u8, _>(&exit, ()).last().unwrap();
        let Err(Error::Python(error)) = last else {
            panic!()
        };
        assert_eq!(error.kind(), ExceptionKind::SystemExit);
        let unknown = Function::source("def f(): yield", "g");
        let mut items = pool.stream::<u8, _>(&unknown, ());
        assert!(matches!(items.next(), Some(Err(Error::Load(_)))));
        assert!(items.next().is_none());
    }
}

#[test]
fn an_item_that_cannot_cross_ends_the_stream_and_closes_the_generator() {
    let source = "
from owngil.host import note
def f():
    try:
        yield 1
        yield {'key': [lambda: 1]}
        yield 3
    finally:
        note('closed')
";
    for backend in rows(BACKENDS) {
        let (notes, noted) = mpsc::channel();
        let pool = builder(backend, 1)
            .host_function("note", move |text: String| notes.send(text))
            .build()
            .unwrap();
        let mut items: Vec<Result<u8, Error>> = pool.stream(&f(source), ()).collect();
        let Some(Err(Error::Value(error))) = items.pop() else {
            panic!("the last is the error");
        };
        assert_eq!(items, [Ok(1)]);
        assert!(error.to_string().contains("items[1]"), "{error}");
        let long = Duration::from_secs(20);
        assert_eq!(noted.recv_timeout(long).unwrap(), "closed");
    }
}

#[test]
fn an_item_of_another_type_is_an_error_and_the_stream_goes_on() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let items = pool.stream::<u8, _>(&f("def f(): return [1, 'two', 3]"), ());
        let items: Vec<Result<u8, Error>> = items.collect();
        assert!(
            matches!(&items[..], [Ok(1), Err(Error::Value(_)), Ok(3)]),
            "{items:?}"
        );
    }
}
