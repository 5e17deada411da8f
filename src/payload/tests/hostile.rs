//! Untrusted bytes: depth, counts, REFs that point anywhere, and noise.

use proptest::prelude::*;

use super::*;

#[test]
fn depth_has_one_limit_everywhere() {
    fn nested(levels: u32) -> Value {
        (0..levels).fold(Value::None, |inside, _| Value::List(vec![inside]))
    }
    let deepest = encoded(&nested(MAX_DEPTH));
    assert_eq!(decoded::<Value>(&deepest).unwrap(), nested(MAX_DEPTH));
    decoded::<serde_json::Value>(&deepest).unwrap();
    decoded::<IgnoredAny>(&deepest).unwrap();
    let message = CrossingError::too_deep();
    let mut out = Encoding::default();
    let error = encode_value(&nested(MAX_DEPTH + 1), &mut out).unwrap_err();
    assert_eq!(error.reason(), message.reason());
    assert_eq!(error.path(), "[0]".repeat(MAX_DEPTH as usize));
    let mut deeper = [tag::LIST, 1].repeat(MAX_DEPTH as usize + 1);
    deeper.push(tag::NONE);
    for error in [
        decoded::<Value>(&deeper).unwrap_err(),
        decoded::<serde_json::Value>(&deeper).unwrap_err(),
        decoded::<IgnoredAny>(&deeper).unwrap_err(),
        skip_value(&mut Reader::new(&deeper)).unwrap_err(),
        decoded::<Value>(&[tag::LIST, 1].repeat(1_000_000)).unwrap_err(),
    ] {
        assert!(error.reason().contains("deeper than 500"), "{error}");
    }
    let payload = Payload::from_encoded(deepest);
    let error = encode_value(&vec![payload], &mut out).unwrap_err();
    assert!(error.reason().contains("deeper than 500"), "{error}");
}

#[test]
fn counts_are_not_trusted() {
    for kind in [
        tag::LIST,
        tag::TUPLE,
        tag::DICT,
        tag::SET,
        tag::FROZENSET,
        tag::STR,
        tag::BYTES,
    ] {
        let mut bytes = vec![kind];
        format::write_varint(&mut bytes, u64::MAX >> 1);
        bytes.extend([0; 64]);
        assert!(decoded::<Value>(&bytes).is_err());
        assert!(decoded::<Vec<u64>>(&bytes).is_err());
        assert!(decoded::<IgnoredAny>(&bytes).is_err());
    }
    fails::<Value>(
        &[tag::LEAVES, 0, tag::LEAVES, 0, 1],
        "malformed payload: a table of leaves inside a value",
    );
    fails::<Value>(&[0xDF], "malformed payload: no value starts with byte 0xDF");
    for tag in [tag::BYTES_BUFFER, tag::MEMORYVIEW, tag::BYTEARRAY] {
        let bytes = [tag, 0, 0, 0, 0];
        fails::<Value>(&bytes, "malformed payload: a buffer that is not there");
        assert!(decoded::<Payload>(&bytes).is_err());
    }
    fails::<Value>(&[0x81, 0xFF], "malformed payload: a str that is not UTF-8");
    fails::<i64>(&[], "malformed payload: it ends too early");
}

#[test]
fn bad_refs_are_errors() {
    fails::<Value>(
        &[0xCA, 0],
        "malformed payload: a REF to something other than a shared container",
    );
    fails::<Value>(
        &[0xD0, 1, 0xCA, 9],
        "[0]: malformed payload: a REF that does not point back",
    );
    fails::<Value>(
        &[0xD0, 2, 1, 0xCA, 2],
        "[1]: malformed payload: a REF to something other than a shared container",
    );
    let cycle = [0xD8, 1, 0xCA, 0];
    assert!(
        decoded::<Value>(&cycle)
            .unwrap_err()
            .reason()
            .contains("deeper")
    );
    assert!(
        decoded::<serde_json::Value>(&cycle)
            .unwrap_err()
            .reason()
            .contains("deeper")
    );
    decoded::<IgnoredAny>(&cycle).unwrap();
}

