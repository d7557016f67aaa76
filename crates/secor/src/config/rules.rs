//! Keys that are each right and don't go together, and the step from the checked tree to a [`Config`].
//!
//! Whatever has no effect is a mistake too: who writes `level` without `compression` believes in something that does
//! not happen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use secor_core::flush::FlushPolicy;
use secor_core::ids::Generation;
use secor_core::shape::Shape;

use super::document::{ArchiveTable, Document, FlushTable, S3Table, StagingTable, StoreTable};
use super::error::Mistake;
use super::tree::{Findings, Tree};
use super::{Archive, Config, Kafka, Limits, Place, S3, S3Credentials, Staging, Store, TopicPattern, TopicSet};
use super::{archive_rules, units};

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
pub(super) fn apply(file: &Path, tree: Tree) -> Result<Config, Vec<Mistake>> {
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
    for (index, archive) in document.archives.iter().enumerate() {
        archive_rules::archive(&format!("archive[{index}]"), archive, &document.limits, &mut findings);
    }
    let store = store(document.store, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_mistakes());
    }
    Ok(Config {
        file: file.to_owned(),
        generation: Generation(document.generation),
        on_refused: document.on_refused,
        on_topic_recreated: document.on_topic_recreated,
        kafka: document.kafka,
        staging: staging(document.staging, &store),
        store,
        ledger: document.ledger,
        limits: document.limits,
        workers: document.workers,
        admin: document.admin,
        archives: document.archives.into_iter().map(into_archive).collect(),
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

fn store(table: StoreTable, findings: &mut Findings) -> Store {
    s3_rules(&table, findings);
    let url = table.url.trim_end_matches('/').to_owned();
    let place = match table.url.split_once("://") {
        Some(("s3", rest)) => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            Place::S3(into_s3(bucket, prefix.trim_matches('/'), table.s3))
        }
        _ => Place::File(file_root(&table.url, findings)),
    };
    Store { url, place }
}

fn s3_rules(table: &StoreTable, findings: &mut Findings) {
    let s3 = &table.s3;
    if table.url.starts_with("file:") && findings.is_written("store.s3") {
        let why = "store.url is a folder";
        findings.contradiction(&["store.s3", "store.url"], "has no effect", why, "leave [store.s3] out");
        return;
    }
    let pairs = [
        ("access_key_id", s3.access_key_id.is_some(), "secret_access_key", s3.secret_access_key.is_some()),
        ("secret_access_key", s3.secret_access_key.is_some(), "access_key_id", s3.access_key_id.is_some()),
        ("session_token", s3.session_token.is_some(), "access_key_id", s3.access_key_id.is_some()),
    ];
    for (name, is_set, needed, has_needed) in pairs {
        if is_set && !has_needed {
            findings.contradiction(
                &[&format!("store.s3.{name}"), &format!("store.s3.{needed}")],
                "half a login",
                format!("`{needed}` is missing"),
                "write both keys, or none for the default chain of credentials",
            );
        }
    }
    if s3.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:")) && !s3.allow_http {
        findings.contradiction(
            &["store.s3.endpoint", "store.s3.allow_http"],
            "not encrypted",
            "an endpoint without TLS must be allowed",
            "write https://, or set allow_http = true",
        );
    }
}

fn into_s3(bucket: &str, prefix: &str, table: S3Table) -> S3 {
    let credentials = match (table.access_key_id, table.secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Some(S3Credentials { access_key_id, secret_access_key, session_token: table.session_token })
        }
        _ => None,
    };
    S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        path_style: table.path_style.unwrap_or(table.endpoint.is_some()),
        endpoint: table.endpoint,
        region: table.region,
        credentials,
        allow_http: table.allow_http,
    }
}

fn file_root(url: &str, findings: &mut Findings) -> PathBuf {
    let root = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
    root.unwrap_or_else(|| {
        let why = format!("`{url}` names no folder of this machine");
        findings.contradiction(&["store.url"], "not valid", why, "write \"file:///absolute/folder\"");
        PathBuf::new()
    })
}

fn staging(table: StagingTable, store: &Store) -> Staging {
    let path = match (table.path, &store.place) {
        (Some(path), _) => PathBuf::from(path),
        (None, Place::File(root)) => root.join("_secor").join("tmp"),
        (None, Place::S3(_)) => std::env::temp_dir().join("secor"),
    };
    Staging { path }
}

fn into_archive(table: ArchiveTable) -> Archive {
    let patterns = |texts: &[String]| -> Vec<TopicPattern> {
        texts.iter().map(|text| TopicPattern::parse(text).expect("expressions were checked with the tree")).collect()
    };
    let flush = if table.flush == FlushTable::default() { &DEFAULT_FLUSH } else { &table.flush };
    Archive {
        topics: TopicSet { include: patterns(&table.topics), exclude: patterns(&table.exclude_topics) },
        shape: Arc::new(shape(&table)),
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

/// What of an archive decides bytes and names.
pub(super) fn shape(table: &ArchiveTable) -> Shape {
    Shape {
        version: Shape::VERSION,
        input: table.input.clone(),
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
