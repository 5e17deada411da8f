//! What a value costs on its way into an interpreter and out of it.
//!
//! The rows are measured beside `pickle`, which runs in the same interpreter on the same objects,
//! and first of all as ratios: rounds of both in turn, and the median of what each round gave.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use owngil::{Function, Interpreter, Payload, Result, Value};
use serde::de::IgnoredAny;

/// A thousand rows, what moves them with nothing but `pickle`, and functions that do nothing.
const SOURCE: &str = r#"
import pickle
from time import perf_counter


def row(i):
    return {
        "id": 1000 + i,
        "name": f"customer{i % 97:02}",
        "score": i / 7,
        "active": i % 3 == 0,
        "tags": None if i % 2 else f"tag{i % 11}",
        "count": i * 37 % 5000,
    }


ROWS = [row(i) for i in range(1000)]
PICKLE = pickle.dumps(ROWS, 5)


def rows():
    return ROWS


def take(value):
    pass


def same(value):
    return value


def pickle_loads(repeats):
    loads, data = pickle.loads, PICKLE
    start = perf_counter()
    for _ in range(repeats):
        loads(data)
    return perf_counter() - start


def pickle_dumps(repeats):
    dumps, rows = pickle.dumps, ROWS
    start = perf_counter()
    for _ in range(repeats):
        dumps(rows, 5)
    return perf_counter() - start
"#;

/// How many times both sides of a ratio take their turn; once when only a test is wanted.
const N_ROUNDS: usize = 41;
/// How often one turn moves the rows.
const N_REPEATS: u32 = 10;

struct Bench<'p> {
    python: &'p mut Interpreter,
    rows: Payload,
}

impl<'p> Bench<'p> {
    fn new(python: &'p mut Interpreter) -> Result<Self> {
        let rows = python.call(&function("rows"), ())?;
        Ok(Bench { python, rows })
    }

    /// The rows become objects, are passed to a function, and are freed.
    fn rows_in(&mut self, repeats: u32) -> Duration {
        let take = function("take");
        self.time(repeats, |python, rows| python.call(&take, rows))
    }

    /// The objects become bytes; passing over the bytes once, to find their end, is included.
    fn rows_out(&mut self, repeats: u32) -> Duration {
        let rows = function("rows");
        self.time(repeats, |python, _| {
            python.call::<IgnoredAny, _>(&rows, ()).map(drop)
        })
    }

    fn time(
        &mut self,
        repeats: u32,
        mut run: impl FnMut(&mut Interpreter, &Payload) -> Result<()>,
    ) -> Duration {
        let start = Instant::now();
        for _ in 0..repeats {
            run(self.python, &self.rows).unwrap();
        }
        start.elapsed()
    }

    /// What a function that times itself took.
    fn peer(&mut self, name: &str, repeats: u32) -> Duration {
        let seconds = self.python.call(&function(name), repeats).unwrap();
        Duration::from_secs_f64(seconds)
    }
}

fn function(name: &str) -> Function {
    Function::source(SOURCE, name)
}

/// Prints the median ratio of our time to that of the peer.
fn ratio(
    bench: &mut Bench,
    what: &str,
    ours: fn(&mut Bench, u32) -> Duration,
    peer: fn(&mut Bench, u32) -> Duration,
) {
    let mut round = || {
        let ours = ours(bench, N_REPEATS);
        ours.div_duration_f64(peer(bench, N_REPEATS))
    };
    let n_rounds = match std::env::args().any(|argument| argument == "--test") {
        true => 1,
        false => N_ROUNDS,
    };
    round();
    let mut ratios: Vec<f64> = (0..n_rounds).map(|_| round()).collect();
    ratios.sort_by(f64::total_cmp);
    let [low, median, high] = [1, 2, 3].map(|quarter| ratios[n_rounds * quarter / 4]);
    println!("{what}: {median:.3} (half of the rounds between {low:.3} and {high:.3})");
}

fn rows(bench: &mut Bench, criterion: &mut Criterion) {
    type Time = fn(&mut Bench, u32) -> Duration;
    let ways: [(&str, Time); 4] = [
        ("in", |bench, n| bench.rows_in(n)),
        ("pickle.loads", |bench, n| bench.peer("pickle_loads", n)),
        ("out", |bench, n| bench.rows_out(n)),
        ("pickle.dumps", |bench, n| bench.peer("pickle_dumps", n)),
    ];
    let mut group = criterion.benchmark_group("1000 dicts of 6 keys");
    for (name, time) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|n| time(bench, n.try_into().unwrap()));
        });
    }
    group.finish();
}

/// Into a call and out of it again, the call itself included.
fn scalars(bench: &mut Bench, criterion: &mut Criterion) {
    let same = function("same");
    let mut group = criterion.benchmark_group("in and out of a call");
    let values: [(&str, Value); 5] = [
        ("None", ().into()),
        ("int", 1_000_000.into()),
        ("float", 0.5.into()),
        ("str of 10", "customer42".into()),
        (
            "dict of 6",
            bench.rows.decode::<Vec<Value>>().unwrap().swap_remove(0),
        ),
    ];
    for (name, value) in values {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                bench
                    .python
                    .call::<Value, _>(&same, black_box((&value,)))
                    .unwrap()
            });
        });
    }
    group.finish();
}

fn main() -> Result<()> {
    Interpreter::scope(|python| {
        let mut bench = Bench::new(python)?;
        ratio(
            &mut bench,
            "1000 dicts in, to pickle.loads",
            |bench, n| bench.rows_in(n),
            |bench, n| bench.peer("pickle_loads", n),
        );
        ratio(
            &mut bench,
            "1000 dicts out, to pickle.dumps",
            |bench, n| bench.rows_out(n),
            |bench, n| bench.peer("pickle_dumps", n),
        );
        let mut criterion = Criterion::default().configure_from_args();
        rows(&mut bench, &mut criterion);
        scalars(&mut bench, &mut criterion);
        criterion.final_summary();
        Ok(())
    })
}
