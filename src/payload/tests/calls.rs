//! The arguments of calls.

use super::opaque::with_leaves;
use super::*;

#[test]
fn calls_spread_tuples_and_nothing_else() {
    assert_eq!(call(&()), [0, 0]);
    assert_eq!(call(&(1, 2)), [2, 0, 1, 2]);
    assert_eq!(call(&[1, 2, 3]), [3, 0, 1, 2, 3]);
    assert_eq!(call(&Pair(1, "x".into())), [2, 0, 1, 0x81, b'x']);
    assert_eq!(call(&&(1,)), [1, 0, 1]);
    assert_eq!(call(&5), [1, 0, 5]);
    assert_eq!(call("x"), [1, 0, 0x81, b'x']);
    assert_eq!(call(&vec![1, 2]), [1, 0, 0xD0, 2, 1, 2]);
    assert_eq!(call(&Wrapper(1)), [1, 0, 1]);
    assert_eq!(call(&None::<i64>), [1, 0, 0xC0]);
    assert_eq!(call(&Unit), [1, 0, 0xC0]);
    assert_eq!(call(&Value::Tuple(vec![1.into()])), [1, 0, 0xD1, 1, 1]);
    assert_eq!(call(&Payload::new(&(1,)).unwrap()), [1, 0, 0xD1, 1, 1]);
    assert_eq!(call(&Shape::Line(1, 2))[..4], [1, 0, 0xD2, 1]);
    assert_eq!(
        call(&HashMap::from([("a", 1)])),
        [1, 0, 0xD2, 1, 0x81, b'a', 1]
    );
    let opaque = Payload::from_encoded(with_leaves());
    assert_eq!(call(&opaque)[2..], *opaque.as_bytes());
    assert_eq!(call(&vec![&opaque])[2..5], [0xCC, 6, b'p']);
}

#[test]
fn calls_take_keywords() {
    assert_eq!(
        call(&keywords((1, 2), row())),
        b"\x02\x02\x01\x02\x82id\x07\x84name\x85seven"
    );
    assert_eq!(
        call(&keywords(5, BTreeMap::from([("k", 1)]))),
        b"\x01\x01\x05\x81k\x01"
    );
    assert_eq!(
        call(&keywords((), Value::Dict(vec![("k".into(), 1.into())]))),
        b"\x00\x01\x81k\x01"
    );
    let many: BTreeMap<String, usize> = (0..300).map(|n| (format!("k{n}"), n)).collect();
    let bytes = call(&keywords((1,), &many));
    assert_eq!(bytes[..4], [1, 0xAC, 0x02, 1]);
    assert_eq!(call(&keywords([0u8; 30], &many))[..3], [30, 0xAC, 0x02]);
    let mut out = Encoding::default();
    let not = "kwargs: keyword arguments must be a struct or a map with str keys";
    for error in [
        encode_call(&keywords((), 1), &mut out).unwrap_err(),
        encode_call(&keywords((), vec![1]), &mut out).unwrap_err(),
        encode_call(&keywords((), ()), &mut out).unwrap_err(),
        encode_call(&keywords((), BTreeMap::from([(1, 1)])), &mut out).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), not);
    }
    let inner = keywords((), BTreeMap::<String, i64>::new());
    for error in [
        encode_value(&inner, &mut out).unwrap_err(),
        encode_call(&(&inner,), &mut out).unwrap_err(),
        encode_call(&keywords(&inner, row()), &mut out).unwrap_err(),
    ] {
        assert!(error.reason().contains("only be the arguments"), "{error}");
    }
    assert!(serde_json::to_string(&inner).is_err());
    assert!(out.is_empty());
}
