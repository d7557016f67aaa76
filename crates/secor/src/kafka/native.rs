//! librdkafka's lists of partitions, with what rdkafka's wrapper leaves out: leader epochs, and metadata that is not
//! UTF-8 (anybody may commit anything).
//!
//! `unsafe` here reads and writes the elements of a list that this type owns or borrows.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;
use secor_core::ids::TopicPartition;

/// A list of topic partitions, owned.
pub(super) struct PartitionList(*mut rd::rd_kafka_topic_partition_list_t);

/// One element, read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub topic_partition: TopicPartition,
    pub offset: i64,
    pub leader_epoch: Option<i32>,
    pub metadata: String,
    pub error: RDKafkaRespErr,
}

// === impl PartitionList ===

impl PartitionList {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = i32::try_from(capacity).expect("a cluster has fewer than 2^31 partitions");
        // SAFETY: the list is owned by the new value and destroyed with it.
        Self(unsafe { rd::rd_kafka_topic_partition_list_new(capacity) })
    }

    /// A list in which every partition has the same offset.
    pub(super) fn at(partitions: &[TopicPartition], offset: i64) -> Self {
        let mut list = Self::new(partitions.len());
        for tp in partitions {
            list.add(tp, offset, None);
        }
        list
    }

    pub(super) fn add(&mut self, tp: &TopicPartition, offset: i64, leader_epoch: Option<i32>) {
        let topic = topic_name(tp);
        // SAFETY: the list is alive, the name is copied, and the element belongs to the list.
        unsafe {
            let element = rd::rd_kafka_topic_partition_list_add(self.0, topic.as_ptr(), tp.partition);
            (*element).offset = offset;
            rd::rd_kafka_topic_partition_set_leader_epoch(element, leader_epoch.unwrap_or(-1));
        }
    }

    /// Gives the last element its metadata.
    pub(super) fn set_metadata(&mut self, metadata: &str) {
        // SAFETY: the list has an element, and librdkafka frees what its own allocator gave.
        unsafe {
            let list = &*self.0;
            assert!(list.cnt > 0, "there is an element to describe");
            let element = &mut *list.elems.offset(list.cnt as isize - 1);
            assert!(element.metadata.is_null(), "metadata is set once");
            if metadata.is_empty() {
                return;
            }
            let copy = rd::rd_kafka_mem_malloc(std::ptr::null_mut(), metadata.len());
            std::ptr::copy_nonoverlapping(metadata.as_ptr(), copy.cast(), metadata.len());
            element.metadata = copy;
            element.metadata_size = metadata.len();
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: the list is alive for as long as `self`.
        unsafe { (*self.0).cnt == 0 }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        // SAFETY: the list is alive for as long as `self`.
        unsafe { entries(self.0) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// Reads a list that librdkafka owns.
///
/// # Safety
/// `list` is null or a list that lives until this returns.
pub(super) unsafe fn entries(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: `elems` holds `cnt` elements; the caller keeps the list alive.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count).map(|index| entry((*list).elems.add(index))).collect()
    }
}

/// Reads one element.
///
/// # Safety
/// `element` lives until this returns.
pub(super) unsafe fn entry(element: *const rd::rd_kafka_topic_partition_t) -> Entry {
    // SAFETY: the caller keeps the element alive; topic is a C string, metadata has `metadata_size` bytes.
    unsafe {
        let native = &*element;
        let topic: Arc<str> = CStr::from_ptr(native.topic).to_string_lossy().into();
        let metadata = if native.metadata.is_null() {
            String::new()
        } else {
            let bytes = std::slice::from_raw_parts(native.metadata.cast::<u8>(), native.metadata_size);
            String::from_utf8_lossy(bytes).into_owned()
        };
        let leader_epoch = rd::rd_kafka_topic_partition_get_leader_epoch(element);
        Entry {
            topic_partition: TopicPartition::new(topic, native.partition),
            offset: native.offset,
            leader_epoch: (leader_epoch >= 0).then_some(leader_epoch),
            metadata,
            error: native.err,
        }
    }
}

/// Takes an error that librdkafka hands over and forgets it.
///
/// # Safety
/// `error` is null or owned by the caller, who does not use it again.
pub(super) unsafe fn take_error(error: *mut rd::rd_kafka_error_t) -> Result<(), (RDKafkaRespErr, String)> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: owned by us by contract, destroyed once, the text is copied first.
    unsafe {
        let code = rd::rd_kafka_error_code(error);
        let text = CStr::from_ptr(rd::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        rd::rd_kafka_error_destroy(error);
        Err((code, text))
    }
}

/// A topic's name for C.
pub(super) fn topic_name(tp: &TopicPartition) -> CString {
    CString::new(tp.topic.as_bytes()).expect("Kafka allows letters, digits, dot, dash and underscore in names")
}
