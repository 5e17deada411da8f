//! Placement: streams of functions that cannot run in an interpreter.

#![cfg(not(Py_GIL_DISABLED))]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use owngil::{Backend, Error};

use crate::support::{builder, f};

/// Imports a module that refuses interpreters with their own GIL, after `n` items.
const REFUSED: &str = "
import os
def f(n):
    for k in range(10):
        if k == n: import tracemalloc
        yield k, os.getpid()
";

#[test]
fn a_generator_that_is_refused_something_before_its_first_item_moves() {
    let pool = builder(Backend::Auto, 2).build().unwrap();
    for _ in 0..2 {
        let items: owngil::Result<Vec<(u32, u32)>> = pool.stream(&f(REFUSED), 0).collect();
        let (numbers, processes): (Vec<u32>, Vec<u32>) = items.unwrap().into_iter().unzip();
        assert!(numbers.into_iter().eq(0..10));
        assert!(
            processes
                .iter()
                .all(|process| *process != std::process::id())
        );
    }
    assert_eq!(pool.moved().len(), 1);
}

/// The calls come to the worker processes in another order than to the interpreters.
#[test]
fn flat_map_goes_on_where_its_first_call_is_the_last_to_move() {
    let source = "
import time
def f(n):
    if n == 0: time.sleep(0.3)
    import tracemalloc
    for k in range(200): yield n * 1000 + k
";
    let pool = builder(Backend::Auto, 2).build().unwrap();
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || {
        let items = pool.flat_map::<u32, _>(&f(source), 0..6_u32).window(4);
        ends.send(items.collect::<owngil::Result<Vec<u32>>>())
    });
    let items = ended.recv_timeout(Duration::from_secs(60)).unwrap();
    let expected = (0..6).flat_map(|n| (0..200).map(move |k| n * 1000 + k));
    assert!(items.unwrap().into_iter().eq(expected));
}

#[test]
fn a_generator_that_is_refused_something_later_ends_with_an_error_that_says_so() {
    let pool = builder(Backend::Auto, 2).build().unwrap();
    let mut items: Vec<Result<(u32, u32), Error>> = pool.stream(&f(REFUSED), 4).collect();
    let error = items.pop().unwrap().unwrap_err().to_string();
    assert!(error.contains("it has yielded items"), "{error}");
    assert_eq!(items.len(), 4);
    let is_here = |item: &Result<(u32, u32), Error>| item.as_ref().unwrap().1 == std::process::id();
    assert!(items.iter().all(is_here));
    // The worker was replaced, and the function goes on there where it is not refused anything.
    let items = pool.stream::<(u32, u32), _>(&f(REFUSED), 20);
    assert!(items.take(10).all(|item| is_here(&item)));
    assert!(pool.moved().is_empty());
}
