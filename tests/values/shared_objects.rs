//! Objects that threads of the backend `thread` change while other threads hand them over.
//!
//! On a free-threaded Python they do so at the same time. Whatever is read is one state of each container, or
//! an error that says what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::support::{self, f, pool};
use owngil::{Backend, Error, Task, Value};
use serde::Deserialize;

/// For how long each test goes on.
fn time() -> Duration {
    support::scale() * Duration::from_secs(1)
}

/// A module whose containers are changed by `change` and given by `f`. What a row holds belongs together, and
/// so does a key of the table with its value: each is made whole, put in, and taken out.
const MODULE: &str = "
def row(n): return {'n': n, 'twice': [n, n], 'text': str(n)}
rows = [row(n) for n in range(50)]
table = {n: str(n) for n in range(50)}
attributes = type('Attributes', (), {})()
for n in range(20): setattr(attributes, f'a{n}', n)
bag = set(range(50))
wild = [{}, [], set()]
def change(turns, first):
    for n in range(first, first + turns):
        rows.append(row(n))
        del rows[0]
        rows[n % 20] = row(n)
        if n % 40 == 0: rows[:] = [row(n + k) for k in range(50)]
        table[n] = str(n)
        table.pop(n - 50, None)
        setattr(attributes, f'a{n % 20}', n)
        bag.add(n)
        bag.discard(n - 50)
        for one in wild:
            if len(one) > 40: one.clear()
        wild[0][f'k{n % 60}'] = [n, wild[1], str(n)]
        wild[1].append({'deep': (n, {n: n * 0.5})})
        wild[2].add((n, str(n)))
    for n in range(first + turns - 50, first + turns):
        table.pop(n, None)
        bag.discard(n)
    return turns
def f(): return rows, table, attributes.__dict__, bag
def strange(): return [wild, wild[0], wild[1]]
";

#[derive(Debug, Deserialize)]
struct Row {
    n: i64,
    twice: (i64, i64),
    text: String,
}

type Read = (
    Vec<Row>,
    BTreeMap<i64, String>,
    BTreeMap<String, i64>,
    BTreeSet<i64>,
);

fn function(name: &str) -> owngil::Function {
    owngil::Function::source(MODULE, name)
}

#[test]
fn what_others_change_is_read_in_one_state() {
    let pool = pool(Backend::Thread, 4);
    let start = Instant::now();
    let mut first = 0;
    let mut change = || {
        first += 1000;
        pool.submit::<i64, _>(&function("change"), (1000, first))
            .unwrap()
    };
    let mut changing: Vec<Task<i64>> = (0..2).map(|_| change()).collect();
    let (mut n_read, mut n_changed) = (0, 0);
    while start.elapsed() < time() || n_read <= 50 {
        let reads = pool.map::<Read, _>(&function("f"), std::iter::repeat_n((), 50));
        for read in reads {
            let (rows, table, attributes, bag) = read.unwrap();
            // Two may be at work, each with one row more or less.
            assert!((0..=110).contains(&rows.len()), "{} rows", rows.len());
            for row in rows {
                assert_eq!((row.twice, row.text), ((row.n, row.n), row.n.to_string()));
            }
            assert!(table.iter().all(|(key, text)| *text == key.to_string()));
            let names: BTreeSet<String> = (0..20).map(|n| format!("a{n}")).collect();
            assert!(attributes.keys().eq(&names), "{attributes:?}");
            assert!(bag.len() >= 40, "{bag:?}");
            n_read += 1;
        }
        changing = changing
            .into_iter()
            .map(|task| match task.wait_timeout(Duration::ZERO) {
                Some(n) => {
                    n_changed += n.unwrap();
                    change()
                }
                None => task,
            })
            .collect();
    }
    for task in changing {
        n_changed += task.wait().unwrap();
    }
    assert!(
        n_read > 50 && n_changed >= 2000,
        "{n_read} reads, {n_changed} changes"
    );
}

#[test]
fn what_others_change_in_the_middle_of_it_is_a_value_or_an_error() {
    let pool = pool(Backend::Thread, 4);
    let start = Instant::now();
    let mut first = 0;
    let (mut n_values, mut n_errors) = (0, 0);
    while start.elapsed() < time() {
        first += 1000;
        let changing: Vec<Task<i64>> = (0..2)
            .map(|_| pool.submit(&function("change"), (500, first)).unwrap())
            .collect();
        for read in pool.map::<Value, _>(&function("strange"), std::iter::repeat_n((), 50)) {
            match read {
                Ok(Value::List(found)) => {
                    assert_eq!(found.len(), 3);
                    n_values += 1;
                }
                Err(Error::Value(error)) => {
                    assert!(!error.to_string().is_empty());
                    n_errors += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        for task in changing {
            assert_eq!(task.wait(), Ok(500));
        }
    }
    assert!(n_values > n_errors, "{n_values} values, {n_errors} errors");
}

#[test]
fn interrupts_reach_their_own_call_while_others_come_and_go() {
    let pool = pool(Backend::Thread, 4);
    let (spin, quick) = (
        f("def f():\n    while True: pass"),
        f("def f(n): return sum(range(n))"),
    );
    let start = Instant::now();
    let mut n_interrupted = 0;
    while start.elapsed() < time() || n_interrupted <= 2 {
        let spinning: Vec<Task<i64>> = (0..2).map(|_| pool.submit(&spin, ()).unwrap()).collect();
        for (n, sum) in (0..200).zip(pool.map::<i64, _>(&quick, 0..200)) {
            assert_eq!(sum, Ok((0..n).sum()), "{n}");
        }
        // Dropped, they are cancelled: interrupted where they have begun.
        n_interrupted += spinning.len();
        drop(spinning);
    }
    assert!(n_interrupted > 2);
    assert_eq!(pool.call::<i64, _>(&quick, 10), Ok(45));
}
