//! The part of the configuration that shapes output, for one `[[archive]]`. Together with the records and the
//! manifest it decides every byte of logical content, so it is stored in `configs/<sha256>` before a manifest that
//! names it, and a replay uses the stored one, whatever the configuration says by then.
//!
//! The same types are read from the TOML file: serde names and defaults below are the configuration's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ConfigHash;
use crate::json::canonical_json;

/// How records become files. Persisted as canonical JSON; a field added later needs a default that keeps old meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Persisted, never change: 1.
    pub version: u32,
    pub input: Input,
    /// Where the event time comes from; needed when an output partition names `{timestamp:...}`.
    pub timestamp: Timestamp,
    /// IANA name, such as `Europe/Berlin`, in which times are written into output partitions.
    pub time_zone: String,
    /// Templates, one path segment each: `dt={timestamp:%Y-%m-%d}`, `{field:country}`, `offset={offset:10000000}`,
    /// `dt={clock:%Y-%m-%d}`.
    pub output_partitions: Vec<String>,
    pub output: Output,
    /// `secor`, `kafka-store` or a template.
    pub layout: String,
    pub bad_records: BadRecords,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    #[serde(default)]
    pub format: InputFormat,
    /// For `json`: what a value holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub json: JsonValue,
    /// For `text`: a regular expression that every value matches; its named groups are the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// For formats with schemas: what stands before a message.
    #[serde(default, skip_serializing_if = "is_default")]
    pub framing: MessageFraming,
    /// For formats with schemas: those of the messages, in full, so that a replay needs nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Schema>,
    /// With [`MessageFraming::Confluent`]: ids that no schema of these has are asked of a registry. What it answers stands
    /// in the manifest of each batch.
    #[serde(default, skip_serializing_if = "is_default")]
    pub registry: bool,
    /// For `protobuf` and `thrift`: which message or struct of the schema a value is, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For `thrift`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: ThriftProtocol,
}

/// What a record's value must be. A value that is not is a bad record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFormat {
    /// Anything.
    #[default]
    Bytes,
    /// UTF-8.
    Text,
    /// JSON (RFC 8259), validated in full.
    Json,
    /// One MessagePack map, validated in full.
    #[serde(rename = "msgpack")]
    MessagePack,
    /// One Avro datum in binary, validated in full by its schema.
    Avro,
    /// One Protobuf message, its wire format validated in full; by its schema, if one is given.
    Protobuf,
    /// One Thrift struct, its wire format validated in full.
    Thrift,
}

/// How Thrift structs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThriftProtocol {
    #[default]
    Binary,
    Compact,
}

/// How much JSON a value holds. A Kafka record stays one record, whatever it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonValue {
    /// One object.
    #[default]
    Object,
    /// One value of any kind; fields are those of an object, or of the first element of an array.
    Any,
    /// One or more objects with white space between them; fields are those of the first.
    Lines,
}

/// What stands before a message and names its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFraming {
    /// Nothing: there is one schema.
    #[default]
    None,
    /// Confluent's wire format: a zero byte and the schema's id, 4 bytes, big-endian.
    Confluent,
    /// Avro's single-object encoding: `C3 01` and the schema's fingerprint.
    SingleObject,
}

/// A schema that was given with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// As messages name it with [`MessageFraming::Confluent`]: the id's digits. Otherwise for people.
    pub name: String,
    /// Avro: JSON. Protobuf: a descriptor set in base64. Thrift: IDL.
    pub text: String,
    /// Thrift: the files that are included, by their paths relative to the schema's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub includes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// Defaults to `field` when a field is named, else to `kafka`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TimestampSource>,
    /// Path of a field, segments separated by `separator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Between the segments of field paths; empty: the whole name is one segment.
    #[serde(default = "dot")]
    pub separator: String,
    #[serde(default)]
    pub unit: TimeUnit,
    /// For `regex`: its first group is the number. For `pattern`: strptime-like, such as `%d/%b/%Y:%H:%M:%S %z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What happens to a record without the field.
    #[serde(default)]
    pub missing: TimestampPolicy,
    /// What happens to a record whose field is no time.
    #[serde(default)]
    pub bad: TimestampPolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampSource {
    /// A number (or numeric string, or what the format knows as a time) in a field.
    Field,
    /// The record's Kafka timestamp.
    Kafka,
    /// The batch's clock value, one for the whole batch, kept in its manifest.
    Clock,
    /// A number in the first group of a regular expression over the value.
    Regex,
    /// An ISO 8601 / xsd:dateTime string in a field.
    Iso8601,
    /// A string in a field, read by `pattern`.
    Pattern,
}

