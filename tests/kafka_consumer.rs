//! Goal: prove that the room `kafka` delivers exactly what it was asked for, from a real broker, and names what is wrong.
//! Method: read partitions without a group, seek, pause and break them, and compare offsets with what was produced.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use secor::kafka::{Class, Committed, Consumer, Delivery, Handle, Ignored, Isolation, KafkaError, Settings};
use secor::kafka::{TopicSelection, check_properties};
use secor_core::ids::{Offset, TopicPartition};
use secor_core::record::headers;

mod harness;

use harness::{Kafka, eventually};

const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(50);

fn settings(brokers: &str, group: &str) -> Settings {
    Settings {
        brokers: vec![brokers.to_owned()],
        group: group.to_owned(),
        client_id: "secor-test".to_owned(),
        properties: BTreeMap::new(),
        isolation: Isolation::ReadCommitted,
        fetch_memory_bytes: 4 << 20,
        timeout: Duration::from_secs(10),
    }
}

fn at(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn reader(kafka: &Kafka, topic: &str, partitions: i32) -> (Consumer, Vec<TopicPartition>) {
    let partitions: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
    (Consumer::read(&settings(kafka.bootstrap(), "reader"), &partitions).unwrap(), partitions)
}

/// Polls until `look` has seen enough.
fn poll_until<T>(consumer: &mut Consumer, what: &str, mut look: impl FnMut(Delivery) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = None;
    while seen.is_none() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        let mut take = |delivery| {
            if seen.is_none() {
                seen = look(delivery);
            }
        };
        consumer.poll(1000, STEP, &mut take).unwrap();
    }
    seen.unwrap()
}

fn end_position(delivery: Delivery) -> Option<i64> {
    match delivery {
        Delivery::EndOfPartition { position, .. } => Some(position.get()),
        Delivery::Records(_) => None,
        other => panic!("{other:?}"),
    }
}

/// Offsets of the one partition that is read, up to its end.
fn offsets_to_end(consumer: &mut Consumer) -> Vec<i64> {
    offsets_to_end_beside(consumer, None)
}

/// The same, while `idle` stands at its end, which librdkafka may tell again.
fn offsets_to_end_beside(consumer: &mut Consumer, idle: Option<&TopicPartition>) -> Vec<i64> {
    let mut offsets = Vec::new();
    poll_until(consumer, "the end", |delivery| match delivery {
        Delivery::EndOfPartition { topic_partition, .. } if idle == Some(&topic_partition) => None,
        Delivery::Records(slice) => {
            offsets.extend((0..slice.len()).map(|index| slice.offset(index).get()));
            None
        }
        other => end_position(other),
    });
    offsets
}

fn numbers(count: usize, bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |number| format!("{number:0bytes$}").into_bytes())
}

/// A generator of numbers that needs no library: the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn records_arrive_whole() {
    let kafka = Kafka::shared();
    kafka.create_topic("whole", 1, &[("retention.ms", "-1")]);
    kafka.produce_with(|send| {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "a", value: Some(b"1") })
            .insert(Header { key: "b", value: None::<&[u8]> })
            .insert(Header { key: "a", value: Some(b"") });
        for value in [Some(&b"value"[..]), Some(b""), None] {
            let mut record = BaseRecord::to("whole").partition(0).timestamp(1_700_000_000_123);
            (record.payload, record.headers) = (value, Some(headers.clone()));
            send(record);
        }
        for value in [Some(&b"value"[..]), Some(b""), None] {
            let mut record = BaseRecord::to("whole").partition(0);
            record.payload = value;
            send(record);
        }
    });
    let (mut consumer, partitions) = reader(kafka, "whole", 1);
    consumer.start(&partitions[0], at(0), None).unwrap();
    let (mut scratch, mut seen) = (Vec::new(), Vec::new());
    poll_until(&mut consumer, "the records", |delivery| {
        let Delivery::Records(slice) = delivery else { return end_position(delivery) };
        assert_eq!(slice.topic_partition(), &partitions[0]);
        assert_eq!((slice.leader_epoch(), slice.leader_epoch_min()), (Some(0), Some(0)));
        for index in 0..slice.len() {
            let record = slice.record(index, &mut scratch);
            let headers: Vec<_> = headers(record.headers)
                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.map(<[u8]>::to_vec)))
                .collect();
            seen.push((record.timestamp, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers));
        }
        None
    });
    let expected_headers =
        [("a".to_owned(), Some(b"1".to_vec())), ("b".to_owned(), None), ("a".to_owned(), Some(Vec::new()))];
    let values = [Some(b"value".to_vec()), Some(Vec::new()), None];
    for (index, (timestamp, key, value, headers)) in seen.iter().enumerate() {
        assert_eq!((key, value), (&None, &values[index % 3]));
        let expected = if index < 3 { &expected_headers[..] } else { &[] };
        assert_eq!(headers, expected, "record {index}");
        assert_eq!(*timestamp == Some(1_700_000_000_123), index < 3);
    }
    assert_eq!(seen.len(), 6);
    // A slice outlives its consumer.
    consumer.start(&partitions[0], at(0), None).unwrap();
    let slice = poll_until(&mut consumer, "a slice", |delivery| match delivery {
        Delivery::Records(slice) => Some(slice),
        _ => None,
    });
    consumer.close();
    assert_eq!(slice.record(0, &mut scratch).value, Some(&b"value"[..]));
    assert_eq!(std::thread::spawn(move || slice.len()).join().unwrap(), 6);
}

