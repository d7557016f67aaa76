//! A second process joins while data flows, and leaves again: with every rebalance protocol, none is lost and none is
//! archived twice.

use super::harness::{Kafka, PATIENCE, S3, Setup, expect_verified, patient_kafka, watch};

const PARTITIONS: i32 = 4;
const HALF: i64 = 24_000;
const ARCHIVE: &str = r#"input = { format = "json" }
output = { format = "text", compression = "gzip" }
flush = { max_records = 700, max_age = "5s" }"#;

fn produce(kafka: &Kafka, topic: &str, ids: std::ops::Range<i64>) {
    for partition in 0..PARTITIONS {
        let own = ids.clone().filter(|id| id % i64::from(PARTITIONS) == i64::from(partition));
        kafka.produce(topic, partition, own.map(|id| format!(r#"{{"id":{id}}}"#)));
    }
}

fn joins_and_leaves(name: &str, properties: &str) {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    kafka.create_topic(name, PARTITIONS, &[]);
    produce(kafka, name, 0..HALF);
    let setup = Setup::new(kafka, s3, name).properties(properties).archive(ARCHIVE);
    let throttled = Setup::new(kafka, s3, name).properties(properties).limits("records_per_second = 3000");
    let throttled = throttled.archive(ARCHIVE);
    let (first_secor, second_secor) = (throttled.secor(), throttled.secor());
    let archive = setup.files();
    let archived = || archive.ends(PARTITIONS).iter().sum::<i64>();

    let mut first = first_secor.start(&["run"]);
    watch(&mut first, "first batches", || (archived() > 0).then_some(()));
    let mut second = second_secor.start(&["run"]);
    let errors = second.stderr_file();
    let completes = || std::fs::read_to_string(&errors).is_ok_and(|said| said.contains("batch complete"));
    // what is left of the first half may be too little for the second process to get a full batch of
    produce(kafka, name, HALF..2 * HALF);
    watch(&mut second, "batch of the second process", || completes().then_some(()));
    assert!(archived() < 2 * HALF, "everything was archived before the second process left");
    second.term();
    second.wait(PATIENCE).expect_code(0);
    let end = archived();
    watch(&mut first, "batch after the second process left", || (archived() > end || end == 2 * HALF).then_some(()));
    first.term();
    first.wait(PATIENCE).expect_code(0);

    let secor = setup.secor();
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);
    archive.expect_each_once(2 * HALF);
    expect_verified(&secor);
}

#[test]
fn cooperative_sticky() {
    joins_and_leaves("rebalance_cooperative", r#""partition.assignment.strategy" = "cooperative-sticky""#);
}

#[test]
fn range() {
    joins_and_leaves("rebalance_range", r#""partition.assignment.strategy" = "range""#);
}

#[test]
fn consumer_protocol() {
    joins_and_leaves("rebalance_consumer", r#""group.protocol" = "consumer""#);
}
