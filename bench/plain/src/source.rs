//! Where records come from: librdkafka's batch queue, the cheapest way out of it.
//!
//! All partitions are assigned by hand from their beginning and forwarded to one queue of our own; the queue hands
//! out up to `BATCH_RECORDS` at a time, still in librdkafka's buffers. A record is lent to the caller and destroyed.
//!
//! Deliberately absent: groups, rebalances, commits, transactions.

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Records taken per call: few enough that they are still in the CPU's cache when they are destroyed.
const BATCH_RECORDS: usize = 1_000;
/// How long a broker may take to answer, or to send nothing, before the program gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A record, still in librdkafka's buffers.
pub struct Record<'a> {
    message: NonNull<rd::rd_kafka_message_t>,
    /// As long as the record is lent.
    lent: PhantomData<&'a ()>,
}

impl<'a> Record<'a> {
    pub fn partition(&self) -> usize {
        // SAFETY: `message` is valid as long as the record is lent.
        unsafe { self.message.as_ref().partition as usize }
    }

    pub fn offset(&self) -> i64 {
        // SAFETY: as above.
        unsafe { self.message.as_ref().offset }
    }

    /// Milliseconds since 1970 (UTC); -1 without.
    pub fn timestamp(&self) -> i64 {
        // SAFETY: as above; the kind of timestamp need not be told.
        unsafe { rd::rd_kafka_message_timestamp(self.message.as_ptr(), ptr::null_mut()) }
    }

    pub fn value(&self) -> &'a [u8] {
        // SAFETY: as above; librdkafka says where the value is and how long.
        unsafe {
            let message = self.message.as_ref();
            if message.payload.is_null() { &[] } else { slice::from_raw_parts(message.payload.cast(), message.len) }
        }
    }
}

/// Hands every record of `topic` below the log end seen now to `each`, in order of offset within a partition.
pub fn consume(brokers: &str, topic: &str, mut each: impl FnMut(Record<'_>) -> Result<()>) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "plain")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.message.max.bytes", "262144")
        .create()?;
    let (mut ends, assignment) = log_ends(&consumer, topic)?;
    // SAFETY: the handle lives as long as `consumer`, to the end of this function.
    let queue = unsafe { forward(consumer.client().native_ptr(), topic, ends.len() as i32)? };
    consumer.assign(&assignment)?;

    let mut batch = vec![ptr::null_mut(); BATCH_RECORDS];
    let mut left: u64 = ends.iter().map(|(start, end)| (end - start) as u64).sum();
    while left > 0 {
        // SAFETY: `queue` is ours, and `batch` has room for as many pointers as we say.
        let taken = unsafe {
            let timeout_ms = PATIENCE.as_millis() as i32;
            rd::rd_kafka_consume_batch_queue(queue, timeout_ms, batch.as_mut_ptr(), batch.len())
        };
        ensure!(taken > 0, "no record for {PATIENCE:?}, {left} missing");
        for &message in &batch[..taken as usize] {
            let lent = NonNull::new(message).context("librdkafka gave no record")?;
            // SAFETY: the call above gave us this message; it is valid until it is destroyed, and not used after.
            let error = unsafe { lent.as_ref().err };
            ensure!(error as i32 == 0, "librdkafka says {error:?}");
            let record = Record { message: lent, lent: PhantomData };
            let (next, end) = &mut ends[record.partition()];
            let offset = record.offset();
            if offset < *end {
                left -= (offset + 1 - *next) as u64;
                *next = offset + 1;
                each(record)?;
            }
            // SAFETY: as above; the record is lent to nobody any more.
            unsafe { rd::rd_kafka_message_destroy(message) };
        }
    }
    // SAFETY: the queue is ours and nothing uses it any more; the partitions hold their own references.
    unsafe { rd::rd_kafka_queue_destroy(queue) };
    Ok(())
}

/// Log start and log end of every partition, and an assignment from the start.
fn log_ends(consumer: &BaseConsumer, topic: &str) -> Result<(Vec<(i64, i64)>, TopicPartitionList)> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().first().context("the broker does not answer for the topic")?.partitions().len();
    if partitions == 0 {
        bail!("no topic `{topic}`");
    }
    let mut ends = Vec::new();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions as i32 {
        ends.push(consumer.fetch_watermarks(topic, partition, PATIENCE)?);
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    Ok((ends, assignment))
}

/// A new queue that all partitions of `topic` are forwarded to, before they are assigned.
///
/// # Safety
/// `client` must be a live consumer.
unsafe fn forward(client: *mut rd::rd_kafka_t, topic: &str, partitions: i32) -> Result<*mut rd::rd_kafka_queue_t> {
    let topic = CString::new(topic)?;
    // SAFETY: the caller vouches for `client`; each partition's queue is released after its use here.
    unsafe {
        let queue = rd::rd_kafka_queue_new(client);
        for partition in 0..partitions {
            let of_partition = rd::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
            ensure!(!of_partition.is_null(), "no queue for partition {partition}");
            rd::rd_kafka_queue_forward(of_partition, queue);
            rd::rd_kafka_queue_destroy(of_partition);
        }
        Ok(queue)
    }
}
