//! What `secor selftest` does to a cluster that `secor run` never does: it creates a topic of its own, produces records
//! whose fate is known one by one, and deletes the topic and its group again.
//!
//! `unsafe` here asks librdkafka for the status of a message that is alive.
//!
//! Deliberately absent: anything that could reach a topic or a group by pattern. Both are named in full.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::bindings as rd;
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;
use secor_core::ids::Offset;

use super::error::KafkaError;
use super::properties::{Settings, refused};

/// Creates and deletes topics, and deletes groups.
pub struct ScratchAdmin {
    client: AdminClient<DefaultClientContext>,
    timeout: Duration,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It was never handed to the producer.
    #[default]
    Unsent,
    /// Nobody knows whether the log has it: sent and not answered.
    Unknown,
    /// It is not in the log.
    Failed,
    /// It is in the log, and on all in-sync replicas.
    Acked,
}

/// A producer that keeps the fate of every record. Records are numbered from 0 by their sender; idempotent, so each is
/// in the log once at most.
pub struct Witness {
    producer: ThreadedProducer<Fates>,
    topic: String,
}

/// The fates of all records, shared with the producer's thread.
#[derive(Clone, Default)]
pub struct Fates(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    fates: Vec<Fate>,
    /// By partition: the offset behind the last acknowledged record.
    ends: Vec<Offset>,
}

/// Properties that a producer or an admin client has in common with a consumer: how to reach the brokers and to log in.
const SHARED_PROPERTIES: [&str; 12] = [
    "security.",
    "sasl.",
    "ssl.",
    "enable.sasl.",
    "enable.ssl.",
    "socket.",
    "broker.",
    "client.dns.lookup",
    "client.rack",
    "reconnect.",
    "connections.",
    "api.version.",
];
/// A record that has no answer for so long is [`Fate::Unknown`].
const ANSWER_MS_MAX: &str = "60000";
const QUEUE_BYTES_MAX_KIB: &str = "32768";
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(5);

// === impl ScratchAdmin ===

impl ScratchAdmin {
    /// A client for `settings`; brokers are contacted at the first question.
    ///
    /// # Errors
    /// [`KafkaError::Property`] or [`KafkaError::FeatureMissing`], for a property that is wrong.
    pub fn new(settings: &Settings) -> Result<Self, KafkaError> {
        let config = config(settings);
        let client = config.create().map_err(|error| refused(error, &config))?;
        Ok(Self { client, timeout: settings.timeout })
    }

    /// Creates a topic with 1 or more partitions, replicated as the brokers do by default.
    ///
    /// # Errors
    /// [`KafkaError::Denied`] when this login may not, or the brokers' policy forbids it; else
    /// [`KafkaError::Broker`] or [`KafkaError::Timeout`].
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let what = format!("creating topic `{topic}`");
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(BROKERS_DEFAULT));
        let answers = self.client.create_topics([&new], &self.options()).await;
        self.settled(&what, answers.map(|answers| answers.into_iter().find_map(Result::err).map(|(_, code)| code)))
    }

    /// Deletes a topic; one that is gone already is no error.
    ///
    /// # Errors
    /// As [`Self::create_topic`].
    pub async fn delete_topic(&self, topic: &str) -> Result<(), KafkaError> {
        let what = format!("deleting topic `{topic}`");
        let answers = self.client.delete_topics(&[topic], &self.options()).await;
        self.settled(&what, answers.map(|answers| answers.into_iter().find_map(Result::err).map(|(_, code)| code)))
    }

    /// Deletes a group without members; one that is gone already is no error.
    ///
    /// # Errors
    /// As [`Self::create_topic`]; [`KafkaError::Broker`] also while the group has members.
    pub async fn delete_group(&self, group: &str) -> Result<(), KafkaError> {
        let what = format!("deleting group `{group}`");
        let answers = self.client.delete_groups(&[group], &self.options()).await;
        self.settled(&what, answers.map(|answers| answers.into_iter().find_map(Result::err).map(|(_, code)| code)))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    fn settled(&self, what: &str, answer: Result<Option<Code>, Native>) -> Result<(), KafkaError> {
        let code = match answer {
            Ok(None) => return Ok(()),
            Ok(Some(code)) => code,
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        let denied = || KafkaError::Denied { what: what.to_owned(), reason: code.to_string() };
        Err(match code {
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::GroupIdNotFound => return Ok(()),
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                denied()
            }
            Code::PolicyViolation | Code::InvalidReplicationFactor => denied(),
            Code::OperationTimedOut | Code::RequestTimedOut => {
                KafkaError::Timeout { what: what.to_owned(), timeout: self.timeout }
            }
            code => KafkaError::Broker { what: what.to_owned(), code: code as i32, reason: code.to_string() },
        })
    }
}

/// Kafka 2.4 and later.
const BROKERS_DEFAULT: i32 = -1;

fn config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in &settings.properties {
        if SHARED_PROPERTIES.iter().any(|shared| name.starts_with(shared)) {
            config.set(name, value);
        }
    }
    config.set("bootstrap.servers", settings.brokers.join(",")).set("client.id", &settings.client_id);
    config
}

