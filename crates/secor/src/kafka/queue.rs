//! The batch queue: one librdkafka queue to which every partition's queue is forwarded, and the bell that wakes the
//! consumer's thread.
//!
//! `unsafe` here keeps three promises: a queue is destroyed before its client, the bell outlives its registration with
//! librdkafka, and a batch is written into memory that has room for it.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings as rd;
use secor_core::ids::TopicPartition;

use super::message::Message;
use super::native::topic_name;

/// Wakes the thread in [`super::Consumer::poll`], from any thread: its `poll` returns soon.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Bell>);

/// Where the records of all partitions arrive.
pub(super) struct BatchQueue {
    client: NonNull<rd::rd_kafka_t>,
    batch: NonNull<rd::rd_kafka_queue_t>,
    /// The group's queue: rebalances, errors and logs, and the records of a partition that lost its forwarding.
    events: NonNull<rd::rd_kafka_queue_t>,
    waker: Waker,
}

/// A queue for the answers to one question.
pub(super) struct AnswerQueue<'client> {
    native: NonNull<rd::rd_kafka_queue_t>,
    client: PhantomData<&'client BatchQueue>,
}

/// One answer; librdkafka's event.
pub(super) struct Answer<'client> {
    native: NonNull<rd::rd_kafka_event_t>,
    client: PhantomData<&'client BatchQueue>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
}

// SAFETY: librdkafka's queues may be used from any thread, and the pointers are never handed out mutably.
unsafe impl Send for BatchQueue {}
// SAFETY: as above.
unsafe impl Sync for BatchQueue {}

// === impl Waker ===

impl Waker {
    pub fn wake(&self) {
        *self.0.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.waiting.notify_one();
    }

    /// Waits until woken, at most `timeout`. A wake that came before counts.
    pub(super) fn wait(&self, timeout: Duration) {
        let rung = self.0.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.waiting.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// Called by librdkafka when a queue is no longer empty; runs on its threads.
unsafe extern "C" fn ring(_client: *mut rd::rd_kafka_t, bell: *mut libc::c_void) {
    // SAFETY: `bell` is the pointer that `BatchQueue::new` registered; its waker lives until the registration ends.
    let bell = unsafe { &*bell.cast::<Bell>() };
    *bell.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
    bell.waiting.notify_one();
}

// === impl BatchQueue ===

impl BatchQueue {
    /// # Safety
    /// `client` is a live consumer with a group, and is destroyed after the new value.
    pub(super) unsafe fn new(client: *mut rd::rd_kafka_t, waker: Waker) -> Self {
        // SAFETY: the client is alive; both queues are owned by the new value.
        let (batch, events) = unsafe { (rd::rd_kafka_queue_new(client), rd::rd_kafka_queue_get_consumer(client)) };
        let queue = Self {
            client: NonNull::new(client).expect("the caller hands over a live client"),
            batch: NonNull::new(batch).expect("librdkafka aborts when it is out of memory"),
            events: NonNull::new(events).expect("a client with a group has a consumer queue"),
            waker,
        };
        for native in [queue.batch, queue.events] {
            let bell = Arc::as_ptr(&queue.waker.0).cast_mut().cast();
            // SAFETY: the bell is owned by `queue.waker`; `drop` ends the registration before it goes.
            unsafe { rd::rd_kafka_queue_cb_event_enable(native.as_ptr(), Some(ring), bell) };
        }
        queue
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Sends the partition's records here. librdkafka undoes it whenever it stops the partition.
    pub(super) fn forward(&self, tp: &TopicPartition) {
        let topic = topic_name(tp);
        // SAFETY: client and batch queue are alive; the partition's queue is a counted reference, given back here.
        unsafe {
            let partition = rd::rd_kafka_queue_get_partition(self.client.as_ptr(), topic.as_ptr(), tp.partition);
            if partition.is_null() {
                return;
            }
            rd::rd_kafka_queue_forward(partition, self.batch.as_ptr());
            rd::rd_kafka_queue_destroy(partition);
        }
    }

    /// Takes what is there, at most `max` messages, without waiting. `batch` is emptied first and its memory reused.
    pub(super) fn take(&self, batch: &mut Vec<Message>, max: usize) {
        batch.clear();
        batch.reserve(max);
        let room = batch.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: `room` has space for `max` pointers and `Message` is exactly one non-null pointer; librdkafka writes
        // `taken` of them, each owned by us from now on.
        unsafe {
            let taken = rd::rd_kafka_consume_batch_queue(self.batch.as_ptr(), 0, room, max);
            batch.set_len(usize::try_from(taken).unwrap_or(0));
        }
    }

    /// How many events wait in the group's queue.
    pub(super) fn events_waiting(&self) -> usize {
        // SAFETY: the queue is alive as long as `self`.
        unsafe { rd::rd_kafka_queue_length(self.events.as_ptr()) }
    }

    pub(super) fn answers(&self) -> AnswerQueue<'_> {
        // SAFETY: the client is alive as long as `self`; the queue is owned by the new value.
        let native = unsafe { rd::rd_kafka_queue_new(self.client.as_ptr()) };
        AnswerQueue {
            native: NonNull::new(native).expect("librdkafka aborts when it is out of memory"),
            client: PhantomData,
        }
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        for native in [self.batch, self.events] {
            // SAFETY: the queues are owned and destroyed once; librdkafka calls `ring` under the lock that ending the
            // registration takes, so it does not run any more afterwards.
            unsafe {
                rd::rd_kafka_queue_cb_event_enable(native.as_ptr(), None, std::ptr::null_mut());
                rd::rd_kafka_queue_destroy(native.as_ptr());
            }
        }
    }
}

// === impl AnswerQueue, Answer ===

impl<'client> AnswerQueue<'client> {
    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.native.as_ptr()
    }

    /// Waits for the answer, at most `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Answer<'client>> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is owned by the new value.
        let event = unsafe { rd::rd_kafka_queue_poll(self.native.as_ptr(), timeout_ms) };
        Some(Answer { native: NonNull::new(event)?, client: PhantomData })
    }
}

impl Drop for AnswerQueue<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once. An answer that comes later is thrown away by librdkafka.
        unsafe { rd::rd_kafka_queue_destroy(self.native.as_ptr()) }
    }
}

impl Answer<'_> {
    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_event_t {
        self.native.as_ptr()
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.native.as_ptr()) }
    }
}
