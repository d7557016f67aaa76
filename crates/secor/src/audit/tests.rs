//! The audit against small archives in a folder, each damaged in one way: every damage is found, and named.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secor_core::ids::{Digest, Generation};
use secor_core::manifest::{
    Entry, Hole, HoleReason, Kind, Resolution, ResolutionReason, ResolvedFile, ResolvedOutcome, paths,
};
use secor_core::record::Record;
use secor_core::shape::OutputFormat;
use secor_format::{BadReason, BadRecord, Codec, FileEncoder, FileIdentity};

use super::sample::{Archive, TIME, file_entry, offset};
use super::*;
use crate::kafka::mock::Mock;
use crate::kafka::producer::{Outgoing, Producer};
use crate::kafka::{Isolation, Settings};
use crate::ledger::LedgerSettings;

impl Archive {
    async fn audit(&self, request: &Request) -> Report {
        audit(&self.ledger, request, None, &Quiet).await.expect("a verdict")
    }

    async fn found(&self, depth: Depth) -> Vec<(FindingCode, String)> {
        let report = self.audit(&Request { depth, ..Request::default() }).await;
        assert_eq!(report.ok, report.findings.is_empty());
        report.findings.into_iter().map(place).collect()
    }

    /// What both depths find.
    async fn finds(&self, expected: &[(FindingCode, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(code, place)| (*code, (*place).to_owned())).collect();
        assert_eq!(self.found(Depth::Objects).await, expected);
        assert_eq!(self.found(Depth::Records).await, expected);
    }
}

fn place(finding: Finding) -> (FindingCode, String) {
    let offsets = finding.offsets.map(|offsets| offsets.to_string());
    (finding.code, finding.key.or(offsets).unwrap_or_default())
}

fn rewrite(path: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("is written");
}

#[tokio::test]
async fn a_whole_archive_holds() {
    let mut archive = Archive::of_three().await;
    archive.entry(5, Kind::Empty).await;
    archive.entry(5, Kind::Hole(Hole { reason: HoleReason::AcceptedLoss })).await;
    archive.seal().await;
    archive.batch(7).await;
    archive.finds(&[]).await;
    let report = archive.audit(&Request::default()).await;
    assert_eq!(report.records, 37);
    let partition = &report.topics[0].partitions[0];
    assert_eq!((partition.batches, partition.files, partition.end), (4, 4, Some(offset(47))));
    assert_eq!(partition.generations, [Generation(1), Generation(2)]);
    let hole = &partition.holes[0];
    assert_eq!((hole.start, hole.end, hole.reason), (offset(35), offset(40), HoleReason::AcceptedLoss));
    let table = report.table();
    assert!(table.contains("clicks           1        4      4       37"), "{table}");
}

#[tokio::test]
async fn sequence_files_and_dead_letters_hold() {
    let mut archive = Archive::new(OutputFormat::Sequence).await;
    archive.batch(10).await;
    let (bytes, summary) = archive.encode(archive.next, 4, "");
    let mut codec = Codec::new(&archive.shape.output);
    let mut encoder = FileEncoder::dead_letters(FileIdentity { topic: Arc::from("clicks"), partition: 0 });
    let mut letters = Vec::new();
    let bad = Record { offset: offset(14), timestamp: None, key: Some(b"k"), value: None, headers: &[] };
    let no_json = BadRecord { reason: BadReason::NotJson, detail: "no object".to_owned() };
    encoder.append_bad(&bad, &no_json, &mut codec, &mut letters);
    let letters_summary = encoder.finish(&mut codec, &mut letters);
    let letters_key = format!("_dead_letters/clicks/1_0_{:020}.json.gz", 10);
    let files =
        vec![file_entry(letters_key.clone(), &letters_summary, true), file_entry(archive.key(10), &summary, false)];
    let entry = archive.manifest(5, files).await;
    let key = archive.key(10);
    archive.upload(&entry, vec![(letters_key.clone(), letters, None), (key, bytes, None)]).await;
    archive.batch(1).await;
    archive.finds(&[]).await;
    let report = archive.audit(&Request::default()).await;
    assert_eq!((report.records, report.topics[0].partitions[0].dead_letters), (16, 1));
    let stray = format!("_dead_letters/clicks/1_0_{:020}.json.gz", 99);
    fs::copy(archive.path(&letters_key), archive.path(&stray)).expect("copies");
    archive.finds(&[(FindingCode::Stray, &stray)]).await;
}

#[tokio::test]
async fn a_corrupted_byte_is_found() {
    let archive = Archive::of_three().await;
    rewrite(&archive.path(&archive.key(10)), |bytes| bytes[20] ^= 1);
    archive.finds(&[(FindingCode::WrongChecksum, &archive.key(10))]).await;
}

#[tokio::test]
async fn a_corrupted_byte_of_the_last_batch_is_found_by_reading_it() {
    let archive = Archive::of_three().await;
    rewrite(&archive.path(&archive.key(20)), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
    });
    assert_eq!(archive.found(Depth::Objects).await, []);
    let found = archive.found(Depth::Records).await;
    assert_eq!(found, [(FindingCode::Unreadable, archive.key(20))]);
}

