//! Questions to the cluster and commits, from any thread. Every call blocks until the answer is there or the time is
//! over; callers in async code use a blocking thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr as Code;
use secor_core::ids::{Offset, TopicId, TopicPartition};

use super::admin::{self, Spec};
use super::client::Client;
use super::error::KafkaError;
use super::native::{self, Entry, PartitionList};
use super::properties::{Isolation, Settings};

/// Asks and commits for one consumer group.
#[derive(Clone)]
pub struct Handle {
    client: Arc<Client>,
    timeout: Duration,
    /// Nobody polls this client: its events are thrown away after each question.
    alone: bool,
}

/// What is committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next record to read.
    pub offset: Offset,
    /// The leader epoch of the record before it, where the committer told.
    pub leader_epoch: Option<i32>,
    /// Anybody's text; at most 4,095 characters.
    pub metadata: String,
}

/// What a partition's log holds, as its leader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The first offset that retention has left.
    pub start: Offset,
    /// The offset behind the last that can be read: with [`Isolation::ReadCommitted`] the last stable offset.
    pub end: Offset,
    /// The offset behind the last that all in-sync replicas have.
    pub high_watermark: Offset,
}

/// The answer for each partition, in the order asked.
pub type PerPartition<T> = Vec<(TopicPartition, Result<T, KafkaError>)>;

/// An offset, or none where there is no such record.
type Found = Result<Option<Offset>, KafkaError>;

// === impl Handle ===

impl Handle {
    pub(super) fn new(client: Arc<Client>, timeout: Duration) -> Self {
        Self { client, timeout, alone: false }
    }

    /// A handle without a consumer: does not join the group, and may commit only while the group has no members.
    ///
    /// # Errors
    /// Wrong properties, no broker within `settings.timeout`, a refused login.
    pub fn connect(settings: &Settings) -> Result<Self, KafkaError> {
        let client = Client::new(settings)?;
        client.reach(settings.timeout)?;
        Ok(Self { client, timeout: settings.timeout, alone: true })
    }

    /// The same with another bound for each call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`].
    pub fn cluster_id(&self) -> Result<String, KafkaError> {
        let id = self.client.base.client().fetch_cluster_id(self.timeout);
        self.answered(id.ok_or_else(|| self.late("asking for the cluster's id")))
    }

