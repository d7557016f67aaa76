//! Why a record is bad. `docs/formats.md` has the table.

use serde::{Deserialize, Serialize};

/// A record that can't be archived where good ones go, and why. It goes to its batch's dead letters, or refuses the
/// topic partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct BadRecord {
    pub reason: BadReason,
    /// For people; not persisted as a promise.
    pub detail: String,
}

/// Persisted as these words in dead letters, never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadReason {
    /// Input `json`: no JSON object.
    NotJson,
    /// Input `text`: no UTF-8.
    NotUtf8,
    /// Input `text`: the value does not match `input.pattern`.
    NoMatch,
    /// Input `msgpack`: no MessagePack map.
    #[serde(rename = "not_msgpack")]
    NotMessagePack,
    /// Input `avro`: no datum of its schema.
    NotAvro,
    /// Input `protobuf`: no message of its schema.
    NotProtobuf,
    /// Input `thrift`: no struct in the protocol.
    NotThrift,
    /// The value names a schema that is not given.
    UnknownSchema,
    /// No event time, and the policy for it is the dead letters.
    TimestampMissing,
    /// The event time can't be read, and the policy for it is the dead letters.
    TimestampBad,
    /// A field of an output partition is an object, an array or no text.
    FieldNotScalar,
    /// The output partition would be no legal name.
    IllegalOutputPartition,
    /// Output `text`: the value holds the delimiter.
    DelimiterInValue,
    /// Output `csv`: a column is an object, an array or no text.
    ColumnNotScalar,
    /// Output of columns: one can't hold what the record has for it.
    ColumnMismatch,
    /// Output `avro` of values: a null value, for which the file's schema has no place.
    NullValue,
    /// Output `avro` of values: the value can't become one of `output.schema`.
    SchemaMismatch,
}

// === impl BadReason ===

impl BadReason {
    /// In the order of their declaration.
    pub const ALL: [Self; 17] = [
        Self::NotJson,
        Self::NotUtf8,
        Self::NoMatch,
        Self::NotMessagePack,
        Self::NotAvro,
        Self::NotProtobuf,
        Self::NotThrift,
        Self::UnknownSchema,
        Self::TimestampMissing,
        Self::TimestampBad,
        Self::FieldNotScalar,
        Self::IllegalOutputPartition,
        Self::DelimiterInValue,
        Self::ColumnNotScalar,
        Self::ColumnMismatch,
        Self::NullValue,
        Self::SchemaMismatch,
    ];

    /// The persisted word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::NoMatch => "no_match",
            Self::NotMessagePack => "not_msgpack",
            Self::NotAvro => "not_avro",
            Self::NotProtobuf => "not_protobuf",
            Self::NotThrift => "not_thrift",
            Self::UnknownSchema => "unknown_schema",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampBad => "timestamp_bad",
            Self::FieldNotScalar => "field_not_scalar",
            Self::IllegalOutputPartition => "illegal_output_partition",
            Self::DelimiterInValue => "delimiter_in_value",
            Self::ColumnNotScalar => "column_not_scalar",
            Self::ColumnMismatch => "column_mismatch",
            Self::NullValue => "null_value",
            Self::SchemaMismatch => "schema_mismatch",
        }
    }

    pub(crate) fn with(self, detail: impl Into<String>) -> BadRecord {
        BadRecord { reason: self, detail: detail.into() }
    }
}

impl std::fmt::Display for BadReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_serde_writes() {
        for reason in BadReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        }
    }
}
