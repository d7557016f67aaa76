//! A store that takes less than Kafka gives: uploads become fewer, consumption waits, memory and disk keep their limits, and
//! every topic partition gets its turn.

use super::harness::{Admin, Gate, Kafka, PATIENCE, S3, Setup, Weather, expect_verified, patient_kafka, watch};
use super::noise;
use rdkafka::producer::BaseRecord;

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 160_000;
/// The least that can be configured of both; the records are more than twice their sum.
const LIMITS: &str = "memory = \"16MiB\"\ndisk = \"16MiB\"";
const MEMORY_BYTES_MAX: f64 = 16_777_216.0;
const ARCHIVE: &str = r#"output = { format = "text" }
flush = { max_bytes = "512KiB", max_age = "1h" }"#;

fn produce(kafka: &Kafka, name: &str) {
    kafka.create_topic(name, PARTITIONS, &[]);
    kafka.produce_with(|send| {
        for id in 0..RECORDS {
            let noise = noise(id.unsigned_abs());
            let value = format!(r#"{{"id":{id},"noise":"{noise}{noise}"}}"#);
            let partition = i32::try_from(id).unwrap() % PARTITIONS;
            send(BaseRecord::<(), [u8]>::to(name).partition(partition).payload(value.as_bytes()));
        }
    });
}

#[test]
fn a_store_that_takes_little_slows_consumption_and_keeps_the_limits() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "little_bandwidth");
    produce(kafka, name);
    let gate = Gate::start(&s3.endpoint());
    gate.set_weather(Weather::Throttled);
    let setup = Setup::new(kafka, s3, name).through(&gate).limits(LIMITS).archive(ARCHIVE);
    let secor = setup.secor();
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    let archive = setup.files();
    let mut memory_max: f64 = 0.0;
    watch(&mut process, "two files of each partition through the throttle, and fewer uploads", || {
        memory_max = memory_max.max(admin.metric("secor_memory_bytes"));
        let each_had_turns = (0..PARTITIONS).all(|partition| archive.slots(partition).len() >= 3);
        let is_cautious = (1.0..16.0).contains(&admin.metric("secor_uploads_limit"));
        (each_had_turns && is_cautious).then_some(())
    });
    let position = admin.sum("position");
    assert!(memory_max <= MEMORY_BYTES_MAX, "{memory_max} bytes");
    assert!(position < RECORDS, "everything was read although little was stored");
    let slowed = gate.requests().iter().filter(|request| request.method == "PUT").count();
    assert!(slowed > 0, "nothing was stored");

    gate.set_weather(Weather::Fair);
    process.term();
    process.wait(PATIENCE).expect_code(0);
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);
    archive.expect_each_once(RECORDS);
    expect_verified(&secor);
}
