//! Values that cross to Python and back: every kind, exactly, or an error that says where.

use crate::support::{PARALLEL, f, pool};
use owngil::{Backend, BigInt, Error, Function, Payload, Pool, Value};
use proptest::prelude::*;
use serde::Deserialize;

fn made_by(pool: &Pool, expression: &str) -> owngil::Result<Value> {
    pool.call(
        &f(&format!("import math\ndef f():\n    return {expression}")),
        (),
    )
}

/// What Python says of a value that Rust sent.
fn shown(pool: &Pool, value: &Value) -> String {
    pool.call(&f("def f(x):\n    return repr(x)"), (value,))
        .unwrap()
}

#[test]
fn every_plain_kind_crosses_both_ways_exactly() {
    let pool = pool(PARALLEL, 1);
    let identity = f("def f(x):\n    return x");
    let cases = [
        (Value::None, "None"),
        (Value::Bool(true), "True"),
        (Value::Bool(false), "False"),
        (Value::Int(0), "0"),
        (Value::Int(-33), "-33"),
        (Value::Int(i64::MAX), "9223372036854775807"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (
            Value::BigInt(BigInt::from(1i128 << 100)),
            "1267650600228229401496703205376",
        ),
        (
            Value::BigInt(BigInt::from(-(1i128 << 63) - 1)),
            "-9223372036854775809",
        ),
        (Value::Float(-0.0), "-0.0"),
        (Value::Float(f64::INFINITY), "inf"),
        (Value::Float(5e-324), "5e-324"),
        (Value::from("grüße \u{1F600}\0"), "'grüße \u{1F600}\\x00'"),
        (Value::Bytes(vec![0, 255]), "b'\\x00\\xff'"),
        (Value::List(vec![]), "[]"),
        (Value::Tuple(vec![Value::Int(1)]), "(1,)"),
        (Value::Set(vec![Value::Int(1)]), "{1}"),
        (Value::FrozenSet(vec![]), "frozenset()"),
        (
            Value::Dict(vec![
                (
                    Value::Tuple(vec![Value::Int(1), Value::None]),
                    Value::List(vec![Value::Bool(true)]),
                ),
                (Value::from("b"), Value::Dict(vec![])),
            ]),
            "{(1, None): [True], 'b': {}}",
        ),
    ];
    for (value, text) in cases {
        assert_eq!(shown(&pool, &value), text);
        assert_eq!(pool.call::<Value, _>(&identity, (&value,)), Ok(value));
    }
}

/// Dicts of keys that came before are made another way; what they are must not depend on it.
#[test]
fn dicts_whose_keys_come_again_are_made_as_any_other() {
    let pool = pool(PARALLEL, 1);
    let spoil = f("def f(rows):
    shown = repr(rows)
    for row in rows:
        row.clear()
        row['spoilt'] = rows
    return shown");
    let long = "k".repeat(31);
    let longer = "k".repeat(32);
    let keys: [&[&str]; 12] = [
        &["id", "name", "score"],
        &["id", "name", "other"],
        &["id", "name"],
        &["id", "score", "name"],
        &["id", "names", "score"],
        &["identity", "identity2", "identity3"],
        &["identity", "identity2", "identity4"],
        &["", "a", "ä"],
        &["", "a", "ö"],
        &[&long, "x"],
        &[&longer, "x"],
        &["x"],
    ];
    let row = |names: &[&str], number: usize| {
        let value = |name: &str| match (name, number % 3) {
            ("name", 0) => Value::Dict(vec![(Value::from("id"), Value::None)]),
            ("name", 1) => Value::Dict(
                names
                    .iter()
                    .map(|&name| (Value::from(name), Value::from("inner")))
                    .collect(),
            ),
            ("x", 0) => Value::from(0.5),
            _ => Value::Int(number as i64),
        };
        let mut pairs: Vec<_> = names
            .iter()
            .map(|&name| (Value::from(name), value(name)))
            .collect();
        if number.is_multiple_of(7) {
            pairs.push((Value::Int(1), Value::None));
        }
        Value::Dict(pairs)
    };
    for step in [1, 5, 7] {
        let rows = (0..300).map(|number| row(keys[number * step / 4 % keys.len()], number));
        let rows = Value::List(rows.collect());
        let identity = f("def f(x):\n    return x");
        assert_eq!(
            pool.call::<Value, _>(&identity, (&rows,)).as_ref(),
            Ok(&rows)
        );
        let first: String = pool.call(&spoil, (&rows,)).unwrap();
        assert_eq!(pool.call(&spoil, (&rows,)), Ok(first));
    }
}

/// Keys are known again by their address: one that is gone must not stand for another.
#[test]
fn keys_that_come_and_go_are_written_as_what_they_are() {
    let pool = pool(PARALLEL, 1);
    let make = f("def f(n):
    rows = []
    for i in range(n):
        name = 'key%d' % i
        rows.append({name: i, 'all': {name: 1, 'ä%d' % i: 2, 'x' * (25 + i % 10): 3, i: 4}})
        if i % 3:
            rows.pop()
    return rows, repr(rows)");
    for _ in 0..3 {
        let (rows, text): (Value, String) = pool.call(&make, 300).unwrap();
        assert_eq!(shown(&pool, &rows), text);
    }
}

#[test]
fn a_nan_keeps_its_bits() {
    let pool = pool(PARALLEL, 1);
    let identity = f("def f(x):\n    return x");
    for bits in [0x7ff8_0000_0000_0001, 0xfff8_dead_beef_0001_u64] {
        let back: f64 = pool.call(&identity, f64::from_bits(bits)).unwrap();
        assert_eq!(back.to_bits(), bits);
    }
}

#[test]
fn a_str_with_lone_surrogates_crosses() {
    let pool = pool(PARALLEL, 1);
    let value = made_by(&pool, r"'a\udc80\ud800z'").unwrap();
    assert!(matches!(value, Value::Surrogates(_)), "{value:?}");
    assert_eq!(shown(&pool, &value), r"'a\udc80\ud800z'");
    let error = pool
        .call::<String, _>(&f(r"def f(): return 'a\udc80'"), ())
        .unwrap_err();
    assert!(error.to_string().contains("surrogate"), "{error}");
}

#[test]
fn integers_of_any_size_cross_and_those_that_do_not_fit_say_so() {
    let pool = pool(PARALLEL, 1);
    for expression in [
        "3 ** 1000",
        "-3 ** 1000",
        "-(1 << 64)",
        "(1 << 64) - 1",
        "1 << 63",
    ] {
        let value = made_by(&pool, expression).unwrap();
        let Value::BigInt(number) = &value else {
            panic!("{value:?}")
        };
        assert_eq!(shown(&pool, &value), number.to_string());
    }
    assert_eq!(
        pool.call::<u64, _>(&f("def f(): return (1 << 64) - 1"), ()),
        Ok(u64::MAX)
    );
    assert_eq!(
        pool.call::<i128, _>(&f("def f(): return -(1 << 127)"), ()),
        Ok(i128::MIN)
    );
    assert_eq!(pool.call::<f64, _>(&f("def f(): return 3"), ()), Ok(3.0));
    for (source, expected) in [("256", "256"), ("-1", "-1"), ("3 ** 1000", "1585 bits")] {
        let error = pool
            .call::<u8, _>(&f(&format!("def f(): return {source}")), ())
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(pool.call::<i64, _>(&f("def f(): return 1.0"), ()).is_err());
    assert!(pool.call::<i64, _>(&f("def f(): return True"), ()).is_err());
}

#[test]
fn subclasses_keep_their_type() {
    let pool = pool(PARALLEL, 1);
    let make = f(
        "
import collections, enum, http
P = collections.namedtuple('P', 'x y')
class S(str): pass
def f():
    return [http.HTTPStatus.OK, collections.OrderedDict(a=1), collections.Counter('x'), 1j, range(3)]",
    );
    let Value::List(items) = pool.call(&make, ()).unwrap() else {
        panic!("a list")
    };
    let types: Vec<_> = items
        .iter()
        .map(|item| match item {
            Value::Opaque(opaque) => opaque.type_name().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        types,
        [
            "http.HTTPStatus",
            "collections.OrderedDict",
            "collections.Counter",
            "complex",
            "range"
        ]
    );
    assert_eq!(
        shown(&pool, &Value::List(items)),
        "[<HTTPStatus.OK: 200>, OrderedDict({'a': 1}), Counter({'x': 1}), 1j, range(0, 3)]"
            .replace(
                "OrderedDict({'a': 1})",
                &made_text(&pool, "repr(__import__('collections').OrderedDict(a=1))")
            )
    );
}

fn made_text(pool: &Pool, expression: &str) -> String {
    match made_by(pool, expression) {
        Ok(Value::Str(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_occurs_twice_stays_one_object() {
    let pool = pool(PARALLEL, 1);
    let make = f("
def f():
    row = [1, 2]
    key = ('k',)
    return {'a': row, 'b': row, 'deep': [[row]], key: {'again': key}}");
    let check = f("
def f(x):
    row = x['a']
    row.append(3)
    return x['b'] is row and x['deep'][0][0] is row, x[('k',)]['again'], x['b']");
    let payload: Payload = pool.call(&make, ()).unwrap();
    let (same, key, row): (bool, (String,), Vec<i32>) =
        pool.call(&check, (payload.clone(),)).unwrap();
    assert!(same);
    assert_eq!((key.0.as_str(), row), ("k", vec![1, 2, 3]));
    // Rust, which has no such thing, sees copies.
    #[derive(Deserialize)]
    struct Seen {
        a: Vec<i32>,
        b: Vec<i32>,
        deep: Vec<Vec<Vec<i32>>>,
    }
    let Value::Dict(_) = payload.decode().unwrap() else {
        panic!("a dict")
    };
    let plain = f("def f():\n    row = [1, 2]\n    return {'a': row, 'b': row, 'deep': [[row]]}");
    let seen: Seen = pool.call(&plain, ()).unwrap();
    assert_eq!(
        (seen.a, seen.b, seen.deep),
        (vec![1, 2], vec![1, 2], vec![vec![vec![1, 2]]])
    );
}

#[test]
fn doubling_lists_stay_small_for_python() {
    let pool = pool(PARALLEL, 1);
    let make = f("
def f():
    x = []
    for _ in range(100):
        x = [x, x]
    return x");
    let payload: Payload = pool.call(&make, ()).unwrap();
    assert!(payload.as_bytes().len() < 1000);
    let depth = f("
def f(x):
    n = 0
    while x:
        assert x[0] is x[1]
        x = x[0]; n += 1
    return n");
    assert_eq!(pool.call::<u32, _>(&depth, (payload,)), Ok(100));
}

#[test]
fn cycles_and_deep_nesting_cross_between_interpreters_unread() {
    let pool = pool(PARALLEL, 1);
    let cycle = f("
def f():
    x = [1]
    x.append({'me': x})
    return x");
    let payload: Payload = pool.call(&cycle, ()).unwrap();
    assert!(payload.is_opaque());
    assert_eq!(payload.type_name(), "list");
    let check = f("def f(x):\n    return x[1]['me'] is x");
    assert_eq!(pool.call::<bool, _>(&check, (payload,)), Ok(true));
    // pickle of 3.12 itself goes no deeper than some 780 levels.
    for (depth, is_opaque) in [(500, false), (501, true), (700, true)] {
        let nest = f("
def f(n):
    x = None
    for _ in range(n): x = [x]
    return x");
        let payload: Payload = pool.call(&nest, depth).unwrap();
        assert_eq!(payload.is_opaque(), is_opaque, "{depth}");
        let measure = f("
def f(x):
    n = 0
    while x is not None: x = x[0]; n += 1
    return n");
        assert_eq!(pool.call::<u32, _>(&measure, (payload,)), Ok(depth));
    }
    let bottomless = f("
def f():
    x = None
    for _ in range(10**6): x = [x]
    return x");
    let error = pool.call::<Payload, _>(&bottomless, ()).unwrap_err();
    assert!(matches!(error, Error::Value(_)), "{error:?}");
    assert_eq!(pool.call::<u32, _>(&f("def f(): return 1"), ()), Ok(1));
}

#[test]
fn what_cannot_cross_says_its_type_and_where_it_sat() {
    let pool = pool(PARALLEL, 1);
    for (expression, expected) in [
        ("lambda: 1", "result (function)"),
        (
            "[1, {'model': open('/dev/null')}]",
            "result[1][\"model\"] (_io.TextIOWrapper)",
        ),
        (
            "({'a': [__import__('datetime').date(2026, 1, 1), (x for x in ())]},)",
            "result[0][\"a\"][1] (generator)",
        ),
        (
            "{7: __import__('threading').Lock()}",
            "result[7] (_thread.lock)",
        ),
    ] {
        let error = made_by(&pool, expression).unwrap_err();
        assert!(
            error.to_string().starts_with(expected),
            "{expression}: {error}"
        );
        assert!(error.to_string().contains("pickle"), "{error}");
    }
    // Opaque to Rust, where Rust wants to look.
    #[derive(Debug, Deserialize)]
    struct Row {
        #[expect(dead_code, reason = "the error is what matters")]
        when: String,
    }
    let rows = f("import fractions\ndef f(): return [{'when': fractions.Fraction(1, 3)}]");
    let error = pool.call::<Vec<Row>, _>(&rows, ()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("result[0][\"when\"] (fractions.Fraction)"),
        "{error}"
    );
    // On the way in.
    let unhashable = Value::Dict(vec![(Value::List(vec![]), Value::None)]);
    let error = pool
        .call::<(), _>(&f("def f(*x): pass"), (1, unhashable))
        .unwrap_err();
    assert!(
        error.to_string().contains("args[1]") && error.to_string().contains("unhashable"),
        "{error}"
    );
}

#[test]
fn what_is_pickled_may_be_of_the_functions_own_module() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shapes_mod.py");
    std::fs::write(
        &path,
        "
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    y: int
def make(n):
    origin = Point(0, 0)
    return [Point(i, i) for i in range(n)] + [origin, origin]
def add(points):
    return sum(p.x for p in points), points[-1] is points[-2]
",
    )
    .unwrap();
    let pool = pool(PARALLEL, 4);
    let (make, add) = (Function::file(&path, "make"), Function::file(&path, "add"));
    for n in 0..50 {
        let points: Payload = pool.call(&make, n).unwrap();
        let (sum, same): (i64, bool) = pool.call(&add, (points,)).unwrap();
        assert_eq!((sum, same), ((0..n).sum(), true));
    }
}

#[test]
fn a_value_that_changes_while_it_is_read_is_an_error() {
    let pool = pool(PARALLEL, 1);
    let function = f("
rows = []
class Meta(type):
    def __getattribute__(cls, name):
        if name == '__qualname__': rows.append(1)
        return super().__getattribute__(name)
class Odd(metaclass=Meta): pass
def f():
    rows[:] = [Odd(), 2]
    return rows");
    let read = pool.call::<Payload, _>(&function, ());
    match PARALLEL {
        // There other threads may change it at any time, so what is read is a copy.
        Backend::Thread => drop(read.unwrap()),
        _ => {
            let error = read.unwrap_err();
            assert!(error.to_string().contains("changed while"), "{error}");
        }
    }
    assert_eq!(pool.call::<u32, _>(&f("def f(): return 1"), ()), Ok(1));
}

#[test]
fn an_argument_that_cannot_be_made_leaves_the_rest_of_its_batch_alone() {
    let pool = pool(PARALLEL, 1);
    let source = "
class Cursed:
    def __reduce__(self):
        return int, ('x',)
def f():
    return Cursed()";
    let cursed: Value = pool.call(&f(source), ()).unwrap();
    let inputs = (0..3000_i64).map(|number| match number % 3 {
        0 => (Value::Int(number), cursed.clone(), Value::Int(-number)),
        _ => (Value::Int(number), Value::None, Value::Int(-number)),
    });
    let sums = pool.map(&f("def f(x, y, z):\n    return x, z"), inputs);
    for (number, result) in (0..).zip(sums) {
        match (number % 3, result) {
            (0, Err(Error::Value(error))) => {
                assert!(error.to_string().contains("args[1]"), "{error}");
            }
            (1 | 2, result) => assert_eq!(result, Ok((number, -number))),
            (_, result) => panic!("{number}: {result:?}"),
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200i64..200).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("NaN is tested by its bits", |x| !x.is_nan())
            .prop_map(Value::Float),
        ".{0,40}".prop_map(Value::Str),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    scalar.prop_recursive(4, 64, 8, |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..8);
        prop_oneof![
            items().prop_map(Value::List),
            items().prop_map(Value::Tuple),
            proptest::collection::btree_map(".{0,8}", inner.clone(), 0..8).prop_map(|pairs| {
                Value::Dict(pairs.into_iter().map(|(k, v)| (Value::Str(k), v)).collect())
            }),
        ]
    })
}

#[test]
fn any_value_comes_back_as_it_was() {
    let pool = pool(PARALLEL, 1);
    let identity = f("def f(x):\n    return x");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&any_value(), |value| {
            prop_assert_eq!(pool.call::<Value, _>(&identity, (&value,)), Ok(value));
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_error_of_a_call_that_has_not_run_says_how_to_run_it() {
    let pool = pool(PARALLEL, 1);
    for (source, expected) in [
        (
            "async def f(): return 1",
            "result (coroutine): cannot be pickled, and has not run: \
             call the async function in a plain one, by asyncio.run(…)",
        ),
        (
            "def f(): return [0, (n for n in range(3))]",
            "result[1] (generator): cannot be pickled, and has not run: return list(…) of it",
        ),
    ] {
        for ended in [
            pool.call::<Value, _>(&f(source), ()).err(),
            pool.call::<i64, _>(&f(source), ()).err(),
        ] {
            assert_eq!(ended.unwrap().to_string(), expected);
        }
    }
}

#[test]
fn plain_results_tell_the_method_that_makes_plain_data() {
    let source = "
class A:
    def model_dump(self): return {}
class B: pass
def f(*given): return given or [A(), B()]";
    for is_plain in [true, false] {
        let pool = Pool::builder().workers(1).plain_results(is_plain);
        let pool = pool.build().unwrap();
        let mut value: Value = pool.call(&f(source), ()).unwrap();
        // Rust hands it on with what it knows of it.
        for _ in 0..2 {
            let items = match &value {
                Value::List(items) | Value::Tuple(items) => items.clone(),
                other => panic!("{other:?}"),
            };
            let opaques = items.iter().map(|item| match item {
                Value::Opaque(opaque) => {
                    let (_, name) = opaque.type_name().rsplit_once('.').unwrap();
                    (name, opaque.method())
                }
                other => panic!("{other:?}"),
            });
            let opaques: Vec<_> = opaques.collect();
            let method = is_plain.then_some("model_dump");
            assert_eq!(opaques, [("A", method), ("B", None)]);
            value = pool.call(&f(source), (&items[0], &items[1])).unwrap();
        }
    }
}
