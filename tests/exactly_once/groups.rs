//! What the consumer group says is a hint and nothing more: an archive that nobody touched is found again with a few
//! requests, a lost group goes on from the ledger, and offsets that others commit are reported and ignored.

use super::harness::{Admin, Gate, PATIENCE, Request, S3, Setup, expect_verified, patient_kafka, watch};

const ARCHIVE: &str = r#"output = { format = "text" }
flush = { max_records = 500 }"#;

fn values(ids: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    ids.map(|id| format!(r#"{{"id":{id}}}"#))
}

#[test]
fn a_restart_of_an_untouched_archive_asks_for_two_entries_per_partition() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "untouched");
    kafka.create_topic(name, 4, &[]);
    for partition in 0..4 {
        kafka.produce(name, partition, values(i64::from(partition) * 3_000..i64::from(partition + 1) * 3_000));
    }
    let gate = Gate::start(&s3.endpoint());
    let setup = Setup::new(kafka, s3, name).through(&gate).archive(ARCHIVE);
    let secor = setup.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    setup.files().expect_each_once(12_000);

    gate.forget_requests();
    // not `--until-end`, which may see from the commits alone that there is nothing to do
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    watch(&mut process, "four positions at the log's end", || (admin.sum("position") == 12_000).then_some(()));
    process.term();
    process.wait(PATIENCE).expect_code(0);

    let requests = gate.requests();
    let about = |what: &str| -> Vec<&Request> { requests.iter().filter(|it| it.target.contains(what)).collect() };
    for partition in 0..4 {
        let mut asked: Vec<_> = about(&format!("/1/{partition:05}/entries"))
            .iter()
            .map(|request| (request.status, request.method.as_str()))
            .collect();
        asked.sort_unstable();
        assert_eq!(asked, [(200, "GET"), (404, "GET")], "partition {partition}");
    }
    // once for all partitions, but those that begin at the same moment each read it
    let geneses = about("genesis.json").len();
    assert!((1..=4).contains(&geneses), "the genesis was read {geneses} times");
    assert!(
        requests.iter().all(|request| request.method == "GET" || request.method == "HEAD"),
        "something was written"
    );
    // a move of the ledger has begun: asked at the start, of each commit, and of each chain's first entry
    let closings = about("closing.json");
    assert!(closings.iter().all(|request| request.status == 404), "no move has begun");
    assert_eq!(closings.len(), 1 + 4 * 2);
    assert_eq!(requests.len() - geneses - closings.len(), 4 * 2 + REQUESTS_PER_START, "requests in all");
}

/// `ledger.json`, the next one that a move would have left, and `started.json`.
const REQUESTS_PER_START: usize = 3;

#[test]
fn a_lost_group_goes_on_from_the_ledger() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "lost_group");
    kafka.create_topic(name, 2, &[]);
    kafka.produce(name, 0, values(0..2_300));
    kafka.produce(name, 1, values(2_300..4_000));
    let setup = Setup::new(kafka, s3, name).archive(ARCHIVE);
    let secor = setup.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    let before = (setup.files().slots(0), setup.files().slots(1));

    kafka.delete_group(name);
    assert_eq!(kafka.committed(name, name, 0), None);
    kafka.produce(name, 0, values(4_000..5_000));
    secor.run(&["run", "--until-end"]).expect_code(0);

    let archive = setup.files();
    archive.expect_each_once(5_000);
    assert_eq!(archive.slots(0)[..before.0.len()], before.0, "what was archived stays");
    assert_eq!(archive.slots(1), before.1, "nothing is added where nothing came");
    assert_eq!(kafka.committed(name, name, 0).map(|(offset, _)| offset), Some(3_300));
    expect_verified(&secor);
}

#[test]
fn offsets_that_others_commit_change_nothing_and_are_reported() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "foreign_commits");
    kafka.create_topic(name, 3, &[]);
    (0..3).for_each(|partition| kafka.produce(name, partition, values(0..1_700)));
    let setup = Setup::new(kafka, s3, name).archive(ARCHIVE);
    let secor = setup.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    let archive = setup.files();
    let slots = || (0..3).map(|partition| archive.slots(partition)).collect::<Vec<_>>();
    let before = slots();

    // an older one inside a batch, a later one beyond the log's end, and an older one where a batch begins
    for (partition, offset) in [(0, 1_234), (1, 999_999), (2, 500)] {
        kafka.commit(name, name, partition, offset);
    }
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    watch(&mut process, "three foreign commits", || (admin.metric("secor_foreign_commits_total") >= 3.0).then_some(()));
    let archiving = || {
        admin.status()["topic_partitions"]
            .as_object()
            .is_some_and(|rows| rows.len() == 3 && rows.values().all(|row| row["position"].as_i64() == Some(1_700)))
    };
    watch(&mut process, "positions at the log's end", || archiving().then_some(()));
    assert_eq!(admin.metric("secor_foreign_commits_total"), 3.0);
    assert_eq!(admin.sum("foreign_commits"), 3);
    process.term();
    let finished = process.wait(PATIENCE).expect_code(0);

    for offset in [1_234, 999_999, 500] {
        let said = finished.stderr.lines().any(|line| {
            line.contains("somebody else committed this offset") && line.contains(&format!("offset={offset}"))
        });
        assert!(said, "offset {offset} is not reported:\n{}", finished.stderr);
    }
    assert_eq!(slots(), before, "the archive was changed");
    expect_verified(&secor);
}
