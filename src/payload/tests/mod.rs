//! Tests of the whole codec: golden bytes, round trips, serde's shapes, hostile bytes, paths.

mod calls;
mod hostile;
mod opaque;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::format::limits::MAX_DEPTH;
use super::format::skip::skip_value;
use super::format::{self, Reader, tag};
use super::rust::call::encode_call;
use super::rust::decode::decode_value;
use super::rust::encode::encode_value;
use super::{BigInt, CrossingError, Payload, Value, keywords};

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Encoding::default();
    encode_value(value, &mut out).unwrap();
    let mut reader = Reader::new(&out);
    skip_value(&mut reader).unwrap();
    assert_eq!(reader.remaining(), 0, "skip ends where the value ends");
    out.to_vec()
}

fn decoded<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, CrossingError> {
    let mut reader = Reader::new(bytes);
    let result = decode_value(&mut reader);
    if result.is_ok() {
        assert_eq!(reader.remaining(), 0, "decoding ends where the value ends");
    }
    result
}

/// Decodes what may be anything, with bytes to spare.
fn tried<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, CrossingError> {
    decode_value(&mut Reader::new(bytes))
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    assert_eq!(decoded::<T>(&encoded(&value)).unwrap(), value);
}

#[track_caller]
fn fails<T: DeserializeOwned + Debug>(bytes: &[u8], message: &str) {
    assert_eq!(decoded::<T>(bytes).unwrap_err().to_string(), message);
}

