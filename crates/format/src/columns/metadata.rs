//! Columns of the record beside those of its value: names that begin with `_kafka_`. Persisted by schemas of outputs, never
//! change.
//!
//! Only columns of a file can be such, not fields within them; a value whose own field has such a name keeps it in no column.

use std::ops::ControlFlow;

use secor_core::record::{Record, headers};

use super::types::{Field, Kind, Timestamp};
use crate::fields::{Found, Time};
use crate::walk::{EachMember, Seen, Walk, last};

/// What no column of a value begins with.
pub(crate) const PREFIX: &str = "_kafka_";

/// What of a record a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    Topic,
    Partition,
    Offset,
    /// As a time.
    Timestamp,
    /// As a number.
    Milliseconds,
    Key,
    Headers,
}

/// A record without its value.
#[derive(Clone, Copy)]
pub(crate) struct RecordWalk<'v> {
    pub record: Record<'v>,
    /// Topic and partition.
    pub source: Option<(&'v str, i32)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Part<'v> {
    Whole(Metadata),
    Header(&'v [u8], Option<&'v [u8]>),
    Name(&'v [u8]),
    Value(Option<&'v [u8]>),
}

const NAME: &str = "name";
const VALUE: &str = "value";

// === impl Metadata ===

impl Metadata {
    /// What the column holds; `None`: a field of the value.
    ///
    /// # Errors
    /// What is wrong with its name or its type.
    pub(crate) fn of(field: &Field) -> Result<Option<Self>, String> {
        let Some(name) = field.name.strip_prefix(PREFIX) else { return Ok(None) };
        let (metadata, types) = match (name, &field.kind) {
            ("topic", Kind::String) => (Some(Self::Topic), ""),
            ("partition", Kind::Int32 | Kind::Int64) => (Some(Self::Partition), ""),
            ("offset", Kind::Int64) => (Some(Self::Offset), ""),
            ("timestamp", Kind::Timestamp(Timestamp::Microseconds)) => (Some(Self::Timestamp), ""),
            ("timestamp", Kind::Int64) => (Some(Self::Milliseconds), ""),
            ("key", Kind::Binary | Kind::String) => (Some(Self::Key), ""),
            ("headers", kind) if holds_headers(kind) => (Some(Self::Headers), ""),
            ("topic", _) => (None, "`string`"),
            ("partition", _) => (None, "`int` or `bigint`"),
            ("offset", _) => (None, "`bigint`"),
            ("timestamp", _) => (None, "`timestamp`, or `bigint` for milliseconds"),
            ("key", _) => (None, "`binary` or `string`"),
            ("headers", _) => (None, "`array<struct<name:string,value:binary>>` or `map<string,binary>`"),
            _ => {
                let names = "topic, partition, offset, timestamp, key and headers";
                return Err(format!("column `{}`: of a record there are {names}", field.name));
            }
        };
        metadata.map(Some).ok_or_else(|| format!("column `{}` is {types}, not {}", field.name, field.kind))
    }
}

/// Texts may stand for the bytes.
fn holds_headers(kind: &Kind) -> bool {
    let is_bytes = |field: &Field| matches!(field.kind, Kind::Binary | Kind::String);
    match kind {
        Kind::Map(value) => is_bytes(value),
        Kind::List(element) => match &element.kind {
            Kind::Struct(fields) => fields.iter().all(|field| matches!(&*field.name, NAME | VALUE) && is_bytes(field)),
            _ => false,
        },
        _ => false,
    }
}

// === impl RecordWalk ===

impl<'v> Walk<'v> for RecordWalk<'v> {
    type Place = Part<'v>;

    fn look(&self, places: &[Part<'v>]) -> Seen<'v> {
        const KNOWN: &str = "who fills columns of topic and partition is told which they are";
        let integer = |number: i64| Seen::Single(Found::Integer(i128::from(number)));
        let optional = |bytes: Option<&'v [u8]>| bytes.map_or(Seen::Single(Found::Missing), Seen::Bytes);
        match last(places) {
            Part::Whole(Metadata::Topic) => Seen::Bytes(self.source.expect(KNOWN).0.as_bytes()),
            Part::Whole(Metadata::Partition) => integer(i64::from(self.source.expect(KNOWN).1)),
            Part::Whole(Metadata::Offset) => integer(self.record.offset.get()),
            Part::Whole(Metadata::Timestamp) => {
                let time = self.record.timestamp.map(|milliseconds| Time::instant(milliseconds, 1_000));
                Seen::Single(time.map_or(Found::Missing, Found::Time))
            }
            Part::Whole(Metadata::Milliseconds) => self.record.timestamp.map_or(Seen::Single(Found::Missing), integer),
            Part::Whole(Metadata::Key) => optional(self.record.key),
            Part::Whole(Metadata::Headers) => Seen::Entries,
            Part::Header(..) => Seen::Members,
            Part::Name(name) => Seen::Bytes(name),
            Part::Value(value) => optional(value),
        }
    }

    fn members(&self, places: &[Part<'v>], each: &mut EachMember<'_, Part<'v>>) {
        match last(places) {
            Part::Whole(_) => {
                for (name, value) in headers(self.record.headers) {
                    each(std::str::from_utf8(name).ok(), Some(Part::Value(value)));
                }
            }
            Part::Header(name, value) => {
                each(Some(NAME), Some(Part::Name(name)));
                each(Some(VALUE), Some(Part::Value(value)));
            }
            Part::Name(_) | Part::Value(_) => {}
        }
    }

    /// The same headers are a map and a list.
    fn is_list(&self, places: &[Part<'v>]) -> bool {
        matches!(last(places), Part::Whole(Metadata::Headers))
    }

    fn items(&self, _: &[Part<'v>], each: &mut dyn FnMut(Part<'v>) -> ControlFlow<()>) {
        for (name, value) in headers(self.record.headers) {
            if each(Part::Header(name, value)).is_break() {
                return;
            }
        }
    }
}