/// The unit of a numeric timestamp. `auto` is Secor's rule: from 10^18 nanoseconds, from 10^15 microseconds, from
/// 10^12 milliseconds, below that seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    #[default]
    Auto,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampPolicy {
    /// To the dead letters of the batch.
    #[default]
    DeadLetter,
    /// The record's Kafka timestamp is taken instead.
    Kafka,
    /// The output partition becomes `__HIVE_DEFAULT_PARTITION__`.
    DefaultPartition,
    /// 1970-01-01, as the Java Secor did.
    Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    #[serde(default)]
    pub format: OutputFormat,
    #[serde(default)]
    pub compression: Compression,
    /// The codec's level: gzip 1 to 12 (default 6), zstd 1 to 22 (default 3), deflate 1 to 9 (default 6), bzip2 1 to 9
    /// (default 9), brotli 1 to 11 (default 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// How blocks of `snappy` (default `hadoop`) and `lz4` (default `stream`) are put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
    /// After each record of `text`; at least one byte.
    #[serde(default = "newline")]
    pub delimiter: String,
    #[serde(default)]
    pub sequence_compression: SequenceCompression,
    #[serde(default)]
    pub sequence_key: SequenceKey,
    /// Of `json`, `avro`, `parquet` and `orc`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub content: Content,
    /// Of the envelope of `json`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub envelope_key: EnvelopeBytes,
    /// Of the envelope of `json`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub envelope_value: EnvelopeBytes,
    /// Values of headers in the envelope of `json`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub envelope_headers: EnvelopeBytes,
    /// Of `csv`: paths of fields, in the order of the columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Of `csv`: between two columns; one byte.
    #[serde(default = "comma", skip_serializing_if = "is_comma")]
    pub column_separator: String,
    /// Of `csv`: what stands for null and missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub null_text: String,
    /// Of `csv`: is the first line of a file the columns' names?
    #[serde(default, skip_serializing_if = "is_default")]
    pub header_line: bool,
    /// Of `parquet` and `orc` with values: the columns, as Hive writes types. Of `avro` with values: the schema of all files,
    /// in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Of `parquet`: a row group ends with this many rows.
    #[serde(default = "row_group_rows", skip_serializing_if = "is_row_group_rows")]
    pub row_group_rows: u64,
    /// Of `parquet`: or with this many bytes of rows, uncompressed.
    #[serde(default = "row_group_bytes", skip_serializing_if = "is_row_group_bytes")]
    pub row_group_bytes: u64,
    /// Of `parquet`: are values that repeat written once?
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub dictionary: bool,
    /// Of `parquet`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub statistics: Statistics,
    /// Of `parquet`: paths of columns that have a bloom filter in each row group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bloom_filters: Vec<String>,
    /// Replaces the extension of the codec, with its dot; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Value and delimiter.
    #[default]
    Text,
    /// A JSON text per line.
    Json,
    /// RFC 4180, from fields of the value.
    Csv,
    /// Hadoop SequenceFile, version 6.
    Sequence,
    /// Avro object container file.
    Avro,
    /// Apache Parquet.
    Parquet,
    /// Apache ORC.
    Orc,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
    Snappy,
    Lz4,
    Bzip2,
    /// zlib's format, RFC 1950; within Avro and ORC RFC 1951.
    Deflate,
    /// As the program `lzop` writes it.
    Lzo,
    /// Within Parquet.
    Brotli,
}

