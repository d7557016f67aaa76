//! Damage that the rules only notice: each test does it, and shows that the partition is refused, with the right word.

use std::sync::Arc;

use secor_core::ids::{Digest, LedgerId, TopicId};
use secor_core::json::{ParseError, canonical_json, parse};
use secor_core::manifest::{Entry, Kind};
use secor_core::partition::RefusalCode;
use secor_sim::model::draft::stored;
use secor_sim::model::schedule::Run;
use secor_sim::model::world::World;
use secor_sim::model::{Sabotage, Schedule, run, trace};

fn after(steps: &str) -> Run {
    let mut run = Run::new(None);
    for step in trace::parse(steps).expect("every line is a step") {
        run.step(&step);
    }
    run.check().expect("nothing is broken yet");
    run
}

/// What a new process says of the world after `damage`.
fn refusal(steps: &str, damage: impl FnOnce(&mut World)) -> Option<RefusalCode> {
    let mut run = after(steps);
    damage(&mut run.world);
    for step in trace::parse("crash 0\nstart 1\nturn 1 40").expect("every line is a step") {
        run.step(&step);
    }
    let process = run.processes[1].as_ref().expect("it has just been started");
    process.refusals.first().map(|refusal| refusal.code)
}

/// One batch of three records is complete; nothing is committed.
const WHOLE: &str = "produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 30\n";
/// The manifest stands, its file does not.
const BEGUN: &str = "produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 4\ncrash 0\n";

fn entry(world: &mut World) -> &mut Entry {
    world.entries.values_mut().next().expect("there is an entry")
}

#[test]
fn nothing_is_refused_without_damage() {
    assert_eq!(refusal(WHOLE, |_| {}), None);
    assert_eq!(refusal(BEGUN, |world| assert!(world.files.is_empty())), None);
}

#[test]
fn an_entry_of_another_ledger_is_refused() {
    let other = |world: &mut World| entry(world).ledger = LedgerId(Arc::from("00000000000000000000000000000000"));
    assert_eq!(refusal(WHOLE, other), Some(RefusalCode::BadEntry));
}

#[test]
fn an_entry_of_another_topic_id_is_refused() {
    let other = |world: &mut World| entry(world).topic_id = Some(TopicId(Arc::from("another")));
    assert_eq!(refusal(WHOLE, other), Some(RefusalCode::BadEntry));
}

#[test]
fn a_genesis_of_another_topic_is_refused() {
    let other = |world: &mut World| {
        world.genesis.as_mut().expect("there is a genesis").topic = Arc::from("other-topic");
    };
    assert_eq!(refusal(WHOLE, other), Some(RefusalCode::BadEntry));
}

#[test]
fn an_unknown_kind_or_version_is_refused() {
    let mut run = after(WHOLE);
    let text = String::from_utf8(canonical_json(entry(&mut run.world))).expect("JSON is text");
    let read = |from: &str, to: &str| parse::<Entry>(text.replace(from, to).as_bytes());
    assert!(read("", "").is_ok());
    let version = read("\"version\":1", "\"version\":2");
    assert!(matches!(version, Err(ParseError::UnknownVersion { found: 2 })), "{version:?}");
    let kind = read("\"kind\":\"batch\"", "\"kind\":\"novel\"");
    assert!(matches!(kind, Err(ParseError::Malformed(_))), "{kind:?}");
}

#[test]
fn other_records_than_were_counted_are_refused() {
    let other = |world: &mut World| {
        let Kind::Batch(batch) = &mut entry(world).kind else { unreachable!("a batch") };
        batch.files[0].records_digest = Digest(7);
    };
    assert_eq!(refusal(BEGUN, other), Some(RefusalCode::ReplayDiffers));
}

#[test]
fn a_missing_configuration_is_refused() {
    assert_eq!(refusal(BEGUN, |world| world.configs.clear()), Some(RefusalCode::ConfigMissing));
}

#[test]
fn a_file_with_another_content_is_refused() {
    let other = |world: &mut World| {
        let key = entry(world).batch().expect("a batch").files[0].key.clone();
        world.files.insert(key, stored(&[]));
    };
    assert_eq!(refusal(BEGUN, other), Some(RefusalCode::FileConflict));
    assert_eq!(refusal(WHOLE, other), Some(RefusalCode::FileConflict));
}

#[test]
fn a_commit_of_another_ledger_is_refused() {
    assert_eq!(refusal(WHOLE, World::other_ledgers_commit), Some(RefusalCode::OtherLedger));
}

/// Before any record, there is no leader epoch to compare.
#[test]
fn a_position_beyond_the_log_end_is_refused() {
    let steps = "marker\nmarker\nstart 0\nturn 0 30\nfetch 0 2\nadvance 1100\nturn 0 30\nelect 1\nfetch 0 1\nturn 0 1";
    let run = after(steps);
    let process = run.processes[0].as_ref().expect("it runs");
    let codes: Vec<_> = process.refusals.iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, [RefusalCode::LogTruncated]);
}

/// An unclean election puts a marker and a new record where two records were: fewer than the manifest counts, as after
/// compaction, but one of them the batch never held.
#[test]
fn a_rewritten_log_is_not_taken_for_a_compacted_one() {
    let steps = format!("{BEGUN}elect 2\nmarker\nproduce 1\n");
    assert_eq!(refusal(&steps, |_| {}), Some(RefusalCode::LogTruncated));
    assert_eq!(refusal(&format!("{BEGUN}compact 1\n"), |_| {}), None);
}

/// Markers that expire are no loss, if the ledger says that they were markers.
#[test]
fn a_tail_of_markers_is_recorded_before_it_expires() {
    let steps = format!("{WHOLE}marker\nmarker\nfetch 0 2\nadvance 1100\nturn 0 30\ncrash 0\nproduce 1\nretain 5\n");
    let steps = trace::parse(&steps).expect("every line is a step");
    for (sabotage, accepted_holes) in [(None, 0), (Some(Sabotage::SilentTails), 1)] {
        let summary = run(&Schedule { steps: steps.clone(), sabotage }).expect("no promise is broken");
        assert_eq!(summary.accepted_holes, accepted_holes, "{sabotage:?}");
    }
}
