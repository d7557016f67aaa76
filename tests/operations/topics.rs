//! Topics and partitions that appear while an archive runs are picked up from their first record.

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use super::harness::{Archive, PATIENCE, S3, Setup, patient_kafka, watch};
use super::values;

#[test]
fn new_topics_and_new_partitions_are_archived_from_their_first_record() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "appearing");
    kafka.create_topic("appearing.old", 1, &[]);
    kafka.produce("appearing.old", 0, values(0..50));
    let properties = "\"topic.metadata.refresh.interval.ms\" = 500\n\"session.timeout.ms\" = 6000";
    let setup = Setup::new(kafka, s3, name).properties(properties).archive("flush = { max_records = 10 }");
    let secor = setup.secor();
    let text = std::fs::read_to_string(secor.config_file()).unwrap();
    // what was there before the first start is not archived, what appears later is, from the beginning
    let text = text.replace("topics = [\"appearing\"]", r#"topics = ['^appearing\.[a-z]+$']"#);
    secor.configure(&text.replace("[kafka]\n", "[kafka]\nstart = \"latest\"\n"));
    let of_topic = |topic: &str| Archive::new(setup.files().folder(), topic);

    let mut process = secor.start(&["run"]);
    let archiving = process.stderr_file();
    watch(&mut process, "grant", || {
        std::fs::read_to_string(&archiving)
            .ok()?
            .contains("archiving topic_partition=appearing.old:0 from=50")
            .then_some(())
    });
    kafka.create_topic("appearing.new", 1, &[]);
    kafka.produce("appearing.new", 0, values(0..30));
    kafka.create_topic("appearing.new-but-not-matched", 1, &[]);
    kafka.produce("appearing.new-but-not-matched", 0, values(0..30));
    watch(&mut process, "new topic", || (of_topic("appearing.new").ends(1) == [30]).then_some(()));
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    block_on(admin.create_partitions(&[NewPartitions::new("appearing.new", 2)], &AdminOptions::new())).unwrap();
    watch(&mut process, "produced to partition 1", || {
        std::panic::catch_unwind(|| kafka.log_range("appearing.new", 1)).ok().map(|_| ())
    });
    kafka.produce("appearing.new", 1, values(30..60));
    watch(&mut process, "new partition", || (of_topic("appearing.new").ends(2) == [30, 30]).then_some(()));
    kafka.produce("appearing.old", 0, values(50..60));
    watch(&mut process, "old topic", || (of_topic("appearing.old").ends(1) == [60]).then_some(()));
    process.term();
    process.wait(PATIENCE).expect_code(0);

    of_topic("appearing.new").expect_each_once(60);
    let old = of_topic("appearing.old").read_by_duckdb();
    assert_eq!((old.records, old.first_id, old.last_id), (10, 50, 59), "`latest` begins at the end");
    assert!(!setup.files().folder().join("appearing.new-but-not-matched").exists());
}
