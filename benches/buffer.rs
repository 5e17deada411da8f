//! What bytes cost on their way into a pool and out of it, on top of a call with next to nothing.
//!
//! `copy` is a memcpy into new memory, which is what a copy can cost at best. What a function gives
//! back exists before, so that no row has the making of it.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use owngil::{Buffer, Function, Payload, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::{ByteBuf, Bytes};

const SIZES: [(&str, usize); 5] = [
    ("1KB", 1 << 10),
    ("16KB", 16 << 10),
    ("64KB", 64 << 10),
    ("1MB", 1 << 20),
    ("64MB", 64 << 20),
];

const SOURCE: &str = "
from dataclasses import dataclass
from datetime import datetime

@dataclass
class Frame:
    name: str
    pixels: bytes

KEPT = {n: b'x' * n for n in (1 << 10, 16 << 10, 64 << 10, 1 << 20, 64 << 20)}
FRAMES = {n: Frame('a', b'x' * n) for n in (3, 16 << 20)}
WHEN = datetime(2026, 1, 2, 3, 4, 5)

def take(value):
    pass

def give(n):
    return KEPT[n]

def give_frame(n):
    return FRAMES[n]

def give_date(n):
    return WHEN
";

fn function(name: &str) -> Function {
    Function::source(SOURCE, name)
}

fn call<T: DeserializeOwned, A: Serialize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pool: &Pool,
    function: &Function,
    argument: A,
) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| black_box(pool.call::<T, _>(function, (&argument,)).unwrap()));
    });
}

fn bytes(criterion: &mut Criterion) {
    let pool = Pool::builder().workers(1).build().unwrap();
    let (take, give) = (function("take"), function("give"));
    let mut group = criterion.benchmark_group("nothing");
    call::<(), _>(&mut group, "in", &pool, &take, 7);
    drop(group);
    for (name, n) in SIZES {
        let mut group = criterion.benchmark_group(name);
        let bytes = vec![1; n];
        group.bench_function("copy", |bencher| bencher.iter(|| black_box(bytes.clone())));
        call::<(), _>(
            &mut group,
            "in_buffer",
            &pool,
            &take,
            Buffer::from(bytes.clone()),
        );
        call::<(), _>(&mut group, "in_bytes", &pool, &take, Bytes::new(&bytes));
        call::<Buffer, _>(&mut group, "out_buffer", &pool, &give, n);
        call::<ByteBuf, _>(&mut group, "out_bytes", &pool, &give, n);
    }
}

fn objects(criterion: &mut Criterion) {
    let pool = Pool::builder().workers(1).build().unwrap();
    let (take, give) = (function("take"), function("give_frame"));
    let mut group = criterion.benchmark_group("object");
    let date = function("give_date");
    call::<Payload, _>(&mut group, "date_out", &pool, &date, 0);
    let payload: Payload = pool.call(&date, (0,)).unwrap();
    call::<(), _>(&mut group, "date_in", &pool, &take, payload);
    for (name, n) in [("small", 3), ("16MB", 16 << 20)] {
        call::<Payload, _>(&mut group, &format!("{name}_out"), &pool, &give, n);
        let payload: Payload = pool.call(&give, (n,)).unwrap();
        call::<(), _>(&mut group, &format!("{name}_in"), &pool, &take, payload);
    }
    let bytes = vec![1; 16 << 20];
    group.bench_function("16MB_copy", |bencher| {
        bencher.iter(|| black_box(bytes.clone()))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(700));
    targets = bytes, objects
}
criterion_main!(benches);
