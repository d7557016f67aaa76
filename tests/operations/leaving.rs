//! SIGTERM: what is open is cut, uploaded and committed; a second signal: leave at once.

use super::harness::{Admin, Gate, Hold, PATIENCE, Process, Release, S3, Setup, expect_verified, patient_kafka, watch};
use super::values;

const RECORDS: i64 = 3_000;
/// Nothing is cut by itself.
const ARCHIVE: &str = r#"output = { format = "text", compression = "zstd" }
flush = { max_age = "1h" }"#;

/// Waits until everything that was produced is in open batches.
fn wait_until_open(process: &mut Process) {
    let admin = Admin::of(process);
    watch(process, "open batches with all records", || (admin.sum("open_records") == RECORDS).then_some(()));
}

fn prepare(name: &str) {
    let kafka = patient_kafka();
    kafka.create_topic(name, 2, &[]);
    kafka.produce(name, 0, values(0..RECORDS / 2));
    kafka.produce(name, 1, values(RECORDS / 2..RECORDS));
}

#[test]
fn a_first_signal_cuts_uploads_commits_and_leaves() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "leaving");
    prepare(name);
    let setup = Setup::new(kafka, s3, name).archive(ARCHIVE);
    let secor = setup.secor();
    let mut process = secor.start(&["run"]);
    wait_until_open(&mut process);
    let archive = setup.files();
    assert_eq!(archive.ends(2), [0, 0], "something was cut too early");

    process.term();
    // kafka.shutdown_timeout
    process.wait(PATIENCE).expect_code(0);

    for partition in 0..2 {
        assert_eq!(archive.reasons(partition), ["shutdown"]);
        assert_eq!(kafka.committed(name, name, partition).map(|(offset, _)| offset), Some(RECORDS / 2));
    }
    archive.expect_each_once(RECORDS);
    expect_verified(&secor);
}

#[test]
fn a_second_signal_leaves_at_once_and_loses_nothing() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "leaving_at_once");
    prepare(name);
    let gate = Gate::start(&s3.endpoint());
    let setup = Setup::new(kafka, s3, name).through(&gate).archive(ARCHIVE);
    let secor = setup.secor();
    let mut process = secor.start(&["run"]);
    wait_until_open(&mut process);
    gate.hold(Hold::Files);
    process.term();
    watch(&mut process, "upload that does not end", || gate.held());
    assert!(process.is_running(), "it did not wait for the upload");

    process.term();
    process.wait(PATIENCE).expect_code(130);

    gate.release(Release::Drop);
    secor.run(&["run", "--until-end"]).expect_code(0);
    setup.files().expect_each_once(RECORDS);
    expect_verified(&secor);
}
