//! From the configuration to what the rooms below want to know.

use std::time::Duration;

use secor_core::manifest::Isolation;
use secor_core::partition::{OnTopicRecreated, Settings};

use crate::config::{self, Config, TopicPattern};
use crate::kafka::{self, BadPattern, TopicSelection};
use crate::store::StoreSettings;
use crate::worker::budget::Limits;

/// Of `limits.memory`, what librdkafka may hold beside it.
const FETCH_SHARE: u64 = 4;
const FETCH_MEMORY_BYTES_MIN: u64 = 1 << 20;
const FETCH_MEMORY_BYTES_MAX: u64 = 64 << 20;
/// How long a refused topic partition waits before it looks again.
const RETRY_REFUSED_MS: i64 = 60_000;

/// Where the archive is and how to log in to it.
#[must_use]
pub fn store(config: &Config) -> StoreSettings {
    config.store.clone()
}

/// How to reach the brokers. `timeout` bounds the wait for the first of them and each later question.
#[must_use]
pub fn kafka(config: &Config, timeout: Duration) -> kafka::Settings {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let share = config.limits.memory / FETCH_SHARE;
    kafka::Settings {
        brokers: config.kafka.brokers.clone(),
        group: config.kafka.group.clone(),
        client_id: format!("secor-{}", std::process::id()),
        properties: config.kafka.properties.expose().map(own).collect(),
        isolation: match config.kafka.isolation {
            Isolation::ReadCommitted => kafka::Isolation::ReadCommitted,
            Isolation::ReadUncommitted => kafka::Isolation::ReadUncommitted,
        },
        fetch_memory_bytes: share.clamp(FETCH_MEMORY_BYTES_MIN, FETCH_MEMORY_BYTES_MAX),
        timeout,
    }
}

/// The topics of all archives.
///
/// # Errors
/// None for a checked configuration.
pub fn topics(config: &Config) -> Result<TopicSelection, BadPattern> {
    let mut selection = TopicSelection::default();
    for archive in &config.archives {
        let include: Vec<&str> = archive.topics.include.iter().map(TopicPattern::as_str).collect();
        // exclusions are expressions there: a name becomes one that matches nothing else
        let exclude = archive.topics.exclude.iter().map(|pattern| match pattern {
            TopicPattern::Name(name) => format!("^{}$", regex::escape(name)),
            TopicPattern::Pattern(pattern) => pattern.as_str().to_owned(),
        });
        let exclude: Vec<String> = exclude.collect();
        let exclude: Vec<&str> = exclude.iter().map(String::as_str).collect();
        selection.extend(TopicSelection::parse(&include, &exclude)?);
    }
    Ok(selection)
}

#[must_use]
pub fn limits(config: &Config) -> Limits {
    Limits {
        memory_bytes_max: config.limits.memory,
        disk_bytes_max: config.limits.disk,
        open_writers_max: config.limits.open_writers as u64,
    }
}

/// What the machines of all topic partitions have in common.
pub(super) struct Common {
    pub ledger: secor_core::ids::LedgerId,
    pub group: std::sync::Arc<str>,
    pub cluster: std::sync::Arc<str>,
    pub errand: secor_core::partition::Errand,
}

pub(super) fn machine(
    config: &Config,
    archive: &config::Archive,
    common: &Common,
    topic_partition: secor_core::ids::TopicPartition,
    until: Option<secor_core::ids::Offset>,
) -> Settings {
    Settings {
        ledger: common.ledger.clone(),
        topic_partition,
        group: common.group.clone(),
        cluster: common.cluster.clone(),
        generation: config.generation,
        flush: archive.flush.clone(),
        on_topic_recreated: match config.on_topic_recreated {
            config::OnTopicRecreated::Refuse => OnTopicRecreated::Refuse,
            config::OnTopicRecreated::NewGeneration => OnTopicRecreated::NewGeneration,
        },
        revoke_flush_bytes_min: config.kafka.revoke_flush_min,
        until,
        errand: common.errand,
        retry_refused_ms: RETRY_REFUSED_MS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn config(archives: &str) -> Config {
        let text = format!(
            "[kafka]\nbrokers = [\"a:1\"]\ngroup = \"g\"\n[limits]\nmemory = \"64MiB\"\n[store]\nurl = \"s3://b/p\"\n\
             [store.s3]\naccess_key_id = \"k\"\nsecret_access_key = \"s\"\n{archives}"
        );
        Config::parse(Path::new("secor.toml"), &text, &BTreeMap::new()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn the_client_subscribes_to_what_an_archive_takes() {
        let config = config(
            "[[archive]]\ntopics = ['^app']\nexclude_topics = [\"app.x\", '^app\\.debug']\n\
             [[archive]]\ntopics = [\"app.debug.1\", \"clicks\"]\n",
        );
        let selection = topics(&config).expect("was checked");
        for topic in ["app", "app.x", "app.x.y", "appfx", "app.debug.1", "app.debug.2", "clicks", "clicks2", "__x"] {
            assert_eq!(selection.matches(topic), config.archive_for(topic).is_some(), "{topic}");
        }
        assert!(!selection.matches("app.x"));
        assert!(selection.matches("app.x.y"));
    }

    #[test]
    fn what_the_client_fixes_the_configuration_refuses() {
        for (name, _) in kafka::FIXED_PROPERTIES {
            assert!(config::FIXED_PROPERTIES.iter().any(|property| property.name == *name), "{name}");
        }
    }

    #[test]
    fn settings_carry_login_and_memory() {
        let config = config("[[archive]]\ntopics = [\"a\"]\n");
        let store = store(&config);
        assert_eq!(store.url, "s3://b/p");
        assert_eq!(store.s3.secret_access_key.map(|secret| secret.expose().to_owned()), Some("s".to_owned()));
        let kafka = kafka(&config, Duration::from_secs(1));
        assert_eq!(kafka.fetch_memory_bytes, 16 << 20);
    }
}