#[tokio::test]
async fn a_missing_file_is_found() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.path(&archive.key(0))).expect("was there");
    archive.finds(&[(FindingCode::MissingFile, &archive.key(0))]).await;
}

#[tokio::test]
async fn a_missing_file_of_the_last_batch_is_an_incomplete_batch() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.path(&archive.key(20))).expect("was there");
    archive.finds(&[(FindingCode::Incomplete, &archive.key(20))]).await;
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let archive = Archive::of_three().await;
    rewrite(&archive.path(&archive.key(10)), |bytes| bytes.truncate(bytes.len() - 1));
    archive.finds(&[(FindingCode::WrongSize, &archive.key(10))]).await;
}

#[tokio::test]
async fn other_records_than_the_manifest_names_are_found_by_reading_them() {
    let mut archive = Archive::of_three().await;
    let (_, summary) = archive.encode(archive.next, 10, "");
    let (others, _) = archive.encode(archive.next, 10, "!");
    archive.batch_with(10, others, summary.clone()).await;
    let (fewer, _) = archive.encode(offset(40), 9, "");
    let (_, summary) = archive.encode(offset(40), 10, "");
    archive.batch_with(10, fewer, summary).await;
    assert_eq!(archive.found(Depth::Objects).await, []);
    let found = archive.found(Depth::Records).await;
    let expected = [(FindingCode::WrongContent, archive.key(30)), (FindingCode::WrongCount, archive.key(40))];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_file_that_was_made_for_other_records_is_found() {
    let mut archive = Archive::new(OutputFormat::Text).await;
    let (bytes, summary) = archive.encode(archive.next, 10, "");
    let entry = archive.manifest(10, vec![file_entry(archive.key(0), &summary, false)]).await;
    let key = archive.key(0);
    archive.upload(&entry, vec![(key.clone(), bytes, Some(Digest(7)))]).await;
    // a disk without extended attributes keeps no digest, and shows nothing
    let traits = archive.ledger.store().traits().await.expect("asks");
    let expected: &[_] = if traits.keeps_attributes { &[(FindingCode::WrongDigest, key.as_str())] } else { &[] };
    archive.finds(expected).await;
}

#[tokio::test]
async fn a_stray_file_is_found_and_a_marker_is_none() {
    let archive = Archive::of_three().await;
    fs::write(archive.path("clicks/1_0_00000000000000000005.gz"), "mine").expect("writes");
    fs::write(archive.path("clicks/_SUCCESS"), "").expect("writes");
    archive.finds(&[(FindingCode::Stray, "clicks/1_0_00000000000000000005.gz")]).await;
}

#[tokio::test]
async fn a_lost_entry_is_a_gap_and_leaves_its_file_a_stray() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.entry_path(10)).expect("was there");
    archive.finds(&[(FindingCode::ChainGap, "10..20"), (FindingCode::Stray, &archive.key(10))]).await;
}

#[tokio::test]
async fn a_chain_without_its_entries_leaves_its_files_strays() {
    let archive = Archive::of_three().await;
    let keys = [0, 10, 20].map(|start| archive.key(start));
    let strays = |from: usize| keys[from..].iter().map(|key| (FindingCode::Stray, key.as_str())).collect::<Vec<_>>();
    fs::remove_file(archive.entry_path(20)).expect("was there");
    archive.finds(&strays(2)).await;
    fs::remove_file(archive.entry_path(10)).expect("was there");
    fs::remove_file(archive.entry_path(0)).expect("was there");
    archive.finds(&strays(0)).await;
    let resolutions = archive.path(&paths::resolutions("clicks", Generation(1), 0));
    fs::create_dir_all(&resolutions).expect("the archive is ours");
    fs::write(resolutions.join(format!("{:020}.1.json", 20)), b"{}").expect("the archive is ours");
    let mut found = strays(0);
    found.insert(0, (FindingCode::Unreachable, ""));
    archive.finds(&found).await;
}

