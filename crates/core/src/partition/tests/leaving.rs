//! Revocation, shutdown, and the loss of the topic partition at any moment.

use super::rig::*;
use crate::flush::CutReason;
use crate::ids::Generation;
use crate::partition::{Answer, Event, OnTopicRecreated};

const RELEASED: [&str; 2] = ["discard", "release"];

#[test]
fn revocation_drops_a_batch_below_the_minimum_and_flushes_one_above() {
    for (records, said) in [(4, &RELEASED[..]), (5, &["close 0 Revocation"][..])] {
        let mut rig = Rig::consuming(0);
        rig.progress(records, records.unsigned_abs());
        assert_eq!(rig.tell(Event::Leave(CutReason::Revocation)), said, "{records} records");
    }
}

#[test]
fn shutdown_flushes_everything() {
    let mut rig = Rig::consuming(0);
    rig.progress(2, 2);
    assert_eq!(rig.tell(Event::Leave(CutReason::Shutdown)), ["close 0 Shutdown"]);
    assert_eq!(rig.closed(0, 2), ["ask: topic id"]);
    rig.answer(same_topic());
    rig.answer(Answer::Created);
    let said = rig.answer(inspected(&batch(0, 2), &["a", "b"]));
    assert_eq!(said, ["complete 0..2, 2", "commit 2 of 1@0", "discard", "release"]);
}

#[test]
fn a_position_without_records_is_recorded_on_leaving() {
    for reason in [CutReason::Revocation, CutReason::Shutdown] {
        let mut rig = Rig::consuming(0);
        rig.progress(7, 0);
        assert_eq!(rig.tell(Event::Leave(reason)), ["ask: topic id"]);
        assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..7 empty"]);
        assert_eq!(rig.answer(Answer::Created), ["empty 0..7", "commit 7 of 1@0", "discard", "release"]);
    }
}

#[test]
fn with_nothing_open_leaving_is_immediate() {
    let mut rig = Rig::consuming(0);
    assert_eq!(rig.tell(Event::Leave(CutReason::Shutdown)), RELEASED);
    assert!(rig.machine.released());
}

#[test]
fn shutdown_during_an_upload_finishes_it_and_then_flushes_the_next_batch() {
    let mut rig = Rig::uploading(0, 10);
    rig.progress(12, 2);
    assert_eq!(rig.tell(Event::Leave(CutReason::Shutdown)), [""; 0]);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said, ["complete 0..10, 10", "commit 10 of 1@0", "close 10 Shutdown"]);
}

#[test]
fn leaving_while_the_worker_closes_a_batch_still_writes_it() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.tell(Event::Cut(CutReason::Admin));
    assert_eq!(rig.tell(Event::Leave(CutReason::Revocation)), [""; 0]);
    assert_eq!(rig.closed(0, 10), ["ask: topic id"]);
}

#[test]
fn a_slot_that_is_lost_on_leaving_is_left_to_the_winner() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.tell(Event::Leave(CutReason::Shutdown));
    rig.closed(0, 10);
    rig.answer(same_topic());
    assert_eq!(rig.answer(Answer::Exists(Box::new(batch(0, 5)))), RELEASED);
}

#[test]
fn before_the_head_leaving_is_immediate() {
    let phases = every_phase();
    for (phase, mut rig) in phases {
        let writes = ["recording", "uploading", "archiving", "reinspecting"].contains(&phase);
        let said = rig.tell(Event::Leave(CutReason::Shutdown));
        assert_eq!(said == RELEASED, !writes, "{phase}: {said:?}");
    }
}

#[test]
fn a_refusal_on_leaving_releases() {
    let mut rig = Rig::uploading(0, 10);
    rig.tell(Event::Leave(CutReason::Shutdown));
    rig.answer(stored(&[("a", 1), ("b", 1)], Vec::new()));
    let said = rig.answer(stored(&[("a", 1), ("b", 1)], Vec::new()));
    assert_eq!(said, ["discard", "refused file_conflict", "release"]);
}

#[test]
fn a_refused_partition_can_be_left() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(crate::manifest::Genesis { generation: Generation(1), group: "others".into(), ..genesis(0) }));
    assert_eq!(rig.tell(Event::Leave(CutReason::Revocation)), RELEASED);
}

/// A machine in each phase of its ledger lane.
fn every_phase() -> Vec<(&'static str, Rig)> {
    let last = batch(0, 10);
    let mut phases = Vec::new();
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    phases.push(("look up", rig));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(None));
    phases.push(("guarding the genesis", rig));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(None));
    rig.answer(Answer::Entry(None));
    phases.push(("creating the genesis", rig));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(own_commit(genesis(0), &last));
    phases.push(("proving", rig));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    phases.push(("seeking the head", rig));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    rig.answer(Answer::Entry(None));
    phases.push(("walking", rig));
    phases.push(("inspecting", Rig::adopting(|_| {}, &last)));
    let recreated = |settings: &mut super::super::Settings| {
        settings.on_topic_recreated = OnTopicRecreated::NewGeneration;
    };
    let mut rig = Rig::replaying(recreated, &last);
    let mut answer = replayed(log(0, 1000), &[]);
    if let Answer::Replayed(replay) = &mut answer {
        replay.topic_id = topic("Y");
    }
    rig.answer(answer);
    rig.answer(inspected(&last, &[]));
    phases.push(("doubting a batch", rig));
    phases.push(("replaying", Rig::replaying(|_| {}, &last)));
    let mut rig = Rig::replaying(|_| {}, &last);
    rig.answer(replayed(log(0, 1000), &[("a", 1), ("b", 1)]));
    phases.push(("resolving", rig));
    let mut rig = Rig::replaying(|_| {}, &last);
    rig.answer(replayed(log(0, 1000), &[("a", 5), ("b", 5)]));
    phases.push(("uploading a replay", rig));
    phases.extend(writing_phases());
    phases
}

fn writing_phases() -> Vec<(&'static str, Rig)> {
    let mut phases = Vec::new();
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.tell(Event::Cut(CutReason::Admin));
    phases.push(("archiving", rig));
    let mut rig = Rig::resumed_behind(&batch(0, 10));
    rig.progress(20, 10);
    rig.tell(Event::Cut(CutReason::Admin));
    rig.closed(10, 20);
    phases.push(("recording", rig));
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    phases.push(("recording", rig));
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    rig.answer(same_topic());
    phases.push(("recording", rig));
    phases.push(("uploading", Rig::uploading(0, 10)));
    let mut rig = Rig::uploading(0, 10);
    rig.answer(inspected(&batch(0, 10), &["a"]));
    phases.push(("reinspecting", rig));
    phases
}

#[test]
fn lost_at_every_phase_drops_everything_and_listens_to_nothing_more() {
    for (phase, mut rig) in every_phase() {
        assert_eq!(rig.tell(Event::Lost), RELEASED, "{phase}");
        let released = rig.machine.clone();
        let id = rig.ask_id;
        for late in [
            Event::Answer(id, Answer::Created),
            Event::Answer(id, same_topic()),
            Event::Answer(id, inspected(&batch(0, 10), &["a", "b"])),
            Event::Closed(draft(0, 10)),
            Event::OutOfRange(log(50, 60)),
            Event::Tick,
            Event::Lost,
        ] {
            assert_eq!(rig.tell(late), [""; 0], "{phase}");
        }
        assert_eq!(rig.machine, released, "{phase}");
    }
}