/// What the next test expects of a partition; pauses and seeks are drawn by lot.
struct Wanted {
    tp: TopicPartition,
    next: i64,
    paused: bool,
}

#[test]
fn seeking_and_pausing_under_load_loses_and_repeats_nothing() {
    const RECORDS: i64 = 60_000;
    const SEEKS: usize = 500;
    let kafka = Kafka::shared();
    kafka.create_topic("load", 3, &[]);
    for partition in 0..3 {
        kafka.produce("load", partition, numbers(RECORDS as usize, 200));
    }
    let (mut consumer, partitions) = reader(kafka, "load", 3);
    let mut dice = Dice(1);
    let mut wanted: Vec<_> = partitions.into_iter().map(|tp| Wanted { tp, next: 0, paused: false }).collect();
    for wanted in &wanted {
        consumer.start(&wanted.tp, at(0), None).unwrap();
    }
    let (mut seeks, mut records, mut idle) = (0, 0, 0);
    let deadline = Instant::now() + 4 * PATIENCE;
    while seeks < SEEKS || idle < 3 {
        assert!(Instant::now() < deadline, "{seeks} seeks, {records} records");
        let chosen = &mut wanted[dice.below(3) as usize];
        match dice.below(if seeks < SEEKS { 8 } else { 1 }) {
            0 if chosen.paused => {
                consumer.resume(&chosen.tp);
                chosen.paused = false;
            }
            1 | 2 if !chosen.paused => {
                consumer.pause(&chosen.tp);
                chosen.paused = true;
            }
            3 | 4 => {
                chosen.next = dice.below(RECORDS as u64) as i64;
                chosen.paused = false;
                consumer.start(&chosen.tp, at(chosen.next), None).unwrap();
                seeks += 1;
            }
            _ => {}
        }
        let mut delivered = false;
        consumer
            .poll(
                1 + dice.below(3000) as usize,
                Duration::from_millis(dice.below(30)),
                &mut |delivery| match delivery {
                    Delivery::Records(slice) => {
                        let partition = slice.topic_partition().partition as usize;
                        assert!(!wanted[partition].paused, "a paused partition is silent");
                        for index in 0..slice.len() {
                            assert_eq!(slice.offset(index).get(), wanted[partition].next, "after {seeks} seeks");
                            wanted[partition].next += 1;
                        }
                        records += slice.len();
                        delivered = true;
                    }
                    Delivery::EndOfPartition { topic_partition, position } => {
                        let wanted = &wanted[topic_partition.partition as usize];
                        assert_eq!((position.get(), wanted.next), (RECORDS, RECORDS));
                    }
                    other => panic!("{other:?}"),
                },
            )
            .unwrap();
        let all_read = wanted.iter().all(|wanted| wanted.next == RECORDS && !wanted.paused);
        idle = if !delivered && all_read { idle + 1 } else { 0 };
    }
    assert!(records > RECORDS as usize, "the load was no load: {records} records");
}

