//! Goal: prove that a group of consumers reads every partition exactly once through rebalances, with each protocol.
//! Method: members on threads of their own join and leave; whoever gets a partition starts at the committed offset,
//! whoever loses it commits; all offsets seen by all members together are compared with what was produced. Before each
//! change the partitions are at their end, which is where librdkafka's own position is wrong.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use secor::kafka::{
    Committed, Consumer, Delivery, Handle, Isolation, KafkaError, RebalanceListener, Settings, TopicSelection,
};
use secor_core::ids::{Offset, TopicPartition};

mod harness;

use harness::{Kafka, eventually};

const PATIENCE: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(100);

/// One test at a time: members that get no processor for seconds lose their partitions, which is not what is tested.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn settings(kafka: &Kafka, group: &str, properties: &[(&str, &str)]) -> Settings {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings {
        brokers: vec![kafka.bootstrap().to_owned()],
        group: group.to_owned(),
        client_id: "secor-test".to_owned(),
        properties: properties.collect(),
        isolation: Isolation::ReadCommitted,
        fetch_memory_bytes: 4 << 20,
        timeout: Duration::from_secs(10),
    }
}

/// What all members of a group have seen, in order of arrival.
type Seen = Arc<Mutex<BTreeMap<TopicPartition, Vec<i64>>>>;

/// What a member's listener and its thread share.
#[derive(Default)]
struct Shared {
    handle: OnceLock<Handle>,
    granted: Mutex<Vec<TopicPartition>>,
    owned: Mutex<BTreeSet<TopicPartition>>,
    positions: Mutex<BTreeMap<TopicPartition, Offset>>,
    stop: AtomicBool,
}

struct Listener(Arc<Shared>);

struct Member {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl RebalanceListener for Listener {
    fn assigned(&mut self, partitions: &[TopicPartition]) {
        self.0.granted.lock().unwrap().extend_from_slice(partitions);
        self.0.owned.lock().unwrap().extend(partitions.iter().cloned());
    }

    fn revoked(&mut self, partitions: &[TopicPartition]) {
        // As the workers do: from another thread, while the callback waits.
        let shared = Arc::clone(&self.0);
        let revoked = partitions.to_vec();
        std::thread::spawn(move || shared.commit(&revoked)).join().unwrap();
        self.0.owned.lock().unwrap().retain(|tp| !partitions.contains(tp));
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        panic!("{partitions:?} are lost");
    }
}

impl Shared {
    fn commit(&self, partitions: &[TopicPartition]) {
        let handle = self.handle.get().expect("set before the first poll");
        for tp in partitions {
            let Some(offset) = self.positions.lock().unwrap().get(tp).copied() else { continue };
            let commit = Committed { offset, leader_epoch: None, metadata: "test".to_owned() };
            handle.commit(tp, &commit).unwrap();
        }
    }

    fn run(&self, mut consumer: Consumer, seen: &Seen) {
        let mut deliver = |delivery: Delivery| match delivery {
            Delivery::Records(slice) => {
                let offsets = (0..slice.len()).map(|index| slice.offset(index).get());
                seen.lock().unwrap().entry(slice.topic_partition().clone()).or_default().extend(offsets);
                self.positions.lock().unwrap().insert(slice.topic_partition().clone(), slice.next_offset());
            }
            Delivery::EndOfPartition { .. } => {}
            // A connection that the broker closed while it ended.
            Delivery::Problem { error: KafkaError::BrokersDown { .. }, .. } => {}
            other => panic!("{other:?}"),
        };
        while !self.stop.load(Ordering::Acquire) {
            consumer.poll(500, STEP, &mut deliver).unwrap();
            for tp in std::mem::take(&mut *self.granted.lock().unwrap()) {
                let (_, committed) = consumer.handle().committed(std::slice::from_ref(&tp)).unwrap().pop().unwrap();
                let from = committed.unwrap().map_or(Offset::ZERO, |committed| committed.offset);
                self.positions.lock().unwrap().insert(tp.clone(), from);
                consumer.start(&tp, from, None).unwrap();
            }
        }
        let owned: Vec<_> = self.owned.lock().unwrap().iter().cloned().collect();
        self.commit(&owned);
        consumer.close();
    }
}

impl Member {
    fn join(settings: &Settings, topics: &[&str], seen: &Seen) -> Self {
        let shared = Arc::new(Shared::default());
        let topics = TopicSelection::parse(topics, &[]).unwrap();
        let consumer = Consumer::connect(settings, topics, Box::new(Listener(Arc::clone(&shared)))).unwrap();
        assert!(shared.handle.set(consumer.handle()).is_ok(), "set once");
        let (of_thread, seen) = (Arc::clone(&shared), Arc::clone(seen));
        let thread = std::thread::spawn(move || of_thread.run(consumer, &seen));
        Self { shared, thread: Some(thread) }
    }