#[tokio::test]
async fn files_behind_a_lost_seal_are_named() {
    let mut archive = Archive::new(OutputFormat::Text).await;
    archive.seal().await;
    archive.batch(1).await;
    let seal = archive.path(&paths::entry("clicks", Generation(1), 0, offset(0)));
    fs::remove_file(seal).expect("was there");
    archive.finds(&[(FindingCode::Unreachable, ""), (FindingCode::Stray, &archive.key(0))]).await;
}

#[tokio::test]
async fn a_lost_first_entry_is_a_gap_too() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.entry_path(0)).expect("was there");
    archive.finds(&[(FindingCode::ChainGap, "0..10"), (FindingCode::Stray, &archive.key(0))]).await;
}

#[tokio::test]
async fn an_overlap_is_found() {
    let mut archive = Archive::of_three().await;
    archive.next = offset(25);
    archive.receipt = None;
    archive.entry(5, Kind::Empty).await;
    archive.finds(&[(FindingCode::ChainOverlap, "25..30")]).await;
}

#[tokio::test]
async fn an_entry_that_can_not_be_read_is_named_and_the_rest_is_checked() {
    let archive = Archive::of_three().await;
    rewrite(&archive.entry_path(10), |bytes| bytes.extend_from_slice(b"{}"));
    fs::remove_file(archive.path(&archive.key(20))).expect("was there");
    let report = archive.audit(&Request::default()).await;
    assert_eq!(report.findings[0].code, FindingCode::BadEntry);
    assert!(report.findings[0].detail.contains("00000000000000000010.json"), "{}", report.findings[0]);
    let rest: Vec<_> = report.findings.into_iter().skip(1).map(place).collect();
    assert_eq!(rest, [(FindingCode::Incomplete, archive.key(20)), (FindingCode::Stray, archive.key(10))]);
}

#[tokio::test]
async fn a_receipt_that_does_not_fit_is_found() {
    let mut archive = Archive::of_three().await;
    archive.receipt = None;
    archive.batch(10).await;
    archive.receipt.as_mut().expect("of the last batch").files.clear();
    archive.batch(10).await;
    archive.receipt.as_mut().expect("of the last batch").start = offset(1);
    archive.batch(10).await;
    let bad = FindingCode::BadReceipt;
    archive.finds(&[(bad, "20..30"), (bad, "30..40"), (bad, "40..50")]).await;
}

fn resolution(entry: &Entry, files: Vec<ResolvedFile>) -> Resolution {
    Resolution {
        version: 1,
        ledger: entry.ledger.clone(),
        topic: entry.topic.clone(),
        topic_id: None,
        partition: 0,
        generation: entry.generation,
        start: entry.start,
        n: 1,
        reason: ResolutionReason::Compaction,
        files,
    }
}

