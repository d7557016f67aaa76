//! JSON with field extraction, against serde_json: the same texts are objects, and the same fields are found. What is
//! JSON by RFC 8259 alone (numbers of any size, half surrogate pairs) serde_json judges when it skips values.

use secor_format::json::{Captures, DEPTH_MAX, Found, JsonError, Wanted, is_number, scan_any, scan_lines, scan_object};
use serde::de::IgnoredAny;
use serde_json::Value;

const PATHS: [&[&str]; 7] = [&["a"], &["a", "b"], &["a", "b", "c"], &["b"], &["meta", "ts"], &["é\n"], &["a\u{1f600}"]];

type Scan = fn(&str, &Wanted, &mut Captures) -> Result<(), JsonError>;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut wanted, mut nothing) = (Wanted::new(), Captures::default());
    let slots = PATHS.map(|path| wanted.add(path.iter().copied()));
    let mut captures = Captures::default();
    let scanned = scan_object(text, &wanted, &mut captures);
    // whatever is wanted, the verdict is the same
    assert_eq!(scan_object(text, &Wanted::new(), &mut nothing).is_ok(), scanned.is_ok());
    assert!(scanned.is_ok() || scanned.is_err_and(|error| error.at <= text.len()));

    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let is_object = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    assert_eq!(scanned.is_ok(), is_json && is_object && depth(text) <= DEPTH_MAX, "{scanned:?}");
    let is_any = scan_any(text, &wanted, &mut captures).is_ok();
    assert_eq!(is_any, is_json && depth(text) <= DEPTH_MAX);
    let value = serde_json::from_str::<Value>(text);
    assert_eq!(
        is_number(text),
        is_json
            && text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && text.ends_with(|last: char| last.is_ascii_digit())
    );
    if scanned.is_err() {
        return;
    }
    let Ok(value) = value else { return };
    // an object is an object alone, as any value, and as the first of several
    let several = format!("{text}\n{text}");
    for (scan, text) in [(scan_object as Scan, text), (scan_any, text), (scan_lines, text), (scan_lines, &several)] {
        scan(text, &wanted, &mut captures).expect("it was good before");
        for (path, slot) in PATHS.iter().zip(slots) {
            same(captures.get(slot, text), look_up(&value, path));
        }
    }
}

fn look_up<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, name| at.as_object()?.get(*name))
}

fn same(found: Found<'_>, expected: Option<&Value>) {
    match (found, expected) {
        (Found::Missing, None)
        | (Found::Null, Some(Value::Null))
        | (Found::Container, Some(Value::Object(_) | Value::Array(_))) => {}
        (Found::Bool(found), Some(Value::Bool(expected))) => assert_eq!(found, *expected),
        (Found::Text(raw), Some(Value::String(expected))) => assert_eq!(raw.unescape().as_deref(), Some(&**expected)),
        (Found::Number(text), Some(Value::Number(expected))) => {
            assert!(is_number(text));
            assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(Value::Number(expected.clone())));
        }
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Of a text that is JSON.
fn depth(text: &str) -> u32 {
    let (mut depth, mut deepest) = (0u32, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