    fn owned(&self) -> usize {
        self.shared.owned.lock().unwrap().len()
    }

    fn leave(mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.take().expect("taken once").join().expect("the member did not panic");
    }

    fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// Partitions of one topic that are filled step by step.
struct Log<'a> {
    kafka: &'a Kafka,
    topic: &'static str,
    partitions: i32,
    per_partition: i64,
}

impl Log<'_> {
    fn grow(&mut self, count: usize) {
        for partition in 0..self.partitions {
            self.kafka.produce(self.topic, partition, (0..count).map(|number| format!("{number:0100}")));
        }
        self.per_partition += i64::try_from(count).unwrap();
    }

    /// Waits until the members have seen everything, and checks that they have seen it once and in order.
    fn expect_all(&self, seen: &Seen, members: &[&Member]) {
        let expected: Vec<_> = (0..self.per_partition).collect();
        eventually(PATIENCE, &format!("{} records of each partition", self.per_partition), || {
            assert!(members.iter().all(|member| member.is_alive()), "a member panicked");
            let seen = seen.lock().unwrap();
            let all = |partition| {
                let offsets = seen.get(&TopicPartition::new(self.topic, partition));
                offsets.is_some_and(|offsets| offsets.len() >= expected.len())
            };
            (0..self.partitions).all(all).then_some(())
        });
        for (tp, offsets) in &*seen.lock().unwrap() {
            assert_eq!(*offsets, expected, "{tp}");
        }
    }
}

fn expect_owned(members: &[(&Member, usize)]) {
    eventually(PATIENCE, "the group to settle", || {
        assert!(members.iter().all(|(member, _)| member.is_alive()), "a member panicked");
        members.iter().all(|(member, count)| member.owned() == *count).then_some(())
    });
}

/// Joins and leaves, each with the partitions at their end and with a load behind it.
fn rebalances(topic: &'static str, properties: &[(&str, &str)]) {
    let _turn = turn();
    let kafka = Kafka::shared();
    kafka.create_topic(topic, 6, &[]);
    let settings = settings(kafka, topic, properties);
    let mut log = Log { kafka, topic, partitions: 6, per_partition: 0 };
    let seen = Seen::default();
    log.grow(300);
    let first = Member::join(&settings, &[topic], &seen);
    log.expect_all(&seen, &[&first]);
    let second = Member::join(&settings, &[topic], &seen);
    expect_owned(&[(&first, 3), (&second, 3)]);
    log.grow(1);
    log.expect_all(&seen, &[&first, &second]);
    let third = Member::join(&settings, &[topic], &seen);
    expect_owned(&[(&first, 2), (&second, 2), (&third, 2)]);
    log.grow(500);
    log.expect_all(&seen, &[&first, &second, &third]);
    first.leave();
    expect_owned(&[(&second, 3), (&third, 3)]);
    log.grow(1);
    log.expect_all(&seen, &[&second, &third]);
    third.leave();
    expect_owned(&[(&second, 6)]);
    log.grow(20);
    log.expect_all(&seen, &[&second]);
    // Under load: partitions go while there is something to read.
    log.grow(5000);
    let fourth = Member::join(&settings, &[topic], &seen);
    expect_owned(&[(&second, 3), (&fourth, 3)]);
    log.expect_all(&seen, &[&second, &fourth]);
    second.leave();
    log.grow(1);
    log.expect_all(&seen, &[&fourth]);
    fourth.leave();
}

#[test]
fn every_partition_is_read_through_cooperative_rebalances() {
    rebalances("cooperative", &[("session.timeout.ms", "45000"), ("heartbeat.interval.ms", "300")]);
}

#[test]
fn every_partition_is_read_through_eager_rebalances() {
    let strategy = ("partition.assignment.strategy", "range");
    rebalances("eager", &[("session.timeout.ms", "45000"), ("heartbeat.interval.ms", "300"), strategy]);
}

#[test]
fn every_partition_is_read_through_rebalances_by_the_broker() {
    rebalances("by_broker", &[("group.protocol", "consumer")]);
}

