//! Two of librdkafka's admin questions that rdkafka does not wrap: topic ids, and offsets with an isolation level.
//!
//! `unsafe` here builds the question from values that live until it is asked, and reads the answer while it lives.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Code;
use secor_core::ids::{Offset, TopicId, TopicPartition};

use super::client::Client;
use super::error::KafkaError;
use super::native::{self, PartitionList};
use super::properties::Isolation;
use super::queue::Answer;

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spec {
    Start,
    End,
    /// Milliseconds since 1970, 0 or more.
    Time(i64),
}

/// Options of one question, owned.
struct Options(NonNull<rd::rd_kafka_AdminOptions_t>);

const ASK_ID: &str = "asking for the topic's id";
const ASK_OFFSETS: &str = "asking for offsets";
/// How Kafka writes "no topic id".
const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

pub(super) fn topic_id(client: &Client, topic: &str, timeout: Duration) -> Result<Option<TopicId>, KafkaError> {
    let unknown = || KafkaError::UnknownTopic { topic: topic.to_owned() };
    let name = CString::new(topic).map_err(|_| unknown())?;
    let options = Options::new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
    let answers = client.queue.answers();
    // SAFETY: everything lives until the call returns; librdkafka copies the names.
    unsafe {
        let mut names = [name.as_ptr()];
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        rd::rd_kafka_DescribeTopics(client.native(), collection, options.0.as_ptr(), answers.as_ptr());
        rd::rd_kafka_TopicCollection_destroy(collection);
    }
    let answer = checked(answers.wait(timeout + GRACE), ASK_ID, timeout)?;
    // SAFETY: all that is read belongs to the event, which lives until the end of this function.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(answer.as_ptr());
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if count == 0 {
            return Err(unknown());
        }
        let description = *topics;
        let code = rd::rd_kafka_error_code(rd::rd_kafka_TopicDescription_error(description));
        if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(KafkaError::from_code(ASK_ID, code, Some(&TopicPartition::new(topic, -1))));
        }
        let id = CStr::from_ptr(rd::rd_kafka_Uuid_base64str(rd::rd_kafka_TopicDescription_topic_id(description)));
        // librdkafka writes the standard alphabet, Kafka's own tools the one for URLs, which is the one that is persisted
        let id = id.to_string_lossy().replace('+', "-").replace('/', "_");
        Ok((id != ZERO_ID).then(|| TopicId(id.into())))
    }
}

/// The offset of each partition, in the order asked; none where no record is that late.
pub(super) fn list_offsets(
    client: &Client,
    partitions: &[TopicPartition],
    spec: Spec,
    isolation: Isolation,
    timeout: Duration,
) -> Result<Vec<Result<Option<Offset>, KafkaError>>, KafkaError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let options = Options::new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
    options.set_isolation(isolation);
    let list = PartitionList::at(partitions, spec.native());
    let answers = client.queue.answers();
    // SAFETY: everything lives until the call returns; librdkafka copies the list.
    unsafe { rd::rd_kafka_ListOffsets(client.native(), list.as_ptr(), options.0.as_ptr(), answers.as_ptr()) };
    let answer = checked(answers.wait(timeout + GRACE), ASK_OFFSETS, timeout)?;
    let mut entries = Vec::with_capacity(partitions.len());
    // SAFETY: all that is read belongs to the event, which lives until the end of this function.
    unsafe {
        let result = rd::rd_kafka_event_ListOffsets_result(answer.as_ptr());
        let mut count = 0;
        let infos = rd::rd_kafka_ListOffsets_result_infos(result, &mut count);
        for index in 0..count {
            let info = *infos.add(index);
            entries.push(native::entry(rd::rd_kafka_ListOffsetsResultInfo_topic_partition(info)));
        }
    }
    entries.sort_by(|a, b| a.topic_partition.cmp(&b.topic_partition));
    let answer_for = |tp: &TopicPartition| {
        let unknown = || KafkaError::UnknownPartition { topic_partition: tp.clone() };
        let index = entries.binary_search_by(|entry| entry.topic_partition.cmp(tp)).map_err(|_| unknown())?;
        match entries[index].error {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Offset::new(entries[index].offset).ok()),
            code => Err(KafkaError::from_code(ASK_OFFSETS, code, Some(tp))),
        }
    };
    Ok(partitions.iter().map(answer_for).collect())
}

/// librdkafka keeps the time itself; a little more lets it say so.
const GRACE: Duration = Duration::from_millis(500);

fn checked<'client>(
    answer: Option<Answer<'client>>,
    what: &str,
    timeout: Duration,
) -> Result<Answer<'client>, KafkaError> {
    let late = || KafkaError::Timeout { what: what.to_owned(), timeout };
    let answer = answer.ok_or_else(late)?;
    // SAFETY: the event is alive.
    match unsafe { rd::rd_kafka_event_error(answer.as_ptr()) } {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(answer),
        Code::RD_KAFKA_RESP_ERR__TIMED_OUT => Err(late()),
        code => Err(KafkaError::from_code(what, code, None)),
    }
}

// === impl Spec, Options ===

impl Spec {
    fn native(self) -> i64 {
        match self {
            Self::Start => rd::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64,
            Self::End => rd::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64,
            Self::Time(timestamp_ms) => timestamp_ms,
        }
    }
}

impl Options {
    fn new(client: &Client, operation: rd::rd_kafka_admin_op_t, timeout: Duration) -> Self {
        // SAFETY: the client is alive.
        let native = unsafe { rd::rd_kafka_AdminOptions_new(client.native(), operation) };
        let options = Self(NonNull::new(native).expect("librdkafka knows the operation"));
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).clamp(1, REQUEST_TIMEOUT_MS_MAX);
        // SAFETY: the options are alive; without a buffer no text is written. The value is in the permitted range.
        unsafe {
            rd::rd_kafka_AdminOptions_set_request_timeout(options.0.as_ptr(), timeout_ms, std::ptr::null_mut(), 0);
        }
        options
    }

    fn set_isolation(&self, isolation: Isolation) {
        let level = match isolation {
            Isolation::ReadCommitted => rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            Isolation::ReadUncommitted => rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        // SAFETY: the options are alive; the error is taken once.
        let set = unsafe { native::take_error(rd::rd_kafka_AdminOptions_set_isolation_level(self.0.as_ptr(), level)) };
        assert!(set.is_ok(), "ListOffsets has an isolation level");
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { rd::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

/// librdkafka's own bound.
const REQUEST_TIMEOUT_MS_MAX: i32 = 3_600_000;
