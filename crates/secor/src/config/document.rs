//! The tree as serde reads it: one struct per table. Values are checked already ([`super::tree`]); what is left here is
//! their form. `deny_unknown_fields` everywhere makes a key that only [`super::schema`] knows a test failure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use secor_core::shape::{BadRecords, InputFormat, JsonValue, MessageFraming, Output, ThriftProtocol, Timestamp};

use super::schema_registry::RegistryTable;
use super::{Admin, Index, Kafka, Ledger, Limits, OnRefused, OnTopicRecreated, Store, Workers};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub generation: u32,
    pub on_refused: OnRefused,
    pub on_topic_recreated: OnTopicRecreated,
    pub kafka: Kafka,
    pub store: Store,
    pub ledger: Ledger,
    pub index: Index,
    pub staging: StagingTable,
    pub limits: Limits,
    pub workers: Workers,
    pub admin: Admin,
    pub schemas: SchemasTable,
    #[serde(rename = "archive")]
    pub archives: Vec<ArchiveTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemasTable {
    /// Paths by name, absolute or relative to the folder of the configuration.
    pub files: BTreeMap<String, String>,
    pub registry: RegistryTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StagingTable {
    pub path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchiveTable {
    pub topics: Vec<String>,
    pub exclude_topics: Vec<String>,
    pub input: InputTable,
    pub timestamp: Timestamp,
    pub time_zone: String,
    pub output_partitions: Vec<String>,
    pub output: Output,
    pub layout: String,
    pub flush: FlushTable,
    pub bad_records: BadRecords,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputTable {
    pub format: InputFormat,
    pub json: JsonValue,
    pub pattern: Option<String>,
    pub framing: MessageFraming,
    /// Names of [`SchemasTable::files`].
    pub schemas: Vec<String>,
    pub message: Option<String>,
    pub protocol: ThriftProtocol,
}

/// Durations in milliseconds.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlushTable {
    pub max_bytes: Option<u64>,
    pub max_age: Option<i64>,
    pub max_records: Option<u64>,
    pub max_timestamp_range: Option<i64>,
    pub every: Option<i64>,
    pub at_minute: Option<u8>,
}

pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}