#[test]
fn a_pause_at_the_end_skips_no_record() {
    let kafka = Kafka::shared();
    kafka.create_topic("end", 1, &[]);
    kafka.produce("end", 0, numbers(10, 1));
    let (mut consumer, partitions) = reader(kafka, "end", 1);
    let tp = &partitions[0];
    consumer.start(tp, at(0), None).unwrap();
    assert_eq!(offsets_to_end(&mut consumer), (0..10).collect::<Vec<_>>());
    for round in 1..4 {
        consumer.pause(tp);
        // More than is held while paused: librdkafka has to pause as well.
        kafka.produce("end", 0, numbers(3000, 1000));
        let quiet = Instant::now() + Duration::from_millis(300);
        while Instant::now() < quiet {
            consumer.poll(1000, STEP, &mut |delivery| panic!("paused: {delivery:?}")).unwrap();
        }
        consumer.resume(tp);
        let expected: Vec<_> = (10 + (round - 1) * 3000..10 + round * 3000).collect();
        let mut offsets = Vec::new();
        while offsets.len() < expected.len() {
            offsets.extend(offsets_to_end(&mut consumer));
        }
        assert_eq!(offsets, expected);
    }
    consumer.stop(tp);
    kafka.produce("end", 0, numbers(1, 1));
    consumer.poll(1000, Duration::from_millis(300), &mut |delivery| panic!("stopped: {delivery:?}")).unwrap();
}

