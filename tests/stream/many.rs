//! Many streams at once, and the items of many calls one after the other.

use std::sync::mpsc;
use std::time::Duration;

use owngil::{Error, Function, ItemStream};

use crate::support::{BACKENDS, builder, f, pool, rows};

const UP_TO: &str = "def f(n):\n    yield from range(n)";

#[test]
fn a_thousand_streams_queue_up_for_two_workers() {
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 2).queue_limit(2_000).build().unwrap();
        let mut streams: Vec<ItemStream<u32>> = (0..1_000)
            .map(|_| pool.stream(&f(UP_TO), 6).window(4))
            .collect();
        for stream in &mut streams {
            stream.start().unwrap();
        }
        for stream in streams {
            let items: Result<Vec<u32>, Error> = stream.collect();
            assert!(items.unwrap().into_iter().eq(0..6));
        }
        assert_eq!(pool.stats().queue_len, 0);
    }
}

#[test]
fn streams_that_are_read_in_turn_go_on_side_by_side() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let stream = || pool.stream::<u32, _>(&f(UP_TO), 2_000).window(40);
        let pairs = stream().zip(stream());
        let n = pairs
            .enumerate()
            .inspect(|(n, pair)| assert_eq!(*pair, (Ok(*n as u32), Ok(*n as u32))))
            .count();
        assert_eq!(n, 2_000);
    }
}

#[test]
fn flat_map_keeps_the_order_and_goes_on_after_errors() {
    let source = "
def f(n):
    for k in range(n): yield n * 100 + k
    if n == 3: raise ValueError(n)
";
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let mut expected = Vec::new();
        for n in 0..40_u32 {
            expected.extend((0..n).map(|k| Ok(n * 100 + k)));
            if n == 3 {
                expected.push(Err("ValueError: 3".to_owned()));
            }
        }
        let items = pool.flat_map::<u32, _>(&f(source), 0..40_u32).window(8);
        let items = items.map(|item| item.map_err(|error| error.to_string()));
        assert_eq!(items.collect::<Vec<_>>(), expected, "{backend}");
    }
}

#[test]
fn flat_map_takes_inputs_as_it_needs_them_and_closes_what_has_begun() {
    let source = "
from owngil.host import note
def f(n):
    try:
        while True: yield n
    finally:
        note(n)
";
    for backend in rows(BACKENDS) {
        let (notes, noted) = mpsc::channel();
        let pool = builder(backend, 2)
            .host_function("note", move |n: u32| notes.send(n))
            .build()
            .unwrap();
        let mut n_taken = 0;
        let inputs = std::iter::from_fn(|| {
            n_taken += 1;
            Some(n_taken - 1)
        });
        let mut items = pool.flat_map::<u32, _>(&f(source), inputs);
        assert!((0..5_000).all(|_| items.next() == Some(Ok(0))));
        drop(items);
        assert_eq!(n_taken, 3);
        let long = Duration::from_secs(20);
        assert!(noted.recv_timeout(long).is_ok());
    }
}

#[test]
fn flat_map_ends_where_the_function_cannot_be_loaded() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let unknown = Function::source("def f(n): yield n", "g");
        let items: Vec<_> = pool.flat_map::<u32, _>(&unknown, 0..).collect();
        assert!(matches!(items[..], [Err(Error::Load(_))]), "{items:?}");
    }
}