/// A partition that librdkafka has given up comes back, in whatever protocol, and disturbs no other.
fn recovery(topic: &'static str, properties: &[(&str, &str)]) {
    let _turn = turn();
    let kafka = Kafka::shared();
    kafka.create_topic(topic, 2, &[]);
    kafka.produce(topic, 0, ["0", "1", "2"]);
    kafka.produce(topic, 1, ["0", "1", "2"]);
    let shared = Arc::new(Shared::default());
    let topics = TopicSelection::parse(&[topic], &[]).unwrap();
    let settings = settings(kafka, topic, properties);
    let mut consumer = Consumer::connect(&settings, topics, Box::new(Listener(Arc::clone(&shared)))).unwrap();
    shared.handle.set(consumer.handle()).unwrap();
    let [broken, sound] = [0, 1].map(|partition| TopicPartition::new(topic, partition));
    let poll = |consumer: &mut Consumer, what: &str, want: &dyn Fn(&Delivery) -> bool| {
        let (deadline, mut found) = (Instant::now() + PATIENCE, false);
        while !found {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            consumer.poll(10, STEP, &mut |delivery| found |= want(&delivery)).unwrap();
        }
    };
    while shared.owned.lock().unwrap().len() < 2 {
        consumer.poll(10, STEP, &mut |delivery| panic!("nothing was started: {delivery:?}")).unwrap();
    }
    consumer.start(&sound, Offset::ZERO, None).unwrap();
    for _ in 0..2 {
        consumer.start(&broken, Offset::new(50).unwrap(), None).unwrap();
        poll(&mut consumer, "out of range", &|delivery| matches!(delivery, Delivery::OutOfRange { .. }));
        consumer.start(&broken, Offset::new(1).unwrap(), None).unwrap();
        let first = |delivery: &Delivery| {
            matches!(delivery, Delivery::Records(slice) if *slice.topic_partition() == broken
                && slice.first_offset().get() == 1 && slice.len() == 2)
        };
        poll(&mut consumer, "the recovered partition", &first);
    }
    kafka.produce(topic, 1, ["3"]);
    let next = |delivery: &Delivery| {
        matches!(delivery, Delivery::Records(slice) if *slice.topic_partition() == sound
            && slice.first_offset().get() == 3)
    };
    poll(&mut consumer, "the other partition", &next);
    let began = Instant::now();
    consumer.close();
    assert!(began.elapsed() < Duration::from_secs(5), "leaving took {:?}", began.elapsed());
}

#[test]
fn a_broken_partition_recovers_in_every_protocol() {
    recovery("broken_cooperative", &[]);
    recovery("broken_eager", &[("partition.assignment.strategy", "range")]);
    recovery("broken_by_broker", &[("group.protocol", "consumer")]);
}

#[test]
fn a_pattern_finds_new_topics_and_new_partitions() {
    let _turn = turn();
    let kafka = Kafka::shared();
    kafka.create_topic("app.web", 1, &[]);
    kafka.create_topic("app.debug", 1, &[]);
    let seen = Seen::default();
    let refresh = [("topic.metadata.refresh.interval.ms", "300"), ("heartbeat.interval.ms", "300")];
    let settings = settings(kafka, "patterns", &[refresh[0], refresh[1], ("session.timeout.ms", "45000")]);
    let shared = Arc::new(Shared::default());
    let topics = TopicSelection::parse(&[r"^app\.\w+$"], &["debug"]).unwrap();
    let consumer = Consumer::connect(&settings, topics, Box::new(Listener(Arc::clone(&shared)))).unwrap();
    assert_eq!(consumer.subscribed().iter().collect::<Vec<_>>(), ["app.web"]);
    shared.handle.set(consumer.handle()).unwrap();
    let (of_thread, of_seen) = (Arc::clone(&shared), Arc::clone(&seen));
    let thread = std::thread::spawn(move || of_thread.run(consumer, &of_seen));
    let member = Member { shared, thread: Some(thread) };
    expect_owned(&[(&member, 1)]);
    kafka.create_topic("app.new", 2, &[]);
    kafka.create_topic("other", 1, &[]);
    expect_owned(&[(&member, 3)]);
    let admin: AdminClient<DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let three = NewPartitions::new("app.web", 3);
    futures::executor::block_on(admin.create_partitions([&three], &AdminOptions::new())).unwrap();
    expect_owned(&[(&member, 5)]);
    eventually(PATIENCE, "the new partition to take records", || {
        kafka.log_range("app.web", 2).eq(&(0, 0)).then_some(())
    });
    kafka.produce("app.web", 2, ["x"]);
    kafka.produce("app.new", 1, ["y"]);
    eventually(PATIENCE, "records of the new partitions", || {
        let seen = seen.lock().unwrap();
        let of = |topic, partition| seen.contains_key(&TopicPartition::new(topic, partition));
        (of("app.web", 2) && of("app.new", 1)).then_some(())
    });
    member.leave();
}
