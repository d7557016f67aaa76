//! From settings to librdkafka's properties: which are fixed and why, which defaults differ, and what can be found
//! wrong without a broker.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::client::Client;
use super::error::KafkaError;

/// Which records of a transaction are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Those of committed transactions only, in the order of the log.
    #[default]
    ReadCommitted,
    /// All, also of transactions that were aborted.
    ReadUncommitted,
}

/// Everything that a client of Kafka needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// How this process calls itself towards the brokers; appears in their logs.
    pub client_id: String,
    /// The operator's librdkafka properties; none of [`FIXED_PROPERTIES`].
    pub properties: BTreeMap<String, String>,
    pub isolation: Isolation,
    /// About how many bytes of fetched and not yet delivered records librdkafka may hold: 1 MiB or more.
    pub fetch_memory_bytes: u64,
    /// How long [`super::Consumer::connect`] waits for a broker, and each question of [`super::Handle`] for its answer.
    pub timeout: Duration,
}

/// Properties that the protocol fixes, each with the reason.
pub const FIXED_PROPERTIES: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "a topic that is only read is never created"),
    ("auto.commit.enable", "offsets are committed when the files are complete"),
    ("auto.commit.interval.ms", "offsets are committed when the files are complete"),
    ("auto.offset.reset", "the position comes from the ledger; a missing one is never guessed"),
    ("bootstrap.servers", "it is `kafka.brokers`"),
    ("client.id", "secor sets it"),
    ("enable.auto.commit", "offsets are committed when the files are complete"),
    ("enable.auto.offset.store", "offsets are committed when the files are complete"),
    ("enable.partition.eof", "the end of a partition tells how far the position moved over markers"),
    ("group.id", "it is `kafka.group`"),
    ("isolation.level", "it is `kafka.isolation`, because it decides what a batch holds"),
    ("log.queue", "the client's log is part of secor's log"),
    ("metadata.broker.list", "it is `kafka.brokers`"),
    ("offset.store.method", "offsets are committed when the files are complete"),
    ("topic.blacklist", "it is `exclude_topics`"),
];

/// How often librdkafka and the topic patterns look for new topics and partitions unless a property says otherwise.
const METADATA_REFRESH_MS: u64 = 60_000;
const FETCH_MEMORY_BYTES_MIN: u64 = 1024 * 1024;
/// librdkafka demands at least `message.max.bytes`.
const FETCH_REQUEST_BYTES_MIN: u64 = 1_000_000;
const FETCH_REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Larger fetches are no faster; a record that is larger still comes, alone.
const FETCH_PARTITION_BYTES: u64 = 256 * 1024;
/// As many small records as keep a fast reader busy while the next fetch is on its way.
const QUEUED_RECORDS: u64 = 20_000;

/// Finds everything about the properties that is wrong and can be seen without a broker.
///
/// # Errors
/// [`KafkaError::FixedProperty`], [`KafkaError::FeatureMissing`] or [`KafkaError::Property`], each naming the property.
pub fn check_properties(settings: &Settings) -> Result<(), KafkaError> {
    Client::new(settings).map(drop)
}

impl Isolation {
    fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read_committed",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }
}

impl Settings {
    pub(super) fn brokers_text(&self) -> String {
        self.brokers.join(",")
    }

    /// What the login uses, for error texts.
    pub(super) fn mechanism(&self) -> String {
        ["sasl.mechanism", "sasl.mechanisms"]
            .iter()
            .find_map(|name| self.properties.get(*name))
            .map_or_else(|| "no SASL mechanism".to_owned(), |mechanism| format!("SASL {mechanism}"))
    }

    pub(super) fn uses_consumer_protocol(&self) -> bool {
        self.properties.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    pub(super) fn metadata_refresh(&self) -> Duration {
        let configured = self.properties.get("topic.metadata.refresh.interval.ms").and_then(|text| text.parse().ok());
        Duration::from_millis(configured.filter(|ms| *ms > 0).unwrap_or(METADATA_REFRESH_MS))
    }

    /// The properties of a consumer: Secor's defaults, then the operator's, then the fixed ones.
    pub(super) fn client_config(&self) -> Result<ClientConfig, KafkaError> {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        self.set_defaults(&mut config);
        for (name, value) in &self.properties {
            if let Some((_, why)) = FIXED_PROPERTIES.iter().find(|(fixed, _)| fixed == name) {
                return Err(KafkaError::FixedProperty { name: name.clone(), why });
            }
            if name == "debug" {
                config.set_log_level(RDKafkaLogLevel::Debug);
            }
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", self.brokers_text())
            .set("group.id", &self.group)
            .set("client.id", &self.client_id)
            .set("isolation.level", self.isolation.name())
            .set("allow.auto.create.topics", "false")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true");
        Ok(config)
    }

    fn set_defaults(&self, config: &mut ClientConfig) {
        let memory = self.fetch_memory_bytes.max(FETCH_MEMORY_BYTES_MIN);
        let per_request = (memory / 2).clamp(FETCH_REQUEST_BYTES_MIN, FETCH_REQUEST_BYTES_MAX);
        config
            .set("check.crcs", "true")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.max.bytes", per_request.to_string())
            .set("max.partition.fetch.bytes", FETCH_PARTITION_BYTES.to_string())
            .set("queued.min.messages", QUEUED_RECORDS.to_string())
            .set("queued.max.messages.kbytes", (memory / 2 / 1024).max(1024).to_string())
            .set("topic.metadata.refresh.interval.ms", METADATA_REFRESH_MS.to_string());
        if !self.uses_consumer_protocol() {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
    }
}

/// Names the property that librdkafka refused.
pub(super) fn refused(error: rdkafka::error::KafkaError, config: &ClientConfig) -> KafkaError {
    use rdkafka::error::KafkaError as Native;
    let (name, reason) = match error {
        Native::ClientConfig(_, reason, name, value) => {
            // A value may be a secret; only those that librdkafka itself enumerates are repeated, by librdkafka.
            let reason = if reason.contains(&value) && is_secret(&name) { "bad value".to_owned() } else { reason };
            (name, reason)
        }
        Native::ClientCreation(reason) => (named_in(&reason, config), reason),
        other => (String::from("?"), other.to_string()),
    };
    let missing = ["not available at build time", "recompile librdkafka", "No provider for SASL mechanism"];
    let reason = reason.trim().trim_end_matches('.').to_owned();
    if missing.iter().any(|words| reason.contains(words)) {
        KafkaError::FeatureMissing { name, reason }
    } else {
        KafkaError::Property { name, reason }
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "key.pem", "token"].iter().any(|word| name.contains(word))
}

/// The longest property name that occurs in the text; librdkafka names the culprit in its own words only.
fn named_in(reason: &str, config: &ClientConfig) -> String {
    let set = config.config_map();
    let known = set.keys().copied().chain(["sasl.mechanisms", "security.protocol"]);
    let named = known.filter(|name| reason.contains(name)).max_by_key(|name| name.len());
    let fallback = if reason.contains("SASL mechanism") { "sasl.mechanism" } else { "security.protocol" };
    named.unwrap_or(fallback).to_owned()
}