#[test]
fn the_exponential_bomb_is_defused() {
    // Each list holds the one before it ten times: 10 to the power of 30 items.
    let mut bytes = vec![0xD1, 31, 0xD8, 0];
    let mut last = 2;
    for _ in 0..30 {
        let at = bytes.len() as u64;
        bytes.extend([0xD8, 10]);
        for _ in 0..10 {
            format::write_ref(&mut bytes, last);
        }
        last = at;
    }
    let error = decoded::<Value>(&bytes).unwrap_err();
    assert!(
        error
            .reason()
            .contains("its shared containers stand for more than"),
        "{error}"
    );
    let error = decoded::<serde_json::Value>(&bytes).unwrap_err();
    assert!(
        error
            .reason()
            .contains("its shared containers stand for more than"),
        "{error}"
    );
    decoded::<IgnoredAny>(&bytes).unwrap();
    decoded::<Payload>(&bytes).unwrap();
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-200i64..200).prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| Value::from(BigInt::from_le_bytes(&bytes))),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        ".{0,40}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Surrogates),
    ];
    leaf.prop_recursive(6, 200, 12, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..12);
        prop_oneof![
            items().prop_map(Value::List),
            items().prop_map(Value::Tuple),
            items().prop_map(Value::Set),
            items().prop_map(Value::FrozenSet),
            prop::collection::vec((inner.clone(), inner), 0..8).prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 1000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_tree_round_trips(value in any_value()) {
        let bytes = encoded(&value);
        let back: Value = decoded(&bytes).unwrap();
        // Bytes, not trees, are compared, as a NaN does not equal itself.
        prop_assert_eq!(encoded(&back), &bytes[..]);
        prop_assert_eq!(format!("{back:?}"), format!("{value:?}"));
        let payload = Payload::new(&value).unwrap();
        prop_assert_eq!(payload.type_name(), value.type_name());
        let inside = encoded(&vec![&payload; 2]);
        prop_assert_eq!(&decoded::<Vec<Payload>>(&inside).unwrap()[1], &payload);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), 0xC0u8..=0xDC, 0u8..8], 0..200
        )
    ) {
        let tree = tried::<Value>(&bytes);
        let mut reader = Reader::new(&bytes);
        let skipped = skip_value(&mut reader);
        prop_assert!(tree.is_err() || skipped.is_ok());
        let _ = tried::<serde_json::Value>(&bytes);
        let _ = tried::<Payload>(&bytes);
        let _ = tried::<Vec<Payload>>(&bytes);
        let _ = tried::<Flat>(&bytes);
        let _ = tried::<Vec<Shape>>(&bytes);
        let _ = tried::<HashMap<i64, Untagged>>(&bytes);
        let _ = format!("{:?}", Payload::from_encoded(bytes.clone()));
        if let Ok(tree) = tree {
            let _ = Payload::new(&tree);
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(value in any_value(), at in any::<prop::sample::Index>(), to: u8) {
        let mut bytes = encoded(&value);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = tried::<Value>(&bytes);
        let _ = tried::<serde_json::Value>(&bytes);
        let _ = skip_value(&mut Reader::new(&bytes[..at]));
    }

    #[test]
    fn ints_round_trip(number: i64, large: i128, unsigned: u128) {
        prop_assert_eq!(decoded::<i64>(&encoded(&number)).unwrap(), number);
        prop_assert_eq!(decoded::<i128>(&encoded(&large)).unwrap(), large);
        prop_assert_eq!(decoded::<u128>(&encoded(&unsigned)).unwrap(), unsigned);
        let big = BigInt::from(unsigned);
        prop_assert_eq!(big.to_string(), unsigned.to_string());
        prop_assert_eq!(&large.to_string().parse::<BigInt>().unwrap(), &BigInt::from(large));
    }
}
