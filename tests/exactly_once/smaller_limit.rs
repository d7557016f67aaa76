//! The case that breaks the Java Secor: killed after the uploads and before the commit, then restarted with a smaller
//! size limit, it cuts elsewhere and archives a sixth of the records twice. Here the cut stands in the manifest.

use super::harness::{Gate, Hold, PATIENCE, Release, S3, Setup, expect_verified, patient_kafka, watch};

const RECORDS: i64 = 100_000;

/// What a process starts with after the one before was killed, from the largest limit to the smallest.
const STARTS: [&str; 5] = [
    r#"output = { format = "text", compression = "gzip" }
flush = { max_bytes = "400KiB" }"#,
    r#"output = { format = "text", compression = "gzip" }
flush = { max_bytes = "150KiB", max_records = 9000 }"#,
    r#"output = { format = "text", compression = "zstd" }
flush = { max_bytes = "100KiB", max_records = 5000 }"#,
    r#"output = { format = "text", compression = "none" }
flush = { max_bytes = "64KiB" }"#,
    r#"output = { format = "text", compression = "gzip", level = 1 }
flush = { max_records = 3000 }"#,
];

const COMMON: &str = r#"input = { format = "json" }
timestamp = { field = "meta.ts" }
output_partitions = ["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]
"#;

#[test]
fn a_smaller_limit_or_another_compression_after_a_kill_repeats_nothing() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let name = "smaller_limit";
    kafka.create_topic(name, 1, &[]);
    // six hours, each touched by every batch; a value that does not compress away
    let value = |id: i64| {
        let noise = id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(r#"{{"id":{id},"meta":{{"ts":{}}},"noise":"{noise:016x}"}}"#, 1_400_000_000_000 + id % 6 * 3_600_000)
    };
    kafka.produce(name, 0, (0..RECORDS).map(value));
    let gate = Gate::start(&s3.endpoint());
    let setup = Setup::new(kafka, s3, name);
    let archive = setup.files();
    let secor = setup.secor();

    for start in STARTS {
        let lines = format!("{COMMON}{start}");
        Setup::new(kafka, s3, name).through(&gate).archive(&lines).apply(&secor);
        let committed_before = kafka.committed(name, name, 0);
        // the first batch of each start is the one that the start before left uncommitted
        gate.hold(Hold::LastAnswer);
        let mut process = secor.start(&["run"]);
        let batch = watch(&mut process, "batch whose last file is stored", || gate.held());
        let slot = watch(&mut process, "batch with all files", || {
            archive.slot(0, batch.start).filter(|slot| archive.stored(slot) == slot.files.len())
        });
        process.kill();
        gate.release(Release::Drop);
        let committed = kafka.committed(name, name, 0).map_or(0, |(offset, _)| offset);
        assert!(committed < slot.end, "{slot:?} was committed already");
        assert!(committed_before.is_none_or(|(offset, _)| offset <= committed));
    }

    let last = format!("{COMMON}{}", STARTS[4]);
    setup.archive(&last).apply(&secor);
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);
    archive.expect_each_once(RECORDS);
    expect_verified(&secor);
    let ends = archive.slots(0);
    assert!(ends.windows(2).all(|pair| pair[0].end == pair[1].start), "the chain has a hole or an overlap");
}
