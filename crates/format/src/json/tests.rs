use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::walk::{Seen, Walk};

fn is_json(text: &str) -> bool {
    scan_object(text, &Wanted::new(), &mut Captures::default()).is_ok()
}

fn error(text: &str) -> String {
    scan_object(text, &Wanted::new(), &mut Captures::default()).unwrap_err().to_string()
}

#[test]
fn any_value_and_the_fields_of_its_first_object() {
    let mut wanted = Wanted::new();
    let slot = wanted.add(["a"]);
    let mut captures = Captures::default();
    for (text, found) in [
        (r#" {"a":1} "#, Some(Found::Number("1"))),
        (r#"[{"a":1},{"a":2},[{"a":3}],4]"#, Some(Found::Number("1"))),
        (r#"[ {"b":[{"a":1}]} , {"a":2} ]"#, Some(Found::Missing)),
        (r#"[[{"a":1}],{"a":2}]"#, Some(Found::Missing)),
        ("[]", Some(Found::Missing)),
        (" [ ] ", Some(Found::Missing)),
        ("[1, 2]", Some(Found::Missing)),
        ("null", Some(Found::Missing)),
        (r#""a""#, Some(Found::Missing)),
        ("-1.5e3", Some(Found::Missing)),
        ("", None),
        ("[1,]", None),
        ("[,1]", None),
        ("[1", None),
        (r#"[{"a":1}"#, None),
        (r#"[{"a":1} {"a":2}]"#, None),
        ("1 2", None),
        ("nul", None),
    ] {
        let scanned = scan_any(text, &wanted, &mut captures);
        assert_eq!(scanned.ok().map(|()| captures.get(slot, text)), found, "{text}");
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(scan_any(&nested(127), &wanted, &mut captures).is_ok());
    assert!(scan_any(&nested(128), &wanted, &mut captures).is_err());
}

#[test]
fn lines_and_the_fields_of_the_first() {
    let mut wanted = Wanted::new();
    let slot = wanted.add(["a"]);
    let mut captures = Captures::default();
    for (text, found) in [
        ("{\"a\":1}", Ok(Found::Number("1"))),
        ("\n{\"a\":1}\r\n\r\n{\"a\":2}\n", Ok(Found::Number("1"))),
        ("{} {\"a\":2}", Ok(Found::Missing)),
        ("", Err("expected `{` at byte 0")),
        ("{}{}", Err("expected white space or the end at byte 2")),
        ("{}\n[]", Err("expected `{` at byte 3")),
        ("{}\n{\"a\"}", Err("expected `:` at byte 7")),
        ("[]\n{}", Err("expected `{` at byte 0")),
    ] {
        let scanned = scan_lines(text, &wanted, &mut captures).map_err(|error| error.to_string());
        assert_eq!(scanned.map(|()| captures.get(slot, text)), found.map_err(str::to_owned), "{text}");
    }
}

/// What is found at `a` and at `m.t`.
fn found(text: &str) -> [String; 2] {
    let mut wanted = Wanted::new();
    let slots = [wanted.add(["a"]), wanted.add(["m", "t"])];
    let mut captures = Captures::default();
    scan_object(text, &wanted, &mut captures).unwrap();
    slots.map(|slot| match captures.get(slot, text) {
        Found::Text(raw) => format!("text {:?}", raw.unescape()),
        other => format!("{other:?}"),
    })
}

#[test]
fn good_texts() {
    for text in [
        "{}",
        " \t\r\n{ } \n",
        r#"{"a":1,"b":[],"c":{},"d":[{},[[]],{"x":[1,2,{"y":null}]}]}"#,
        r#"{"":""}"#,
        r#"{"n":[0,-0,1e999,-1.5E+07,123456789012345678901234567890,0.0000000001]}"#,
        r#"{"s":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800 é 東京"}"#,
        r#"{"a":true,"b":false,"c":null}"#,
    ] {
        assert!(is_json(text), "{text}: {}", error(text));
    }
}

#[test]
fn bad_texts_say_where() {
    for (text, expected) in [
        ("", "expected `{` at byte 0"),
        ("[]", "expected `{` at byte 0"),
        ("1", "expected `{` at byte 0"),
        ("\u{feff}{}", "expected `{` at byte 0"),
        ("{", "expected a field name or `}` at byte 1"),
        ("{}x", "expected the end at byte 2"),
        ("{}{}", "expected the end at byte 2"),
        (r#"{"a"}"#, "expected `:` at byte 4"),
        (r#"{"a":}"#, "expected a value at byte 5"),
        (r#"{"a":1,}"#, "expected a field name or `}` at byte 7"),
        (r#"{"a":1 "b":2}"#, "expected `,` or `}` at byte 7"),
        (r#"{a:1}"#, "expected a field name or `}` at byte 1"),
        (r#"{'a':1}"#, "expected a field name or `}` at byte 1"),
        (r#"{"a":[1,]}"#, "expected a value at byte 8"),
        (r#"{"a":[1}"#, "expected `,` or `]` at byte 7"),
        (r#"{"a":{"b":1]}"#, "expected `,` or `}` at byte 11"),
        (r#"{"a":[{"b":1,}]}"#, "expected a field name at byte 13"),
        (r#"{"a":01}"#, "expected `,` or `}` at byte 6"),
        (r#"{"a":+1}"#, "expected a value at byte 5"),
        (r#"{"a":.5}"#, "expected a value at byte 5"),
        (r#"{"a":1.}"#, "expected a digit at byte 7"),
        (r#"{"a":1e}"#, "expected a digit at byte 7"),
        (r#"{"a":-}"#, "expected a digit at byte 6"),
        (r#"{"a":NaN}"#, "expected a value at byte 5"),
        (r#"{"a":Infinity}"#, "expected a value at byte 5"),
        (r#"{"a":nul}"#, "expected `true`, `false` or `null` at byte 5"),
        (r#"{"a":truer}"#, "expected `,` or `}` at byte 9"),
        ("{\"a\":\"b\nc\"}", "expected no raw control character in a string at byte 7"),
        ("{\"a\":\"12345678901234\u{1f}\"}", "expected no raw control character in a string at byte 20"),
        (r#"{"a":"b"#, "expected the end of a string at byte 7"),
        (r#"{"a":"\x"}"#, "expected an escape at byte 7"),
        (r#"{"a":"\u12g4"}"#, "expected four hexadecimal digits behind `u` at byte 7"),
        (r#"{"a":"\u12"#, "expected four hexadecimal digits behind `u` at byte 7"),
        ("{\"a\":1}\0", "expected the end at byte 7"),
        ("{/* c */}", "expected a field name or `}` at byte 1"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn nesting_ends_at_the_same_depth_wherever_it_is() {
    let nested = |name: &str, open: &str, close: &str, levels: u32| {
        let inner = levels as usize - 1;
        format!("{{\"{name}\":{}0{}}}", open.repeat(inner), close.repeat(inner))
    };
    for name in ["a", "x"] {
        for (open, close) in [("[", "]"), ("{\"m\":", "}")] {
            let mut wanted = Wanted::new();
            wanted.add(["a", "m", "m"]);
            let verdict =
                |levels| scan_object(&nested(name, open, close, levels), &wanted, &mut Captures::default()).is_ok();
            assert!(verdict(DEPTH_MAX), "{name} {open}");
            assert!(!verdict(DEPTH_MAX + 1), "{name} {open}");
        }
    }
}

#[test]
fn fields_are_found() {
    for (text, a, t) in [
        ("{}", "Missing", "Missing"),
        (r#"{"a":1.50,"m":{"t":"x"}}"#, "Number(\"1.50\")", "text Some(\"x\")"),
        (r#"{"a":null,"m":{"t":true}}"#, "Null", "Bool(true)"),
        (r#"{"a":false,"m":{"t":[1,{"t":2}]}}"#, "Bool(false)", "Container"),
        (r#"{"a":{"a":1},"m":[{"t":1}]}"#, "Container", "Missing"),
        (r#"{"m":1,"t":2,"x":{"a":3,"m":{"t":4}}}"#, "Missing", "Missing"),
        (r#"{"a":"q\"\u00e9\ud83d\ude00","m":{"t":"\ud800"}}"#, "text Some(\"q\\\"é😀\")", "text None"),
        (r#"{"\u0061":-7 , "\u006d" : { "\u0074" : 8 } }"#, "Number(\"-7\")", "Number(\"8\")"),
        // of a name that occurs twice the last counts, with all below it
        (r#"{"a":1,"a":2,"m":{"t":1},"m":{"t":2,"t":3}}"#, "Number(\"2\")", "Number(\"3\")"),
        (r#"{"m":{"t":1},"m":{}}"#, "Missing", "Missing"),
        (r#"{"m":{"t":1},"m":5}"#, "Missing", "Missing"),
        (r#"{"a":1,"a":null,"m":{"t":1},"m":{"t":{}}}"#, "Null", "Container"),
    ] {
        assert_eq!(found(text), [a, t], "{text}");
    }
}

#[test]
fn a_field_and_one_below_it_may_both_be_wanted() {
    let mut wanted = Wanted::new();
    let (outer, inner) = (wanted.add(["m"]), wanted.add(["m", "t"]));
    assert_eq!(wanted.add(["m"]), outer);
    let text = r#"{"m":{"t":1}}"#;
    let mut captures = Captures::default();
    scan_object(text, &wanted, &mut captures).unwrap();
    assert_eq!((captures.get(outer, text), captures.get(inner, text)), (Found::Container, Found::Number("1")));
}

#[test]
fn numbers_are_told() {
    for good in ["0", "-0", "12", "1.5", "-1e5", "1E+5", "1e-5"] {
        assert!(is_number(good), "{good}");
    }
    for bad in ["", "-", "+1", "01", "1.", ".1", "1e", " 1", "1 ", "inf", "NaN", "0x1", "1_000", "١"] {
        assert!(!is_number(bad), "{bad}");
    }
}

fn json() -> impl Strategy<Value = Value> {
    let name = prop_oneof!["[amtx]", "\\PC{0,6}", Just("m".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "[ -~\\u{0}-\\u{20}é東😀]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(&["a", "m", "x", "y"][..]);
    prop::collection::btree_map(field, json(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Whether a general parser takes the text, apart from what it refuses for its own types' sake.
fn oracle(text: &str) -> Option<bool> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => Some(value.is_object()),
        Err(error) if error.to_string().contains("out of range") => None,
        Err(error) if error.to_string().contains("surrogate") => None,
        Err(error) if error.to_string().contains("unexpected end of hex escape") => None,
        Err(_) => Some(false),
    }
}

/// Along the outline, `json` of each place among it.
fn tree<'v>(walk: &JsonWalk<'v>, place: u32) -> Value {
    let text = walk.json(&[place]).expect("the format is JSON");
    let value = match walk.look(&[place]) {
        Seen::Entries => {
            let mut object = serde_json::Map::new();
            walk.members(&[place], &mut |name, value| {
                object.insert(name.expect("a name").to_owned(), tree(walk, value.expect("a value")));
            });
            Value::Object(object)
        }
        Seen::Items => {
            let mut array = Vec::new();
            walk.items(&[place], &mut |item| {
                array.push(tree(walk, item));
                ControlFlow::Continue(())
            });
            Value::Array(array)
        }
        Seen::Single(Found::Null) => Value::Null,
        Seen::Single(Found::Bool(value)) => Value::Bool(value),
        Seen::Single(Found::Number(number)) => serde_json::from_str(number).expect("a number"),
        Seen::Single(Found::Text(text)) => Value::from(text.unescape().expect("a text").into_owned()),
        other => panic!("{other:?} is not JSON"),
    };
    assert_eq!(serde_json::from_str::<Value>(text).expect("a value"), value);
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn fields_agree_with_a_general_parser(value in object(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut wanted = Wanted::new();
        let paths = [vec!["a"], vec!["m", "t"], vec!["m"], vec!["x", "a", "m"]];
        let slots = paths.clone().map(|path| wanted.add(path));
        let mut captures = Captures::default();
        prop_assert_eq!(scan_object(&text, &wanted, &mut captures), Ok(()));
        for (path, slot) in paths.iter().zip(slots) {
            let expected = value.pointer(&format!("/{}", path.join("/")));
            // the general parser's pointers also go into arrays
            let agrees = match (captures.get(slot, &text), expected) {
                (Found::Missing, None) => true,
                (Found::Null, Some(Value::Null)) => true,
                (Found::Bool(found), Some(Value::Bool(expected))) => found == *expected,
                (Found::Number(found), Some(Value::Number(expected))) => expected.to_string().eq(found),
                (Found::Text(found), Some(Value::String(expected))) => found.unescape().as_deref() == Some(expected),
                (Found::Container, Some(Value::Object(_) | Value::Array(_))) => true,
                _ => false,
            };
            prop_assert!(agrees, "{:?} in {}", path, text);
        }
    }

    // with fields on the way of the scan, which takes another path for them
    #[test]
    fn an_outline_shows_what_a_general_parser_sees(value in object(), pretty in any::<bool>(), fields in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let text = format!(" {text}\n");
        let mut wanted = Wanted::new();
        if fields {
            wanted.add(["a"]);
            wanted.add(["m", "t"]);
        }
        // one outline for a text after another
        let (mut captures, mut outline) = (Captures::default(), Outline::default());
        for text in [r#"{"a":[[{}"#, &text] {
            let scanned = outline_object(text, &wanted, &mut captures, &mut outline);
            prop_assert_eq!(scanned.is_ok(), text.starts_with(' '));
        }
        let (walk, root) = JsonWalk::new(&text, &outline);
        prop_assert_eq!(tree(&walk, root), serde_json::from_str::<Value>(&text).unwrap());
    }

    // texts that were damaged in one place: both take them or both don't
    #[test]
    fn verdicts_agree_with_a_general_parser(
        value in object(),
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(&b"{}[]\",:\\u0123eE+-.tfn \n\x01/"[..]),
        what in 0..3,
    ) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        let at = at.index(bytes.len());
        match what {
            0 => bytes[at] = with,
            1 => bytes.insert(at, with),
            _ => drop(bytes.remove(at)),
        }
        if let Ok(text) = std::str::from_utf8(&bytes) && let Some(expected) = oracle(text) {
            prop_assert_eq!(is_json(text), expected, "{}", text);
        }
    }

    #[test]
    fn the_plain_prefix_ends_where_a_byte_by_byte_look_ends(bytes in prop::collection::vec(prop_oneof![
        any::<u8>(), prop::sample::select(&b"\"\\\x1f\x20\x7f\x80\xa2\xff!#[]"[..]),
    ], 0..40)) {
        let expected = bytes.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
        prop_assert_eq!(plain_prefix(&bytes), expected.unwrap_or(bytes.len()));
    }
}