/// How the blocks of a codec that has no single container become a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Hadoop's `BlockCompressorStream`.
    Hadoop,
    /// The codec's own: snappy's framing format, LZ4's frame format.
    Stream,
}

/// What of a record a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The value.
    #[default]
    Value,
    /// Offset, timestamp, key, headers and value.
    Envelope,
}

/// Of what a Parquet file tells the smallest and largest value, so that readers can skip it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    None,
    /// Each column of a row group.
    RowGroup,
    /// And each page, by the page index.
    #[default]
    Page,
}

/// How bytes are written into a JSON envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvelopeBytes {
    /// As a string; what is no UTF-8 as base64, under a name with `_base64` behind it.
    #[default]
    String,
    Base64,
    /// As the JSON that it is; for values only.
    Json,
}

/// How a compressed SequenceFile is laid out. Without compression the file is uncompressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceCompression {
    #[default]
    Block,
    Record,
}

/// What a SequenceFile's key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceKey {
    /// LongWritable: the Kafka offset.
    #[default]
    Offset,
    /// BytesWritable: a MessagePack map of offset (1), timestamp (3) and Kafka key (2), in this order, as Secor.
    Messagepack,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRecords {
    /// They go to the dead-letter file of their batch.
    #[default]
    DeadLetter,
    /// The topic partition is refused.
    Fail,
}

// === impl Shape ===

impl Shape {
    pub const VERSION: u32 = 1;

    /// The canonical bytes that are stored, and their name.
    #[must_use]
    pub fn stored(&self) -> (ConfigHash, Vec<u8>) {
        let bytes = canonical_json(self);
        (ConfigHash::of(&bytes), bytes)
    }
}

impl Timestamp {
    /// The source in force: the one that is named, else `field` with a field and `kafka` without.
    #[must_use]
    pub fn effective_source(&self) -> TimestampSource {
        match (self.source, &self.field) {
            (Some(source), _) => source,
            (None, Some(_)) => TimestampSource::Field,
            (None, None) => TimestampSource::Kafka,
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self {
            format: OutputFormat::default(),
            compression: Compression::default(),
            level: None,
            framing: None,
            delimiter: newline(),
            sequence_compression: SequenceCompression::default(),
            sequence_key: SequenceKey::default(),
            content: Content::default(),
            envelope_key: EnvelopeBytes::default(),
            envelope_value: EnvelopeBytes::default(),
            envelope_headers: EnvelopeBytes::default(),
            columns: Vec::new(),
            column_separator: comma(),
            null_text: String::new(),
            header_line: false,
            schema: None,
            row_group_rows: row_group_rows(),
            row_group_bytes: row_group_bytes(),
            dictionary: true,
            statistics: Statistics::default(),
            bloom_filters: Vec::new(),
            extension: None,
        }
    }
}

// === impl Output ===

impl Output {
    /// The framing in force: Hadoop's for snappy and within SequenceFiles, else LZ4's own.
    #[must_use]
    pub fn effective_framing(&self) -> Framing {
        match (self.framing, self.format, self.compression) {
            (_, OutputFormat::Sequence, _) => Framing::Hadoop,
            (Some(framing), ..) => framing,
            (None, _, Compression::Snappy) => Framing::Hadoop,
            (None, ..) => Framing::Stream,
        }
    }
}

fn dot() -> String {
    ".".to_owned()
}

fn newline() -> String {
    "\n".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

fn is_comma(text: &str) -> bool {
    text == ","
}

fn row_group_rows() -> u64 {
    1_000_000
}

fn is_row_group_rows(rows: &u64) -> bool {
    *rows == row_group_rows()
}

fn row_group_bytes() -> u64 {
    64 << 20
}

fn is_row_group_bytes(bytes: &u64) -> bool {
    *bytes == row_group_bytes()
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
