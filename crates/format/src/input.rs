//! Message formats in: is a value what the format says, and what are its wanted fields?
//!
//! One file per format. Every reader makes one pass over a value, validates all of it, and remembers the wanted fields;
//! it builds no tree. The verdict on a value does not depend on which fields are wanted, so that a record does not become
//! bad because a template was added.

mod cursor;
mod msgpack;
mod pattern;
#[cfg(test)]
mod tests;

use secor_core::shape::{Input, InputFormat, JsonValue};

use self::pattern::PatternReader;
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Captures, Wanted};
use crate::json::{JsonError, scan_any, scan_lines, scan_object};

/// A reader of one input format.
pub(crate) enum Reader {
    /// Anything; no fields.
    Bytes,
    /// UTF-8; no fields.
    Text,
    Pattern(PatternReader),
    Json(JsonScan),
    MessagePack,
}

type JsonScan = fn(&str, &Wanted, &mut Captures) -> Result<(), JsonError>;

// === impl Reader ===

impl Reader {
    /// `None`: `faults` has the reasons.
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        match input.format {
            InputFormat::Bytes => Some(Self::Bytes),
            InputFormat::Text => match &input.pattern {
                None => Some(Self::Text),
                Some(pattern) => PatternReader::new(pattern, faults).map(Self::Pattern),
            },
            InputFormat::Json => Some(Self::Json(match input.json {
                JsonValue::Object => scan_object,
                JsonValue::Any => scan_any,
                JsonValue::Lines => scan_lines,
            })),
            InputFormat::MessagePack => Some(Self::MessagePack),
        }
    }

    /// Captures for what this reader finds.
    pub(crate) fn captures(&self) -> Captures {
        Captures::default()
    }

    /// Why `path` can't be a field of such values; `None`: it can.
    pub(crate) fn objection(&self, path: &[&str]) -> Option<Objection> {
        match self {
            Self::Bytes => Some(Objection::new(
                "`bytes` input has no fields",
                "set `input = { format = \"json\" }`, or another format that has fields",
            )),
            Self::Text => Some(Objection::new(
                "`text` input without a pattern has no fields",
                "set `input.pattern` to a regular expression with named groups",
            )),
            Self::Pattern(reader) => reader.objection(path),
            Self::Json(_) | Self::MessagePack => None,
        }
    }

    /// Validates `value` and captures the wanted fields.
    pub(crate) fn read(&mut self, value: &[u8], wanted: &Wanted, captures: &mut Captures) -> Result<(), BadRecord> {
        match self {
            Self::Bytes => Ok(()),
            Self::Text => utf8(value, BadReason::NotUtf8).map(drop),
            Self::Pattern(reader) => reader.read(utf8(value, BadReason::NotUtf8)?, wanted, captures),
            Self::Json(scan) => scan(utf8(value, BadReason::NotJson)?, wanted, captures)
                .map_err(|error| BadReason::NotJson.with(error.to_string())),
            Self::MessagePack => msgpack::read_map(value, wanted, captures)
                .map_err(|error| BadReason::NotMessagePack.with(error.to_string())),
        }
    }
}

/// Why a field can't be wanted of an input.
pub(crate) struct Objection {
    pub why: String,
    pub hint: String,
}

// === impl Objection ===

impl Objection {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }
}

fn utf8(value: &[u8], reason: BadReason) -> Result<&str, BadRecord> {
    simdutf8::basic::from_utf8(value).map_err(|_| reason.with(utf8_detail(value)))
}

#[cold]
fn utf8_detail(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Err(error) => format!("no UTF-8 at byte {}", error.valid_up_to()),
        Ok(_) => "no UTF-8".to_owned(),
    }
}
