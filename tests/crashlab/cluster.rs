//! Three Apache Kafka brokers that are one cluster: everything in three copies, two of which must be in sync.
//!
//! Which broker leads what is asked when it matters, because the cases kill brokers. One broker at a time is down, for
//! whoever holds [`Cluster::outage`]: with two down nothing could be written, and a case would only wait.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::harness::{NotReady, Server, eventually, free_port};

/// Releases that the laboratory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    Kafka43,
    /// Without the consumer protocol (KIP-848).
    Kafka39,
}

pub struct Cluster {
    pub release: Release,
    brokers: Vec<Broker>,
    bootstrap: String,
    outage: Mutex<()>,
}

struct Broker {
    node: i32,
    server: Server,
}

/// The right to have a broker down, and the broker that is.
pub struct Outage<'a> {
    cluster: &'a Cluster,
    down: AtomicI32,
    _turn: MutexGuard<'a, ()>,
}

/// What is committed for a partition: offset and metadata.
pub type Committed = Option<(i64, String)>;

// === impl Release ===

impl Release {
    pub fn version(self) -> &'static str {
        match self {
            Self::Kafka43 => "4.3.1",
            Self::Kafka39 => "3.9.2",
        }
    }
}

// === impl Cluster ===

impl Cluster {
    pub fn start(release: Release) -> Self {
        for _ in 0..PORT_TRIES {
            let ports: Vec<[u16; 2]> = (0..BROKERS).map(|_| [free_port(), free_port()]).collect();
            let voters: Vec<_> =
                ports.iter().zip(1..).map(|([_, controller], node)| format!("{node}@127.0.0.1:{controller}")).collect();
            let brokers: Vec<_> = ports
                .iter()
                .zip(1..)
                .map(|(ports, node)| Broker { node, server: server(release, *ports, node, &voters.join(",")) })
                .collect();
            // none is ready before two are there
            let started: Vec<_> = thread::scope(|scope| {
                let starting: Vec<_> = brokers.iter().map(|broker| scope.spawn(|| broker.start())).collect();
                starting.into_iter().map(|start| start.join().expect("starting does not panic")).collect()
            });
            if let Some(Err(NotReady::Said(log))) = started.iter().find(|it| matches!(it, Err(NotReady::Said(_)))) {
                panic!("a broker did not start (tests/lab/install.sh kafka kafka39?):\n{log}");
            }
            if started.iter().all(Result::is_ok) {
                let bootstrap: Vec<_> = ports.iter().map(|[port, _]| format!("127.0.0.1:{port}")).collect();
                return Self { release, brokers, bootstrap: bootstrap.join(","), outage: Mutex::default() };
            }
        }
        panic!("{PORT_TRIES} times another program took a port first");
    }

    /// `host:port` of all brokers, with commas.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    // --- topics ---

    pub fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(BROKERS));
        eventually(PATIENCE, &format!("topic {name} to be created"), || {
            let answer = block_on(self.admin().create_topics([&topic], &options())).ok()?.pop()?;
            let exists = matches!(&answer, Err((_, code)) if format!("{code:?}") == "TopicAlreadyExists");
            (answer.is_ok() || exists).then_some(())
        });
        eventually(PATIENCE, &format!("topic {name} to have leaders"), || {
            (0..partitions).all(|partition| self.leader(name, partition).is_some()).then_some(())
        });
    }

    pub fn delete_topic(&self, name: &str) {
        // one topic more is nobody's harm
        drop(block_on(self.admin().delete_topics(&[name], &options())));
    }

    /// The sum of the ends of the topic's logs.
    pub fn end(&self, topic: &str, partitions: i32) -> Option<i64> {
        let client = self.client(&[]);
        (0..partitions)
            .map(|partition| client.fetch_watermarks(topic, partition, ANSWER_PATIENCE).ok().map(|(_, end)| end))
            .sum()
    }

    // --- groups ---

    /// What the group has committed, by partition; `None` when the coordinator does not answer.
    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Option<Vec<Committed>> {
        committed(&self.client(&[("group.id", group)]), topic, partitions)
    }

    /// Does the group take a commit from somebody who is no member? Only an empty one does, in every protocol. The
    /// commit is for a topic that nobody archives.
    pub fn is_empty_group(&self, group: &str) -> bool {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(PROBE_TOPIC, 0, Offset::Offset(0)).expect("an offset of one's own");
        self.client(&[("group.id", group)]).commit(&list, CommitMode::Sync).is_ok()
    }

    /// Creates what [`Self::is_empty_group`] commits for.
    pub fn create_probe_topic(&self) {
        self.create_topic(PROBE_TOPIC, 1);
    }

    // --- outages ---

    /// Waits until no other case has a broker down.
    pub fn outage(&self) -> Outage<'_> {
        let turn = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        Outage { cluster: self, down: AtomicI32::new(0), _turn: turn }
    }

    /// The broker that leads the partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let metadata = self.client(&[]).fetch_metadata(Some(topic), ANSWER_PATIENCE).ok()?;
        let partition = metadata.topics().first()?.partitions().iter().find(|it| it.id() == partition)?;
        Some(partition.leader()).filter(|leader| *leader > 0)
    }

    /// The broker that coordinates the group: the leader of the group's place in the offsets topic.
    pub fn coordinator(&self, group: &str) -> Option<i32> {
        let hash = group.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let place = hash.unsigned_abs() % OFFSETS_PARTITIONS;
        self.leader("__consumer_offsets", i32::try_from(place).expect("few partitions"))
    }

    /// Are all copies of everything in sync?
    fn is_whole(&self) -> bool {
        let Ok(metadata) = self.client(&[]).fetch_metadata(None, ANSWER_PATIENCE) else { return false };
        metadata.brokers().len() == self.brokers.len()
            && metadata
                .topics()
                .iter()
                .flat_map(|topic| topic.partitions())
                .all(|partition| partition.leader() > 0 && partition.isr().len() == partition.replicas().len())
    }

    // --- clients ---

    pub fn config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        config(&self.bootstrap, settings)
    }

    pub fn client(&self, settings: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.config(&[("group.id", "laboratory"), ("enable.auto.commit", "false")]);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config.create().expect("the settings are right")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config(&[]).create().expect("the settings are right")
    }
}

