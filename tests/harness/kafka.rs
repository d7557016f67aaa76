//! A real Apache Kafka broker, and the few things that a test does to it from outside.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::server::{NotReady, Server, free_port};

/// One broker.
pub struct Kafka {
    server: Server,
    bootstrap: String,
}

/// One record as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Kafka {
    /// The broker that all tests of this process share. Give topics and groups names of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A broker of one's own, for tests that stop it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A broker with further settings, as `key=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        for _ in 0..PORT_TRIES {
            let port = free_port();
            let mut arguments = vec![port.to_string(), free_port().to_string()];
            arguments.extend(settings.iter().map(ToString::to_string));
            let server = Server::new("kafka", "kafka.sh", &arguments);
            match server.start(START_PATIENCE, is_ready) {
                Ok(()) => return Self { server, bootstrap: format!("127.0.0.1:{port}") },
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => panic!("the broker did not start (tests/lab/install.sh kafka?):\n{log}"),
            }
        }
        panic!("{PORT_TRIES} times another program took the port first");
    }

    /// `host:port`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Process id and folder.
    pub fn process(&self) -> (i32, PathBuf) {
        (self.server.pid().expect("it was started"), self.server.folder().to_owned())
    }

    /// Ends the broker at once, as a crash would.
    pub fn kill(&self) {
        self.server.end(libc::SIGKILL);
    }

    /// Lets the broker hang: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.server.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.server.signal(libc::SIGCONT);
    }

    /// Starts the broker again on its data and its ports after [`Kafka::kill`].
    pub fn restart(&self) {
        if let Err(NotReady::Said(log)) = self.server.start(START_PATIENCE, is_ready) {
            panic!("the broker did not start again:\n{log}");
        }
    }

    // --- topics ---

    /// Creates a topic with further settings, as `("cleanup.policy", "compact")`, and waits until it can be used.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let answers = block_on(self.admin().create_topics([&topic], &options())).expect("the broker answers");
        assert_eq!(answers, vec![Ok(name.to_owned())]);
        super::eventually(ANSWER_PATIENCE, "the topic to have leaders", || {
            let metadata = self.client(&[]).fetch_metadata(Some(name), ANSWER_PATIENCE).ok()?;
            let topic = metadata.topics().first()?;
            let led = topic.partitions().iter().filter(|partition| partition.leader() >= 0).count();
            (i32::try_from(led) == Ok(partitions)).then_some(())
        });
    }

    pub fn delete_topic(&self, name: &str) {
        let answers = block_on(self.admin().delete_topics(&[name], &options())).expect("the broker answers");
        assert_eq!(answers, vec![Ok(name.to_owned())]);
    }

    /// Lets the log of a partition begin at `before`, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let offsets = one(topic, partition, Offset::Offset(before));
        block_on(self.admin().delete_records(&offsets, &options())).expect("the broker answers");
    }

    /// `(start, end)` of a partition's log.
    pub fn log_range(&self, topic: &str, partition: i32) -> (i64, i64) {
        self.client(&[]).fetch_watermarks(topic, partition, ANSWER_PATIENCE).expect("the partition has a log")
    }

    // --- records ---

    /// Produces one record for each value, and waits until the broker has them all.
    pub fn produce<V: AsRef<[u8]>>(&self, topic: &str, partition: i32, values: impl IntoIterator<Item = V>) {
        self.produce_with(|send| {
            for value in values {
                send(BaseRecord::<(), _>::to(topic).partition(partition).payload(value.as_ref()));
            }
        });
    }

    /// Produces what `fill` sends, with keys, headers and timestamps as it likes, and waits until the broker has it.
    pub fn produce_with(&self, fill: impl FnOnce(&mut dyn FnMut(BaseRecord<'_, (), [u8]>))) {
        let mut config = self.config(&[("linger.ms", "5"), ("compression.type", "none")]);
        config.set("enable.idempotence", "true");
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default()).expect("the settings are right");
        fill(&mut |record| {
            let mut waiting = Some(record);
            while let Some(record) = waiting.take() {
                match producer.send(record) {
                    Ok(()) => {}
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                        producer.poll(Duration::from_millis(10));
                        waiting = Some(record);
                    }
                    Err((error, _)) => panic!("a record can be sent: {error}"),
                }
            }
        });
        producer.flush(PRODUCE_PATIENCE).expect("the broker takes everything");
        assert_eq!(producer.context().failed.load(Ordering::Relaxed), 0, "records that the broker refused");
    }

    /// All records of a topic up to the end of its log, committed ones only, by partition and offset.
    pub fn consume(&self, topic: &str) -> Vec<Consumed> {
        let consumer = self.client(&[("enable.partition.eof", "true"), ("isolation.level", "read_committed")]);
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER_PATIENCE).expect("the broker answers");
        let mut assignment = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset of one's own");
        }
        consumer.assign(&assignment).expect("the partitions exist");
        let (mut consumed, mut running) = (Vec::new(), assignment.count());
        while running > 0 {
            match consumer.poll(PRODUCE_PATIENCE).expect("records or an end") {
                Ok(message) => consumed.push(Consumed {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                }),
                Err(KafkaError::PartitionEOF(_)) => running -= 1,
                Err(error) => panic!("the topic can be read: {error}"),
            }
        }
        consumed.sort_by_key(|record| (record.partition, record.offset));
        consumed
    }

    // --- groups ---

    /// The group's committed offset and its metadata; `None` when there is none.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<(i64, String)> {
        let asked = one(topic, partition, Offset::Invalid);
        let client = self.client(&[("group.id", group)]);
        let answer = client.committed_offsets(asked, ANSWER_PATIENCE).expect("the broker answers");
        let found = answer.elements().into_iter().next().expect("what was asked for");
        match found.offset() {
            Offset::Offset(offset) => Some((offset, found.metadata().to_owned())),
            _ => None,
        }
    }

    /// Commits by hand, as an operator's tool does. The group must have no members.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let client = self.client(&[("group.id", group)]);
        client.commit(&one(topic, partition, Offset::Offset(offset)), CommitMode::Sync).expect("the group is empty");
    }

    /// Deletes the group and its offsets. It must have no members.
    pub fn delete_group(&self, group: &str) {
        let answers = block_on(self.admin().delete_groups(&[group], &options())).expect("the broker answers");
        assert_eq!(answers, vec![Ok(group.to_owned())]);
    }

    // --- clients ---

    fn config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config
    }

    fn client(&self, settings: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.config(&[("group.id", "harness"), ("enable.auto.commit", "false")]);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config.create().expect("the settings are right")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config(&[]).create().expect("the settings are right")
    }
}

/// Counts what the broker refused.
#[derive(Default)]
struct Deliveries {
    failed: AtomicUsize,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn is_ready(log: &str) -> bool {
    log.contains("Kafka Server started")
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_PATIENCE)).operation_timeout(Some(ANSWER_PATIENCE))
}

fn one(topic: &str, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).expect("an offset of one's own");
    list
}

const PORT_TRIES: usize = 5;
// 2 to 6 seconds on an idle machine
const START_PATIENCE: Duration = Duration::from_secs(180);
const ANSWER_PATIENCE: Duration = Duration::from_secs(90);
const PRODUCE_PATIENCE: Duration = Duration::from_secs(60);