#[tokio::test]
async fn a_resolution_explains_a_missing_file_and_a_smaller_one() {
    let mut archive = Archive::new(OutputFormat::Text).await;
    let (_, whole) = archive.encode(archive.next, 10, "");
    let (bytes, subset) = archive.encode(archive.next, 4, "");
    let gone = "clicks/dt=x/1_0_00000000000000000000.gz".to_owned();
    let files = vec![file_entry(archive.key(0), &whole, false), file_entry(gone.clone(), &whole, false)];
    let entry = archive.manifest(20, files).await;
    let outcome = ResolvedOutcome::Subset {
        records: subset.records,
        records_digest: subset.records_digest,
        values_digest: subset.values_digest,
    };
    let resolution = resolution(
        &entry,
        vec![
            ResolvedFile { key: archive.key(0), outcome },
            ResolvedFile { key: gone, outcome: ResolvedOutcome::Absent },
        ],
    );
    archive.ledger.create_resolution(&resolution).await.expect("creates");
    let key = archive.key(0);
    archive.upload(&entry, vec![(key, bytes, Some(subset.records_digest))]).await;
    archive.finds(&[]).await;
    archive.batch(1).await;
    archive.finds(&[]).await;
    let report = archive.audit(&Request::default()).await;
    let partition = &report.topics[0].partitions[0];
    assert_eq!((report.records, partition.files), (5, 2));
    let listed: Vec<_> = partition.resolutions.iter().map(ToString::to_string).collect();
    let right = [
        "offsets 0..20 `clicks/1_0_00000000000000000000.gz`: 4 of 10 records (compaction)",
        "offsets 0..20 `clicks/dt=x/1_0_00000000000000000000.gz`: absent, 10 records (compaction)",
    ];
    assert_eq!(listed, right);
    let json = serde_json::to_value(&partition.resolutions[1]).expect("serializes");
    let right = serde_json::json!({
        "generation": 1, "start": 0, "end": 20, "key": "clicks/dt=x/1_0_00000000000000000000.gz",
        "records": null, "of": 10, "reason": "compaction",
    });
    assert_eq!(json, right);
    let elsewhere = archive.audit(&Request { from: Some(offset(20)), ..Request::default() }).await;
    assert_eq!(elsewhere.topics[0].partitions[0].resolutions, []);
}

/// A process that had read all of a batch before compaction went on uploading after another one had resolved it.
#[tokio::test]
async fn a_resolved_file_may_still_be_whole() {
    let mut archive = Archive::new(OutputFormat::Text).await;
    let (bytes, whole) = archive.encode(archive.next, 10, "");
    let entry = archive.manifest(20, vec![file_entry(archive.key(0), &whole, false)]).await;
    let absent = ResolvedFile { key: archive.key(0), outcome: ResolvedOutcome::Absent };
    archive.ledger.create_resolution(&resolution(&entry, vec![absent])).await.expect("creates");
    archive.finds(&[]).await;
    archive.upload(&entry, vec![(archive.key(0), bytes, Some(whole.records_digest))]).await;
    archive.finds(&[]).await;
    assert_eq!(archive.audit(&Request::default()).await.records, 10);
}

#[tokio::test]
async fn a_lost_genesis_is_found() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.path(&paths::genesis("clicks"))).expect("was there");
    archive.finds(&[(FindingCode::BadGenesis, "")]).await;
}

#[tokio::test]
async fn entries_to_which_no_seal_leads_are_found() {
    let mut archive = Archive::of_three().await;
    archive.generation = Generation(3);
    let entry = archive.batch(1).await;
    let report = archive.audit(&Request::default()).await;
    let codes: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.generation)).collect();
    let key = entry.batch().expect("a batch").files[0].key.clone();
    assert_eq!(codes, [(FindingCode::Unreachable, Some(Generation(3))), (FindingCode::Stray, None)]);
    assert_eq!(report.findings[1].key, Some(key));
}

#[tokio::test]
async fn an_entry_behind_a_seal_is_found() {
    let mut archive = Archive::of_three().await;
    archive.seal().await;
    (archive.generation, archive.next) = (Generation(1), offset(35));
    archive.entry(5, Kind::Empty).await;
    archive.finds(&[(FindingCode::Unreachable, ""), (FindingCode::ChainGap, "30..35")]).await;
}

#[tokio::test]
async fn a_configuration_that_is_lost_makes_files_unreadable() {
    let archive = Archive::of_three().await;
    let (hash, _) = archive.shape.stored();
    fs::remove_file(archive.path(&paths::config(&hash))).expect("was there");
    let fresh = Ledger::open(archive.ledger.store().clone(), &LedgerSettings::default()).await.expect("opens");
    let request = Request { depth: Depth::Records, ..Request::default() };
    let report = audit(&fresh, &request, None, &Quiet).await.expect("a verdict");
    assert!(report.findings.iter().all(|finding| finding.code == FindingCode::Unreadable), "{:?}", report.findings);
    assert_eq!(report.findings.len(), 3);
}