/// A client's configuration.
pub fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("log_level", "2"); // brokers that are down are what this is about
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// What the client's group has committed, by partition.
pub fn committed(client: &BaseConsumer, topic: &str, partitions: i32) -> Option<Vec<Committed>> {
    let mut asked = TopicPartitionList::new();
    for partition in 0..partitions {
        asked.add_partition(topic, partition);
    }
    let answer: Result<_, KafkaError> = client.committed_offsets(asked, ANSWER_PATIENCE);
    let one = |found: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match found.offset() {
        Offset::Offset(offset) => Some((offset, found.metadata().to_owned())),
        _ => None,
    };
    Some(answer.ok()?.elements().iter().map(one).collect())
}

// === impl Outage ===

impl Outage<'_> {
    /// Kills the broker at once, as a crash would.
    pub fn kill(&self, node: i32) {
        assert_eq!(self.down.swap(node, Ordering::Relaxed), 0, "one at a time");
        self.cluster.broker(node).server.end(libc::SIGKILL);
    }

    /// Starts the broker that is down and waits until it has caught up.
    pub fn end(&self) {
        let node = self.down.swap(0, Ordering::Relaxed);
        if node == 0 {
            return;
        }
        if let Err(NotReady::Said(log)) = self.cluster.broker(node).start() {
            panic!("broker {node} did not start again:\n{log}");
        }
        eventually(PATIENCE, "all copies to be in sync again", || self.cluster.is_whole().then_some(()));
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        let node = self.down.load(Ordering::Relaxed);
        if node != 0 {
            // the case has failed; the others still want their broker, and will say so if it does not come
            let _ = self.cluster.broker(node).start();
        }
    }
}

impl Cluster {
    fn broker(&self, node: i32) -> &Broker {
        self.brokers.iter().find(|broker| broker.node == node).expect("a broker of this cluster")
    }
}

// === impl Broker ===

impl Broker {
    fn start(&self) -> Result<(), NotReady> {
        self.server.start(START_PATIENCE, |log| log.contains("Kafka Server started"))
    }
}

fn server(release: Release, [port, controller_port]: [u16; 2], node: i32, voters: &str) -> Server {
    let mut arguments = vec![port.to_string(), controller_port.to_string()];
    arguments.extend([
        format!("lab.version={}", release.version()),
        format!("lab.cluster.id={CLUSTER_ID}"),
        format!("node.id={node}"),
        format!("controller.quorum.voters={voters}"),
    ]);
    arguments.extend(SETTINGS.iter().map(ToString::to_string));
    Server::new("kafka", "kafka.sh", &arguments)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_PATIENCE)).operation_timeout(Some(ANSWER_PATIENCE))
}

const BROKERS: i32 = 3;
const OFFSETS_PARTITIONS: u32 = 4;
const CLUSTER_ID: &str = "crashlabcrashlabcrashA";
const PROBE_TOPIC: &str = "probe";
/// Beside what kafka.sh sets. A broker that is killed is missed after six seconds, and one that a busy machine starves
/// for a moment is not.
const SETTINGS: [&str; 10] = [
    "offsets.topic.replication.factor=3",
    "transaction.state.log.replication.factor=3",
    "transaction.state.log.min.isr=2",
    "min.insync.replicas=2",
    "broker.session.timeout.ms=6000",
    "broker.heartbeat.interval.ms=500",
    "replica.lag.time.max.ms=6000",
    "controller.quorum.fetch.timeout.ms=4000",
    "group.consumer.session.timeout.ms=4000",
    "num.recovery.threads.per.data.dir=1",
];
const PORT_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(180);
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(120);
