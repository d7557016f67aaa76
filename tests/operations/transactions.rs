//! Transactions: what was aborted is not archived, markers and aborted records leave no hole in the chain, and where
//! nothing else comes an entry records that the position moved.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::harness::{Kafka, PATIENCE, S3, Setup, expect_verified, patient_kafka, watch};

const TIMEOUT: Duration = Duration::from_secs(60);

fn producer(kafka: &Kafka, id: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap()).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(TIMEOUT).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, ids: std::ops::Range<i64>) {
    producer.begin_transaction().unwrap();
    for id in ids {
        let value = format!(r#"{{"id":{id}}}"#);
        producer.send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(value.as_bytes())).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

#[test]
fn aborted_records_are_left_out_and_leave_no_hole() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "transactions");
    kafka.create_topic(name, 1, &[]);
    let producer = producer(kafka, name);
    for round in 0..20 {
        send(&producer, name, round * 50..(round + 1) * 50);
        producer.commit_transaction(TIMEOUT).unwrap();
        send(&producer, name, 1_000_000..1_000_020);
        producer.abort_transaction(TIMEOUT).unwrap();
    }
    let setup = Setup::new(kafka, s3, name).archive("flush = { max_records = 120, max_age = \"3s\" }");
    let secor = setup.secor();
    let archive = setup.files();
    let (_, log_end) = kafka.log_range(name, 0);

    let mut process = secor.start(&["run"]);
    // the last transaction is an aborted one, so that the end is reached by an entry without records
    watch(&mut process, "the log's end", || (archive.ends(1) == [log_end]).then_some(()));
    send(&producer, name, 1_000_000..1_000_020);
    producer.abort_transaction(TIMEOUT).unwrap();
    let (_, log_end) = kafka.log_range(name, 0);
    watch(&mut process, "the position behind an aborted transaction", || (archive.ends(1) == [log_end]).then_some(()));
    // one that is open holds the archive back
    send(&producer, name, 1_000..1_050);
    process.term();
    process.wait(PATIENCE).expect_code(0);
    assert_eq!(archive.ends(1), [log_end]);
    producer.commit_transaction(TIMEOUT).unwrap();
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);

    let slots = archive.slots(0);
    assert!(slots.windows(2).all(|pair| pair[0].end == pair[1].start), "{slots:?}");
    assert!(slots.iter().any(|slot| slot.kind == "empty"), "{slots:?}");
    assert!(slots.iter().all(|slot| slot.kind != "hole"), "{slots:?}");
    archive.expect_each_once(1_050);
    expect_verified(&secor);
}
