//! Limits: deadlines, time limits and memory limits of streams, and those of single items.

use std::time::{Duration, Instant};

use owngil::{Error, ItemStream, OutputPolicy, Pool};

use crate::support::{BACKENDS, PARALLEL, builder, f, pool, rows};

const ENDLESS: &str = "
def f():
    n = 0
    while True:
        yield n
        n += 1
";

/// Yields `n` items at once, and then none.
const STOPS: &str = "
import time
def f(n):
    yield from range(n)
    while True: time.sleep(0.001)
";

const SHORT: Duration = Duration::from_millis(150);

fn is_free(pool: &Pool) {
    let one = pool.call::<u8, _>(&f("def f(): return 1"), ());
    assert_eq!(one, Ok(1));
}

/// The number of items of a stream that its time ends.
fn n_in_time(items: ItemStream<u32>) -> usize {
    let mut n = 0;
    for item in items {
        match item {
            Ok(_) => n += 1,
            Err(Error::TimedOut { .. }) => return n,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("it ends with an error")
}

#[test]
fn a_deadline_and_a_time_limit_hold_for_the_whole_stream() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let start = Instant::now();
        let task = || pool.task(&f(ENDLESS));
        assert!(n_in_time(task().deadline(SHORT).stream()) > 0);
        assert!(n_in_time(task().time_limit(SHORT).stream()) > 0);
        // Suspended by a consumer that takes nothing.
        let mut items: ItemStream<u32> = task().deadline(SHORT).stream().window(2);
        assert_eq!(items.next(), Some(Ok(0)));
        is_free(&pool);
        assert!(n_in_time(items) <= 4);
        assert!(start.elapsed() >= 3 * SHORT);
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn a_deadline_passes_while_the_stream_waits_for_a_worker() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let mut first: ItemStream<u32> = pool.stream(&f(ENDLESS), ()).window(2);
        assert_eq!(first.next(), Some(Ok(0)));
        // It is read in turn with the first, which has the only worker.
        let second = pool.task(&f(ENDLESS)).deadline(SHORT).stream();
        assert_eq!(n_in_time(second), 0);
        assert_eq!(first.next(), Some(Ok(1)));
    }
}

#[test]
fn a_stream_is_cancelled_from_another_thread() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for source in rows([ENDLESS, "def f():\n    yield 0\n    while True: pass"]) {
            let mut items: ItemStream<u32> = pool.stream(&f(source), ()).window(4);
            assert_eq!(items.next(), Some(Ok(0)));
            let mut queued: ItemStream<u32> = pool.stream(&f(ENDLESS), ());
            queued.start().unwrap();
            queued.canceller().cancel();
            let canceller = items.canceller();
            let cancelling = std::thread::spawn(move || canceller.interrupt());
            let last = items.last().unwrap();
            assert!(matches!(last, Err(Error::Cancelled { .. })), "{last:?}");
            cancelling.join().unwrap();
            let ends: Vec<Result<u32, Error>> = queued.collect();
            assert!(
                matches!(ends[..], [Err(Error::Cancelled { .. })]),
                "{ends:?}"
            );
            is_free(&pool);
        }
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn the_limit_of_an_item_counts_neither_other_items_nor_the_time_of_the_consumer() {
    let slow = f("
import time
def f():
    for n in range(20):
        time.sleep(0.02)
        yield n
");
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let limit = Duration::from_millis(300);
        let all: Vec<_> = pool.stream::<u32, _>(&slow, ()).item_limit(limit).collect();
        assert!(all.len() == 20 && all.iter().all(Result::is_ok), "{all:?}");
        // Suspended for longer than the limit.
        let mut items: ItemStream<u32> = pool.stream(&f(ENDLESS), ()).item_limit(limit).window(2);
        assert_eq!(items.next(), Some(Ok(0)));
        std::thread::sleep(2 * limit);
        assert!((1..100).all(|n| items.next() == Some(Ok(n))));
        drop(items);
        for n in [0, 1, 5] {
            let items = pool.stream(&f(STOPS), n).item_limit(SHORT);
            assert_eq!(n_in_time(items), n, "{backend}");
            is_free(&pool);
        }
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn the_memory_of_what_is_yielded_is_not_held() {
    let source = f("
def f(n):
    for _ in range(n): yield bytes(1_000_000)
");
    let pool = builder(PARALLEL, 1)
        .memory_limit(100 << 20)
        .build()
        .unwrap();
    let items = pool.stream::<owngil::Buffer, _>(&source, 1000);
    assert_eq!(items.filter(Result::is_ok).count(), 1000);
}

#[test]
fn what_a_generator_prints_belongs_to_its_call() {
    use std::sync::{Arc, Mutex};

    use owngil::{OutputSink, OutputStream, Speaker};

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<(Option<u64>, String)>>);

    impl OutputSink for Seen {
        fn write(&self, _: OutputStream, _: &[u8]) {}

        fn write_of(&self, speaker: Speaker, _: OutputStream, text: &[u8]) {
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.0.lock().unwrap().push((speaker.index, text));
        }
    }

    let source = f("
def f(name):
    for n in range(3):
        print(name, n)
        yield n
");
    for backend in rows(BACKENDS) {
        let seen = Arc::new(Seen::default());
        let pool = builder(backend, 2)
            .output(OutputPolicy::Sink(Arc::clone(&seen) as _))
            .build()
            .unwrap();
        let stream = |index: u64, name: &str| {
            let task = pool.task(&source).args(name).index(index);
            task.stream::<u32>().window(1)
        };
        let streams = stream(7, "seven").zip(stream(8, "eight"));
        assert_eq!(streams.filter(|pair| pair.0 == pair.1).count(), 3);
        pool.shutdown();
        for (index, name) in [(7, "seven"), (8, "eight")] {
            let seen = seen.0.lock().unwrap();
            let own = seen.iter().filter(|(at, _)| *at == Some(index));
            let text: String = own.map(|(_, text)| text.as_str()).collect();
            assert_eq!(text, format!("{name} 0\n{name} 1\n{name} 2\n"));
        }
    }
}