#[tokio::test]
async fn counts_begin_and_end_where_asked() {
    let mut archive = Archive::of_three().await;
    let scope = |from: i64, to: i64, expected| Request {
        from: Some(offset(from)),
        to: Some(offset(to)),
        expected_records: Some(expected),
        ..Request::default()
    };
    for (from, to, expected) in [(0, 30, 30), (5, 25, 20), (12, 13, 1), (10, 20, 10), (30, 99, 0)] {
        let report = archive.audit(&scope(from, to, expected)).await;
        assert!(report.ok, "{from}..{to}: {:?}", report.findings);
    }
    let report = archive.audit(&scope(0, 30, 31)).await;
    assert_eq!(report.findings[0].to_string(), "expectation: (all topics): 30 records are archived, 31 were expected");
    // ten offsets, nine records: where inside they are, nobody knows
    let (bytes, summary) = archive.encode(archive.next, 9, "");
    archive.batch_with(10, bytes, summary).await;
    let report = archive.audit(&scope(30, 40, 9)).await;
    assert!(report.ok, "{:?}", report.findings);
    let report = archive.audit(&scope(35, 40, 5)).await;
    assert_eq!(report.findings[0].code, FindingCode::Expectation);
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_an_error() {
    let archive = Archive::of_three().await;
    let request = Request { topics: vec!["views".to_owned()], ..Request::default() };
    let error = audit(&archive.ledger, &request, None, &Quiet).await.expect_err("no such topic");
    assert_eq!(error.to_string(), "the ledger knows no topic `views`");
    let one = Request { topics: vec!["clicks".to_owned()], partition: Some(0), ..Request::default() };
    assert!(archive.audit(&one).await.ok);
}

#[tokio::test]
async fn the_report_is_stable_json() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.path(&archive.key(0))).expect("was there");
    let report = archive.audit(&Request::default()).await;
    let json = serde_json::to_value(&report).expect("serializes");
    assert_eq!(json["ok"], false);
    assert_eq!(json["topics"][0]["partitions"][0]["records"], 30);
    let finding = serde_json::json!({
        "code": "missing_file", "topic": "clicks", "partition": 0, "generation": 1,
        "offsets": {"start": 0, "end": 10}, "key": archive.key(0), "detail": "is not in the store",
    });
    assert_eq!(json["findings"], serde_json::json!([finding]));
}

#[test]
fn the_page_explains_every_finding() {
    let page = include_str!("../../../../docs/verify.md");
    for code in FindingCode::ALL {
        assert!(page.contains(&format!("`{}`", code.as_str())), "docs/verify.md lacks {code:?}");
        assert_eq!(serde_json::to_value(code).expect("serializes"), code.as_str());
    }
}

// === against the log ===

const PATIENCE: Duration = Duration::from_secs(20);

/// A log of `clicks:0` with the records that [`Archive::batch`] archives.
fn log_of(records: i64) -> (Mock, Settings) {
    let mock = Mock::start().expect("a broker");
    mock.create_topic("clicks", 1).expect("a topic");
    let settings = Settings {
        brokers: vec![mock.brokers()],
        group: "audit".to_owned(),
        client_id: "audit".to_owned(),
        properties: std::collections::BTreeMap::new(),
        isolation: Isolation::ReadCommitted,
        fetch_memory_bytes: 1 << 20,
        timeout: PATIENCE,
    };
    let producer = Producer::new(&mock.brokers(), []).expect("a producer");
    for n in 0..records {
        let value = format!("{{\"n\":{n}}}");
        let value = Some(value.as_bytes());
        let record = Outgoing { topic: "clicks", timestamp_ms: Some(TIME + n), value, ..Outgoing::default() };
        producer.send(&record, PATIENCE).expect("is sent");
    }
    producer.flush(PATIENCE).expect("is acknowledged");
    (mock, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_gives_the_same_files_again() {
    let (_mock, settings) = log_of(40);
    let mut archive = Archive::of_three().await;
    let against = async |archive: &Archive| {
        let report = audit(&archive.ledger, &Request::default(), Some(&settings), &Quiet).await.expect("a verdict");
        report.findings.into_iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(against(&archive).await, []);
    let (others, summary) = archive.encode(archive.next, 5, "!");
    archive.batch_with(5, others, summary).await;
    let (fewer, summary) = archive.encode(archive.next, 4, "");
    archive.batch_with(5, fewer, summary).await;
    archive.batch(10).await;
    let expected = [
        (FindingCode::KafkaContent, archive.key(30)),
        (FindingCode::KafkaCount, archive.key(35)),
        (FindingCode::KafkaCount, "40..50".to_owned()),
    ];
    assert_eq!(against(&archive).await, expected);
}
