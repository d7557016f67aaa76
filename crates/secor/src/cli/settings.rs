//! From the configuration to what the rooms of Kafka and the store want to know.

use std::time::Duration;

use secor_core::manifest;

use crate::config::{Config, Place, TopicPattern};
use crate::kafka::{self, TopicSelection};
use crate::store::{self, S3Settings, StoreSettings};

use super::{Class, CliError};

/// Of `limits.memory`, what librdkafka may hold beside it.
const FETCH_SHARE: u64 = 4;
const FETCH_MEMORY_MIN_BYTES: u64 = 1 << 20;
const FETCH_MEMORY_MAX_BYTES: u64 = 64 << 20;

/// Where the archive is and how to log in to it.
#[must_use]
pub fn store(config: &Config) -> StoreSettings {
    let secret = |secret: &crate::config::Secret| store::Secret::new(secret.expose());
    let s3 = match &config.store.place {
        Place::File(_) => S3Settings::default(),
        Place::S3(s3) => S3Settings {
            endpoint: s3.endpoint.clone(),
            region: s3.region.clone(),
            access_key_id: s3.credentials.as_ref().map(|it| it.access_key_id.clone()),
            secret_access_key: s3.credentials.as_ref().map(|it| secret(&it.secret_access_key)),
            session_token: s3.credentials.as_ref().and_then(|it| it.session_token.as_ref()).map(secret),
            path_style: Some(s3.path_style),
            allow_http: s3.allow_http,
        },
    };
    StoreSettings { url: config.store.url.clone(), s3 }
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
            manifest::Isolation::ReadCommitted => kafka::Isolation::ReadCommitted,
            manifest::Isolation::ReadUncommitted => kafka::Isolation::ReadUncommitted,
        },
        fetch_memory_bytes: share.clamp(FETCH_MEMORY_MIN_BYTES, FETCH_MEMORY_MAX_BYTES),
        timeout,
    }
}

/// The topics of all archives.
///
/// # Errors
/// None for a checked configuration.
pub fn topics(config: &Config) -> Result<TopicSelection, CliError> {
    let mut selection = TopicSelection::default();
    for archive in &config.archives {
        let include: Vec<&str> = archive.topics.include.iter().map(TopicPattern::as_str).collect();
        let exclude: Vec<&str> = archive.topics.exclude.iter().map(TopicPattern::as_str).collect();
        let rule = TopicSelection::parse(&include, &exclude);
        selection.extend(rule.map_err(|error| CliError::caused_by(Class::Bug, &error))?);
    }
    Ok(selection)
}
