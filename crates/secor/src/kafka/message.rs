//! Records as librdkafka holds them: single messages, and [`Slice`]s of one topic partition.
//!
//! A message is a pointer into a fetch response that librdkafka keeps alive until the message is destroyed. Nothing is
//! copied but headers, which Kafka frames differently from digest definition 1, and those only where a record has some.
//!
//! `unsafe` here rests on two facts: a `Message` owns its pointer, and a `Slice` keeps the client alive for longer than
//! its messages.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::record::{Record, push_header};

use super::client::Client;

/// One message or event of a partition, owned.
#[repr(transparent)]
pub(super) struct Message(NonNull<rd::rd_kafka_message_t>);

/// A run of consecutive records of one topic partition, still in librdkafka's buffers. Never empty; offsets ascend,
/// with gaps where a record was compacted away, aborted, or a marker stood. Dropping it gives the memory back.
pub struct Slice {
    // Declared before the client: dropped before it.
    messages: Vec<Message>,
    topic_partition: TopicPartition,
    facts: Facts,
    _client: Arc<Client>,
}

/// What one pass over the messages of a slice finds.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    bytes: usize,
    epoch_min: Option<i32>,
    epoch_max: Option<i32>,
}

// SAFETY: a message is owned by one thread at a time and librdkafka lets any thread read and destroy it.
unsafe impl Send for Message {}

// === impl Message ===

impl Message {
    fn native(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: owned and alive until `drop`.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn error(&self) -> Option<RDKafkaRespErr> {
        let code = self.native().err;
        (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some(code)
    }

    /// Equal exactly for messages of one topic partition, and cheap to compare.
    pub(super) fn source(&self) -> (usize, i32) {
        (self.native().rkt as usize, self.native().partition)
    }

    pub(super) fn raw_offset(&self) -> i64 {
        self.native().offset
    }

    pub(super) fn partition(&self) -> i32 {
        self.native().partition
    }

    /// The topic's name; none for an event that is about no topic.
    pub(super) fn topic(&self) -> Option<&str> {
        let topic = self.native().rkt;
        if topic.is_null() {
            return None;
        }
        // SAFETY: the message holds a reference to its topic, whose name is a C string.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(topic)) }.to_str().ok()
    }

    /// The text of an event.
    pub(super) fn text(&self) -> String {
        self.bytes(self.native().payload, self.native().len)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    }

    fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive.
        let epoch = unsafe { rd::rd_kafka_message_leader_epoch(self.0.as_ptr()) };
        (epoch >= 0).then_some(epoch)
    }

    fn timestamp(&self) -> Option<i64> {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive and `kind` is written by the call.
        let timestamp = unsafe { rd::rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) };
        let available = kind != rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        (available && timestamp >= 0).then_some(timestamp)
    }

