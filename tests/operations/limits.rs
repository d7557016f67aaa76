//! Limits are kept by early cuts and by pausing, never by failing: the manifests say why batches were cut.

use std::time::{Duration, Instant};

use super::harness::{Admin, Archive, S3, Secor, Setup, expect_verified, patient_kafka, watch};
use super::{produce_in_folders, values};

const FOLDERS: i64 = 200;
/// Two hundred folders, and nothing is cut by itself.
const ARCHIVE: &str = r#"input = { format = "json" }
output_partitions = ["folder={field:folder}"]
output = { format = "text", compression = "gzip", level = 1 }
flush = { max_age = "1h" }"#;

/// Archives so many records with `limits`, and returns what became of them.
fn archived(name: &str, records: i64, limits: &str) -> (Archive, Secor) {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    kafka.create_topic(name, 1, &[]);
    produce_in_folders(kafka, name, 0..records, FOLDERS);
    let setup = Setup::new(kafka, s3, name).limits(limits).archive(ARCHIVE);
    let secor = setup.secor();
    secor.run_within(super::harness::PATIENCE, &["run", "--until-end"]).expect_code(0);
    let archive = setup.files();
    archive.expect_each_once(records);
    (archive, secor)
}

#[test]
fn little_memory_and_little_disk_for_many_folders_cut_early() {
    // the records are three times what memory and disk may hold together
    let (archive, secor) = archived("little_disk", 300_000, "memory = \"16MiB\"\ndisk = \"16MiB\"");
    let reasons = archive.reasons(0);
    let early = reasons.iter().filter(|reason| ["memory", "disk"].contains(&reason.as_str())).count();
    assert!(early >= 1, "{reasons:?}");
    assert_eq!(reasons.last().map(String::as_str), Some("until_end"));
    expect_verified(&secor);
}

#[test]
fn fewer_writers_than_folders_cut_early() {
    let (archive, secor) = archived("few_writers", 2_000, "open_writers = 50");
    let slots = archive.slots(0);
    assert!(slots.iter().all(|slot| slot.files.len() <= 50), "a batch has more files than writers may be open");
    let reasons = archive.reasons(0);
    assert!(reasons.iter().filter(|reason| *reason == "open_writers").count() >= 30, "{reasons:?}");
    expect_verified(&secor);
}

#[test]
fn records_per_second_are_kept() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "throttled");
    kafka.create_topic(name, 1, &[]);
    kafka.produce(name, 0, values(0..5_000));
    let limits = "records_per_second = 500";
    let setup = Setup::new(kafka, s3, name).limits(limits).archive("flush = { max_age = \"1h\" }");
    let secor = setup.secor();
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    let read = || admin.sum("position");
    watch(&mut process, "first records", || (read() > 0).then_some(()));
    let (began, from) = (Instant::now(), read());
    watch(&mut process, "two thousand more", || (read() >= from + 2_000).then_some(()));
    let seconds = began.elapsed().as_secs_f64();
    // a tenth of a second's records may come at once, and looking takes time
    assert!(seconds > 3.5, "2,000 records at 500 a second took {seconds} s");
    assert!(began.elapsed() < Duration::from_secs(60), "2,000 records at 500 a second took {seconds} s");
}