fn call<A: Serialize + ?Sized>(args: &A) -> Vec<u8> {
    let mut out = Encoding::default();
    encode_call(args, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn golden_bytes() {
    let golden: &[(Value, &[u8])] = &[
        (Value::None, &[0xC0]),
        (false.into(), &[0xC1]),
        (true.into(), &[0xC2]),
        (0.into(), &[0x00]),
        (127.into(), &[0x7F]),
        ((-1).into(), &[0xFF]),
        ((-32).into(), &[0xE0]),
        (128.into(), &[0xC3, 0x80, 0, 0, 0]),
        ((-33).into(), &[0xC3, 0xDF, 0xFF, 0xFF, 0xFF]),
        ((1i64 << 31).into(), &[0xC4, 0, 0, 0, 0x80, 0, 0, 0, 0]),
        (i64::MIN.into(), &[0xC4, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        (
            (1u64 << 63).into(),
            &[0xC5, 9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0],
        ),
        (
            (i128::from(i64::MIN) - 1).into(),
            &[
                0xC5, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF,
            ],
        ),
        (1.0.into(), &[0xC6, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]),
        ("".into(), &[0x80]),
        ("é".into(), &[0x82, 0xC3, 0xA9]),
        (
            Value::Surrogates(vec![0xED, 0xA0, 0x80]),
            &[0xC8, 3, 0xED, 0xA0, 0x80],
        ),
        (Value::Bytes(vec![1, 2]), &[0xC9, 2, 1, 2]),
        (
            Value::List(vec![1.into(), Value::None]),
            &[0xD0, 2, 1, 0xC0],
        ),
        (Value::Tuple(vec![]), &[0xD1, 0]),
        (
            Value::Dict(vec![("a".into(), 1.into())]),
            &[0xD2, 1, 0x81, b'a', 1],
        ),
        (Value::Set(vec![1.into()]), &[0xD3, 1, 1]),
        (Value::FrozenSet(vec![1.into()]), &[0xD4, 1, 1]),
    ];
    for (value, bytes) in golden {
        assert_eq!(encoded(value), *bytes, "{value:?}");
        assert_eq!(decoded::<Value>(bytes).unwrap(), *value, "{value:?}");
    }
    let long = "x".repeat(200);
    assert_eq!(encoded(&long)[..3], [0xC7, 0xC8, 0x01]);
    round_trips(long);
    assert_eq!(encoded(&"x".repeat(31))[0], 0x9F);
    assert_eq!(encoded(&"x".repeat(32))[..2], [0xC7, 32]);
    let mut leaf = Vec::new();
    format::write_leaves(&mut leaf, b"pickle");
    format::write_leaf(&mut leaf, 3, "a.B");
    assert_eq!(leaf, b"\xCC\x06pickle\xCB\x03\x03a.B");
    let mut shared = encoded(&(Vec::<i64>::new(),));
    format::mark_shared(&mut shared, 2);
    format::write_ref(&mut shared, 2);
    assert_eq!(shared, [0xD1, 1, 0xD8, 0, 0xCA, 2]);
}

#[test]
fn varints_have_one_form() {
    for (bytes, expected) in [
        (&[0x7F][..], Some(127)),
        (&[0x80, 0x01], Some(128)),
        (&[0x80, 0x00], None),
        (
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            Some(u64::MAX),
        ),
        (
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            None,
        ),
        (
            &[
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x00,
            ],
            None,
        ),
        (&[0x80], None),
        (&[], None),
    ] {
        assert_eq!(Reader::new(bytes).varint().ok(), expected, "{bytes:?}");
        if let Some(number) = expected {
            let mut out = Vec::new();
            format::write_varint(&mut out, number);
            assert_eq!(out, bytes);
        }
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Row {
    id: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<String>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Wrapper(i64);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Pair(i64, String);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i64, i64),
    Rect { width: f64, height: f64 },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "type")]
enum Internal {
    Start { at: u64 },
    Stop,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A(i64, bool),
    B { x: i64 },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Real(f64),
    Text(String),
    Many(Vec<Untagged>),
    Row(Row),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    kind: String,
    #[serde(flatten)]
    row: Row,
    #[serde(flatten)]
    rest: BTreeMap<String, Untagged>,
}

fn row() -> Row {
    Row {
        id: 7,
        name: "seven".into(),
        note: None,
    }
}

#[test]
fn serde_shapes_round_trip() {
    round_trips(());
    round_trips(Unit);
    round_trips(Wrapper(-5));
    round_trips(Pair(1, "x".into()));
    round_trips('é');
    round_trips(1.5f32);
    round_trips((1u8, -2i8, 300u16, "s".to_owned(), [1, 2, 3]));
    round_trips(vec![Some(1), None]);
    round_trips(vec![
        row(),
        Row {
            note: Some("n".into()),
            ..row()
        },
    ]);
    round_trips(HashMap::from([(1, "a".to_owned()), (-200, "b".to_owned())]));
    round_trips(BTreeMap::from([((1, 2), vec![true])]));
    round_trips(HashSet::from([1, 2, 3]));
    round_trips(BTreeSet::from(["a".to_owned()]));
    round_trips(vec![
        Shape::Empty,
        Shape::Circle(1.0),
        Shape::Line(1, 2),
        Shape::Rect {
            width: 1.0,
            height: 2.0,
        },
    ]);
    round_trips(vec![Internal::Start { at: 9 }, Internal::Stop]);
    round_trips(vec![Adjacent::A(1, true), Adjacent::B { x: 2 }]);
    round_trips(Untagged::Many(vec![
        Untagged::Number(1),
        Untagged::Real(0.5),
        Untagged::Text("x".into()),
        Untagged::Row(row()),
    ]));
    round_trips(Flat {
        kind: "k".into(),
        row: row(),
        rest: BTreeMap::from([("more".to_owned(), Untagged::Number(4))]),
    });
    round_trips(serde_bytes::ByteBuf::from(vec![1, 2, 3]));
    round_trips(serde_json::json!({"a": [1, -2, 2.5, null, "x", {"b": true}], "big": u64::MAX}));
    round_trips(std::net::IpAddr::from([127, 0, 0, 1]));
    round_trips(std::time::Duration::from_millis(1500));
}

#[test]
fn shapes_become_the_python_types_they_should() {
    for (bytes, type_name) in [
        (encoded(&[1, 2]), "tuple"),
        (encoded(&(1, 2)), "tuple"),
        (encoded(&Pair(1, "x".into())), "tuple"),
        (encoded(&vec![1]), "list"),
        (encoded(&HashSet::from([1])), "list"),
        (encoded(&row()), "dict"),
        (encoded(&Shape::Empty), "str"),
        (encoded(&Shape::Circle(1.0)), "dict"),
        (encoded(&'x'), "str"),
        (encoded(&1.5f32), "float"),
        (encoded(&Unit), "NoneType"),
        (encoded(&None::<i64>), "NoneType"),
        (encoded(serde_bytes::Bytes::new(b"x")), "bytes"),
    ] {
        assert_eq!(Payload::from_encoded(bytes).type_name(), type_name);
    }
    let line = decoded::<Value>(&encoded(&Shape::Line(1, 2))).unwrap();
    let both = Value::Tuple(vec![1.into(), 2.into()]);
    assert_eq!(line, Value::Dict(vec![("Line".into(), both)]));
}

#[test]
fn any_sequence_satisfies_any_sequence_type() {
    let items = || vec![Value::from(1), Value::from(2)];
    for value in [
        Value::List(items()),
        Value::Tuple(items()),
        Value::Set(items()),
        Value::FrozenSet(items()),
    ] {
        let bytes = encoded(&value);
        assert_eq!(decoded::<Vec<i64>>(&bytes).unwrap(), [1, 2]);
        assert_eq!(decoded::<(u8, i64)>(&bytes).unwrap(), (1, 2));
        assert_eq!(decoded::<[f64; 2]>(&bytes).unwrap(), [1.0, 2.0]);
        assert_eq!(decoded::<HashSet<i64>>(&bytes).unwrap().len(), 2);
        let message = format!("{}: expected 1 items, found 2", value.type_name());
        fails::<(i64,)>(&bytes, &message);
    }
    let bytes = encoded(&Value::Bytes(vec![1, 255]));
    assert_eq!(decoded::<Vec<u8>>(&bytes).unwrap(), [1, 255]);
    assert_eq!(decoded::<[u8; 2]>(&bytes).unwrap(), [1, 255]);
    assert_eq!(decoded::<&serde_bytes::Bytes>(&bytes).unwrap(), &[1, 255]);
    let text = encoded("borrowed");
    assert_eq!(decoded::<&str>(&text).unwrap(), "borrowed");
}

#[test]
fn ints_go_to_the_edges() {
    for number in [
        0,
        -1,
        i64::MIN.into(),
        i128::from(i64::MAX) + 1,
        i128::MIN,
        i128::MAX,
    ] {
        round_trips(number);
        assert_eq!(decoded::<BigInt>(&encoded(&number)).unwrap(), number.into());
        assert_eq!(encoded(&BigInt::from(number)), encoded(&number));
    }
    round_trips(u128::MAX);
    round_trips(u64::MAX);
    round_trips(1u128 << 127);
    for number in [
        i64::from(i32::MIN) - 1,
        i64::from(i32::MIN),
        i64::MAX,
        -33,
        -32,
        127,
        128,
    ] {
        round_trips(number);
    }
    assert_eq!(
        decoded::<f64>(&encoded(&u64::MAX)).unwrap(),
        u64::MAX as f64
    );
    assert_eq!(
        decoded::<f64>(&encoded(&u128::MAX)).unwrap(),
        u128::MAX as f64
    );
    assert_eq!(decoded::<f32>(&encoded(&-3)).unwrap(), -3.0);
    let huge = encoded(&format!("1{}", "0".repeat(60)).parse::<BigInt>().unwrap());
    fails::<i64>(
        &huge,
        "int: an int of 200 bits does not fit any Rust integer",
    );
    fails::<f64>(&huge, "int: an int of 200 bits does not fit a Rust float");
}

#[test]
fn types_are_not_mixed_up() {
    fails::<i64>(&encoded(&1.5), "float: expected i64, found 1.5");
    fails::<u8>(&encoded(&300), "int: expected u8, found 300");
    fails::<u8>(&encoded(&-1), "int: expected u8, found -1");
    fails::<i64>(&encoded(&true), "bool: expected i64, found True");
    fails::<bool>(&encoded(&1), "int: expected a boolean, found 1");
    fails::<String>(&encoded(&()), "NoneType: expected a string, found None");
    fails::<Vec<i64>>(&encoded("x"), "str: expected a sequence, found \"x\"");
    fails::<f64>(&encoded(&(1,)), "tuple: expected f64, found a sequence");
    fails::<Row>(&encoded(&1), "int: expected struct Row, found 1");
    let bytes = encoded(&Value::Bytes(b"abc".to_vec()));
    fails::<String>(&bytes, "bytes: expected a string, found 3 bytes");
    fails::<Row>(
        &encoded(&HashMap::from([("id", 1)])),
        "dict: missing field `name`",
    );
    fails::<Row>(
        &encoded(&HashMap::from([(0, 1)])),
        "int: as a dict key: expected field identifier, found 0",
    );
    let surrogates = encoded(&Value::Surrogates(vec![0xED, 0xA0, 0x80]));
    fails::<String>(
        &surrogates,
        "str: it holds lone surrogates, which a Rust string cannot",
    );
    fails::<Shape>(
        &encoded(&7),
        "int: expected a str or a dict of one entry, for Shape, found 7",
    );
    decoded::<IgnoredAny>(&surrogates).unwrap();
}

#[test]
fn errors_say_where() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "it is only decoded")]
    struct Table {
        rows: Vec<Row>,
        shapes: Vec<Shape>,
    }
    let table = |rows: Value, shapes: Value| {
        encoded(&Value::Dict(vec![
            ("rows".into(), rows),
            ("shapes".into(), shapes),
        ]))
    };
    let bad_row = Value::Dict(vec![("id".into(), "x".into())]);
    fails::<Table>(
        &table(Value::List(vec![bad_row]), Value::None),
        "[\"rows\"][0][\"id\"] (str): expected u32, found \"x\"",
    );
    let bad_shape = Value::Dict(vec![(
        "Line".into(),
        Value::Tuple(vec![1.into(), true.into()]),
    )]);
    fails::<Table>(
        &table(Value::List(vec![]), Value::List(vec![bad_shape])),
        "[\"shapes\"][0][\"Line\"][1] (bool): expected i64, found True",
    );
    fails::<HashMap<i64, Vec<bool>>>(
        &encoded(&HashMap::from([(-500, vec![0])])),
        "[-500][0] (int): expected a boolean, found 0",
    );
    fails::<HashMap<i64, bool>>(
        &encoded(&HashMap::from([("k", 0)])),
        "str: as a dict key: expected i64, found \"k\"",
    );
    assert_eq!(
        decoded::<Shape>(&encoded("Oval")).unwrap_err().type_name(),
        Some("str")
    );

    #[derive(Serialize)]
    struct Broken;
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let mut out = Encoding::from(vec![1, 2, 3]);
    let value = HashMap::from([("model", (Broken, vec![Failing]))]);
    let error = encode_value(&value, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "[\"model\"][1][0]: no");
    let error = encode_call(&(1, value), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "args[1][\"model\"][1][0]: no");
    let error = encode_call(&vec![Failing], &mut out).unwrap_err();
    assert_eq!(error.to_string(), "args[0][0]: no");
    let error = encode_call(&keywords((), HashMap::from([("k", Failing)])), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "kwargs[\"k\"]: no");
    assert_eq!(*out, [1, 2, 3], "an error leaves the bytes as they were");
}

#[test]
fn a_failed_decode_leaves_the_reader_after_the_value() {
    let mut bytes = Encoding::from(encoded(&vec![vec!["x"; 3]; 3]));
    encode_value(&42, &mut bytes).unwrap();
    let mut reader = bytes.reader();
    assert!(decode_value::<Vec<Vec<i64>>>(&mut reader).is_err());
    assert_eq!(decode_value::<i64>(&mut reader).unwrap(), 42);
}

#[test]
fn sequences_may_lie_about_their_length() {
    struct Lying(Option<usize>, usize);
    impl Serialize for Lying {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seq = serializer.serialize_seq(self.0)?;
            for item in 0..self.1 {
                seq.serialize_element(&vec![item])?;
            }
            seq.end()
        }
    }
    for (declared, real) in [
        (None, 0),
        (None, 5),
        (None, 1000),
        (Some(1), 300),
        (Some(300), 1),
    ] {
        let bytes = encoded(&(Lying(declared, real), "after"));
        let (items, after) = decoded::<(Vec<Vec<usize>>, String)>(&bytes).unwrap();
        assert_eq!(items, (0..real).map(|item| vec![item]).collect::<Vec<_>>());
        assert_eq!(after, "after");
    }
}