    /// All topics that this client may see, sorted.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn topics(&self) -> Result<Vec<String>, KafkaError> {
        let metadata = self.client.base.fetch_metadata(None, self.timeout);
        let metadata = self.answered(metadata.map_err(|error| self.metadata_error(&error)))?;
        let mut topics: Vec<_> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
        topics.sort_unstable();
        Ok(topics)
    }

    /// The partitions of a topic, sorted.
    ///
    /// # Errors
    /// [`KafkaError::UnknownTopic`], [`KafkaError::Denied`], [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>, KafkaError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let metadata = self.client.base.fetch_metadata(Some(topic), self.timeout);
            let metadata = self.answered(metadata.map_err(|error| self.metadata_error(&error)))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let error = match found.map(|found| (found, found.error())) {
                None => Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                Some((found, None)) => {
                    let mut partitions: Vec<_> = found.partitions().iter().map(|partition| partition.id()).collect();
                    partitions.sort_unstable();
                    return Ok(partitions);
                }
                Some((_, Some(code))) => code,
            };
            // A topic that was just created has no leaders for a moment.
            if error != Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || Instant::now() >= deadline {
                let about = TopicPartition::new(topic, -1);
                return Err(KafkaError::from_code("asking for the partitions", error, Some(&about)));
            }
        }
    }

    /// The topic's id, asked from a broker now; none where the brokers have no topic ids (before 2.8).
    ///
    /// # Errors
    /// [`KafkaError::UnknownTopic`], [`KafkaError::Denied`], [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, KafkaError> {
        let id = admin::topic_id(&self.client, topic, self.timeout);
        self.answered(id)
    }

    /// What the group has committed; none where it has not.
    ///
    /// # Errors
    /// Of the whole question: [`KafkaError::Timeout`], [`KafkaError::Denied`] or [`KafkaError::Broker`].
    pub fn committed(&self, partitions: &[TopicPartition]) -> Result<PerPartition<Option<Committed>>, KafkaError> {
        const WHAT: &str = "asking for the committed offsets";
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = PartitionList::at(partitions, rd::RD_KAFKA_OFFSET_INVALID.into());
        // SAFETY: client and list are alive; the answers are written into the list.
        let code = unsafe { rd::rd_kafka_committed(self.client.native(), list.as_ptr(), self.timeout_ms()) };
        self.answered(self.check(WHAT, code))?;
        Ok(list.entries().into_iter().map(|entry| (entry.topic_partition.clone(), committed(entry, WHAT))).collect())
    }

    /// Commits for the group and waits for the coordinator's answer.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`]: it may have happened or not. [`KafkaError::Broker`] with the coordinator's code, among
    /// them 22 (ILLEGAL_GENERATION) and 25 (UNKNOWN_MEMBER_ID) when the group has moved on.
    pub fn commit(&self, tp: &TopicPartition, commit: &Committed) -> Result<(), KafkaError> {
        const WHAT: &str = "committing";
        let mut list = PartitionList::new(1);
        list.add(tp, commit.offset.get(), commit.leader_epoch);
        list.set_metadata(&commit.metadata);
        let answers = self.client.queue.answers();
        // SAFETY: client, list and queue are alive; the list is copied; there is no callback.
        let asked = unsafe {
            rd::rd_kafka_commit_queue(self.client.native(), list.as_ptr(), answers.as_ptr(), None, std::ptr::null_mut())
        };
        self.check(WHAT, asked)?;
        let answer = answers.wait(self.timeout);
        let answer = self.answered(answer.ok_or_else(|| self.late(WHAT)))?;
        // SAFETY: the event is alive, and so is the list in it.
        let (code, entries) = unsafe {
            let list = rd::rd_kafka_event_topic_partition_list(answer.as_ptr());
            (rd::rd_kafka_event_error(answer.as_ptr()), native::entries(list))
        };
        for entry in entries.iter().filter(|entry| entry.topic_partition == *tp) {
            if entry.error != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(KafkaError::from_code(WHAT, entry.error, Some(tp)));
            }
        }
        self.check(WHAT, code)
    }

    /// What the partition's log holds.
    ///
    /// # Errors
    /// [`KafkaError::UnknownPartition`], [`KafkaError::Denied`], [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn log_range(&self, tp: &TopicPartition) -> Result<LogRange, KafkaError> {
        let (_, range) = self.log_ranges(std::slice::from_ref(tp))?.pop().expect("one question, one answer");
        range
    }

    /// What the logs of many partitions hold, with three questions altogether.
    ///
    /// # Errors
    /// Of the whole question: [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn log_ranges(&self, partitions: &[TopicPartition]) -> Result<PerPartition<LogRange>, KafkaError> {
        let isolation = self.client.isolation();
        let high_watermarks = self.offsets(partitions, Spec::End, Isolation::ReadUncommitted)?;
        let ends = match isolation {
            Isolation::ReadUncommitted => high_watermarks.clone(),
            Isolation::ReadCommitted => self.offsets(partitions, Spec::End, isolation)?,
        };
        let starts = self.offsets(partitions, Spec::Start, isolation)?;
        let range = |index: usize| {
            let at = |list: &[Found]| list[index].clone().map(|offset| offset.unwrap_or(Offset::ZERO));
            let (start, end, high_watermark) = (at(&starts)?, at(&ends)?, at(&high_watermarks)?);
            Ok(LogRange { start, end, high_watermark })
        };
        Ok(partitions.iter().cloned().enumerate().map(|(index, tp)| (tp, range(index))).collect())
    }

    /// The offset of the first record whose timestamp is `timestamp_ms` (milliseconds since 1970, 0 or more) or later;
    /// none when there is none.
    ///
    /// # Errors
    /// [`KafkaError::UnknownPartition`], [`KafkaError::Denied`], [`KafkaError::Timeout`] or [`KafkaError::Broker`].
    pub fn offset_for_time(&self, tp: &TopicPartition, timestamp_ms: i64) -> Result<Option<Offset>, KafkaError> {
        let spec = Spec::Time(timestamp_ms.max(0));
        let mut found = self.offsets(std::slice::from_ref(tp), spec, self.client.isolation())?;
        found.pop().expect("one question, one answer")
    }

    fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: Spec,
        isolation: Isolation,
    ) -> Result<Vec<Found>, KafkaError> {
        let found = admin::list_offsets(&self.client, partitions, spec, isolation, self.timeout);
        match self.answered(found) {
            Err(KafkaError::Broker { code, .. }) if code == Code::RD_KAFKA_RESP_ERR__NOENT as i32 => {
                Ok(partitions.iter().map(|tp| Err(self.why_leaderless(tp))).collect())
            }
            answer => answer,
        }
    }

    /// librdkafka says that none of the partitions has a leader: are they gone or without one for now?
    fn why_leaderless(&self, tp: &TopicPartition) -> KafkaError {
        let code = match self.partitions(&tp.topic) {
            Ok(partitions) if partitions.contains(&tp.partition) => Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            Ok(_) | Err(KafkaError::UnknownTopic { .. }) => Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Err(error) => return error,
        };
        KafkaError::from_code("asking for offsets", code, Some(tp))
    }

    fn answered<T>(&self, answer: Result<T, KafkaError>) -> Result<T, KafkaError> {
        if self.alone {
            self.client.events();
        }
        answer
    }

    fn check(&self, what: &str, code: Code) -> Result<(), KafkaError> {
        match code {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            Code::RD_KAFKA_RESP_ERR__TIMED_OUT => Err(self.late(what)),
            code => Err(KafkaError::from_code(what, code, None)),
        }
    }

    fn metadata_error(&self, error: &rdkafka::error::KafkaError) -> KafkaError {
        const WHAT: &str = "asking for topics";
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OperationTimedOut) => self.late(WHAT),
            Some(RDKafkaErrorCode::BrokerTransportFailure) => {
                KafkaError::BrokersDown { brokers: self.client.brokers().to_owned(), reason: error.to_string() }
            }
            code => KafkaError::Broker {
                what: WHAT.to_owned(),
                code: code.map_or(0, |code| code as i32),
                reason: error.to_string(),
            },
        }
    }

    fn late(&self, what: &str) -> KafkaError {
        KafkaError::Timeout { what: what.to_owned(), timeout: self.timeout }
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle {{ brokers: {} }}", self.client.brokers())
    }
}

fn committed(entry: Entry, what: &str) -> Result<Option<Committed>, KafkaError> {
    if entry.error != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(KafkaError::from_code(what, entry.error, Some(&entry.topic_partition)));
    }
    let committed = |offset| Committed { offset, leader_epoch: entry.leader_epoch, metadata: entry.metadata };
    Ok(Offset::new(entry.offset).ok().map(committed))
}