fn transactional(kafka: &Kafka, id: &str) -> BaseProducer {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("transactional.id", id).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn send_in_transaction(producer: &BaseProducer, topic: &str, count: usize) {
    producer.begin_transaction().unwrap();
    for _ in 0..count {
        producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload("x")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn the_end_moves_over_markers_and_aborted_records() {
    let kafka = Kafka::shared();
    kafka.create_topic("tx", 1, &[]);
    let producer = transactional(kafka, "tx-1");
    send_in_transaction(&producer, "tx", 5);
    producer.commit_transaction(PATIENCE).unwrap();
    let (mut consumer, partitions) = reader(kafka, "tx", 1);
    consumer.start(&partitions[0], at(0), None).unwrap();
    let mut offsets = offsets_to_end(&mut consumer);
    assert_eq!(offsets, [0, 1, 2, 3, 4]);
    // 5 is the marker; 6 to 8 are open, then aborted, 9 is their marker; 10 is plain.
    send_in_transaction(&producer, "tx", 3);
    let range = consumer.handle().log_range(&partitions[0]).unwrap();
    assert_eq!((range.start, range.end, range.high_watermark), (at(0), at(6), at(9)));
    producer.abort_transaction(PATIENCE).unwrap();
    let end = poll_until(&mut consumer, "the end behind the aborted", |delivery| {
        end_position(delivery).filter(|position| *position == 10)
    });
    assert_eq!(end, 10);
    send_in_transaction(&producer, "tx", 2);
    producer.abort_transaction(PATIENCE).unwrap();
    kafka.produce("tx", 0, ["plain"]);
    offsets.clear();
    let end = poll_until(&mut consumer, "the plain record and the end", |delivery| match delivery {
        Delivery::Records(slice) => {
            offsets.extend((0..slice.len()).map(|index| slice.offset(index).get()));
            None
        }
        other => end_position(other).filter(|position| *position == 14),
    });
    assert_eq!((offsets, end), (vec![13], 14));
}

#[test]
fn a_position_out_of_range_is_told_and_recovered_from() {
    let kafka = Kafka::shared();
    kafka.create_topic("range", 2, &[]);
    kafka.produce("range", 0, numbers(10, 1));
    kafka.produce("range", 1, numbers(10, 1));
    kafka.delete_records("range", 0, 4);
    let (mut consumer, partitions) = reader(kafka, "range", 2);
    let tp = &partitions[0];
    consumer.start(&partitions[1], at(9), None).unwrap();
    assert_eq!(offsets_to_end(&mut consumer), [9]);
    for wrong in [2, 100] {
        consumer.start(tp, at(wrong), None).unwrap();
        let told = poll_until(&mut consumer, "out of range", |delivery| match delivery {
            Delivery::OutOfRange { topic_partition, position, .. } => Some((topic_partition, position)),
            Delivery::EndOfPartition { .. } => None,
            other => panic!("{other:?}"),
        });
        assert_eq!(told, (tp.clone(), at(wrong)));
        consumer.start(tp, at(7), None).unwrap();
        assert_eq!(offsets_to_end_beside(&mut consumer, Some(&partitions[1])), [7, 8, 9]);
    }
    let range = consumer.handle().log_range(tp).unwrap();
    assert_eq!((range.start, range.end), (at(4), at(10)));
    // The other partition went on where it was.
    kafka.produce("range", 1, ["more"]);
    let offset = poll_until(&mut consumer, "the other partition", |delivery| match delivery {
        Delivery::Records(slice) => Some((slice.topic_partition().partition, slice.first_offset())),
        _ => None,
    });
    assert_eq!(offset, (1, at(10)));
}

#[test]
fn a_truncated_log_is_noticed_by_its_epochs() {
    let kafka = Kafka::start();
    kafka.create_topic("epochs", 1, &[]);
    kafka.produce("epochs", 0, numbers(10, 1));
    kafka.kill();
    kafka.restart();
    kafka.produce("epochs", 0, numbers(5, 1));
    let (mut consumer, partitions) = reader(&kafka, "epochs", 1);
    consumer.start(&partitions[0], at(0), None).unwrap();
    let mut epochs = Vec::new();
    poll_until(&mut consumer, "the end", |delivery| match delivery {
        Delivery::Records(slice) => {
            epochs.extend([slice.leader_epoch_min(), slice.leader_epoch()].into_iter().flatten());
            None
        }
        other => end_position(other),
    });
    let (first, last) = (epochs[0], epochs[epochs.len() - 1]);
    assert!(first < last, "a restart begins a new epoch: {epochs:?}");
    consumer.start(&partitions[0], at(12), Some(last)).unwrap();
    assert_eq!(offsets_to_end(&mut consumer), [12, 13, 14]);
    // The first epoch ended at 10: whoever read 12 in it read what is gone.
    consumer.start(&partitions[0], at(12), Some(first)).unwrap();
    let position = poll_until(&mut consumer, "truncated", |delivery| match delivery {
        Delivery::Truncated { position, .. } => Some(position),
        Delivery::EndOfPartition { .. } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(position, at(12));
    consumer.start(&partitions[0], at(10), Some(first)).unwrap();
    assert_eq!(offsets_to_end(&mut consumer), [10, 11, 12, 13, 14]);
}

#[test]
fn a_commit_is_read_back_with_its_metadata() {
    let kafka = Kafka::shared();
    kafka.create_topic("commits", 2, &[]);
    let handle = Handle::connect(&settings(kafka.bootstrap(), "committers")).unwrap();
    let partitions = [TopicPartition::new("commits", 0), TopicPartition::new("commits", 1)];
    let commit =
        Committed { offset: at(42), leader_epoch: Some(0), metadata: "secor/1 ledger=ab gen=1 prev=7 \u{e9}".into() };
    handle.commit(&partitions[0], &commit).unwrap();
    let read: Vec<_> = handle.committed(&partitions).unwrap().into_iter().map(|(_, found)| found.unwrap()).collect();
    assert_eq!(read, [Some(commit.clone()), None]);
    let too_long = Committed { metadata: "x".repeat(4097), ..commit };
    let error = handle.commit(&partitions[0], &too_long).unwrap_err();
    assert_eq!((error.code(), error.class()), (Some(12), Class::Unavailable), "{error}");
}

#[test]
fn questions_about_topics_are_answered() {
    let kafka = Kafka::shared();
    kafka.create_topic("asked", 3, &[("retention.ms", "-1")]);
    let handle = Handle::connect(&settings(kafka.bootstrap(), "askers")).unwrap();
    assert_eq!(handle.cluster_id().unwrap().len(), 22);
    assert_eq!(handle.partitions("asked").unwrap(), [0, 1, 2]);
    assert!(handle.topics().unwrap().contains(&"asked".to_owned()));
    let id = handle.topic_id("asked").unwrap().unwrap();
    assert_eq!(id.0.len(), 22);
    assert_eq!(handle.topic_id("asked").unwrap(), Some(id.clone()));
    let tp = TopicPartition::new("asked", 0);
    kafka.produce_with(|send| {
        for number in 0..10 {
            let record = BaseRecord::to("asked").partition(0).payload(&b"x"[..]);
            send(record.timestamp(1_700_000_000_000 + 1000 * number));
        }
    });
    assert_eq!(handle.offset_for_time(&tp, 1_700_000_004_500).unwrap(), Some(at(5)));
    assert_eq!(handle.offset_for_time(&tp, 1_700_000_010_000).unwrap(), None);
    let unknown = KafkaError::UnknownTopic { topic: "unasked".to_owned() };
    assert_eq!(handle.topic_id("unasked").unwrap_err(), unknown);
    assert_eq!(handle.partitions("unasked").unwrap_err(), unknown);
    let gone = TopicPartition::new("asked", 7);
    assert_eq!(handle.log_range(&gone).unwrap_err(), KafkaError::UnknownPartition { topic_partition: gone });
    kafka.delete_topic("asked");
    eventually(PATIENCE, "the topic to go", || handle.topic_id("asked").is_err().then_some(()));
    kafka.create_topic("asked", 3, &[]);
    assert_ne!(handle.topic_id("asked").unwrap(), Some(id));
}

fn connect_error(settings: &Settings, topic: &str) -> KafkaError {
    let topics = TopicSelection::parse(&[topic], &[]).unwrap();
    Consumer::connect(settings, topics, Box::new(Ignored)).err().expect("there is something wrong")
}

#[test]
fn what_is_wrong_at_the_start_is_named() {
    let kafka = Kafka::shared();
    let error = connect_error(&settings(kafka.bootstrap(), "g"), "nowhere");
    assert_eq!(error.to_string(), "topic `nowhere` does not exist");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut down = settings(&format!("127.0.0.1:{port}"), "g");
    down.timeout = Duration::from_secs(2);
    let error = connect_error(&down, "t");
    assert!(
        matches!(&error, KafkaError::BrokersDown { brokers, reason }
        if brokers.ends_with(&port.to_string()) && reason.contains("refused")),
        "{error}"
    );
    assert_eq!(error.class(), Class::Unavailable);
}

#[test]
fn a_refused_login_is_named() {
    let jaas = "listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.\
                PlainLoginModule required username=\"admin\" password=\"a\" user_admin=\"a\" user_secor=\"right\";";
    let protocols = "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT";
    let mechanisms = ["sasl.enabled.mechanisms=PLAIN", "sasl.mechanism.inter.broker.protocol=PLAIN"];
    let kafka = Kafka::start_with(&[protocols, mechanisms[0], mechanisms[1], jaas]);
    let mut settings = settings(kafka.bootstrap(), "g");
    let properties = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "secor")];
    settings.properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    settings.properties.insert("sasl.password".to_owned(), "wrong".to_owned());
    let error = connect_error(&settings, "t");
    assert!(matches!(&error, KafkaError::LoginRefused { mechanism, .. } if mechanism == "SASL PLAIN"), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    assert_eq!(error.class(), Class::Config);
    settings.properties.insert("sasl.password".to_owned(), "right".to_owned());
    assert_eq!(connect_error(&settings, "t").to_string(), "topic `t` does not exist");
}

#[test]
fn wrong_properties_are_named_without_a_broker() {
    let check = |name: &str, value: &str| {
        let mut settings = settings("127.0.0.1:1", "g");
        settings.properties.insert(name.to_owned(), value.to_owned());
        check_properties(&settings).unwrap_err()
    };
    for (name, value) in [("no.such.thing", "1"), ("session.timeout.ms", "soon"), ("fetch.max.bytes", "-1")] {
        let error = check(name, value);
        assert!(matches!(&error, KafkaError::Property { name: found, .. } if found == name), "{error}");
    }
    let error = check("enable.auto.commit", "true");
    assert!(error.to_string().starts_with("property `enable.auto.commit` can't be set: offsets"), "{error}");
    if !cfg!(feature = "full") {
        let error = check("security.protocol", "SSL");
        assert!(matches!(&error, KafkaError::FeatureMissing { name, .. } if name == "security.protocol"), "{error}");
        let error = check("ssl.ca.location", "/etc/ssl");
        assert!(matches!(&error, KafkaError::FeatureMissing { name, .. } if name == "ssl.ca.location"), "{error}");
    }
}
