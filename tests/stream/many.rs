//! Many streams at once, and the items of many calls one after the other.

use std::sync::mpsc;
use std::time::Duration;

use owngil::{Error, Function, ItemStream};

use crate::support::{BACKENDS, builder, f, pool, rows, soon};

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
fn calls_that_wait_for_suspended_streams_show_in_the_stats() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 2);
        let endless = f("def f():\n    while True: yield 1");
        let mut streams: Vec<ItemStream<u8>> = (0..2)
            .map(|_| pool.stream(&endless, ()).window(1))
            .collect();
        assert!(streams.iter_mut().all(|items| items.next() == Some(Ok(1))));
        let waiting = pool.submit::<u8, _>(&f("def f(): return 2"), ()).unwrap();
        soon("all are suspended", || {
            let stats = pool.stats();
            let n_suspended = stats.workers.iter().filter(|worker| worker.is_suspended);
            n_suspended.count() == 2 && stats.queue_len == 1
        });
        let shown = pool.stats().to_string();
        let expected = "2 workers, 2 busy, 2 of them suspended; 1 queued\n";
        assert!(shown.starts_with(expected), "{shown}");
        drop(streams.pop());
        assert_eq!(waiting.wait(), Ok(2));
        drop(streams);
        soon("none is", || {
            let stats = pool.stats();
            stats.workers.iter().all(|worker| !worker.is_suspended)
        });
    }
}

#[test]
fn streams_go_on_where_each_worker_runs_one_call_and_where_workers_start_as_they_are_needed() {
    for backend in rows(BACKENDS) {
        let builder = || builder(backend, 2);
        let short_lived = builder().max_tasks_per_worker(1).build().unwrap();
        let source = f("def f(): yield from (bytes(1_000_000), b'x' * 100_000)");
        // Items that are lent outlive the interpreter that lends them.
        let all: Vec<Vec<owngil::Buffer>> = (0..6)
            .map(|_| {
                short_lived
                    .stream(&source, ())
                    .map(Result::unwrap)
                    .collect()
            })
            .collect();
        for items in all {
            assert!(items[0].len() == 1_000_000 && items[0].iter().all(|byte| *byte == 0));
            assert!(items[1].len() == 100_000 && items[1].iter().all(|byte| *byte == b'x'));
        }
        let lazy = builder().lazy(true).build().unwrap();
        let stream = || lazy.stream::<u32, _>(&f(UP_TO), 200).window(2);
        assert!(stream().zip(stream()).all(|(one, other)| one == other));
    }
}

/// Collects a `flat_map`, or panics if it does not end.
fn ended<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> Vec<T> {
    let (ends, ended) = mpsc::channel();
    std::thread::spawn(move || ends.send(items.collect::<Vec<T>>()));
    ended.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[test]
fn flat_map_goes_on_while_others_fill_the_queue() {
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 2).queue_limit(1).build().unwrap();
        let others = pool.clone();
        let others = std::thread::spawn(move || {
            let one = f("def f(): return 1");
            let tasks: Vec<_> = (0..50).map(|_| others.submit::<u8, _>(&one, ())).collect();
            tasks.into_iter().all(|task| task.unwrap().wait() == Ok(1))
        });
        let items = pool.flat_map::<u32, _>(&f(UP_TO), [60; 8]).window(4);
        let items = ended(items.map(Result::unwrap));
        assert!(items.into_iter().eq((0..8).flat_map(|_| 0..60)));
        assert!(others.join().unwrap());
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
        assert_eq!(n_taken, 2);
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
