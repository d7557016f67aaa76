//! What can go wrong with Kafka, one variant for each fact an operator acts on.
//!
//! Codes are librdkafka's: positive ones come from the broker, negative ones from the client. The text of an error
//! never holds a secret: property values are left out.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafkaRespErr;
use secor_core::ids::TopicPartition;

/// What to do about an error; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Trying again later can help: exit 69.
    Unavailable,
    /// Somebody has to change the configuration or the cluster: exit 64.
    Config,
    /// This client can't go on, a new one can: exit 69.
    Fatal,
}

/// An error of Kafka or of its client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    #[error("property `{name}`: {reason}")]
    Property { name: String, reason: String },
    #[error("property `{name}` can't be set: {why}")]
    FixedProperty { name: String, why: &'static str },
    #[error("property `{name}` needs a binary built with the cargo feature `full`: {reason}")]
    FeatureMissing { name: String, reason: String },
    #[error("no broker of `{brokers}` answered: {reason}")]
    BrokersDown { brokers: String, reason: String },
    #[error("`{brokers}` refused the login with {mechanism}: {reason}")]
    LoginRefused { brokers: String, mechanism: String, reason: String },
    #[error("TLS with `{brokers}` failed: {reason}")]
    Tls { brokers: String, reason: String },
    #[error("topic `{topic}` does not exist")]
    UnknownTopic { topic: String },
    #[error("topic partition `{topic_partition}` does not exist")]
    UnknownPartition { topic_partition: TopicPartition },
    #[error("the cluster denies {what}: {reason}")]
    Denied { what: String, reason: String },
    #[error("group.protocol=consumer needs brokers of version 4.0 or later, `{brokers}` is older")]
    ProtocolTooOld { brokers: String },
    #[error("{what} took longer than {} ms", timeout.as_millis())]
    Timeout { what: String, timeout: Duration },
    #[error("topic partition `{topic_partition}` is not assigned to this process")]
    NotAssigned { topic_partition: TopicPartition },
    #[error("{what}: {reason} (code {code})")]
    Broker { what: String, code: i32, reason: String },
    #[error("the Kafka client gave up: {reason} (code {code})")]
    Fatal { code: i32, reason: String },
}

// === impl KafkaError ===

impl KafkaError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Property { .. }
            | Self::FixedProperty { .. }
            | Self::FeatureMissing { .. }
            | Self::LoginRefused { .. }
            | Self::Tls { .. }
            | Self::UnknownTopic { .. }
            | Self::Denied { .. }
            | Self::ProtocolTooOld { .. } => Class::Config,
            Self::BrokersDown { .. }
            | Self::UnknownPartition { .. }
            | Self::Timeout { .. }
            | Self::NotAssigned { .. }
            | Self::Broker { .. } => Class::Unavailable,
            Self::Fatal { .. } => Class::Fatal,
        }
    }

    /// One line that says what to try.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Property { .. } => "the names and values are those of librdkafka 2.12 (CONFIGURATION.md there)",
            Self::FixedProperty { .. } => "remove it from [kafka.properties]",
            Self::FeatureMissing { .. } => "build with `cargo build --release --features full`",
            Self::BrokersDown { .. } => "check kafka.brokers, the network, and that security.protocol fits the port",
            Self::LoginRefused { .. } => "check sasl.mechanism, sasl.username and sasl.password in [kafka.properties]",
            Self::Tls { .. } => "check ssl.ca.location and that the port speaks TLS",
            Self::UnknownTopic { .. } => "check the name in [[archive]] topics, or create the topic",
            Self::UnknownPartition { .. } => "the topic was deleted or has fewer partitions than it had",
            Self::Denied { .. } => "the group needs READ, each topic READ and DESCRIBE",
            Self::ProtocolTooOld { .. } => "remove group.protocol from [kafka.properties]",
            Self::Timeout { .. } | Self::Broker { .. } => "it is tried again; look at the brokers if it stays",
            Self::NotAssigned { .. } => "the group gave it to another process",
            Self::Fatal { .. } => "start the process again",
        }
    }

    /// librdkafka's code where the error has one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Broker { code, .. } | Self::Fatal { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// An answer about `what`, which may be about `topic_partition`.
    pub(super) fn from_code(what: &str, code: RDKafkaRespErr, about: Option<&TopicPartition>) -> Self {
        let reason = describe(code);
        match (Code::from(code), about) {
            (Code::UnknownTopicOrPartition | Code::UnknownTopic, Some(tp)) if tp.partition < 0 => {
                Self::UnknownTopic { topic: tp.topic.to_string() }
            }
            (Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopic, Some(tp)) => {
                Self::UnknownPartition { topic_partition: tp.clone() }
            }
            (Code::TopicAuthorizationFailed, Some(tp)) => {
                Self::Denied { what: format!("topic `{}`", tp.topic), reason }
            }
            (Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed, _) => {
                Self::Denied { what: what.to_owned(), reason }
            }
            _ => Self::Broker { what: what.to_owned(), code: code as i32, reason },
        }
    }
}

/// librdkafka's words for a code, in the house's spelling.
pub(super) fn describe(code: RDKafkaRespErr) -> String {
    let text = Code::from(code).to_string();
    let text = text.split_once(" (").map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
    text.trim_start_matches("Broker: ").trim_start_matches("Local: ").to_owned()
}
