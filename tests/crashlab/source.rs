//! The producer: records with ids that nobody else uses, at a steady rate, and the list of what became of each.
//!
//! It is idempotent and waits for all replicas. **Acked**: the broker said that the record is there. **Failed**: it was
//! never sent. **Unknown**: it was sent and nobody said anything, so it may be there or not, but not twice.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::Cluster;

/// What is produced.
#[derive(Clone, Debug)]
pub struct Load {
    pub topic: String,
    pub partitions: i32,
    pub records_per_second: u64,
    /// Digits beside the id, which do not compress away.
    pub noise_bytes: usize,
}

/// A running producer.
pub struct Source {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    /// Reads the topic when everything is in it.
    reader: BaseConsumer,
    load: Load,
    thread: Option<JoinHandle<Ids>>,
}

/// What became of every id that was ever made.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    pub acked: Vec<u64>,
    pub failed: Vec<u64>,
    pub unknown: Vec<u64>,
    /// What Kafka holds in the end, in no order.
    pub log: Vec<u64>,
}

#[derive(Default)]
struct Deliveries {
    ids: Mutex<Ids>,
    acked: Arc<AtomicU64>,
}

// === impl Source ===

impl Source {
    pub fn start(cluster: &Cluster, load: Load) -> Self {
        let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut config = cluster.config(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "120000"),
            ("reconnect.backoff.max.ms", "1000"),
            ("queue.buffering.max.kbytes", "65536"),
        ]);
        config.set("compression.type", "none");
        let deliveries = Deliveries { ids: Mutex::default(), acked: Arc::clone(&acked) };
        let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries).expect("correct settings");
        let reader = cluster.client(&[("enable.partition.eof", "true")]);
        let (stopping, producing) = (Arc::clone(&stop), load.clone());
        let thread = thread::spawn(move || produce(&producer, &producing, &stopping));
        Self { stop, acked, reader, load, thread: Some(thread) }
    }

    /// How many records are acked so far.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Produces no more, and waits until it is known of each record what became of it.
    pub fn stop(mut self) -> Ids {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is stopped once");
        let mut ids = thread.join().expect("producing does not panic");
        ids.log = self.read_log();
        ids
    }

    fn read_log(&self) -> Vec<u64> {
        let Load { topic, partitions, .. } = &self.load;
        let mut list = TopicPartitionList::new();
        for partition in 0..*partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset of one's own");
        }
        self.reader.assign(&list).expect("the partitions exist");
        let (mut ids, mut running, began) = (Vec::new(), *partitions, Instant::now());
        while running > 0 {
            assert!(began.elapsed() < READ_PATIENCE, "the log can be read");
            match self.reader.poll(Duration::from_secs(1)) {
                Some(Ok(record)) => ids.push(id_of(record.payload().expect("a value"))),
                Some(Err(KafkaError::PartitionEOF(_))) => running -= 1,
                // a broker that comes back
                Some(Err(_)) | None => {}
            }
        }
        ids
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Until `stop`: ten bursts a second.
fn produce(producer: &BaseProducer<Deliveries>, load: &Load, stop: &AtomicBool) -> Ids {
    let (began, mut id, mut failed) = (Instant::now(), 0_u64, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from(began.elapsed().as_millis()).expect("a short run") * load.records_per_second / 1000;
        while id < due {
            let value = value(id, load.noise_bytes);
            let partition = i32::try_from(id % u64::from(load.partitions.unsigned_abs())).expect("few partitions");
            let opaque = usize::try_from(id).expect("64 bits");
            let record = BaseRecord::<(), str, usize>::with_opaque_to(&load.topic, opaque).partition(partition);
            if producer.send(record.payload(&value)).is_err() {
                failed.push(id);
            }
            id += 1;
        }
        producer.poll(Duration::from_millis(100));
    }
    // after `message.timeout.ms` everything has its answer
    drop(producer.flush(Duration::from_secs(180)));
    let mut ids = producer.context().ids.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(ids.acked.len() + ids.unknown.len() + failed.len(), usize::try_from(id).expect("64 bits"), "ids");
    ids.failed = failed;
    ids
}

/// JSON with the id, a folder of five, and noise.
fn value(id: u64, noise_bytes: usize) -> String {
    let mut value = format!(r#"{{"id":{id},"part":"p{}","noise":""#, id % FOLDERS);
    let full = value.len() + noise_bytes;
    let mut state = id.wrapping_mul(2).wrapping_add(1);
    while value.len() < full {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.push_str(&format!("{state:016x}"));
    }
    value.push_str("\"}");
    value
}

/// Of `{"id":17,...`.
fn id_of(value: &[u8]) -> u64 {
    let digits = value.iter().skip(br#"{"id":"#.len()).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |id, digit| id * 10 + u64::from(digit - b'0'))
}

const READ_PATIENCE: Duration = Duration::from_secs(600);

/// Prime to the number of partitions, so that every batch has a file in each folder.
const FOLDERS: u64 = 5;

// === impl Ids ===

impl Ids {
    /// Files `acked`, `failed`, `unknown` and `log` with an id per line.
    pub fn write(&self, folder: &Path) {
        let Self { acked, failed, unknown, log } = self;
        for (name, ids) in [("acked", acked), ("failed", failed), ("unknown", unknown), ("log", log)] {
            let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
            fs::write(folder.join(name), lines).expect("the folder is ours");
        }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let id = u64::try_from(id).expect("64 bits");
        if result.is_ok() {
            ids.acked.push(id);
            self.acked.fetch_add(1, Ordering::Relaxed);
        } else {
            ids.unknown.push(id);
        }
    }
}
