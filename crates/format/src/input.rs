//! Message formats in: is a value what the format says, and what are its wanted fields?
//!
//! One file per format. Every reader makes one pass over a value, validates all of it, and remembers the wanted fields;
//! it builds no tree. The verdict on a value does not depend on which fields are wanted, so that a record does not become
//! bad because a template was added.
//!
//! Formats with schemas have them from the shape, in full; [`schema_files`] makes of files what is kept there.

mod cursor;
mod framing;
mod avro;
mod protobuf;
mod thrift;
mod msgpack;
mod pattern;
#[cfg(test)]
mod tests;

use secor_core::shape::{Input, InputFormat, JsonValue, MessageFraming};

use self::avro::AvroReader;
use self::framing::SchemaName;
use self::pattern::PatternReader;
use self::protobuf::ProtobufReader;
use self::thrift::ThriftReader;
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Captures, Wanted};
use crate::json::{JsonError, scan_any, scan_lines, scan_object};

pub mod schema_files;

/// A reader of one input format.
pub(crate) enum Reader {
    /// Anything; no fields.
    Bytes,
    /// UTF-8; no fields.
    Text,
    Pattern(PatternReader),
    Json(JsonScan),
    MessagePack,
    Avro(AvroReader),
    Protobuf(ProtobufReader),
    Thrift(ThriftReader),
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
            InputFormat::Avro => AvroReader::new(input, faults).map(Self::Avro),
            InputFormat::Protobuf => ProtobufReader::new(input, faults).map(Self::Protobuf),
            InputFormat::Thrift => ThriftReader::new(input, faults).map(Self::Thrift),
        }
    }

    /// Captures for what this reader finds.
    pub(crate) fn captures(&self) -> Captures {
        match self {
            Self::Avro(reader) => Captures::with_symbols(reader.symbols()),
            Self::Protobuf(reader) => Captures::with_symbols(reader.symbols()),
            Self::Thrift(reader) => Captures::with_symbols(reader.symbols()),
            _ => Captures::default(),
        }
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
            Self::Avro(reader) => reader.objection(path),
            Self::Protobuf(reader) => reader.objection(path),
            Self::Thrift(reader) => reader.objection(path),
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
            Self::Avro(reader) => reader.read(value, wanted, captures),
            Self::Protobuf(reader) => reader.read(value, wanted, captures),
            Self::Thrift(reader) => reader.read(value, wanted, captures),
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

/// What each given schema is called in a message, by the framing; `None`: `faults` has the reasons.
fn expected_schemas(input: &Input, faults: &mut Faults) -> Option<Vec<SchemaName>> {
    let before = faults.0.len();
    match (input.framing, input.schemas.len()) {
        (_, 0) => faults.add("input.schemas", "no schema is given", "name schemas of [schemas.files]: [\"click\"]"),
        (MessageFraming::None, 2..) => faults.add(
            "input.schemas",
            "messages do not say which of several schemas they have",
            "name one schema, or set `input.framing`",
        ),
        _ => {}
    }
    let mut names = Vec::new();
    for (index, schema) in input.schemas.iter().enumerate() {
        names.push(match input.framing {
            MessageFraming::None => SchemaName::Given,
            MessageFraming::SingleObject => SchemaName::Fingerprint(0),
            MessageFraming::Confluent => match schema.name.parse() {
                Ok(id) => SchemaName::Id(id),
                Err(_) => {
                    let message = format!("`{}` is no schema id", schema.name);
                    let hint = "with framing `confluent` a schema is named by its id: 17 = \"/etc/secor/click.avsc\"";
                    faults.add(format!("input.schemas[{index}]"), message, hint);
                    continue;
                }
            },
        });
    }
    (faults.0.len() == before).then_some(names)
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