    fn bytes(&self, start: *mut libc::c_void, len: usize) -> Option<&[u8]> {
        // SAFETY: librdkafka gives null for a null key or value, and otherwise `len` bytes that live as long as the
        // message.
        (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), len) })
    }

    fn size(&self) -> usize {
        self.native().len + self.native().key_len
    }

    /// Whether the message certainly has no headers, found without librdkafka, which allocates to answer.
    ///
    /// A message with a leader epoch comes from a record batch of format 2, in which the number of headers follows the
    /// value: one byte, zero, where there are none.
    #[inline]
    fn has_no_headers(&self) -> bool {
        let native = self.native();
        // An empty value is a constant of librdkafka's, outside of the batch.
        if native.payload.is_null() || native.len == 0 || self.leader_epoch().is_none() {
            return false;
        }
        // SAFETY: librdkafka gives other values out in place, inside the batch as fetched or decompressed into one
        // buffer. In format 2 the value is followed by at least the number of headers, so the byte is in that buffer.
        unsafe { *native.payload.cast::<u8>().add(native.len) == 0 }
    }

    /// Writes the header block; leaves it empty for a message without headers.
    fn push_headers(&self, block: &mut Vec<u8>) {
        if self.has_no_headers() {
            return;
        }
        let mut headers = std::ptr::null_mut();
        // SAFETY: the message is alive and only this thread touches it; the headers belong to the message.
        let found = unsafe { rd::rd_kafka_message_headers(self.0.as_ptr(), &mut headers) };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut len) = (std::ptr::null(), std::ptr::null(), 0);
            // SAFETY: `headers` is alive; name and value are written when the answer is no error.
            let found = unsafe { rd::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut len) };
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: a header's name is a C string that lives as long as the message.
            let name = unsafe { CStr::from_ptr(name) };
            push_header(block, name.to_bytes(), self.bytes(value.cast_mut(), len));
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once, while the client lives (see `Slice`, and `Consumer` for single ones).
        unsafe { rd::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

// === impl Slice ===

impl Slice {
    /// Makes a slice of the messages at `next` or above it, in ascending order; none when nothing is left. Messages
    /// below are such that librdkafka repeats around a rebalance.
    pub(super) fn new(
        mut messages: Vec<Message>,
        topic_partition: &TopicPartition,
        next: Offset,
        client: &Arc<Client>,
    ) -> Option<Self> {
        let mut facts = Facts::default();
        let mut expected = next.get();
        messages.retain(|message| {
            let keep = message.raw_offset() >= expected;
            if keep {
                expected = message.raw_offset() + 1;
                facts.count(message);
            }
            keep
        });
        let topic_partition = topic_partition.clone();
        (!messages.is_empty()).then(|| Self { messages, topic_partition, facts, _client: Arc::clone(client) })
    }

    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// How many records; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a slice is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The bytes of all keys and values; what librdkafka holds for them is a little more.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.facts.bytes
    }

    /// The largest leader epoch of the records; none from brokers or message formats that have none.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        self.facts.epoch_max
    }

    /// The smallest leader epoch of the records: below one seen before it, the log was truncated (R3).
    #[must_use]
    pub fn leader_epoch_min(&self) -> Option<i32> {
        self.facts.epoch_min
    }

    #[must_use]
    pub fn first_offset(&self) -> Offset {
        offset(&self.messages[0])
    }

    /// The offset behind the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        offset(self.messages.last().expect("a slice is never empty")).next()
    }

    /// The offset of record `index`, without reading anything else of it.
    ///
    /// # Panics
    /// When `index` is [`Self::len`] or more.
    #[must_use]
    pub fn offset(&self, index: usize) -> Offset {
        offset(&self.messages[index])
    }

    /// The leader epoch of record `index`, if brokers and message format have them.
    ///
    /// # Panics
    /// When `index` is [`Self::len`] or more.
    #[must_use]
    pub fn leader_epoch_at(&self, index: usize) -> Option<i32> {
        self.messages[index].leader_epoch()
    }

    /// Record `index`. `scratch` is overwritten with its header block; keep it between calls.
    ///
    /// # Panics
    /// When `index` is [`Self::len`] or more.
    #[inline]
    pub fn record<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Record<'a> {
        let message = &self.messages[index];
        let native = message.native();
        scratch.clear();
        message.push_headers(scratch);
        Record {
            offset: offset(message),
            timestamp: message.timestamp(),
            key: message.bytes(native.key, native.key_len),
            value: message.bytes(native.payload, native.len),
            headers: scratch,
        }
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, next) = (self.first_offset(), self.next_offset());
        write!(f, "Slice {{ {} {first}..{next}, {} records }}", self.topic_partition, self.len())
    }
}

impl Facts {
    fn count(&mut self, message: &Message) {
        self.bytes += message.size();
        if let Some(epoch) = message.leader_epoch() {
            self.epoch_min = Some(self.epoch_min.map_or(epoch, |min| min.min(epoch)));
            self.epoch_max = Some(self.epoch_max.map_or(epoch, |max| max.max(epoch)));
        }
    }
}

fn offset(message: &Message) -> Offset {
    Offset::new(message.raw_offset()).expect("a record has an offset; events are never put into a slice")
}
