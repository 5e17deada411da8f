//! Failures: errors, panics, and arguments that do not fit.

use std::collections::BTreeMap;
use std::fmt;

use owngil::Error;

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows};

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the price is not known")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is closed")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl std::error::Error for Inner {}

#[test]
fn an_error_and_its_sources_are_a_chain_of_exceptions() {
    let caught = f("
import owngil
from owngil.host import price
def f():
    try: price(1)
    except owngil.HostError as error:
        cause = error.__cause__
        return [str(error), type(cause) is owngil.HostError, str(cause), cause.__cause__ is None]
");
    let raised = f("from owngil.host import price\ndef f(): return price(1)");
    for backend in rows(BACKENDS) {
        let price = |_: u64| Err::<f64, _>(Outer(Inner));
        let pool = builder(backend, 1)
            .host_function("price", price)
            .build()
            .unwrap();
        let came: (String, bool, String, bool) = pool.call(&caught, ()).unwrap();
        let expected = ("the price is not known", true, "the shop is closed", true);
        assert_eq!((&*came.0, came.1, &*came.2, came.3), expected);
        let Err(Error::Python(error)) = pool.call::<f64, _>(&raised, ()) else {
            panic!("{backend}: it raises");
        };
        assert_eq!(error.type_name(), "owngil.HostError");
        assert_eq!(error.message(), "the price is not known");
        assert_eq!(error.cause().unwrap().message(), "the shop is closed");
        assert!(
            error.traceback().contains("direct cause"),
            "{}",
            error.traceback()
        );
    }
}

#[test]
fn a_panic_is_an_exception_and_the_pool_lives() {
    let source = "
import owngil
from owngil.host import unlucky
def f(n):
    try: return unlucky(n)
    except owngil.HostError as error: return str(error)
";
    for backend in rows(BACKENDS) {
        let unlucky = |n: u64| match n {
            13 => panic!("no {n}"),
            n => ok(n.to_string()),
        };
        let pool = builder(backend, 1)
            .host_function("unlucky", unlucky)
            .build()
            .unwrap();
        let came: Result<Vec<String>, _> = pool.map(&f(source), [12, 13, 14]).collect();
        assert_eq!(came.unwrap(), ["12", "unlucky() panicked: no 13", "14"]);
        assert_eq!(pool.stats().n_lost, 0);
    }
}

#[test]
fn what_does_not_fit_is_a_type_error_that_names_the_argument() {
    let source = "
from owngil.host import shop
def f():
    wrong = {}
    for name, call in {
        'shape': lambda: shop.price(1, 'two'),
        'range': lambda: shop.price(-1, 2),
        'inside': lambda: shop.total([1, 'x']),
        'opaque': lambda: shop.price(1, object),
        'unpicklable': lambda: shop.total(lambda: 1),
        'few': lambda: shop.price(1),
        'many': lambda: shop.price(1, 2, 3),
        'none': lambda: shop.nothing(1),
        'named': lambda: shop.price(1, y=2),
        'value': lambda: shop.deep(),
    }.items():
        try: wrong[name] = repr(call())
        except TypeError as error: wrong[name] = str(error)
    return wrong
";
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1)
            .host_function("shop.price", |x: u8, y: u8| ok(x + y))
            .host_function("shop.total", |all: Vec<u8>| ok(all.len()))
            .host_function("shop.nothing", || ok(()))
            .host_function("shop.deep", || ok(Unfit))
            .build()
            .unwrap();
        let wrong: BTreeMap<String, String> = pool.call(&f(source), ()).unwrap();
        for (name, start) in [
            ("shape", "shop.price(): args[1] (str): "),
            ("range", "shop.price(): args[0] (int): "),
            ("inside", "shop.total(): args[0][1] (str): "),
            ("opaque", "shop.price(): args[1] (type): "),
            (
                "unpicklable",
                "shop.total(): args[0] (function): cannot be pickled: ",
            ),
            (
                "few",
                "shop.price(): it takes 2 positional arguments, but 1 was given",
            ),
            (
                "many",
                "shop.price(): it takes 2 positional arguments, but 3 were given",
            ),
            (
                "none",
                "shop.nothing(): it takes 0 positional arguments, but 1 was given",
            ),
            (
                "named",
                "shop.price(): it takes 2 positional arguments, but 1 was given",
            ),
            ("value", "shop.deep(): value: it has no serial form"),
        ] {
            assert!(
                wrong[name].starts_with(start),
                "{backend} {name}: {}",
                wrong[name]
            );
        }
    }
}

/// What cannot be serialized.
struct Unfit;

impl serde::Serialize for Unfit {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no serial form"))
    }
}

#[test]
fn a_memory_limit_holds_for_what_a_function_returns() {
    let source = "from owngil.host import much\ndef f(): return len(much())";
    for backend in rows(
        BACKENDS
            .into_iter()
            .filter(|b| *b != owngil::Backend::Thread),
    ) {
        let much = || ok("x".repeat(64 << 20));
        let pool = builder(backend, 1)
            .memory_limit(32 << 20)
            .host_function("much", much);
        let pool = pool.build().unwrap();
        let Err(Error::Python(error)) = pool.call::<usize, _>(&f(source), ()) else {
            panic!("{backend}: it raises");
        };
        assert_eq!(error.to_string(), "TypeError: much(): value: MemoryError");
    }
}
