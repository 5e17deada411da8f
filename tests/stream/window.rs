//! Window: how far a generator gets ahead of its consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use owngil::{Backend, Buffer, Pool};

use crate::support::{BACKENDS, builder, f, rows, soon};

/// Yields without end, and counts how often in the program.
const ENDLESS: &str = "
from owngil.host import count
def f(size):
    item = b'x' * size
    while True:
        count()
        yield item
";

fn counting(backend: Backend) -> (Pool, Arc<AtomicUsize>) {
    let counted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&counted);
    let count = move || -> owngil::Result<usize> { Ok(counter.fetch_add(1, Ordering::SeqCst)) };
    let pool = builder(backend, 1)
        .host_function("count", count)
        .build()
        .unwrap();
    (pool, counted)
}

/// How many items may be computed and not taken, if `window` may wait: in a worker process wait as many again, and the
/// generator has one in its hand.
fn most(backend: Backend, window: usize) -> usize {
    match backend {
        Backend::Process => 2 * window + 2,
        _ => window + 1,
    }
}

#[test]
fn a_generator_is_suspended_when_the_window_is_full() {
    for backend in rows(BACKENDS) {
        for window in rows([1, 2, 3, 10]) {
            let (pool, counted) = counting(backend);
            let mut items = pool.stream::<Buffer, _>(&f(ENDLESS), 1).window(window);
            let most = most(backend, window);
            for taken in 1..=100 {
                items.next().unwrap().unwrap();
                let n = counted.load(Ordering::SeqCst);
                assert!(n <= taken + most, "{n} computed, {taken} taken");
            }
            let n_before = counted.load(Ordering::SeqCst);
            soon("it goes on until the window is full", || {
                counted.load(Ordering::SeqCst) >= (100 + window.div_ceil(2)).max(n_before)
            });
            thread::sleep(Duration::from_millis(30));
            let n = counted.load(Ordering::SeqCst);
            assert!(n <= 100 + most, "{n} computed");
            // Its worker is busy all the time.
            assert!(pool.stats().workers[0].is_busy);
            drop(items);
        }
    }
}

#[test]
fn a_window_is_bounded_by_bytes_too_and_a_larger_item_passes_alone() {
    for backend in rows(BACKENDS) {
        for (size, window) in rows([(100_000, 4), (100, 40), (3_000_000, 1)]) {
            let (pool, counted) = counting(backend);
            let items = pool.stream::<Buffer, _>(&f(ENDLESS), size);
            let mut items = items.window_bytes((size * window).min(400_000));
            for taken in 1..=20 {
                assert_eq!(items.next().unwrap().unwrap().len(), size);
                let n = counted.load(Ordering::SeqCst);
                let most = most(backend, window);
                assert!(n <= taken + most, "{n} computed, {taken} taken");
            }
        }
    }
}
