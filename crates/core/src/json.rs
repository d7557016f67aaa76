//! Canonical JSON out, strict JSON in.

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Persisted, never change. What a reader of another version meets is an error.
pub const FORMAT_VERSION: u32 = 1;

/// Why stored bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("is not JSON of the expected form")]
    Malformed(#[source] serde_json::Error),
    #[error("has format version {found}, this program knows version {FORMAT_VERSION}")]
    UnknownVersion { found: u64 },
    #[error("has no format version")]
    NoVersion,
    /// A field more, a field twice, another order, white space: nothing that [`canonical_json`] would have written.
    #[error("is not in canonical form: it holds something that this program would lose")]
    NotCanonical,
}

/// Sorted keys, no floats, no white space, one line feed at the end.
///
/// # Panics
/// When `value` does not serialize to JSON without floats: a mistake in the type, not in the data.
#[must_use]
pub fn canonical_json<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("persisted types serialize to JSON");
    let mut text = String::new();
    write_value(&mut text, &value);
    text.push('\n');
    text.into_bytes()
}

/// Reads what [`canonical_json`] wrote, and nothing else: writing it again must give the same bytes. So no form can
/// carry a field that this program would drop, whatever serde makes of flattened and tagged fields. The version is
/// looked at first, so that a newer form is named as such.
///
/// # Errors
/// [`ParseError`] when the bytes are no JSON, have another version, lack or add fields, or are written otherwise.
pub fn parse<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, ParseError> {
    let value = parse_defaulted(bytes)?;
    if canonical_json(&value) == bytes { Ok(value) } else { Err(ParseError::NotCanonical) }
}

/// Reads a form that may have gained fields with defaults since it was written: [`crate::shape::Shape`], whose bytes
/// are checked by the hash that names them.
///
/// # Errors
/// [`ParseError`] when the bytes are no JSON, have another version, or lack or add fields.
pub fn parse_defaulted<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ParseError> {
    let value: Value = serde_json::from_slice(bytes).map_err(ParseError::Malformed)?;
    match value.get("version").and_then(Value::as_u64) {
        None => Err(ParseError::NoVersion),
        Some(found) if found != u64::from(FORMAT_VERSION) => Err(ParseError::UnknownVersion { found }),
        Some(_) => serde_json::from_value(value).map_err(ParseError::Malformed),
    }
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (i, (name, value)) in fields.into_iter().enumerate() {
                separate(text, i);
                write_value(text, &Value::String(name.clone()));
                text.push(':');
                write_value(text, value);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(text, i);
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Number(number) => {
            assert!(!number.is_f64(), "canonical JSON has no floats");
            write!(text, "{number}").expect("writing to a string succeeds");
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {
            write!(text, "{value}").expect("writing to a string succeeds");
        }
    }
}

fn separate(text: &mut String, position: usize) {
    if position > 0 {
        text.push(',');
    }
}
