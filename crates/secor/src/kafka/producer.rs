//! A producer for `secor demo` and `secor restore`: it waits while its queue is full, so memory stays bounded, and
//! counts what the brokers have acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;

use super::error::KafkaError;
use super::properties::refused;

/// Sends records; idempotent, in order per partition.
pub struct Producer(ThreadedProducer<Tally>);

/// One record to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub partition: i32,
    /// Milliseconds since 1970; the producer's clock without.
    pub timestamp_ms: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

#[derive(Default)]
struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

const QUEUE_BYTES_MAX_KIB: &str = "32768";
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(5);

// === impl Producer ===

impl Producer {
    /// Creates a producer; brokers are contacted when there is something to send.
    ///
    /// # Errors
    /// [`KafkaError::Property`] or [`KafkaError::FeatureMissing`], for a property that is wrong.
    pub fn new<'p>(
        brokers: &str,
        properties: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("queue.buffering.max.kbytes", QUEUE_BYTES_MAX_KIB);
        for (name, value) in properties {
            config.set(name, value);
        }
        let producer = config.create_with_context(Tally::default());
        producer.map(Self).map_err(|error| refused(error, &config))
    }

    /// Puts a record into the queue; waits while the queue is full, at most `timeout`.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`] when the brokers take nothing for that long, else [`KafkaError::Broker`].
    pub fn send(&self, record: &Outgoing<'_>, timeout: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        let mut native = self.native(record);
        loop {
            match self.0.send(native) {
                Ok(()) => return Ok(()),
                Err((Native::MessageProduction(Code::QueueFull), unsent)) => {
                    if Instant::now() >= deadline {
                        return Err(KafkaError::Timeout { what: "producing".to_owned(), timeout });
                    }
                    native = unsent;
                    self.0.poll(FULL_QUEUE_WAIT);
                }
                Err((error, _)) => return Err(failed(&error)),
            }
        }
    }

    /// Waits until everything sent is acknowledged, at most `timeout`; returns how many records were, ever.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`], or [`KafkaError::Broker`] when a record was refused for good.
    pub fn flush(&self, timeout: Duration) -> Result<u64, KafkaError> {
        self.0.flush(Timeout::After(timeout)).map_err(|error| match error.rdkafka_error_code() {
            Some(Code::OperationTimedOut) => KafkaError::Timeout { what: "producing".to_owned(), timeout },
            _ => failed(&error),
        })?;
        let tally = self.0.context();
        match tally.failed.load(Ordering::Acquire) {
            0 => Ok(tally.acknowledged.load(Ordering::Acquire)),
            failed => Err(KafkaError::Broker {
                what: "producing".to_owned(),
                code: 0,
                reason: format!("{failed} records were refused"),
            }),
        }
    }

    fn native<'a>(&self, record: &Outgoing<'a>) -> BaseRecord<'a, [u8], [u8]> {
        let mut native = BaseRecord::to(record.topic).partition(record.partition);
        native.timestamp = record.timestamp_ms;
        native.key = record.key;
        native.payload = record.value;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(&str, Option<&[u8]>)| {
                headers.insert(Header { key, value: *value })
            };
            native.headers = Some(record.headers.iter().fold(headers, add));
        }
        native
    }
}

fn failed(error: &Native) -> KafkaError {
    let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
    KafkaError::Broker { what: "producing".to_owned(), code, reason: error.to_string() }
}

impl ClientContext for Tally {}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.acknowledged } else { &self.failed };
        counter.fetch_add(1, Ordering::AcqRel);
    }
}