// === impl Witness ===

impl Witness {
    /// A producer for `partitions` partitions of `topic`.
    ///
    /// # Errors
    /// [`KafkaError::Property`] or [`KafkaError::FeatureMissing`], for a property that is wrong.
    pub fn new(settings: &Settings, topic: &str, partitions: usize) -> Result<Self, KafkaError> {
        let mut config = config(settings);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.timeout.ms", ANSWER_MS_MAX)
            .set("queue.buffering.max.kbytes", QUEUE_BYTES_MAX_KIB);
        let fates = Fates::default();
        fates.lock().ends = vec![Offset::ZERO; partitions];
        let producer = config.create_with_context(fates).map_err(|error| refused(error, &config))?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Sends record `number`, the one after the last; waits while the queue is full, at most `timeout`.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`] when the brokers take nothing for that long, else [`KafkaError::Broker`]. The record is
    /// not in the log then.
    pub fn send(&self, number: usize, partition: i32, value: &[u8], timeout: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        self.fates().lock().note(number, Fate::Unknown);
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&self.topic, number).partition(partition).payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((Native::MessageProduction(Code::QueueFull), unsent)) if Instant::now() < deadline => {
                    record = unsent;
                    self.producer.poll(FULL_QUEUE_WAIT);
                }
                Err((error, _)) => {
                    self.fates().lock().note(number, Fate::Failed);
                    return Err(match error.rdkafka_error_code() {
                        Some(Code::QueueFull) => KafkaError::Timeout { what: PRODUCING.to_owned(), timeout },
                        code => KafkaError::Broker {
                            what: PRODUCING.to_owned(),
                            code: code.map_or(0, |code| code as i32),
                            reason: error.to_string(),
                        },
                    });
                }
            }
        }
    }

    /// Waits until every record has its fate, at most `timeout`; what has none then stays [`Fate::Unknown`].
    pub fn flush(&self, timeout: Duration) {
        // the fates say all there is to know
        let _ = self.producer.flush(Timeout::After(timeout));
    }

    #[must_use]
    pub fn fates(&self) -> &Fates {
        self.producer.context()
    }
}

const PRODUCING: &str = "producing";

// === impl Fates ===

impl Fates {
    /// The fate of every record, by its number.
    #[must_use]
    pub fn all(&self) -> Vec<Fate> {
        self.lock().fates.clone()
    }

    /// By partition: the offset behind the last acknowledged record; 0 without one.
    #[must_use]
    pub fn ends(&self) -> Vec<Offset> {
        self.lock().ends.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn note(&mut self, number: usize, fate: Fate) {
        if self.fates.len() <= number {
            self.fates.resize(number + 1, Fate::Unsent);
        }
        self.fates[number] = fate;
    }

    fn acked(&mut self, partition: i32, offset: i64) {
        let slot = usize::try_from(partition).ok().and_then(|partition| self.ends.get_mut(partition));
        if let (Some(slot), Ok(offset)) = (slot, Offset::new(offset)) {
            *slot = (*slot).max(offset.next());
        }
    }
}

impl ClientContext for Fates {}

impl ProducerContext for Fates {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let mut told = self.lock();
        match result {
            Ok(message) => {
                told.note(number, Fate::Acked);
                told.acked(message.partition(), message.offset());
            }
            Err((_, message)) => {
                // SAFETY: the message is alive during this call
                let status = unsafe { rd::rd_kafka_message_status(message.ptr()) };
                let absent = status == rd::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
                told.note(number, if absent { Fate::Failed } else { Fate::Unknown });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::mock::Mock;
    use super::super::properties::Isolation;
    use super::*;

    #[test]
    fn every_record_has_its_fate() {
        let mock = Mock::start().unwrap();
        mock.create_topic("t", 2).unwrap();
        let settings = Settings {
            brokers: vec![mock.brokers()],
            group: "g".to_owned(),
            client_id: "secor-test".to_owned(),
            // of a consumer only: not for a producer
            properties: BTreeMap::from([("session.timeout.ms".to_owned(), "6000".to_owned())]),
            isolation: Isolation::default(),
            fetch_memory_bytes: 1 << 20,
            timeout: Duration::from_secs(10),
        };
        let witness = Witness::new(&settings, "t", 2).unwrap();
        let patience = Duration::from_secs(30);
        for number in 0..10 {
            witness.send(number, i32::from(number >= 4), b"{}", patience).unwrap();
        }
        witness.flush(patience);
        assert_eq!(witness.fates().all(), [Fate::Acked; 10]);
        assert_eq!(witness.fates().ends().iter().map(|end| end.get()).collect::<Vec<_>>(), [4, 6]);
        let large = vec![b'x'; 2_000_000];
        assert!(witness.send(11, 0, &large, patience).is_err());
        assert_eq!(witness.fates().all()[10..], [Fate::Unsent, Fate::Failed]);
    }
}
