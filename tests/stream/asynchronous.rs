//! Async code: streams that are awaited, and asynchronous generators.

use std::sync::mpsc;
use std::time::Duration;

use owngil::{Error, ItemStream};

use crate::support::{BACKENDS, builder, f, pool, rows};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn items_are_awaited_and_errors_end_the_stream() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let source = f("def f(n):\n    yield from range(n)\n    if n == 7: 1 / 0");
        for n in [0, 1, 7, 50_000] {
            let mut items: ItemStream<u32> = pool.stream(&source, n).window(100);
            let mut n_items = 0;
            while let Some(item) = items.next_async().await {
                match item {
                    Ok(item) => assert_eq!(item, n_items),
                    Err(Error::Python(_)) if n == 7 => continue,
                    Err(other) => panic!("{other}"),
                }
                n_items += 1;
            }
            assert_eq!(n_items, n);
            assert!(items.next_async().await.is_none());
        }
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_room_in_the_queue_blocks_no_thread() {
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1).queue_limit(1).build().unwrap();
        let source = f("def f(n): yield from range(n)");
        let read = |n: u32| {
            let mut items: ItemStream<u32> = pool.stream(&source, n);
            async move {
                let mut n_items = 0;
                while let Some(item) = items.next_async().await {
                    item.unwrap();
                    n_items += 1;
                }
                n_items
            }
        };
        let (one, two, three, four) = tokio::join!(read(10), read(20), read(30), read(40));
        assert_eq!((one, two, three, four), (10, 20, 30, 40));
    }
}

#[cfg(feature = "stream")]
#[tokio::test]
async fn it_is_a_stream() {
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_core::Stream;

    let pool = pool(crate::support::PARALLEL, 1);
    let mut items = pool.stream::<u32, _>(&f("def f(): return [1, 2]"), ());
    let mut all = Vec::new();
    while let Some(item) = poll_fn(|context| Pin::new(&mut items).poll_next(context)).await {
        all.push(item.unwrap());
    }
    assert_eq!(all, [1, 2]);
}

#[test]
fn an_asynchronous_generator_keeps_its_task_and_its_loop_between_items() {
    let source = "
import asyncio
async def f():
    async def work(n):
        await asyncio.sleep(0.001)
        return n * n
    async with asyncio.timeout(600), asyncio.TaskGroup() as group:
        first = asyncio.current_task()
        for n in range(20):
            task = group.create_task(work(n))
            yield await task
            assert asyncio.current_task() is first
";
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let items: owngil::Result<Vec<u32>> = pool.stream(&f(source), ()).window(2).collect();
        assert!(items.unwrap().into_iter().eq((0..20).map(|n| n * n)));
    }
}

#[test]
fn an_asynchronous_generator_is_closed_when_its_stream_is_dropped() {
    let source = "
import asyncio
from owngil.host import note
async def f():
    try:
        while True:
            await asyncio.sleep(0)
            yield 1
    except GeneratorExit:
        note('GeneratorExit')
        raise
    finally:
        await asyncio.sleep(0.01)
        note('finally')
";
    for backend in rows(BACKENDS) {
        let (notes, noted) = mpsc::channel();
        let pool = builder(backend, 1)
            .host_function("note", move |text: String| notes.send(text))
            .build()
            .unwrap();
        for _ in 0..3 {
            let mut items = pool.stream::<u32, _>(&f(source), ()).window(4);
            assert_eq!(items.next(), Some(Ok(1)));
            drop(items);
            assert_eq!(noted.recv_timeout(LONG).unwrap(), "GeneratorExit");
            assert_eq!(noted.recv_timeout(LONG).unwrap(), "finally");
        }
        assert_eq!(pool.stats().n_lost, 0);
    }
}
