//! Keys that are each right and don't go together, and the step from the checked tree to a [`Config`].
//!
//! Whatever has no effect is a mistake too: who writes `level` without `compression` believes in something that does
//! not happen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use secor_core::flush::FlushPolicy;
use secor_core::ids::Generation;
use secor_core::shape::{Input, Schema, Shape};

use super::Environment;
use super::document::{ArchiveTable, Document, FlushTable, StagingTable};
use super::error::Mistake;
use super::tree::{Findings, Tree};
use super::{Archive, Config, Kafka, Limits, Staging, Store, TopicPattern, TopicSet};
use super::{archive_rules, ledger_rules, schemas, store_rules, units};

/// librdkafka's default, in milliseconds.
const MAX_POLL_INTERVAL_MS: u64 = 300_000;
const DEFAULT_FLUSH: FlushTable = FlushTable {
    max_bytes: Some(200_000_000),
    max_age: Some(3_600_000),
    max_records: None,
    max_timestamp_range: None,
    every: None,
    at_minute: None,
};

/// Judges the tree as a whole.
pub(super) fn apply(file: &Path, tree: Tree, environment: &dyn Environment) -> Result<Config, Vec<Mistake>> {
    let Tree { root, mut findings } = tree;
    if root.is_null() {
        return Err(findings.into_mistakes());
    }
    let document: Document = match serde_path_to_error::deserialize(root) {
        Ok(document) => document,
        Err(error) => {
            // Refused values were replaced by ones that deserialize; this is what a check let through.
            findings.contradiction(&[&error.path().to_string()], "not valid", error.inner().to_string(), "");
            return Err(findings.into_mistakes());
        }
    };
    kafka(&document.kafka, &mut findings);
    archive_rules::topics(&document.archives, &mut findings);
    let mut schemas = schemas::load(file, &document, environment, &mut findings);
    let mut shapes = Vec::new();
    for (index, archive) in document.archives.iter().enumerate() {
        let asks = document.schemas.registry.serves(archive);
        let shape = std::mem::take(&mut schemas[index]).map(|schemas| Arc::new(shape(archive, schemas, asks)));
        let path = format!("archive[{index}]");
        archive_rules::archive(&path, archive, shape.as_deref(), &document.limits, &mut findings);
        shapes.extend(shape);
    }
    document.schemas.registry.check(&document.archives, &mut findings);
    store_rules::apply(&document.store, &mut findings);
    ledger_rules::apply(&document.ledger, &document.index, &mut findings);
    let mut store = document.store;
    store.url = store.url.trim_end_matches('/').to_owned();
    let staging = staging(document.staging, &store, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_mistakes());
    }
    Ok(Config {
        file: file.to_owned(),
        generation: Generation(document.generation),
        on_refused: document.on_refused,
        on_topic_recreated: document.on_topic_recreated,
        kafka: document.kafka,
        staging,
        store,
        ledger: document.ledger,
        index: document.index,
        limits: document.limits,
        workers: document.workers,
        admin: document.admin,
        schema_registry: document.schemas.registry.into_registry(),
        archives: document.archives.into_iter().zip(shapes).map(|(table, shape)| into_archive(table, shape)).collect(),
    })
}

fn kafka(kafka: &Kafka, findings: &mut Findings) {
    if kafka.brokers.is_empty() {
        findings.contradiction(&["kafka.brokers"], "is empty", "", "write [\"host:9092\"]");
    }
    let poll_interval_ms = kafka.properties.get("max.poll.interval.ms").and_then(|text| text.parse().ok());
    let poll_interval_ms = poll_interval_ms.unwrap_or(MAX_POLL_INTERVAL_MS);
    if kafka.revoke_timeout.as_millis() >= u128::from(poll_interval_ms) {
        let limit = units::format_duration(poll_interval_ms);
        findings.contradiction(
            &["kafka.revoke_timeout", "kafka.properties.max.poll.interval.ms"],
            "too long",
            format!("the broker takes the process for dead after max.poll.interval.ms, which is {limit}"),
            "shorten it, or raise \"max.poll.interval.ms\" in [kafka.properties]",
        );
    }
    let protocol = kafka.properties.get("security.protocol").unwrap_or("plaintext").to_lowercase();
    for (prefix, word) in [("sasl.", "sasl"), ("ssl.", "ssl")] {
        let useless = kafka.properties.expose().find(|(name, _)| name.starts_with(prefix) && !protocol.contains(word));
        if let Some((name, _)) = useless {
            findings.contradiction(
                &[&format!("kafka.properties.{name}")],
                "has no effect",
                format!("security.protocol is `{protocol}`"),
                "set \"security.protocol\" to \"SASL_SSL\", \"SASL_PLAINTEXT\" or \"SSL\"",
            );
        }
    }
}

fn staging(table: StagingTable, store: &Store, findings: &mut Findings) -> Staging {
    let root = store.url.starts_with("file:").then(|| file_root(&store.url, findings));
    let path = match (table.path, root) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(root)) => root.join("_secor").join("tmp"),
        (None, None) => std::env::temp_dir().join("secor"),
    };
    Staging { path }
}

fn file_root(url: &str, findings: &mut Findings) -> PathBuf {
    let root = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
    root.unwrap_or_else(|| {
        let why = format!("`{url}` names no folder of this machine");
        findings.contradiction(&["store.url"], "not valid", why, "write \"file:///absolute/folder\"");
        PathBuf::new()
    })
}

fn into_archive(table: ArchiveTable, shape: Arc<Shape>) -> Archive {
    let patterns = |texts: &[String]| -> Vec<TopicPattern> {
        texts.iter().map(|text| TopicPattern::parse(text).expect("expressions were checked with the tree")).collect()
    };
    let flush = if table.flush == FlushTable::default() { &DEFAULT_FLUSH } else { &table.flush };
    Archive {
        topics: TopicSet { include: patterns(&table.topics), exclude: patterns(&table.exclude_topics) },
        shape,
        flush: FlushPolicy {
            bytes_max: flush.max_bytes,
            records_max: flush.max_records,
            age_ms_max: flush.max_age,
            timestamp_range_ms_max: flush.max_timestamp_range,
            every_ms: flush.every,
            at_minute: flush.at_minute,
        },
    }
}

/// What of an archive decides bytes and names; `registry`: ids are asked there.
fn shape(table: &ArchiveTable, schemas: Vec<Schema>, registry: bool) -> Shape {
    let input = &table.input;
    Shape {
        version: Shape::VERSION,
        input: Input {
            format: input.format,
            json: input.json,
            pattern: input.pattern.clone(),
            framing: input.framing,
            schemas,
            registry,
            message: input.message.clone(),
            protocol: input.protocol,
        },
        timestamp: table.timestamp.clone(),
        time_zone: table.time_zone.clone(),
        output_partitions: table.output_partitions.clone(),
        output: table.output.clone(),
        layout: table.layout.clone(),
        bad_records: table.bad_records,
    }
}

/// The most that can be staged: what `limits` allow together.
pub(super) fn staged_max(limits: &Limits) -> u64 {
    limits.memory.saturating_add(limits.disk)
}