#[test]
fn other_formats_get_what_they_can_have() {
    let value = Value::Dict(vec![
        (
            "t".into(),
            Value::Tuple(vec![1.into(), Value::Set(vec![2.into()])]),
        ),
        ("big".into(), u64::MAX.into()),
        ("none".into(), Value::None),
    ]);
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(
        json,
        r#"{"t":[1,[2]],"big":18446744073709551615,"none":null}"#
    );
    let back: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back.get("big"), Some(&u64::MAX.into()));
    let list = Value::List(vec![1.into(), Value::List(vec![2.into()])]);
    assert_eq!(back.get("t"), Some(&list));
    let huge: BigInt = "9".repeat(50).parse().unwrap();
    let json = serde_json::to_string(&huge).unwrap();
    assert_eq!(json, format!("\"{huge}\""));
    assert_eq!(serde_json::from_str::<BigInt>(&json).unwrap(), huge);
    assert!(serde_json::to_string(&Value::Surrogates(vec![])).is_err());
    assert!(serde_json::to_string(&decoded::<Value>(&opaque::with_leaves()).unwrap()).is_err());
    assert!(serde_json::to_string(&Payload::new(&1).unwrap()).is_err());
    assert!(serde_json::from_str::<Payload>("null").is_err());
    assert_eq!(serde_json::from_str::<Value>("null").unwrap(), Value::None);
}

#[test]
fn values_and_payloads_work_as_fields() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Mixed {
        any: Value,
        raw: Payload,
        maybe: Option<Payload>,
        big: BigInt,
    }
    round_trips(Mixed {
        any: Value::Tuple(vec![
            Value::FrozenSet(vec![]),
            Value::Surrogates(vec![0xED, 0xB0, 0x80]),
        ]),
        raw: Payload::new(&(1, "x")).unwrap(),
        maybe: None,
        big: "-123456789012345678901234567890".parse().unwrap(),
    });
    fails::<Vec<BigInt>>(
        &encoded(&vec!["5"]),
        "[0] (str): expected an int, found \"5\"",
    );
    let nan = f64::from_bits(0x7FF8_0000_DEAD_BEEF);
    let Value::Float(back) = decoded(&encoded(&Value::Float(nan))).unwrap() else {
        panic!("a float");
    };
    assert_eq!(back.to_bits(), nan.to_bits());
}
