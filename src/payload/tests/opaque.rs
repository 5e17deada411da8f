//! What Rust cannot read: shared containers decoded again, leaves, payloads inside values.

use super::*;

#[test]
fn refs_decode_their_target_again() {
    // ([1, 2], REF to it, {"k": REF to it})
    let bytes = [
        0xD1, 3, 0xD8, 2, 1, 2, 0xCA, 2, 0xD2, 1, 0x81, b'k', 0xCA, 2,
    ];
    type Typed = (Vec<i64>, Vec<i64>, HashMap<String, Vec<i64>>);
    let list = vec![1, 2];
    let expected = (
        list.clone(),
        list.clone(),
        HashMap::from([("k".to_owned(), list)]),
    );
    assert_eq!(decoded::<Typed>(&bytes).unwrap(), expected);
    let tree = decoded::<Value>(&bytes).unwrap();
    assert_eq!(encoded(&tree), encoded(&expected_tree()));
    // The body's start, not the bytes', is what an offset counts from.
    let mut after_leaves = Vec::new();
    format::write_leaves(&mut after_leaves, b"some pickle");
    after_leaves.extend(bytes);
    assert_eq!(decoded::<Typed>(&after_leaves).unwrap(), expected);
    assert_eq!(decoded::<Value>(&after_leaves).unwrap(), tree);
    let (first, second, _) = decoded::<(Payload, Payload, IgnoredAny)>(&bytes).unwrap();
    assert_eq!(first, second);
    assert_eq!(first.decode::<Vec<i64>>().unwrap(), [1, 2]);
}

fn expected_tree() -> Value {
    let list = || Value::List(vec![1.into(), 2.into()]);
    let dict = Value::Dict(vec![("k".into(), list())]);
    Value::Tuple(vec![list(), list(), dict])
}

/// `[leaf 0, {"when": leaf 1}, 5]`
pub(super) fn with_leaves() -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write_leaves(&mut bytes, b"pickle");
    format::write_container(&mut bytes, tag::LIST, 3);
    format::write_leaf(&mut bytes, 0, "a.Model");
    format::write_container(&mut bytes, tag::DICT, 1);
    format::write_str(&mut bytes, "when");
    format::write_leaf(&mut bytes, 1, "datetime.datetime");
    format::write_int(&mut bytes, 5);
    bytes
}

#[test]
fn leaves_are_opaque_but_cross() {
    let bytes = with_leaves();
    fails::<(IgnoredAny, HashMap<String, f64>, i64)>(
        &bytes,
        "[1][\"when\"] (datetime.datetime): an opaque Python object; Rust cannot read it",
    );
    let (_, _, five) = decoded::<(IgnoredAny, IgnoredAny, i64)>(&bytes).unwrap();
    assert_eq!(five, 5);
    let tree = decoded::<Value>(&bytes).unwrap();
    assert_eq!(
        encoded(&tree),
        bytes,
        "a tree with opaque objects comes back as it went"
    );
    let whole = decoded::<Payload>(&bytes).unwrap();
    assert_eq!(whole.as_bytes(), bytes);
    assert!(whole.contains_opaque() && !whole.is_opaque());
    assert_eq!(whole.type_name(), "list");
    let (model, when, five) =
        decoded::<(Payload, HashMap<String, Payload>, Payload)>(&bytes).unwrap();
    assert!(model.is_opaque());
    assert_eq!(model.type_name(), "a.Model");
    assert_eq!(model.as_bytes(), b"\xCC\x06pickle\xCB\x00\x07a.Model");
    assert_eq!(five.as_bytes(), [5]);
    assert_eq!(format!("{model:?}"), "Payload(a.Model, 18 bytes)");
    // Inside another value, and with another part of the same pickle, it still crosses.
    let bytes = encoded(&(1, &model, &when, &five));
    assert_eq!(&bytes[..8], b"\xCC\x06pickle");
    let again = decoded::<(i64, Payload, HashMap<String, Payload>, i64)>(&bytes).unwrap();
    assert_eq!(again, (1, model.clone(), when, 5));
    let Value::Opaque(opaque) = model.decode::<Value>().unwrap() else {
        panic!("a leaf is opaque");
    };
    assert_eq!(opaque.to_payload(), model);
    fails::<Value>(
        &[tag::LEAF, 0, 1, b'x'],
        "malformed payload: a leaf without a table of leaves",
    );
}

#[test]
fn payloads_that_cannot_be_put_inside_say_so() {
    let mut out = Encoding::default();
    let leaf = |pickle: &[u8]| {
        let mut bytes = Vec::new();
        format::write_leaves(&mut bytes, pickle);
        format::write_leaf(&mut bytes, 0, "T");
        Payload::from_encoded(bytes)
    };
    let (one, other) = (leaf(b"1"), leaf(b"2"));
    let error = encode_value(&(&one, &other), &mut out).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("[1]: opaque Python objects that came"),
        "{error}"
    );
    let sharing = Payload::from_encoded(vec![0xD1, 2, 0xD8, 0, 0xCA, 2]);
    assert_eq!(encoded(&Some(&sharing)), sharing.as_bytes());
    let error = encode_value(&vec![&sharing], &mut out).unwrap_err();
    assert!(
        error.to_string().starts_with("[0]: a payload in which"),
        "{error}"
    );
    let inside = [&[0xD0, 1][..], &[0xD1, 2, 0xD8, 0, 0xCA, 4]].concat();
    let error = decoded::<Vec<Payload>>(&inside).unwrap_err();
    assert!(error.to_string().starts_with("[0]: it shares"), "{error}");
    // As arguments they all cross.
    let bytes = call(&(&one, &other, &sharing));
    let mut reader = Reader::new(&bytes);
    assert_eq!((reader.varint().unwrap(), reader.varint().unwrap()), (3, 0));
    for payload in [one, other, sharing] {
        assert_eq!(decode_value::<Payload>(&mut reader).unwrap(), payload);
    }
    assert_eq!(reader.remaining(), 0);
}
