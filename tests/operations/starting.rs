//! A start while the store is in trouble.

use std::time::{Duration, Instant};

use super::harness::{Gate, PATIENCE, S3, Setup, Weather, expect_verified, patient_kafka, watch};
use super::values;

const RECORDS: i64 = 500;

/// A request that fails at the start, here during the probe, ends nothing.
#[test]
fn requests_that_fail_at_the_start_are_made_up_for() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "starting_in_bad_weather");
    kafka.create_topic(name, 1, &[]);
    kafka.produce(name, 0, values(0..RECORDS));
    let gate = Gate::start(&s3.endpoint());
    gate.set_weather(Weather::Resets);
    let setup = Setup::new(kafka, s3, name).through(&gate);
    let secor = setup.secor();
    let mut process = secor.start(&["run", "--until-end"]);
    let repeated = |said: &str| said.contains("trying again") && said.contains("probe the store");
    let log = process.stderr_file();
    let said = || std::fs::read_to_string(&log).unwrap();
    watch(&mut process, "a probe that is repeated", || repeated(&said()).then_some(()));

    gate.set_weather(Weather::Fair);
    process.wait(PATIENCE).expect_code(0);
    setup.files().expect_each_once(RECORDS);
    expect_verified(&secor);
}

/// But who is told a wrong address hears of it soon.
#[test]
fn a_store_that_is_not_there_is_told_soon() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "starting_without_a_store");
    kafka.create_topic(name, 1, &[]);
    let setup = Setup { endpoint: "http://127.0.0.1:9".to_owned(), ..Setup::new(kafka, s3, name) };
    let secor = setup.secor();
    let began = Instant::now();
    let said = secor.run_within(PATIENCE, &["run"]).expect_code(69);
    assert!(said.stderr.contains("no connection"), "{}", said.stderr);
    assert!(began.elapsed() < Duration::from_secs(20), "told after {:?}", began.elapsed());
}
