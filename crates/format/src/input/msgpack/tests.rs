use proptest::prelude::*;
use rmpv::Value;

use super::*;
use crate::fields::Found;

fn is_map(value: &[u8]) -> bool {
    read_map(value, &Wanted::new(), &mut Captures::default()).is_ok()
}

fn error(value: &[u8]) -> String {
    read_map(value, &Wanted::new(), &mut Captures::default()).unwrap_err().to_string()
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

#[test]
fn errors_say_where() {
    for (value, expected) in [
        (&b""[..], "an early end at byte 0"),
        (b"\x90", "no map at byte 0"),
        (b"\x81\xa1a", "an early end at byte 3"),
        (b"\x81\xa1a\xa5abc", "an early end at byte 4"),
        (b"\x81\xa1a\xc1", "the byte c1, which is never used at byte 3"),
        (b"\x80\x80", "more bytes than the value has at byte 1"),
        (b"\xdf\xff\xff\xff\xff\x01\x01", "an early end at byte 7"),
    ] {
        assert_eq!(error(value), expected, "{value:?}");
    }
}

#[test]
fn nesting_ends() {
    let nested = |depth: usize, open: &[u8], close: &[u8]| [open.repeat(depth).as_slice(), close].concat();
    assert!(is_map(&nested(126, b"\x81\x00", b"\x80")));
    assert!(is_map(&[&b"\x81\x00"[..], &nested(125, b"\x91", b"\x90")].concat()));
    assert_eq!(error(&nested(127, b"\x81\x00", b"\x80")), "too deep nesting at byte 255");
    assert!(!is_map(&nested(100_000, b"\x81\x00", b"\x80")));
    assert!(!is_map(&nested(100_000, b"\x81", b"\x80")));
}

#[test]
fn of_a_key_that_occurs_twice_the_last_counts() {
    let mut wanted = Wanted::new();
    let slots = [wanted.add(["a"]), wanted.add(["m", "t"])];
    let mut captures = Captures::default();
    let value = [&b"\x84\xa1a\x01\xa1m\x81\xa1t\x05\xa1a\x02\xa1m\x80"[..]].concat();
    read_map(&value, &wanted, &mut captures).unwrap();
    assert_eq!(slots.map(|slot| captures.get(slot, &value)), [Found::Integer(2), Found::Missing]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Binary),
        (any::<i8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, data)| Value::Ext(kind, data)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((prop_oneof!["[a-c]".prop_map(Value::from), inner.clone()], inner), 0..6)
                .prop_map(Value::Map),
        ]
    })
}

/// What a full decoder has at `path`; the last of equal keys.
fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    let [name, rest @ ..] = path else { return Some(value) };
    let pairs = value.as_map()?;
    at(&pairs.iter().rev().find(|(key, _)| key.as_str() == Some(name))?.1, rest)
}

fn agrees(found: Found<'_>, value: Option<&Value>) -> bool {
    match (found, value) {
        (Found::Missing, None) | (Found::Null, Some(Value::Nil)) => true,
        (Found::Container, Some(Value::Map(_) | Value::Array(_) | Value::Ext(..))) => true,
        (Found::Time(_), Some(Value::Ext(-1, _))) => true,
        (Found::Bool(found), Some(Value::Boolean(value))) => found == *value,
        (Found::Integer(found), Some(Value::Integer(value))) => found.to_string() == value.to_string(),
        (Found::Single(found), Some(Value::F32(value))) => found.to_bits() == value.to_bits(),
        (Found::Double(found), Some(Value::F64(value))) => found.to_bits() == value.to_bits(),
        (Found::Text(found), Some(Value::String(value))) => found.unescape().as_deref() == value.as_str(),
        (Found::Text(found), Some(Value::Binary(value))) => found.unescape().unwrap().as_bytes() == value,
        (Found::Binary, Some(Value::Binary(value))) => std::str::from_utf8(value).is_err(),
        _ => false,
    }
}

proptest! {
    #[test]
    fn fields_are_those_of_a_full_decoder(pairs in prop::collection::vec(("[a-c]", any_value()), 0..5)) {
        let value = Value::Map(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect());
        let bytes = encoded(&value);
        let paths: [&[&str]; 3] = [&["a"], &["b", "a"], &["c", "b", "a"]];
        let mut wanted = Wanted::new();
        let slots = paths.map(|path| wanted.add(path.iter().copied()));
        let mut captures = Captures::default();
        read_map(&bytes, &wanted, &mut captures).unwrap();
        for (slot, path) in slots.into_iter().zip(paths) {
            let (found, expected) = (captures.get(slot, &bytes), at(&value, path));
            prop_assert!(agrees(found, expected), "{path:?}: {found:?} and {expected:?}");
        }
    }

    // one verdict on any bytes, but for the byte that is never used, which the library takes for null
    #[test]
    fn the_verdict_is_that_of_a_full_decoder(
        value in any_value(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = encoded(&Value::Map(vec![(Value::from("a"), value)]));
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let mut rest = &bytes[..];
        let decoded = rmpv::decode::read_value_ref(&mut rest);
        let is_good = rest.is_empty() && matches!(decoded, Ok(rmpv::ValueRef::Map(_)));
        match read_map(&bytes, &Wanted::new(), &mut Captures::default()) {
            Ok(()) => prop_assert!(is_good),
            Err(error) if error.what.contains("c1") => {}
            Err(error) => prop_assert!(!is_good, "{error}"),
        }
    }
}
